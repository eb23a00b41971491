"""What was measured as rows of tables."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import geometric_mean, median

from benchmark.job import Reading
from benchmark.measure import Fresh, Group, Timed, ratio
from benchmark.sides import JAX, LITERT, OURS, OURS_TWO, TENSORFLOW, THEIRS, THEIRS_TWO, Side

Row = list[str]

ONE_THREAD_HEAD = (
    "one thread, ms: median (minimum)",
    "intab",
    "onnxruntime-web",
    "theirs / ours",
    "GFLOP/s",
    "of peak",
    "GB/s",
    "ours from native",
    "theirs from native",
)
TWO_THREADS_HEAD = (
    "two threads, ms: median (minimum)",
    "intab",
    "onnxruntime-web",
    "theirs / ours",
    "our one / two",
    "ours from native",
)
PRODUCT_PEERS = (THEIRS, TENSORFLOW, LITERT, JAX)
PRODUCTS_HEAD = ("product, ms: median (minimum)", "intab", "of peak", *(side.title for side in PRODUCT_PEERS))
INTEGERS_HEAD = (
    "integers, one thread, ms: median (minimum)",
    "intab",
    "our f32",
    "our f32 / ours",
    "onnxruntime-web",
    "theirs / ours",
    "ours from native",
)
FRESH_HEAD = (
    "fresh browser",
    "load + compile, ms",
    "first run, ms",
    "all, ms",
    "theirs: load, ms",
    "first run, ms",
    "all, ms",
    "steps",
    "kernels",
)
MEMORY_HEAD = (
    "memory, MB",
    "session of intab",
    "onnxruntime-web",
    "ours / theirs",
    "tab with intab and Python",
    "tab with onnxruntime-web",
)
JOB_HEAD = ("page.png", "median, ms", "share")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, padded so that it reads as text too. Columns after the first stand to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(cells)} |"

    rule = "|".join(["", "-" * (widths[0] + 2), *("-" * (w + 1) + ":" for w in widths[1:]), ""])
    return [line(head), rule, *(line(row) for row in rows)]


def geometric_mean_of(ratios: Iterable[float | None]) -> float | None:
    """The geometric mean of what is there; None when nothing is."""
    there = [one for one in ratios if one is not None]
    return geometric_mean(there) if there else None


def ratio_of(slower: Timed | None, quicker: Timed | None) -> float | None:
    """`ratio`, or None without either."""
    return ratio(slower, quicker) if slower and quicker else None


def one_thread_ratios(groups: Sequence[Group]) -> list[float | None]:
    """onnxruntime-web's time over ours, group by group."""
    return [ratio_of(group.find(THEIRS), group.find(OURS)) for group in groups]


def two_thread_ratios(groups: Sequence[Group]) -> list[float | None]:
    """The same on two threads each."""
    return [ratio_of(group.find(THEIRS_TWO), group.find(OURS_TWO)) for group in groups]


def one_thread_rows(groups: Sequence[Group], peak: float | None) -> list[Row]:
    """One row for each group, then the geometric mean."""
    rows = []
    for group, gain in zip(groups, one_thread_ratios(groups), strict=True):
        ours, theirs = group.lane(OURS), group.find(THEIRS)
        work = group.work[ours.case.model]
        gflops = work["flops"] / ours.median_ms / 1e6
        rows.append(
            [
                ours.case.title,
                times(ours),
                times(theirs),
                number(gain),
                f"{gflops:.1f}",
                f"{100 * gflops / peak:.0f} %" if peak else "",
                f"{work['nbytes'] / ours.median_ms / 1e6:.1f}",
                f"{ours.far:.0e}",
                f"{theirs.far:.0e}" if theirs else "",
            ]
        )
    return [*rows, _mean_row(one_thread_ratios(groups), len(ONE_THREAD_HEAD))]


def two_threads_rows(groups: Sequence[Group]) -> list[Row]:
    """One row for each group that was measured so, then the geometric mean."""
    rows = []
    for group, gain in zip(groups, two_thread_ratios(groups), strict=True):
        two, theirs = group.find(OURS_TWO), group.find(THEIRS_TWO)
        if two is None:
            continue
        rows.append(
            [
                two.case.title,
                times(two),
                times(theirs),
                number(gain),
                number(ratio_of(group.find(OURS), two)),
                f"{two.far:.0e}",
            ]
        )
    return [*rows, _mean_row(two_thread_ratios(groups), len(TWO_THREADS_HEAD))]


