"""Measuring: cases on several sides in turn, fresh pages, and what a core can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmark.cases import Case, tiny_case
from benchmark.sides import OURS, Page, Say, Side, Stand
from tests.agreement import agreement

# Before any run counts: V8 swaps in its optimised code between calls, and sessions on several threads find out in their
# first runs what is worth sharing. Quick models get more runs of both kinds.
FEWEST_WARM_UP_RUNS, MOST_WARM_UP_RUNS = 4, 24
WARM_UP_MS = 2000.0
ROUNDS_MS = 1500.0
MOST_TIMES_THE_ROUNDS = 5
OVERHEAD_RUNS = 300
OVERHEAD_WARM_UP_RUNS = 2000  # until the browser has optimised the interpreter, as loading a larger model does

Lane = tuple[Side, Case]
"""Somebody at something: what is run in turn with other lanes."""


@dataclass(frozen=True, slots=True)
class Timed:
    """One lane: milliseconds round by round, and how far its outputs are from native onnxruntime's."""

    side: str
    case: Case
    ms: tuple[float, ...]
    far: float

    @property
    def median_ms(self) -> float:
        return median(self.ms)


def ratio(slower: Timed, quicker: Timed) -> float:
    """How many times as long `slower` takes: the median over the rounds, pair by pair."""
    return median(a / b for a, b in zip(slower.ms, quicker.ms, strict=True))


@dataclass(frozen=True, slots=True)
class Group:
    """Lanes that took turns. `work`: floating-point operations and bytes of our run of each model."""

    lanes: tuple[Timed, ...]
    work: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def lane(self, side: Side) -> Timed:
        """The first lane of a side that is there. Raises StopIteration when it is not."""
        return next(lane for lane in self.lanes if lane.side == side.title)

    def find(self, side: Side, model: str | None = None) -> Timed | None:
        """The lane of a side, of one model where there are several."""
        for lane in self.lanes:
            if lane.side == side.title and model in (None, lane.case.model):
                return lane
        return None


def take_turns(page: Page, lanes: Sequence[Lane], *, rounds: int, say: Say) -> Group:
    """Load every lane's model, run all in turn for so many rounds or more, and compare what they say."""
    for side, case in lanes:
        page.load(side, case.model)
        page.feed(side, case)
    _rounds(page, lanes, FEWEST_WARM_UP_RUNS, MOST_WARM_UP_RUNS, WARM_UP_MS)
    times = _rounds(page, lanes, rounds, MOST_TIMES_THE_ROUNDS * rounds, ROUNDS_MS)
    natives = {case.model: page.native(case) for _, case in lanes}
    timed = []
    for (side, case), ms in zip(lanes, times, strict=True):
        outputs = page.outputs(side, case.model)
        far = max(agreement(found, natives[case.model][name]) for name, found in outputs.items())
        timed.append(Timed(side.title, case, tuple(ms), far))
    work = {case.model: page.ask(side, "work", case.model) for side, case in lanes if side == OURS}
    for side, case in lanes:
        page.ask(side, "dispose", case.model)
    for one in timed:
        say(f"  {one.case.title}, {one.side}: {one.median_ms:.2f} ms, {one.far:.0e} from native")
    return Group(tuple(timed), work)


def _rounds(page: Page, lanes: Sequence[Lane], fewest: int, most: int, enough_ms: float) -> list[list[float]]:
    """Milliseconds of each lane: `fewest` rounds, and more up to `most` until all runs together took `enough_ms`."""
    times: list[list[float]] = [[] for _ in lanes]
    while len(times[0]) < fewest or (len(times[0]) < most and sum(map(sum, times)) < enough_ms):
        for (side, case), ms in zip(lanes, times, strict=True):
            ms.append(page.ask(side, "run", case.model))
    return times


@dataclass(frozen=True, slots=True)
class Fresh:
    """A model loaded and run once in a browser that did nothing before.

    ready_ms: load, compile and first run together. session_nbytes: ours the session's regions, module and Program,
    theirs their WebAssembly memory. process_nbytes: all memory of the tab's process, Python's too.
    """

    side: str
    model: str
    load_ms: float
    compile_ms: float
    first_ms: float
    session_nbytes: int
    process_nbytes: int
    stats: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ready_ms(self) -> float:
        return self.load_ms + self.compile_ms + self.first_ms


def fresh(stand: Stand, side: Side, case: Case) -> Fresh:
    """`case` on `side` in a browser of its own."""
    with stand.page() as page:
        loaded = page.load(side, case.model)
        page.feed(side, case)
        first_ms = page.ask(side, "run", case.model)
        stats: Mapping[str, Any] = page.ask(side, "stats", case.model) if side == OURS else {}
        return Fresh(
            side.title,
            case.model,
            loaded["load_ms"],
            loaded.get("compile_ms", 0.0),
            first_ms,
            stats["peak_nbytes"] if stats else page.ask(side, "memory"),
            page.process_nbytes(),
            stats,
        )


@dataclass(frozen=True, slots=True)
class Core:
    """peak: GFLOP/s of one core at multiply-adds alone. overhead_ms: a run of a model that does nothing."""

    peak: float
    overhead_ms: float


def core(page: Page) -> Core:
    """What one core can do, and what a run costs beside its kernels."""
    peak = page.ask(OURS, "peak")
    tiny = tiny_case()
    page.load(OURS, tiny.model)
    page.feed(OURS, tiny)
    page.ask(OURS, "overhead", tiny.model, OVERHEAD_WARM_UP_RUNS)
    overhead_ms = page.ask(OURS, "overhead", tiny.model, OVERHEAD_RUNS)
    page.ask(OURS, "dispose", tiny.model)
    return Core(peak, overhead_ms)
