"""Where a run's time goes: by kind of kernel, by step, and as a Chrome trace."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from intab.backends.engine import StepTime

PROFILE_REPEATS = 5
# Steps that the table shows; all are in `steps` and in the trace.
SHOWN_STEPS = 20
LABEL_WIDTH = 40


@dataclass(frozen=True, slots=True)
class Profile:
    """Times of the steps of one run, in the order in which they run; print it for a table.

    Each step was run on its own, on one thread and, where there are more, on all. So the sums leave out what lies
    between steps. A time is the median of `repeats`. How busy threads are: one thread's time over that of all of them.
    `notes`: what the run had to do before its first step, if anything.
    """

    model: str
    steps: tuple[StepTime, ...]
    repeats: int
    notes: tuple[str, ...] = ()

    @property
    def total_ms(self) -> float:
        """All steps together."""
        return sum(step.ms for step in self.steps)

    @property
    def threads(self) -> int:
        """Threads that the session had."""
        return max((step.threads for step in self.steps), default=1)

    @property
    def together_ms(self) -> float | None:
        """All steps on all threads; None where there is one."""
        return _together_ms(self.steps)

    def by_kernel(self) -> dict[str, tuple[StepTime, ...]]:
        """The steps of each kind of kernel, the kind that takes longest first."""
        kinds: dict[str, list[StepTime]] = {}
        for step in self.steps:
            kinds.setdefault(step.kernel, []).append(step)
        return {kind: tuple(kinds[kind]) for kind in sorted(kinds, key=lambda kind: -_ms(kinds[kind]))}

    def chrome_trace(self) -> str:
        """JSON in the Trace Event Format, for chrome://tracing or ui.perfetto.dev: the steps end to end."""
        events = []
        begin_ms = 0.0
        for step in self.steps:
            counts: dict[str, float | None] = {"flops": step.flops, "bytes": step.nbytes}
            if step.together_ms is not None:
                counts["together_ms"] = step.together_ms
            event = {"name": step.label, "cat": step.kernel, "ph": "X", "pid": 1, "tid": 1}
            events.append(
                event | {"ts": begin_ms * 1e3, "dur": step.ms * 1e3, "args": {"kernel": step.kernel} | counts}
            )
            begin_ms += step.ms
        return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"})

    def __str__(self) -> str:
        kinds = self.by_kernel()
        longest = sorted(self.steps, key=lambda step: -step.ms)[:SHOWN_STEPS]
        rows = [_Row(kind, str(len(steps)), steps) for kind, steps in kinds.items()]
        how = f"(each step: median of {self.repeats})"
        if self.together_ms is not None:
            how = f"and {self.together_ms:.2f} ms on {self.threads} {how}"
        parts = [
            f"{self.model}: {len(self.steps)} steps, {self.total_ms:.2f} ms on one thread {how}",
            *_table(("kernel", "steps"), rows, self.total_ms),
        ]
        if longest:
            rows = [_Row(_cut(step.label), step.kernel, (step,)) for step in longest]
            parts += ["", *_table(("step", "kernel"), rows, self.total_ms)]
        if len(longest) < len(self.steps):
            parts.append(f"and {len(self.steps) - len(longest)} shorter steps")
        return "\n".join([*parts, *self.notes])


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of a table: two names, and the steps whose figures it adds up."""

    name: str
    second: str
    steps: Sequence[StepTime]

    def cells(self, total_ms: float) -> tuple[str, ...]:
        ms = _ms(self.steps)
        share = f"{100 * ms / total_ms:.1f} %" if total_ms else "-"
        flops, nbytes = _sum(step.flops for step in self.steps), _sum(step.nbytes for step in self.steps)
        counts = (_millions(flops), _millions(nbytes))
        figures = (self.name, self.second, f"{ms:.3f}", share, *counts, _rate(flops, ms), _rate(nbytes, ms))
        together_ms, threads = _together_ms(self.steps), self.steps[0].threads
        if together_ms is None:
            return figures
        busy = f"{100 * ms / together_ms / threads:.0f} %" if together_ms else "-"
        return (*figures, f"{together_ms:.3f}", busy)


def _table(names: tuple[str, str], rows: Iterable[_Row], total_ms: float) -> list[str]:
    """Lines of columns; words to the left, figures to the right."""
    lines_of_cells = [row.cells(total_ms) for row in rows]
    titles = (*names, "ms", "share", "MFLOP", "MB", "GFLOP/s", "GB/s", "ms on all", "busy")
    cells = [titles[: max(map(len, lines_of_cells), default=len(titles))], *lines_of_cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        words = [text.ljust(width) for text, width in zip(line[:2], widths[:2], strict=True)]
        figures = [text.rjust(width) for text, width in zip(line[2:], widths[2:], strict=True)]
        lines.append("  ".join(words + figures))
    return lines


def _ms(steps: Iterable[StepTime]) -> float:
    return sum(step.ms for step in steps)


def _together_ms(steps: Iterable[StepTime]) -> float | None:
    """The time of the steps on all threads; None where there is one, or no step."""
    times = [step.together_ms for step in steps]
    known = [ms for ms in times if ms is not None]
    return sum(known) if known and len(known) == len(times) else None


def _sum(counts: Iterable[int | None]) -> int | None:
    """The sum, or None when one of them is not known."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


def _millions(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:.2f}"


def _rate(count: int | None, ms: float) -> str:
    """So many thousand millions a second; "-" where nothing was counted, or in no time that the clock can tell."""
    return f"{count / ms / 1e6:.2f}" if count and ms else "-"


def _cut(label: str) -> str:
    """A label's end, which tells nodes apart, when it is long."""
    return label if len(label) <= LABEL_WIDTH else "..." + label[3 - LABEL_WIDTH :]