def _mean_row(ratios: Sequence[float | None], columns: int) -> Row:
    return ["**geometric mean**", "", "", number(geometric_mean_of(ratios)), *[""] * (columns - 4)]


def product_rows(groups: Sequence[Group], peak: float | None) -> list[Row]:
    """One row for each size; a peer's time with how many times ours it is."""
    rows = []
    for group in groups:
        ours = group.lane(OURS)
        share = group.work[ours.case.model]["flops"] / ours.median_ms / 1e6 / peak if peak else None
        others = [group.find(side) for side in PRODUCT_PEERS]
        rows.append(
            [
                ours.case.title,
                times(ours),
                f"{100 * share:.0f} %" if share else "",
                *(f"{times(one)}, {ratio(one, ours):.2f} x" if one else "" for one in others),
            ]
        )
    return rows


def integer_rows(groups: Sequence[Group]) -> list[Row]:
    """For each group one row for each integer form; the first case of a group is in floats."""
    rows = []
    for group in groups:
        ours = [lane for lane in group.lanes if lane.side == OURS.title]
        for one in ours[1:]:
            theirs = group.find(THEIRS, one.case.model)
            rows.append(
                [
                    one.case.title,
                    times(one),
                    times(ours[0]),
                    f"{ratio(ours[0], one):.2f}",
                    times(theirs),
                    number(ratio_of(theirs, one)),
                    f"{one.far:.0e}",
                ]
            )
    return rows


def fresh_rows(seen: Mapping[str, Mapping[str, Sequence[Fresh]]]) -> list[Row]:
    """By model: what it took until the first answer was there, medians of the visits."""
    rows = []
    for model, sides in seen.items():
        ours, theirs = sides[OURS.title], sides.get(THEIRS.title, ())
        rows.append(
            [
                f"{model} ({len(ours)} times)" if len(ours) > 1 else model,
                f"{median(one.load_ms for one in ours):.0f} + {median(one.compile_ms for one in ours):.0f}",
                f"{median(one.first_ms for one in ours):.0f}",
                f"{median(one.ready_ms for one in ours):.0f}",
                *(
                    f"{median(getattr(one, what) for one in theirs):.0f}" if theirs else ""
                    for what in ("load_ms", "first_ms", "ready_ms")
                ),
                str(ours[0].stats["steps"]),
                str(ours[0].stats["kernels"]),
            ]
        )
    return rows


def memory_rows(seen: Mapping[str, Mapping[str, Sequence[Fresh]]]) -> list[Row]:
    """By model: what it holds after its first run."""
    rows = []
    for model, sides in seen.items():
        ours, theirs = sides[OURS.title][-1], sides.get(THEIRS.title, ())
        rows.append(
            [
                model,
                _megabytes(ours.session_nbytes),
                _megabytes(theirs[-1].session_nbytes) if theirs else "",
                f"{ours.session_nbytes / theirs[-1].session_nbytes:.2f}" if theirs else "",
                _megabytes(ours.process_nbytes),
                _megabytes(theirs[-1].process_nbytes) if theirs else "",
            ]
        )
    return rows


def job_rows(readings: Sequence[Reading]) -> list[Row]:
    """Where the time of one reading goes: the medians of several."""
    total = median(one.total_ms for one in readings)
    names = (
        ("decode the picture", "open_ms"),
        ("pre- and post-processing", "around_ms"),
        ("detect", "detect_ms"),
        ("recognise", "recognise_ms"),
        ("whole job", "total_ms"),
    )
    rows = []
    for title, name in names:
        value = median(getattr(one, name) for one in readings)
        rows.append([title, f"{value:.0f}", f"{100 * value / total:.0f} %"])
    return rows


def times(one: Timed | None) -> str:
    """Median and minimum in milliseconds, with more digits where they are few."""
    if one is None:
        return ""
    digits = 1 if one.median_ms >= 10 else 2
    return f"{one.median_ms:.{digits}f} ({min(one.ms):.{digits}f})"


def number(value: float | None) -> str:
    """A ratio; nothing where there is none."""
    return "" if value is None else f"{value:.2f}"


def summed(groups: Sequence[Group], side: Side) -> Timed | None:
    """The lanes of one side added up, round by round; None when there are none."""
    lanes = [lane for group in groups for lane in group.lanes if lane.side == side.title]
    if not lanes:
        return None
    ms = tuple(map(sum, zip(*(lane.ms for lane in lanes), strict=True)))
    return Timed(side.title, lanes[0].case, ms, max(lane.far for lane in lanes))


def _megabytes(nbytes: int) -> str:
    return f"{nbytes / 1e6:.1f}"
