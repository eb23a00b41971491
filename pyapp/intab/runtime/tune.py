"""Timing the shapes of a model's products on the device, the heaviest first, and telling which is fastest.

What is found serves later compilations, of other models too; a session that was tuned goes on as it is.
"""

import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from intab.backends.tuning import Problem, Tunable
from intab.runtime.tunings import Found

# Browsers may round the device's clock to 0.1 ms: what is timed takes 5 ms or more in a row.
LEAST_MS = 5.0
MOST_REPEATS = 200
ROUNDS, ROUNDS_OF_SLOW = 5, 3
SLOW_MS = 50.0
# Only what is clearly faster is worth being kept.
GAIN = 0.05
# How many shapes are tried of a problem, the likeliest; how many of them are left after a first look, and how far
# from the fastest they may be.
MOST_SHAPES, FINALISTS = 6, 3
HOPELESS = 1.5
# A problem that takes less of all products' time is not looked at.
LEAST_SHARE = 0.01

TuneProgress = Callable[[int, int], None]
Gate = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found for a problem. Times in ms are of all `steps` of the model that solve it; `best` is `default`
    where no shape is clearly faster. `tried` shapes were timed; `refused` are those that the device's compiler does
    not take."""

    problem: str
    steps: int
    default: str
    best: str
    default_ms: float
    best_ms: float
    tried: int
    refused: tuple[str, ...] = ()

    @property
    def gain(self) -> float:
        """The part of the time that is saved."""
        return 1 - self.best_ms / self.default_ms if self.default_ms else 0.0

    @property
    def found(self) -> Found:
        """What is kept of it."""
        return Found(self.best, self.default, self.best_ms, self.default_ms, self.refused)


@dataclass(frozen=True, slots=True)
class TuningReport:
    """What tuning a model has found; print it for a table. `left` problems were not reached in the time given."""

    model: str
    adapter: str
    seconds: float
    found: tuple[Tuned, ...]
    left: int
    notes: tuple[str, ...] = ()

    @property
    def default_ms(self) -> float:
        """The time of all products that were looked at, as they are now."""
        return sum(one.default_ms for one in self.found)

    @property
    def best_ms(self) -> float:
        """The same with what was found."""
        return sum(one.best_ms for one in self.found)

    def noted(self, *notes: str) -> "TuningReport":
        """The same report with more to know."""
        return replace(self, notes=(*self.notes, *notes))

    def __str__(self) -> str:
        titles = ("product", "steps", "as it is", "ms", "fastest", "ms", "gain")
        cells = [titles, *(_cells(one) for one in self.found)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        head = f"{self.model}: {len(self.found)} products timed on {self.adapter} in {self.seconds:.1f} s"
        head += f", {self.left} not reached" if self.left else ""
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        total = f"all of these: {self.default_ms:.2f} ms as it is, {self.best_ms:.2f} ms with the fastest"
        return "\n".join([head, *(lines if self.found else ()), *((total,) if self.found else ()), *self.notes])


def _cells(one: Tuned) -> tuple[str, ...]:
    times = f"{one.default_ms:.3f}", f"{one.best_ms:.3f}"
    best, gain = (one.best, f"{one.gain:.0%}") if one.best != one.default else ("the same", "-")
    return (one.problem, str(one.steps), one.default, times[0], best, times[1], gain)


async def _open_gate() -> None:
    """Nobody is waited for."""


class Tuner:
    """Tunes one executable. `known` are problems that were looked at before, and need not be again.

    `gate` is awaited before each piece of work, which takes some ms on the device, or a compilation. Budget and clock
    in seconds.
    """

    def __init__(
        self,
        tunable: Tunable,
        budget: float,
        *,
        known: Sequence[str] = (),
        gate: Gate = _open_gate,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._tunable = tunable
        self._budget = budget
        self._known = frozenset(known)
        self._gate = gate
        self._clock = clock
        self._spent = 0.0
        self._compiling = 0.0  # the longest that one compilation has taken
        self.left = 0

    @property
    def seconds(self) -> float:
        """Time spent so far, without what was spent waiting at the gate."""
        return self._spent

    async def run(self) -> AsyncGenerator[Tuned, None]:
        """What is found, one problem after the other. Whoever does not want all of it closes it."""
        problems = [problem for problem in self._tunable.problems() if problem.name not in self._known]
        self.left = len(problems)
        try:
            for problem in await self._heaviest(problems):
                if self._spent >= self._budget:
                    break
                found = await self._tuned(problem)
                if found is None:
                    break
                self.left -= 1
                yield found
        finally:
            self._tunable.forget_ways()

    async def _heaviest(self, problems: list[Problem]) -> list[Problem]:
        """Those that take a share of the time worth looking at, that of the most time first."""
        ways = []
        for problem in problems:  # these shapes are compiled already, and so cost no time
            if not await self._compile(problem.name, problem.shape):
                ways.append((problem.name, problem.shape))
        await self._time(ways, 1)  # a first use does not count
        times = dict(zip(ways, await self._time(ways, 1), strict=True))
        worth = [p for p in problems if times.get((p.name, p.shape), 0.0) > LEAST_SHARE * sum(times.values())]
        self.left = len(worth)
        return sorted(worth, key=lambda p: -times[p.name, p.shape])

    async def _tuned(self, problem: Problem) -> Tuned | None:
        others = [shape for shape in problem.shapes if shape != problem.shape][: MOST_SHAPES - 1]
        first, refused = {problem.shape: (await self._look(problem, problem.shape))}, []
        for shape in others:
            if self._spent + self._compiling >= self._budget:
                break
            if await self._compile(problem.name, shape):
                refused.append(shape)
                continue
            first[shape] = await self._look(problem, shape)
        if len(first) == 1 and others and not refused:
            return None  # there was no time for it: it is looked at another time
        times = await self._contest(problem, first)
        default_ms = times[problem.shape]
        best = min(times, key=lambda shape: times[shape])
        if times[best] > (1 - GAIN) * default_ms:
            best = problem.shape
        steps = problem.steps
        return Tuned(problem.name, steps, problem.shape, best, default_ms, times[best], len(first), tuple(refused))

    async def _look(self, problem: Problem, shape: str) -> float:
        """A first time, after a use that does not count."""
        ways = [(problem.name, shape)]
        await self._time(ways, 1)
        return (await self._time(ways, 1))[0]

    async def _contest(self, problem: Problem, first: dict[str, float]) -> dict[str, float]:
        """The medians of those that are near the fastest, and of the default, timed in turns."""
        best = min(first.values())
        near = [shape for shape, ms in sorted(first.items(), key=lambda one: one[1]) if ms <= HOPELESS * best]
        finalists = list(dict.fromkeys([problem.shape, *near[:FINALISTS]]))
        if len(finalists) == 1:
            return {problem.shape: first[problem.shape]}
        ways = [(problem.name, shape) for shape in finalists]
        # A step of the problem is at least so long as all of them through their number.
        each_ms = max(best / problem.steps, LEAST_MS / MOST_REPEATS)
        repeats = max(1, math.ceil(LEAST_MS / each_ms))
        rounds = ROUNDS_OF_SLOW if best > SLOW_MS else ROUNDS
        taken = [await self._time(ways, repeats) for _ in range(rounds)]
        return {shape: median(column) for shape, column in zip(finalists, zip(*taken, strict=True), strict=True)}

    async def _compile(self, problem: str, shape: str) -> str:
        await self._gate()
        begin = self._clock()
        words = await self._tunable.compile_way(problem, shape)
        taken = self._clock() - begin
        self._spent += taken
        self._compiling = max(self._compiling, taken)
        return words

    async def _time(self, ways: Sequence[tuple[str, str]], repeats: int) -> list[float]:
        if not ways:
            return []
        await self._gate()
        begin = self._clock()
        times = await self._tunable.time_ways(ways, repeats)
        self._spent += self._clock() - begin
        return times
