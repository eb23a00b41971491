"""The way of a model, from bytes to a session, on one page.

source --open--> Storage --formats--> Graph --optimize--> Graph --program.build--> Program
       --backend--> Executable --> Session
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from intab.backends.engine import Executable
from intab.backends.reference import ReferenceExecutable
from intab.browser import in_browser
from intab.errors import UnsupportedOpError
from intab.graph.ir import Graph
from intab.graph.storage import Storage
from intab.optimize import optimize
from intab.program import build
from intab.program.serialize import StoredProgram
from intab.runtime.automatic import by_evidence
from intab.runtime.back_end import BackEnd, back_end_of, wasm_back_end
from intab.runtime.beside import read_with_files_beside
from intab.runtime.cache import ProgramCache, ProgramStore
from intab.runtime.device import Choice, choose
from intab.runtime.python_memory import python_memory
from intab.runtime.session import LoadTimes, Session
from intab.runtime.source import Progress, Source, close_source, no_progress, open_source
from intab.target import Target

if TYPE_CHECKING:
    from intab.program.stored_parts import StoredParts

PRECISIONS = ("auto", "float32")


async def load(
    source: Source,
    *,
    backend: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    progress: Progress = no_progress,
    programs: ProgramStore | None = None,
) -> Session:
    """Make a model ready to run.

    `source`: URL, path, bytes or File. `backend`: "auto", "wasm", "webgpu" or "reference". `precision`: "auto" or
    "float32", the model's own. `threads`: how many compute, where the page is cross-origin isolated; None chooses,
    and `session.choice` says what and why. `progress(stage, done, total)` hears "download" in bytes and "compile"
    in weights.
    `programs`: where compiled programs are kept, if anywhere, such as `intab.BrowserStore()` for the next visit;
    `session.choice` says what came of it.
    Raises an IntabError that says what is wrong with the model, the device or the request.
    """
    choice = choose(backend, threads)
    if precision not in PRECISIONS:
        raise UnsupportedOpError(f"precision={precision!r} is not one of {', '.join(PRECISIONS)}.")
    begin = time.perf_counter()
    with python_memory(source if isinstance(source, str) else "model"):
        storage = await open_source(source, progress)
        if backend == "auto" and in_browser():
            choice = await by_evidence(choice, threads, storage, source)
        ready = await _make_ready(storage, source, choice, progress, programs)
    times = LoadTimes((ready.loaded - begin) * 1e3, (time.perf_counter() - ready.loaded) * 1e3)
    for note in ready.notes:
        choice = choice.noted(note)

    # Only a model whose sizes were taken for equal, or whose device may be lost, is ever compiled again: only then is
    # the source held on to, which may be all of the model's bytes.
    again = source if ready.graph.equalities or choice.backend == "webgpu" else b""

    async def specialise(sizes: Mapping[str, int] | None) -> Executable:
        storage = await open_source(again)
        return (await _make_ready(storage, again, choice, no_progress, programs, sizes)).executable

    shown = replace(choice, threads=ready.executable.team_size)
    signature = ready.graph.signature()
    return Session(signature, ready.executable, choice=shown, adapter=ready.adapter, times=times, specialise=specialise)


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """A model that can run; `loaded` is the moment at which reading ended. A graph from a store has no nodes."""

    graph: Graph
    executable: Executable
    loaded: float
    adapter: str = ""
    notes: tuple[str, ...] = ()


async def _make_ready(
    storage: Storage,
    source: Source,
    choice: Choice,
    progress: Progress,
    programs: ProgramStore | None,
    sizes: Mapping[str, int] | None = None,
) -> _Ready:
    """Read and compile, or fetch what was compiled earlier.

    The bytes are closed as soon as nothing needs them: also when the model turns out to be none.
    """
    opened = [storage]

    def release() -> None:
        for one in opened:
            close_source(one, source)

    def compiled(done: float, total: float) -> None:
        progress("compile", done, total)

    try:
        if choice.backend == "reference":
            graph = await read_with_files_beside(storage, source, opened, sizes, progress)
            # It reads its constants at each run, so that the bytes are let go of with it.
            return _Ready(graph, ReferenceExecutable(graph, release), time.perf_counter())
        back_end = await back_end_of(choice)
        helper = None if back_end.whole_only else wasm_back_end()

        def target_of(way: str) -> Target:
            return helper.target if helper is not None and way == helper.name else back_end.target

        cache = None if programs is None else ProgramCache(programs, storage, back_end.target, sizes, target_of)
        stored = await cache.find() if cache else None
        loaded = time.perf_counter()
        if stored is None:
            graph = await read_with_files_beside(storage, source, opened, sizes, progress)
            loaded = time.perf_counter()
            better = optimize(graph, target=back_end.target)
            stored = compile_graph(graph, better, back_end, helper)
            if cache is not None and len(opened) == 1:  # its key does not cover files beside the model
                await cache.keep(stored)
        notes = tuple(cache.notes) if cache else ()
        if not isinstance(stored, StoredProgram):
            # Here, since few models need it.
            from intab.runtime.parts import prepare_parts

            assert helper is not None
            executable = await prepare_parts(stored, back_end, helper, release, compiled)
            notes = (*(part.note for part in stored.parts), *notes)
        else:
            executable = await back_end.prepare(stored.program, stored.module, compiled)
            release()
        return _Ready(stored.signature, executable, loaded, back_end.adapter, notes)
    except BaseException:
        release()
        raise


def compile_graph(
    graph: Graph, better: Graph, back_end: BackEnd, helper: BackEnd | None
) -> "StoredProgram | StoredParts":
    """Optimised graph -> Program and the code of its kernels, for a back end of this machine.

    Where that cannot run it whole a helper runs parts of it; raises UnsupportedOpError where there is none.
    """
    try:
        back_end.check(better)
        program = build(better, back_end.target)
        return StoredProgram(program, back_end.module_of(program), graph)
    except UnsupportedOpError:
        if helper is None:
            raise
    # Here, since few models need it.
    from intab.runtime.parts import compile_parts

    return compile_parts(graph, better, back_end, helper)
