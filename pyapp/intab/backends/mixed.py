"""A model in parts that run one after the other, each on a device of its own, behind the `Executable` protocol.

What one part makes and a later one reads stays on the device where both are on one, otherwise it is read back, once,
and given to it; whole numbers that follow from sizes are worked out here. Sizes that become known in a part are handed
on to those after it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from intab.backends.device_tensor import DeviceTensor, Fed
from intab.backends.engine import Executable, MemoryUse, StepTime
from intab.backends.keeping import Keeping, kept_names
from intab.backends.part_values import PartValues
from intab.backends.step_times import no_run
from intab.dtypes import DType
from intab.errors import IntabError
from intab.graph.dims import symbols_of
from intab.graph.ir import Array, Graph
from intab.program.bind import check_late
from intab.program.partition import Part


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A part and what runs it."""

    part: Part
    executable: Executable


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """What a part was last asked for."""

    feeds: Mapping[str, Array]
    sizes: Mapping[str, int]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which outputs of a part are needed as arrays, and which on its device; no output at all: it need not run."""

    fetches: tuple[str, ...]
    keep: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.fetches, *self.keep)))


class MixedExecutable:
    """Parts of one graph, made ready. `release` is called by `dispose`, when they are gone."""

    def __init__(self, graph: Graph, parts: Sequence[Ready], release: Callable[[], None] = lambda: None) -> None:
        told = {name for value in graph.inputs for dim in value.shape for name in symbols_of(dim)}
        self._name = graph.name
        self._outputs = dict(zip(graph.output_names, graph.outputs, strict=True))
        self._equalities = [e for e in graph.equalities if (symbols_of(e.left) | symbols_of(e.right)) - told]
        self._parts = tuple(parts)
        self._release = release
        self._calls: dict[Executable, _Call] = {}
        self._disposed = False

    @property
    def backend(self) -> str:
        return "+".join(dict.fromkeys(one.executable.backend for one in self._parts))

    @property
    def step_count(self) -> int:
        return sum(one.executable.step_count for one in self._parts)

    @property
    def kernel_count(self) -> int:
        return sum(one.executable.kernel_count for one in self._parts)

    @property
    def threads(self) -> int:
        return max(one.executable.threads for one in self._parts)

    @property
    def team_size(self) -> int:
        return max(one.executable.team_size for one in self._parts)

    def about_threads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for one in self._parts for note in one.executable.about_threads()))

    @property
    def waits(self) -> bool:
        return any(one.executable.waits for one in self._parts)

    @property
    def lost(self) -> bool:
        return any(one.executable.lost for one in self._parts)

    async def run(
        self, feeds: Mapping[str, Array], sizes: Mapping[str, int], fetches: Sequence[str]
    ) -> dict[str, Array]:
        values = await self._run(feeds, sizes, fetches, ())
        try:
            return {name: await values.array(self._outputs[name]) for name in fetches}
        finally:
            values.dispose()

    async def run_keeping(
        self, feeds: Mapping[str, Fed], sizes: Mapping[str, int], fetches: Sequence[str], keep: Sequence[str]
    ) -> dict[str, Fed]:
        values = await self._run(feeds, sizes, fetches, keep)
        made: dict[str, Fed] = {}
        try:
            made |= {name: await values.array(self._outputs[name]) for name in fetches if name not in keep}
            made |= {name: await values.leave(self._outputs[name], name) for name in keep}
        finally:
            values.dispose()
        return made

    def keeps(self, dtype: DType) -> bool:
        return all(isinstance(e, Keeping) and e.keeps(dtype) for e in (one.executable for one in self._parts))

    def why_read(self, name: str, tensor: DeviceTensor) -> str:
        for one in self._parts:
            if all(value.name != name for value in one.part.graph.inputs):
                continue
            if not isinstance(one.executable, Keeping):
                return f"{one.part.graph.name} runs on {one.executable.backend}"
            if why := one.executable.why_read(name, tensor):
                return why
        return ""

    def kept_names(self) -> tuple[str, ...]:
        return tuple(name for one in self._parts for name in kept_names(one.executable))

    async def _run(
        self, feeds: Mapping[str, Fed], sizes: Mapping[str, int], fetches: Sequence[str], keep: Sequence[str]
    ) -> PartValues:
        if self._disposed:
            raise IntabError(f"{self._name}: this session was disposed of. Load the model again.")
        self._calls.clear()
        values = PartValues(feeds, sizes)
        try:
            await self._run_parts(values, self._wanted(fetches, keep))
        except BaseException:
            values.dispose()
            raise
        return values

    async def _run_parts(self, values: PartValues, wanted: Sequence[_Wanted]) -> None:
        unchecked, known = self._equalities, values.sizes
        for one, asked in zip(self._parts, wanted, strict=True):
            if not asked.names:
                continue
            values.add(await self._run_part(one, values, asked), one.executable.backend)
            for name, symbols in one.part.sizes.items():
                known |= dict(zip(symbols, map(int, await values.numbers(name)), strict=True))
            ready = [e for e in unchecked if symbols_of(e.left) | symbols_of(e.right) <= set(known)]
            check_late(self._name, ready, known)
            unchecked = [e for e in unchecked if e not in ready]

    async def _run_part(self, one: Ready, values: PartValues, asked: _Wanted) -> dict[str, Fed]:
        executable, inputs, sizes = one.executable, one.part.graph.inputs, dict(values.sizes)
        if isinstance(executable, Keeping):
            given = {v.name: await values.fed_to(executable, v) for v in inputs}
            self._calls[executable] = _Call({}, sizes, asked.names)
            return await executable.run_keeping(given, sizes, asked.fetches, asked.keep)
        arrays = {v.name: await values.array(v) for v in inputs}
        self._calls[executable] = _Call(arrays, sizes, asked.names)
        return {**await executable.run(arrays, sizes, asked.names)}

    def _wanted(self, fetches: Sequence[str], keep: Sequence[str]) -> list[_Wanted]:
        """Of each part the outputs that are asked for or that a later part reads which runs itself."""
        read = {self._outputs[name].name for name in fetches}
        stay = {self._outputs[name].name for name in keep}
        found: list[_Wanted] = []
        for one in reversed(self._parts):
            graph, keeping = one.part.graph, one.executable if isinstance(one.executable, Keeping) else None
            names = [name for name in graph.output_names if name in read | stay or name in one.part.sizes]
            here = tuple(name for name in names if name in stay and keeping is not None)
            fetched = tuple(n for n in names if n in read or n not in here or n in one.part.sizes)
            found.append(_Wanted(fetched, here))
            for value in graph.inputs if names else ():
                (stay if keeping is not None and keeping.keeps(value.dtype) else read).add(value.name)
        return found[::-1]

    async def time_steps(self, repeats: int) -> tuple[StepTime, ...]:
        if not self._calls or self._disposed:
            raise no_run(self._name)
        steps: list[StepTime] = []
        for one in self._parts:
            call, executable = self._calls.get(one.executable), one.executable
            if call is None:
                continue
            timed = await (executable.time_steps(repeats) if executable.kernel_count else _whole(one, call, repeats))
            steps += [replace(step, kernel=f"{executable.backend}: {step.kernel}") for step in timed]
        return tuple(steps)

    def memory(self) -> MemoryUse:
        return MemoryUse.of_all([one.executable.memory() for one in self._parts])

    def dispose(self) -> None:
        if self._disposed:
            return
        self._disposed = True
        self._calls.clear()
        for one in self._parts:
            one.executable.dispose()
        self._release()


async def _whole(one: Ready, call: _Call, repeats: int) -> tuple[StepTime, ...]:
    """The time of a part that has no steps to be timed one by one."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        await one.executable.run(call.feeds, call.sizes, call.names)
        times.append((time.perf_counter() - begin) * 1e3)
    return (StepTime(one.part.graph.name, "all its nodes", median(times), None, None),)
