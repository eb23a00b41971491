"""Tables for people, JSON for programs, and docs/performance.md."""

import dataclasses
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmark.job import Reading, Visit
from benchmark.peers import Comparison, Measured

SLOWEST_ALLOWED = 2.0  # times of onnxruntime-web, for the models' runs of the main job
LONGEST_START_S = 4.0
LARGEST_AROUND_SHARE = 0.30


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


def run_rows(comparison: Comparison) -> list[list[str]]:
    """One row for each case, then the job's sum."""
    rows = [_row(f"{one.case.model}: {one.case.title}", one) for one in comparison.results]
    if comparison.job:
        rows.append(_row("**page.png: detection and recognition together**", comparison.job))
    return rows


def _row(title: str, one: Measured) -> list[str]:
    ours = f"{median(one.ours_ms):.1f} ({min(one.ours_ms):.1f})"
    theirs = f"{median(one.theirs_ms):.1f} ({min(one.theirs_ms):.1f})" if one.theirs_ms else ""
    ratio = f"{one.ratio:.2f}" if one.theirs_ms else ""
    far = [f"{one.agreement[pair]:.0e}" if pair in one.agreement else "" for pair in PAIRS]
    return [title, ours, theirs, ratio, *far]


def load_rows(comparison: Comparison) -> list[list[str]]:
    """One row for each model: what loading it took and what it holds."""
    rows = []
    for model, sides in comparison.loads.items():
        ours, theirs = sides["ours"], sides.get("theirs")
        first = next(one for one in comparison.results if one.case.model == model)
        rows.append(
            [
                model,
                f"{ours['load_ms']:.0f} + {ours['compile_ms']:.0f}",
                f"{first.first_ms['ours']:.0f}",
                f"{theirs['load_ms']:.0f}" if theirs else "",
                f"{first.first_ms['theirs']:.0f}" if theirs else "",
                f"{ours['peak_nbytes'] / 1e6:.1f}",
                str(ours["steps"]),
                str(ours["kernels"]),
            ]
        )
    return rows


PAIRS = ("ours_native", "theirs_native")
RUN_HEAD = (
    "run, ms: median (minimum)",
    "intab",
    "onnxruntime-web",
    "theirs / ours",
    "ours from native",
    "theirs from native",
)
LOAD_HEAD = (
    "model",
    "load + compile, ms",
    "first run, ms",
    "their load, ms",
    "their first run, ms",
    "peak MB",
    "steps",
    "kernels",
)
JOB_HEAD = ("page.png", "median, ms", "share")


def job_rows(readings: Sequence[Reading]) -> list[list[str]]:
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


def comparison_lines(comparison: Comparison) -> list[str]:
    """The runs and the loads."""
    lines = ["## Side by side", "", *table(RUN_HEAD, run_rows(comparison)), ""]
    lines += [*table(LOAD_HEAD, load_rows(comparison)), ""]
    if comparison.their_memory_nbytes:
        megabytes = comparison.their_memory_nbytes / 1e6
        lines += [
            f"All memory of onnxruntime-web with these models: {megabytes:.0f} MB. Its load of the first model",
            "includes its own start; Pyodide's start is in no figure here, but in the next.",
            "",
        ]
    return lines


def job_lines(visits: Sequence[Visit]) -> list[str]:
    """Start and the whole job."""
    starts = [one.marks["intab"] / 1e3 for one in visits]
    first, later = visits[-1].readings[0], visits[-1].readings[1:]
    lines = [
        "## Start",
        "",
        f"From navigation until intab and numpy are imported, in fresh profiles: median {median(starts):.2f} s "
        f"({', '.join(f'{one:.2f}' for one in starts)}). "
        f"Models loaded in {median(v.load_ms for v in visits):.0f} ms and compiled in "
        f"{median(v.compile_ms for v in visits):.0f} ms after that.",
        "",
        "## The whole job",
        "",
        *table(JOB_HEAD, job_rows(later)),
        "",
        f"The page computes on {visits[-1].threads} thread(s). The first reading of a fresh page takes "
        f"{median(v.readings[0].total_ms for v in visits):.0f} ms (median of {len(visits)}), of which "
        f"{100 * first.around_share:.0f} % are decoding, pre- and post-processing.",
    ]
    return lines


def verdict_lines(comparison: Comparison | None, visits: Sequence[Visit]) -> list[str]:
    """Each promise with what was measured."""
    lines = []
    if comparison and comparison.job and comparison.job.theirs_ms:
        times = 1 / comparison.job.ratio
        lines.append(
            f"{_kept(times <= SLOWEST_ALLOWED)}: the models' runs on page.png take {times:.2f} times as long "
            f"as in onnxruntime-web (promised: at most {SLOWEST_ALLOWED:.0f})"
        )
    if visits:
        start = median(one.marks["intab"] for one in visits) / 1e3
        share = median(reading.around_share for one in visits for reading in one.readings)
        lines.append(
            f"{_kept(start <= LONGEST_START_S)}: start {start:.2f} s (promised: at most {LONGEST_START_S:.0f} s)"
        )
        lines.append(
            f"{_kept(share <= LARGEST_AROUND_SHARE)}: decoding, pre- and post-processing are {100 * share:.0f} % "
            f"of the job (promised: at most {100 * LARGEST_AROUND_SHARE:.0f} %)"
        )
    return lines


def _kept(holds: bool) -> str:
    return "kept" if holds else "BROKEN"


def as_json(machine: Mapping[str, str], comparison: Comparison | None, visits: Sequence[Visit]) -> dict[str, Any]:
    """Everything measured, as plain data."""
    report: dict[str, Any] = {"machine": dict(machine), "visits": [dataclasses.asdict(one) for one in visits]}
    if comparison:
        report |= {"versions": dict(comparison.versions), "loads": comparison.loads}
        report["their_memory_nbytes"] = comparison.their_memory_nbytes
        report["cases"] = [
            {
                "model": one.case.model,
                "name": one.case.name,
                "shape": list(one.case.feed.shape),
                "job": one.case.job,
                "first_ms": dict(one.first_ms),
                "ours_ms": list(one.ours_ms),
                "theirs_ms": list(one.theirs_ms),
                "ratios": list(one.ratios) if one.theirs_ms else [],
                "agreement": dict(one.agreement),
            }
            for one in comparison.results
        ]
    return report


def document(machine: Mapping[str, str], comparison: Comparison, visits: Sequence[Visit]) -> str:
    """docs/performance.md."""
    facts = [f"- {name}: {value}" for name, value in {**machine, **comparison.versions}.items()]
    verdict = [f"- {line}" for line in verdict_lines(comparison, visits)]
    lines = [
        "# Performance",
        "",
        "Written by `python3 scripts/bench.py --peers --start --write`; never by hand. One headless Chromium. Side by",
        "side, each computes on one thread, and both are given the same tensors in turn (ours, theirs, ours, ...), so",
        "that a busy moment of the machine meets both; a ratio is the median over the rounds. Times include copying",
        "feeds in and outputs out. *From native*: how far the outputs of the same run are from native onnxruntime's,",
        "in the measure of `tests/agreement.py`.",
        "",
        *facts,
        "",
        *verdict,
        "",
        *comparison_lines(comparison),
        *job_lines(visits),
    ]
    return "\n".join(lines).rstrip() + "\n"
