"""A model that is ready to run."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, overload
from weakref import WeakSet

from intab.backends.device_tensor import DeviceTensor, Fed
from intab.backends.engine import Executable, MemoryUse
from intab.backends.feeds import Feeds, checked_values, fetch_names
from intab.backends.keeping import check_held, kept_names, reasons_to_read, run_keeping
from intab.backends.tuning import is_worth_tuning, notes_of
from intab.browser.jspi import can_wait, result_now
from intab.dtypes import DType
from intab.errors import DeviceLostError, IntabError, ShapeError
from intab.graph.bind import bindings_of
from intab.graph.dims import Shape, evaluate, symbols_of
from intab.graph.ir import Array, Graph
from intab.program.ir import Program
from intab.runtime.contest import Contender, Contest
from intab.runtime.device import Choice
from intab.runtime.idle import Gate, IdleWork
from intab.runtime.profile import PROFILE_REPEATS, Profile
from intab.runtime.python_memory import python_memory
from intab.target import Target

if TYPE_CHECKING:
    from intab.runtime.tune import TuningReport

# Compilations for exact sizes that a session keeps: each holds its own weights.
EXACT_KEPT = 4

# How often a run goes on on a new device, where one after the other is lost.
MOST_REBUILDS = 2

# The model's program for a target, with all that is known while it is built.
BuildAnew = Callable[[Target], Awaitable[Program]]

# Hears of work done and in all.
TuneProgress = Callable[[int, int], None]

# Compile the model once more, the way that was chosen: for exact sizes, or as it was.
Specialise = Callable[[Choice, Mapping[str, int] | None], Awaitable[Executable]]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output: sizes that depend on the feeds are symbols."""

    name: str
    dtype: DType
    shape: Shape


@dataclass(frozen=True, slots=True)
class LoadTimes:
    """Milliseconds to fetch and read the model, and from there to instantiated kernels."""

    load_ms: float
    compile_ms: float


@dataclass(frozen=True, slots=True)
class SessionStats:
    """Figures of a session, as `intab run --json` prints them."""

    backend: str
    adapter: str
    threads: int
    load_ms: float
    compile_ms: float
    peak_nbytes: int
    steps: int
    kernels: int


