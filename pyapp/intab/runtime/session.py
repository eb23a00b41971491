"""A model that is ready to run."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from intab.backends.engine import Executable, MemoryUse
from intab.backends.feeds import Feeds, checked_feeds, fetch_names
from intab.browser import in_browser
from intab.browser.jspi import can_wait, wait
from intab.dtypes import DType
from intab.errors import DeviceLostError, IntabError, ShapeError
from intab.graph.bind import bindings_of
from intab.graph.dims import Shape, evaluate, symbols_of
from intab.graph.ir import Array, Graph
from intab.runtime.device import Choice
from intab.runtime.profile import PROFILE_REPEATS, Profile
from intab.runtime.python_memory import python_memory

# Compilations for exact sizes that a session keeps: each holds its own weights.
EXACT_KEPT = 4

Result = TypeVar("Result")
# How often a run goes on on a new device, where one after the other is lost.
MOST_REBUILDS = 2

# Compile the model once more: for exact sizes, or as it was.
Specialise = Callable[[Mapping[str, int] | None], Awaitable[Executable]]


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
    ) -> None:
        self._graph = graph
        self._executable = executable
        self._last = executable  # what the last run used
        self._adapter = adapter
        self._times = times
        self._specialise = specialise
        self._exact: dict[tuple[tuple[str, int], ...], Executable] = {}
        self._peak_nbytes = executable.memory().total
        self._disposed = False
        self._rebuilding = asyncio.Lock()
        self._choice = choice
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
        return choice

    async def run(self, feeds: Feeds, fetches: Sequence[str] | None = None) -> dict[str, Array]:
        """Compute outputs: a dict of arrays in, a dict of arrays out.

        `fetches` names the outputs wanted; all when None. Raises FeedError, DTypeError or ShapeError when
        the feeds are not what the model takes.
        """
        if self._disposed:
            raise IntabError(f"{self._graph.name}: this session was disposed of. Load the model again.")
        with python_memory(self._graph.name):
            return await self._run(feeds, fetches)

    async def _run(self, feeds: Feeds, fetches: Sequence[str] | None) -> dict[str, Array]:
        arrays = checked_feeds(self._graph, feeds)
        names = fetch_names(self._graph, fetches)
        sizes = bindings_of(self._graph.inputs, {name: array.shape for name, array in arrays.items()})
        outputs = await self._compute(arrays, sizes, names)
        self._peak_nbytes = max(self._peak_nbytes, self.memory().total)
        return outputs

    async def _compute(
        self, arrays: Mapping[str, Array], sizes: Mapping[str, int], names: Sequence[str]
    ) -> dict[str, Array]:
        """Run on the device; where that is lost, on a new one."""
        for again in range(MOST_REBUILDS + 1):
            executable = self._executable if self._assumptions_hold(sizes) else await self._exactly(sizes)
            self._last = executable
            try:
                return await executable.run(arrays, sizes, names)
            except DeviceLostError as error:
                if not executable.lost:
                    raise
                if again == MOST_REBUILDS:
                    raise DeviceLostError(f"{error} It was made anew {again} times and lost each time.") from error
                await self._rebuild(executable, error)
        raise AssertionError("the last round returns or raises")

    async def _rebuild(self, user: Executable, reason: DeviceLostError) -> None:
        """The model anew, from its source, after its device was lost under `user`."""
        async with self._rebuilding:
            lost = (self._executable, *self._exact.values())
            if user in lost:  # otherwise another run has done it meanwhile
                await self._replace(lost, reason)

    async def _replace(self, lost: Sequence[Executable], reason: DeviceLostError) -> None:
        self._executable = await self._specialise(None)
        self._exact.clear()
        for executable in lost:
            executable.dispose()
        self._choice = self._choice.noted(f"loaded again, since the device was lost ({reason})")

    def run_sync(self, feeds: Feeds, fetches: Sequence[str] | None = None) -> dict[str, Array]:
        """`run` for code that cannot await, such as a notebook's cell."""
        waits, instead = self._executable.waits, "`await session.run(...)`"
        return _now(lambda: self.run(feeds, fetches), waits=waits, instead=instead)

    def profile(self, *, repeats: int = PROFILE_REPEATS) -> Profile:
        """Where the time of the last run goes: its steps run again, `repeats` times, over the same feeds.

        Raises IntabError before the first run, BackendUnavailableError on the reference back end.
        """
        self._check_profile(repeats)
        instead = "`await session.profile_async()`"
        steps = _now(lambda: self._last.time_steps(repeats), waits=self._last.waits, instead=instead)
        return Profile(self._graph.name, steps, repeats)

    async def profile_async(self, *, repeats: int = PROFILE_REPEATS) -> Profile:
        """`profile` for code that can await; a GPU has to be waited for."""
        self._check_profile(repeats)
        return Profile(self._graph.name, await self._last.time_steps(repeats), repeats)

    def _check_profile(self, repeats: int) -> None:
        if self._disposed:
            raise IntabError(f"{self._graph.name}: this session was disposed of. Load the model again.")
        if repeats < 1:
            raise IntabError(f"{self._graph.name}: profile(repeats={repeats}) times nothing. Use 1 or more.")

    def memory(self) -> MemoryUse:
        """Bytes that this session holds, by purpose."""
        return MemoryUse.of_all([e.memory() for e in (self._executable, *self._exact.values())])

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
        for executable in (self._executable, *self._exact.values()):
            executable.dispose()
        self._exact.clear()

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
        if key not in self._exact:
            if len(self._exact) == EXACT_KEPT:
                self._exact.pop(next(iter(self._exact))).dispose()
            begin = time.perf_counter()
            self._exact[key] = await self._specialise(sizes)
            spent_ms = (time.perf_counter() - begin) * 1e3
            note = f"compiled again for {dict(key)}, where a size of 1 broadcasts ({spent_ms:.0f} ms)"
            self._choice = self._choice.noted(note)
        return self._exact[key]


def _now(begin: Callable[[], Coroutine[Any, Any, Result]], *, waits: bool, instead: str) -> Result:
    """The result of a coroutine for code that cannot await. What need not wait is over at once."""
    if not waits:
        running = begin()
        try:
            running.send(None)
        except StopIteration as finished:
            done: Result = finished.value
            return done
        running.close()  # it had to wait after all, for a compilation: begin again where waiting is possible
    if can_wait():
        waited: Result = wait(begin())
        return waited
    if not in_browser():
        return asyncio.run(begin())
    raise IntabError(f"The device must be waited for, which synchronous code cannot do here. Use {instead}.")
