"""A model in parts that run one after the other, each on a device of its own, behind the `Executable` protocol.

What one part makes and a later one reads is read back and given to it; whole numbers that follow from sizes are worked
out here. Sizes that become known in a part are handed on to those after it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from intab.backends.engine import Executable, MemoryUse, StepTime
from intab.backends.step_times import no_run
from intab.errors import IntabError
from intab.graph.dims import evaluate, symbols_of
from intab.graph.ir import Array, Graph, Value
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
        if self._disposed:
            raise IntabError(f"{self._name}: this session was disposed of. Load the model again.")
        self._calls.clear()
        known, values = dict(sizes), dict(feeds)
        wanted = self._wanted(fetches)
        unchecked = self._equalities
        for one, names in zip(self._parts, wanted, strict=True):
            if not names:
                continue
            given = {v.name: _numbers(v, values, known) for v in one.part.graph.inputs}
            made = await one.executable.run(given, dict(known), names)
            self._calls[one.executable] = _Call(given, dict(known), names)
            values |= made
            for name, symbols in one.part.sizes.items():
                known |= dict(zip(symbols, map(int, made[name]), strict=True))
            ready = [e for e in unchecked if symbols_of(e.left) | symbols_of(e.right) <= set(known)]
            check_late(self._name, ready, known)
            unchecked = [e for e in unchecked if e not in ready]
        return {name: _numbers(self._outputs[name], values, known) for name in fetches}

    def _wanted(self, fetches: Sequence[str]) -> list[tuple[str, ...]]:
        """Of each part the outputs that are fetched or that a later part reads which runs itself; none: it need not."""
        needed = {self._outputs[name].name for name in fetches}
        found: list[tuple[str, ...]] = []
        for one in reversed(self._parts):
            graph, sizes = one.part.graph, one.part.sizes
            names = tuple(name for name in graph.output_names if name in needed or name in sizes)
            if names:
                needed |= {value.name for value in graph.inputs}
            found.append(names)
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


def _numbers(value: Value, values: Mapping[str, Array], sizes: Mapping[str, int]) -> Array:
    """The numbers of a value that was fed or made, or that follows from sizes."""
    if value.name in values or value.elements is None:
        return values[value.name]
    numbers = np.array([evaluate(element, sizes) for element in value.elements], value.dtype.numpy)
    return numbers.reshape([evaluate(dim, sizes) for dim in value.shape])
