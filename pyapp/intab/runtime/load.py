"""The way of a model, from bytes to a session, on one page.

source --open--> Storage --formats--> Graph --optimize--> Graph --program.build--> Program
       --backend--> Executable --> Session
"""

import time
from collections.abc import Mapping

from intab import formats
from intab.backends.engine import Executable
from intab.backends.reference import ReferenceExecutable
from intab.backends.wasm.executable import prepare
from intab.errors import UnsupportedOpError
from intab.graph.ir import Graph
from intab.optimize import optimize
from intab.program import build
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
    graph = formats.read(storage)
    loaded = time.perf_counter()
    executable = await compile_graph(graph, choice.backend, progress)
    if executable.backend != "reference":  # which reads its constants at each run
        close_source(storage, source)
    times = LoadTimes((loaded - begin) * 1e3, (time.perf_counter() - loaded) * 1e3)

    async def specialise(sizes: Mapping[str, int]) -> Executable:
        again = await open_source(source)
        exact = await compile_graph(formats.read(again, dims=sizes), choice.backend, no_progress)
        close_source(again, source)
        return exact

    return Session(graph, executable, choice=choice, times=times, specialise=specialise)


async def compile_graph(graph: Graph, backend: str, progress: Progress) -> Executable:
    """Graph -> Executable on a back end of this machine."""
    if backend == "reference":
        return ReferenceExecutable(graph)
    pool = wasm_pool()
    program = build(optimize(graph, target=pool.machine.target), pool.machine.target)
    return await prepare(program, pool, lambda done, total: progress("compile", done, total))
