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
from intab.optimize import optimize
from intab.program import build
from intab.program.ir import Program
from intab.program.serialize import StoredProgram
from intab.runtime.automatic import by_evidence, open_and_ask
from intab.runtime.back_end import BackEnd, back_end_of, wasm_back_end
from intab.runtime.cache import ProgramCache, ProgramStore
from intab.runtime.contest import Contest
from intab.runtime.device import Choice, choose, in_precision
from intab.runtime.opened import OpenModel
from intab.runtime.probe import Device
from intab.runtime.python_memory import python_memory
from intab.runtime.rates import FLOAT16, FLOAT32
from intab.runtime.session import LoadTimes, Session
from intab.runtime.source import Progress, Source, no_progress, open_source
from intab.target import Target

if TYPE_CHECKING:
    from intab.program.stored_parts import StoredParts
    from intab.runtime.parts import Judge

PRECISIONS = ("auto", FLOAT32, FLOAT16)


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
    "float32", the model's own, or, with backend="webgpu", "float16": weights and values are kept in 16 bits where these
    do, sums, inputs and outputs in their own type; values beyond 65504 become infinite. `threads`: how many compute,
    where the page is cross-origin isolated; None chooses, and `session.choice` says what and why.
    `progress(stage, done, total)` hears "download" in bytes and "compile" in weights.
    `programs`: where compiled programs are kept, if anywhere, such as `intab.BrowserStore()` for the next visit;
    `session.choice` says what came of it. What "auto" decides where there is a GPU is kept beside them.
    Raises an IntabError that says what is wrong with the model, the device or the request.
    """
    choice = choose(backend, threads)
    if precision not in PRECISIONS:
        raise UnsupportedOpError(f"precision={precision!r} is not one of {', '.join(PRECISIONS)}.")
    choice = in_precision(choice, precision)
    begin = time.perf_counter()
    making = _Making(progress, programs, threads)
    contest = None
    with python_memory(source if isinstance(source, str) else "model"):
        if backend == "auto" and in_browser():
            storage, device = await open_and_ask(source, progress)
            with OpenModel(storage, source) as model:
                choice, ready, contest = await _by_evidence(making, model, choice, device)
        else:
            with OpenModel(await open_source(source, progress), source) as model:
                ready = await making.ready(model, choice)
    times = LoadTimes((ready.loaded - begin) * 1e3, (time.perf_counter() - ready.loaded) * 1e3)
    for note in ready.notes:
        choice = choice.noted(note)

    # Only a model whose sizes were taken for equal, or whose device may be lost, is ever compiled again: only then is
    # the source held on to, which may be all of the model's bytes.
    may_be_lost = "webgpu" in (choice.backend, *(contest.rivals if contest is not None else ()))
    again = source if ready.graph.equalities or may_be_lost else b""

    async def specialise(choice: Choice, sizes: Mapping[str, int] | None) -> Executable:
        with OpenModel(await open_source(again), again, sizes) as model:
            return (await _Making(no_progress, programs, threads).ready(model, choice)).executable

    async def build_anew(target: Target) -> Program:
        with OpenModel(await open_source(again), again) as model:
            return build(optimize(await model.graph(no_progress), target=target), target)

    shown = replace(choice, threads=ready.executable.team_size)
    signature = ready.graph.signature()
    return Session(
        signature,
        ready.executable,
        choice=shown,
        adapter=ready.adapter,
        times=times,
        specialise=specialise,
        build_anew=build_anew,
        contest=contest,
    )


async def _by_evidence(
    making: "_Making", model: OpenModel, otherwise: Choice, device: Device
) -> "tuple[Choice, _Ready, Contest | None]":
    """What there is to know decides what is made ready."""
    choice, evidence = await by_evidence(otherwise, making.threads, device, model, making.programs)
    if evidence is None:
        return choice, await making.ready(model, choice), None
    from intab.runtime.evidence import ready_by

    return await ready_by(evidence, model, making.ready)


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """A model that can run; `loaded` is the moment at which reading ended. A graph from a store has no nodes."""

    graph: Graph
    executable: Executable
    loaded: float
    adapter: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Making:
    """How models are made ready: what hears of it, where programs are kept, and the threads that were asked for."""

    progress: Progress
    programs: ProgramStore | None
    threads: int | None

    async def ready(self, model: OpenModel, choice: Choice, judge: "Judge | None" = None) -> _Ready:
        """Read and compile, or fetch what was compiled earlier.

        The model is held for as long as what comes of this reads its bytes. Raises what `judge` raises of a model's
        parts, which are looked at anew for it.
        """
        model.hold()
        try:
            if choice.backend == "reference":
                graph = await model.graph(self.progress)
                # It reads its constants at each run, so that the bytes are let go of with it.
                return _Ready(graph, ReferenceExecutable(graph, model.close), time.perf_counter())
            return await self._compiled(model, choice, judge)
        except BaseException:
            model.close()
            raise

    async def _compiled(self, model: OpenModel, choice: Choice, judge: "Judge | None") -> _Ready:
        back_end = await back_end_of(choice)
        helper = None if back_end.whole_only else wasm_back_end(self.threads)

        def target_of(way: str) -> Target:
            return helper.target if helper is not None and way == helper.name else back_end.target

        cache = None
        if self.programs is not None:
            cache = ProgramCache(self.programs, model.storage, back_end.target, model.sizes, target_of)
        stored = await cache.find() if cache else None
        loaded = time.perf_counter()
        if stored is None or (judge is not None and not isinstance(stored, StoredProgram)):
            graph = await model.graph(self.progress)
            loaded = time.perf_counter()
            better = optimize(graph, target=back_end.target)
            stored = compile_graph(graph, better, back_end, helper, judge)
            if cache is not None and model.is_alone:  # its key does not cover files beside the model
                await cache.keep(stored)
        executable, notes = await self._prepared(stored, back_end, helper, model)
        notes = (*notes, *(cache.notes if cache else ()))
        return _Ready(stored.signature, executable, loaded, back_end.adapter, notes)

    async def _prepared(
        self, stored: "StoredProgram | StoredParts", back_end: BackEnd, helper: BackEnd | None, model: OpenModel
    ) -> tuple[Executable, tuple[str, ...]]:
        """What is compiled, brought onto its device; and what is to be known of its parts, if it has any."""
        if isinstance(stored, StoredProgram):
            executable = await back_end.prepare(stored.program, stored.module, self._compiling)
            model.close()
            return executable, ()
        # Here, since few models need it.
        from intab.runtime.parts import prepare_parts

        assert helper is not None
        executable = await prepare_parts(stored, back_end, helper, model.close, self._compiling)
        return executable, tuple(part.note for part in stored.parts)

    def _compiling(self, done: float, total: float) -> None:
        self.progress("compile", done, total)


def compile_graph(
    graph: Graph, better: Graph, back_end: BackEnd, helper: BackEnd | None, judge: "Judge | None" = None
) -> "StoredProgram | StoredParts":
    """Optimised graph -> Program and the code of its kernels, for a back end of this machine.

    Where that cannot run it whole a helper runs parts of it; raises UnsupportedOpError where there is none, and what
    `judge` raises for parts that are not worth running.
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

    return compile_parts(graph, better, back_end, helper, judge)