class Session:
    """Runs one model. Made by `intab.load`; give it back with `dispose()` or `async with`."""

    def __init__(
        self,
        graph: Graph,
        executable: Executable,
        *,
        choice: Choice,
        adapter: str,
        times: LoadTimes,
        specialise: Specialise,
        build_anew: BuildAnew,
        contest: Contest | None = None,
    ) -> None:
        self._graph = graph
        self._executable = executable
        self._last = executable  # what the last run used
        self._adapter = adapter
        self._times = times
        self._specialise = specialise
        self._build_anew = build_anew
        self._exact: dict[tuple[tuple[str, int], ...], Executable] = {}
        self._retired: list[Executable] = []  # disposed of; some of their outputs are still kept by somebody
        self._peak_nbytes = executable.memory().total
        self._read_back: tuple[str, ...] = ()  # feeds of the last run that had to be read back first, and why
        self._on_host: WeakSet[DeviceTensor] = WeakSet()  # kept tensors whose memory no executable counts
        self._disposed = False
        self._rebuilding = asyncio.Lock()
        self._specialising = asyncio.Lock()
        self._contest = contest  # as long as the back end is not settled
        self._settling = asyncio.Lock()
        self._choice = choice
        self._idle = IdleWork(self._tune_idle, lambda: self._executable.waits and is_worth_tuning(self._executable))
        self.inputs = tuple(TensorInfo(v.name, v.dtype, v.shape) for v in graph.inputs)
        self.outputs = tuple(
            TensorInfo(name, v.dtype, v.shape) for name, v in zip(graph.output_names, graph.outputs, strict=True)
        )
        self.metadata = dict(graph.metadata)

    @property
    def choice(self) -> Choice:
        """What runs the model, and why; of its threads, what is to be known now."""
        choice = self._choice
        for note in () if self._disposed else self._executable.about_threads():
            choice = choice.noted(note)
        return choice.noted(self._idle.note) if self._idle.note else choice

    @overload
    async def run(self, feeds: Feeds, fetches: Sequence[str] | None = None) -> dict[str, Array]: ...

    @overload
    async def run(
        self, feeds: Feeds, fetches: Sequence[str] | None = None, *, keep: Sequence[str]
    ) -> dict[str, Fed]: ...

    async def run(
        self, feeds: Feeds, fetches: Sequence[str] | None = None, *, keep: Sequence[str] = ()
    ) -> Mapping[str, Fed]:
        """Compute outputs: a dict of arrays in, a dict of arrays out.

        `fetches` names the outputs wanted; all when None. Those that `keep` names are `DeviceTensor`s in the result:
        they stay where they were computed, until somebody disposes of them. One that `fetches` names as well is read
        back in the same step, so that its `numpy()` costs nothing later.

        A feed is an array or a `DeviceTensor` of any session. One that lies on this session's GPU is copied there;
        nothing is read back. One that lies elsewhere is read back first, and so is one of 64-bit integers, which are
        checked before a GPU computes with them in 32 bits: `session.choice` and `session.profile()` then say so.

        Raises FeedError, DTypeError or ShapeError when the feeds are not what the model takes, IntabError for a tensor
        that was disposed of, DeviceLostError for one that was lost with its device.
        """
        self._check_there()
        with python_memory(self._graph.name), self._idle.in_use():
            return await self._run(feeds, fetches, keep)

    async def _run(self, feeds: Feeds, fetches: Sequence[str] | None, keep: Sequence[str]) -> dict[str, Fed]:
        given = checked_values(self._graph, feeds)
        names, kept = fetch_names(self._graph, fetches), tuple(dict.fromkeys(fetch_names(self._graph, keep)))
        order = dict.fromkeys((*names, *kept))
        if fetches is None:  # then what is kept is wanted in no other way
            names = tuple(name for name in names if name not in kept)
        sizes = bindings_of(self._graph.inputs, {name: value.shape for name, value in given.items()})
        if self._contest is None:
            made = await self._compute(given, sizes, names, kept)
        else:
            async with self._settling:  # by one run, for which the others wait
                made = await self._compute(given, sizes, names, kept)
                await self._settle(given, sizes, names, kept)
        self._on_host.update(one for one in made.values() if isinstance(one, DeviceTensor) and one.held().on_host)
        self._peak_nbytes = max(self._peak_nbytes, self.memory().total)
        return {name: made[name] for name in order}

    async def _compute(
        self, given: Mapping[str, Fed], sizes: Mapping[str, int], names: Sequence[str], kept: Sequence[str]
    ) -> dict[str, Fed]:
        """Run on the device; where that is lost, on a new one."""
        for again in range(MOST_REBUILDS + 1):
            check_held(self._graph.name, given)
            executable = self._executable if self._assumptions_hold(sizes) else await self._exactly(sizes)
            self._last = executable
            self._note_read_back(reasons_to_read(executable, given))
            try:
                return await run_keeping(executable, given, sizes, names, kept)
            except DeviceLostError as error:
                if not executable.lost:
                    raise
                if again == MOST_REBUILDS:
                    raise DeviceLostError(f"{error} It was made anew {again} times and lost each time.") from error
                await self._rebuild(executable, error)
        raise AssertionError("the last round returns or raises")

    async def _settle(
        self, given: Mapping[str, Fed], sizes: Mapping[str, int], names: Sequence[str], kept: Sequence[str]
    ) -> None:
        """Have the run that was just done decide which back end stays, unless what lies on a device speaks for that."""
        contest, arrays = self._contest, {n: one for n, one in given.items() if not isinstance(one, DeviceTensor)}
        on_device = kept or len(arrays) < len(given) or kept_names(self._executable)
        if contest is None or on_device or self._last is not self._executable:
            return
        self._contest = None
        try:
            winner, choice = await contest.held(self._executable, arrays, sizes, names)
        except IntabError as error:  # the run itself went well, and the next one says what does not
            self._choice = self._choice.noted(f"no way could be timed: {error}")
            return
        # Before anything is awaited: the others are gone, and whoever cancels this run leaves a session that works.
        self._executable = self._last = winner.executable
        self._adapter = winner.adapter
        self._choice = _shown(choice, winner)
        if self._disposed:
            winner.executable.dispose()
        self._choice = _shown(await contest.remember(choice), winner)

    def _note_read_back(self, reasons: Sequence[str]) -> None:
        self._read_back = tuple(reasons)
        for reason in reasons:
            if reason not in self._choice.reasons:
                self._choice = self._choice.noted(reason)

    async def _rebuild(self, user: Executable, reason: DeviceLostError) -> None:
        """The model anew, from its source, after its device was lost under `user`."""
        async with self._rebuilding:
            lost = (self._executable, *self._exact.values())
            if user in lost:  # otherwise another run has done it meanwhile
                await self._replace(lost, reason)

    async def _replace(self, lost: Sequence[Executable], reason: DeviceLostError) -> None:
        gone = tuple(dict.fromkeys(name for executable in lost for name in kept_names(executable)))
        self._executable = await self._made(None)
        self._exact.clear()
        for executable in lost:
            executable.dispose()
        also = f"; lost with it: the kept {', '.join(map(repr, gone))}" if gone else ""
        self._choice = self._choice.noted(f"loaded again, since the device was lost ({reason}){also}")

    @overload
    def run_sync(self, feeds: Feeds, fetches: Sequence[str] | None = None) -> dict[str, Array]: ...

    @overload
    def run_sync(
        self, feeds: Feeds, fetches: Sequence[str] | None = None, *, keep: Sequence[str]
    ) -> dict[str, Fed]: ...

    def run_sync(
        self, feeds: Feeds, fetches: Sequence[str] | None = None, *, keep: Sequence[str] = ()
    ) -> Mapping[str, Fed]:
        """`run` for code that cannot await, such as a notebook's cell."""
        waits, instead = self._executable.waits, "`await session.run(...)`"
        contest, can_settle = self._contest, can_wait()
        if not can_settle:  # a rival has to be waited for
            self._contest = None
        try:
            waits = waits or self._contest is not None
            return result_now(lambda: self.run(feeds, fetches, keep=keep), waits=waits, instead=instead)
        finally:
            if not can_settle:
                self._contest = contest

    def profile(self, *, repeats: int = PROFILE_REPEATS) -> Profile:
        """Where the time of the last run goes: its steps run again, `repeats` times, over the same feeds.

        Raises IntabError before the first run, BackendUnavailableError on the reference back end.
        """
        self._check_profile(repeats)
        instead = "`await session.profile_async()`"
        steps = result_now(lambda: self._last.time_steps(repeats), waits=self._last.waits, instead=instead)
        return Profile(self._graph.name, steps, repeats, (*self._read_back, *notes_of(self._last)))

    async def profile_async(self, *, repeats: int = PROFILE_REPEATS) -> Profile:
        """`profile` for code that can await; a GPU has to be waited for."""
        self._check_profile(repeats)
        steps = await self._last.time_steps(repeats)
        return Profile(self._graph.name, steps, repeats, (*self._read_back, *notes_of(self._last)))

    def _check_there(self) -> None:
        if self._disposed:
            raise IntabError(f"{self._graph.name}: this session was disposed of. Load the model again.")

    def _check_profile(self, repeats: int) -> None:
        self._check_there()
        if repeats < 1:
            raise IntabError(f"{self._graph.name}: profile(repeats={repeats}) times nothing. Use 1 or more.")

    async def tune(
        self, *, budget: float = 30.0, anew: bool = False, progress: TuneProgress = lambda done, total: None
    ) -> "TuningReport":
        """Time other shapes of this model's kernels on its GPU, over the memory of the last run, for `budget` seconds.

        What is clearly faster is kept in this browser for this GPU, and the next load uses it, also of other models;
        this session goes on as it is. `anew`: times what was timed earlier, too. `progress(done, total)` counts
        products.
        Raises BackendUnavailableError where there is nothing to time, IntabError before the first run.
        """
        self._check_there()
        # Here, since few sessions need it.
        from intab.runtime.tuning import tune, with_ways

        with self._idle.in_use():
            tunable = await with_ways(self._last, self._build_anew)
            return await tune(self._graph.name, self._adapter, tunable, budget, anew=anew, progress=progress)

    async def _tune_idle(self, gate: Gate) -> str:
        from intab.runtime.tuning import tune_while_idle, with_ways

        return await tune_while_idle(self._graph.name, await with_ways(self._executable, self._build_anew), gate)

    def memory(self) -> MemoryUse:
        """Bytes that this session holds, by purpose; `kept` are those of tensors that nobody has disposed of yet."""
        self._retired = [one for one in self._retired if kept_names(one)]
        use = MemoryUse.of_all([e.memory() for e in (self._executable, *self._exact.values(), *self._retired)])
        on_host = sum(tensor.nbytes for tensor in self._on_host if not tensor.is_disposed)
        return replace(use, kept=use.kept + on_host)

    def stats(self) -> SessionStats:
        """Figures for reports."""
        executable = self._executable
        return SessionStats(
            executable.backend,
            self._adapter,
            executable.threads,
            self._times.load_ms,
            self._times.compile_ms,
            self._peak_nbytes,
            executable.step_count,
            executable.kernel_count,
        )

    def dispose(self) -> None:
        """Give everything back; a second call does nothing. Running afterwards raises an IntabError."""
        self._disposed = True
        self._idle.stop()
        if self._contest is not None:
            self._contest.close()
            self._contest = None
        self._executable.dispose()
        for key in list(self._exact):
            self._retire(self._exact.pop(key))

    def _retire(self, executable: Executable) -> None:
        """Dispose of it; what is kept of its outputs stays, and is counted as long as it does."""
        executable.dispose()
        if kept_names(executable):
            self._retired.append(executable)

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dispose()

    def _assumptions_hold(self, sizes: Mapping[str, int]) -> bool:
        """Whether sizes that inference took for equal are; False where a 1 among them broadcasts instead."""
        for equality in self._graph.equalities:
            if not (symbols_of(equality.left) | symbols_of(equality.right)) <= set(sizes):
                continue  # a size that is computed in mid-run: the back end checks it there
            left, right = evaluate(equality.left, sizes), evaluate(equality.right, sizes)
            if left == right:
                continue
            if 1 in (left, right):
                return False
            given = ", ".join(f"{name}={size}" for name, size in sorted(sizes.items()))
            raise ShapeError(
                f"{self._graph.name}: node {equality.node!r}: sizes {equality.left} = {left} and {equality.right} = "
                f"{right} must be equal; the feeds have {given}. Change the shape of the input."
            )
        return True

    async def _exactly(self, sizes: Mapping[str, int]) -> Executable:
        """The model compiled for just these sizes: a size of 1 broadcasts, which a symbol was taken not to do."""
        key = tuple(sorted(sizes.items()))
        async with self._specialising:  # runs that come together have it compiled once
            if key not in self._exact:
                begin = time.perf_counter()
                made = await self._made(sizes)
                if len(self._exact) == EXACT_KEPT:
                    self._retire(self._exact.pop(next(iter(self._exact))))
                self._exact[key] = made
                spent_ms = (time.perf_counter() - begin) * 1e3
                note = f"compiled again for {dict(key)}, where a size of 1 broadcasts ({spent_ms:.0f} ms)"
                self._choice = self._choice.noted(note)
            return self._exact[key]

    async def _made(self, sizes: Mapping[str, int] | None) -> Executable:
        """The model compiled once more. Raises IntabError where the session was disposed of meanwhile."""
        made = await self._specialise(self._choice, sizes)
        if self._disposed:
            made.dispose()
        self._check_there()
        return made


def _shown(choice: Choice, winner: Contender) -> Choice:
    """A choice with what is to be known of the way that it has made ready."""
    return replace(choice, threads=winner.executable.team_size, reasons=(*choice.reasons, *winner.notes))
