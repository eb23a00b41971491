"""The way of a model, from bytes to a session, on one page.

source --open--> Storage --formats--> Graph --optimize--> Graph --program.build--> Program
       --backend--> Executable --> Session
"""

import time
from collections.abc import Callable, Mapping

from intab.backends.engine import Executable
from intab.backends.reference import ReferenceExecutable
from intab.backends.wasm.executable import prepare
from intab.errors import UnsupportedOpError
from intab.graph.ir import Graph
from intab.graph.storage import Storage
from intab.optimize import optimize
from intab.program import build
from intab.runtime.beside import read_with_files_beside
from intab.runtime.device import choose, wasm_pool
from intab.runtime.session import LoadTimes, Session
from intab.runtime.source import Progress, Source, close_source, no_progress, open_source

PRECISIONS = ("auto", "float32")


async def load(
    source: Source, *, backend: str = "auto", precision: str = "auto", progress: Progress = no_progress
) -> Session:
    """Make a model ready to run.

    `source`: URL, path, bytes or File. `backend`: "auto", "wasm" or "reference". `precision`: "auto" or
    "float32", the model's own. `progress(stage, done, total)` hears "download" in bytes and "compile" in weights.
    Raises an IntabError that says what is wrong with the model, the device or the request.
    """
    choice = choose(backend)
    if precision not in PRECISIONS:
        raise UnsupportedOpError(f"precision={precision!r} is not one of {', '.join(PRECISIONS)}.")
    begin = time.perf_counter()
    storage = await open_source(source, progress)
    graph, executable, loaded = await _make_ready(storage, source, choice.backend, progress)
    times = LoadTimes((loaded - begin) * 1e3, (time.perf_counter() - loaded) * 1e3)

    async def specialise(sizes: Mapping[str, int]) -> Executable:
        again = await open_source(source)
        _, exact, _ = await _make_ready(again, source, choice.backend, no_progress, sizes)
        return exact

    return Session(graph, executable, choice=choice, times=times, specialise=specialise)


async def _make_ready(
    storage: Storage, source: Source, backend: str, progress: Progress, sizes: Mapping[str, int] | None = None
) -> tuple[Graph, Executable, float]:
    """Read and compile; returns with the graph and its executable the moment at which reading ended.

    The bytes are closed as soon as nothing needs them: also when the model turns out to be none.
    """
    opened = [storage]

    def release() -> None:
        for one in opened:
            close_source(one, source)

    try:
        graph = await read_with_files_beside(storage, source, opened, sizes, progress)
        loaded = time.perf_counter()
        return graph, await compile_graph(graph, backend, progress, release), loaded
    except BaseException:
        release()
        raise


async def compile_graph(
    graph: Graph, backend: str, progress: Progress, release: Callable[[], None] = lambda: None
) -> Executable:
    """Graph -> Executable on a back end of this machine. `release` is called once the model's bytes are done with."""
    if backend == "reference":
        return ReferenceExecutable(graph, release)  # which reads its constants at each run
    pool = wasm_pool()
    program = build(optimize(graph, target=pool.machine.target), pool.machine.target)
    executable = await prepare(program, pool, lambda done, total: progress("compile", done, total))
    release()
    return executable
