"""What was measured, for people, for programs, and as docs/performance.md; and which promises it keeps."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from benchmark import tables, webgpu_report
from benchmark.job import Visit
from benchmark.measure import Core, Fresh, Group, ratio
from benchmark.sides import OURS, OURS_TWO, THEIRS
from benchmark.tables import table
from benchmark.webgpu import GpuMeasured
from benchmark.webgpu_plans import PlanFigures

SLOWEST_ALLOWED = 2.0  # times of onnxruntime-web, for the models' runs of the main job
LONGEST_START_S = 4.0
LARGEST_AROUND_SHARE = 0.30
LEAST_MEAN, LEAST_RATIO = 2.0, 1.3
LEAST_THREADS_GAIN = {"det": 1.7, "resnet50": 1.7}
LEAST_PEAK_SHARE = 0.8
LEAST_OVER_FLOATS, LEAST_OVER_INTEGERS = 1.4, 2.0
LARGEST_OVERHEAD_MS = 0.1
LARGEST_MEMORY_SHARE = 0.6
FARTHEST, FARTHEST_INTEGERS = 1e-3, 1e-2
HEAVIEST_PRODUCT = "matmul1024"


@dataclass(slots=True)
class Measured:
    """Everything that was measured; a part that was left out is empty.

    fresh: by model and then side, every visit.
    """

    versions: dict[str, str] = field(default_factory=dict)
    core: Core | None = None
    models: list[Group] = field(default_factory=list)
    job: list[Group] = field(default_factory=list)
    products: list[Group] = field(default_factory=list)
    integers: list[Group] = field(default_factory=list)
    fresh: dict[str, dict[str, list[Fresh]]] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)
    webgpu: GpuMeasured = field(default_factory=GpuMeasured)
    plans: list[PlanFigures] = field(default_factory=list)

    @property
    def peak(self) -> float | None:
        return self.core.peak if self.core else None


def lines_of(measured: Measured) -> list[str]:
    """A section for each part that was measured."""
    lines: list[str] = []
    if measured.core:
        lines += [
            f"One core here does {measured.core.peak:.1f} GFLOP/s at multiply-adds alone, which is *peak* below.",
            f"A run of a model that does nothing takes {measured.core.overhead_ms:.3f} ms: Python and the crossings.",
            "",
        ]
    if measured.models:
        lines += [
            "## Models",
            "",
            *table(tables.ONE_THREAD_HEAD, tables.one_thread_rows(measured.models, measured.peak)),
            "",
        ]
        lines += [*table(tables.TWO_THREADS_HEAD, tables.two_threads_rows(measured.models)), ""]
    if measured.job:
        lines += ["## The models' runs on page.png", ""]
        lines += [*table(tables.ONE_THREAD_HEAD, tables.one_thread_rows(measured.job, measured.peak)[:-1]), ""]
    if measured.products:
        lines += [
            "## Products",
            "",
            *table(tables.PRODUCTS_HEAD, tables.product_rows(measured.products, measured.peak)),
            "",
        ]
    if measured.integers:
        lines += ["## Integers", "", *table(tables.INTEGERS_HEAD, tables.integer_rows(measured.integers)), ""]
    if measured.fresh:
        lines += ["## First answer", "", *table(tables.FRESH_HEAD, tables.fresh_rows(measured.fresh)), ""]
        lines += ["## Memory", "", *table(tables.MEMORY_HEAD, tables.memory_rows(measured.fresh)), ""]
    lines += job_lines(measured.visits) if measured.visits else []
    return lines + webgpu_report.lines_of(measured.webgpu, measured.plans)


def job_lines(visits: Sequence[Visit]) -> list[str]:
    """Start and the whole job."""
    starts = [one.marks["intab"] / 1e3 for one in visits]
    first, later = visits[-1].readings[0], visits[-1].readings[1:]
    return [
        "## Start",
        "",
        f"From navigation until intab and numpy are imported, in fresh profiles: median {median(starts):.2f} s "
        f"({', '.join(f'{one:.2f}' for one in starts)}). "
        f"Models loaded in {median(v.load_ms for v in visits):.0f} ms and compiled in "
        f"{median(v.compile_ms for v in visits):.0f} ms after that.",
        "",
        "## The whole job",
        "",
        *table(tables.JOB_HEAD, tables.job_rows(later)),
        "",
        f"The page computes on {visits[-1].threads} thread(s). The first reading of a fresh page takes "
        f"{median(v.readings[0].total_ms for v in visits):.0f} ms (median of {len(visits)}), of which "
        f"{100 * first.around_share:.0f} % are decoding, pre- and post-processing.",
        "",
    ]


def verdict_lines(measured: Measured) -> list[str]:
    """Each promise with what was measured."""
    lines = [
        *_model_verdicts(measured.models),
        *_job_verdicts(measured.job),
        *_product_verdicts(measured.products, measured.peak),
        *_integer_verdicts(measured.integers),
        *_fresh_verdicts(measured.fresh),
        *_visit_verdicts(measured.visits),
    ]
    if measured.core:
        lines.append(
            _line(measured.core.overhead_ms <= LARGEST_OVERHEAD_MS)
            + f"Python and crossings take {measured.core.overhead_ms:.3f} ms a run "
            f"(promised: at most {LARGEST_OVERHEAD_MS})"
        )
    return lines + [_line(kept) + text for kept, text in webgpu_report.verdicts(measured.webgpu, measured.plans)]


def _model_verdicts(groups: Sequence[Group]) -> list[str]:
    lines = []
    for title, ratios in (
        ("one thread each", tables.one_thread_ratios(groups)),
        ("two threads each", tables.two_thread_ratios(groups)),
    ):
        mean, there = tables.geometric_mean_of(ratios), [one for one in ratios if one is not None]
        if mean is not None:
            lines.append(
                _line(mean >= LEAST_MEAN)
                + f"{title}, onnxruntime-web takes {mean:.2f} times as long as intab in the geometric mean over "
                f"{len(there)} models (promised: at least {LEAST_MEAN})"
            )
            if title.startswith("one"):
                lines.append(
                    _line(min(there) >= LEAST_RATIO)
                    + f"the least of these ratios is {min(there):.2f} (promised: at least {LEAST_RATIO})"
                )
    for group in groups:
        ours, two = group.lanes[0], group.find(OURS_TWO)
        least = LEAST_THREADS_GAIN.get(ours.case.model)
        if two and least:
            gain = ratio(ours, two)
            lines.append(
                _line(gain >= least) + f"{ours.case.model} is {gain:.2f} times as quick on two threads as on one "
                f"(promised: at least {least})"
            )
    return lines + _agreement_verdict(groups, FARTHEST, "models")


def _agreement_verdict(groups: Sequence[Group], farthest: float, what: str) -> list[str]:
    ours = [lane.far for group in groups for lane in group.lanes if lane.side in (OURS.title, OURS_TWO.title)]
    if not ours:
        return []
    return [
        _line(max(ours) <= farthest)
        + f"outputs of {what} are within {max(ours):.0e} of native onnxruntime's (promised: {farthest:.0e})"
    ]


def _job_verdicts(groups: Sequence[Group]) -> list[str]:
    share = tables.ratio_of(tables.summed(groups, OURS), tables.summed(groups, THEIRS))
    if share is None:
        return []
    return [
        _line(share <= SLOWEST_ALLOWED)
        + f"the models' runs on page.png take {share:.2f} times as long as in onnxruntime-web "
        f"(promised: at most {SLOWEST_ALLOWED:.0f})"
    ]


def _product_verdicts(groups: Sequence[Group], peak: float | None) -> list[str]:
    lines = []
    for group in groups:
        ours = group.lane(OURS)
        others = [one for one in map(group.find, tables.PRODUCT_PEERS) if one]
        for one in others:
            gain = ratio(one, ours)
            lines.append(
                _line(gain > 1)
                + f"{ours.case.model}: {one.side} takes {gain:.2f} times as long (promised: more than 1)"
            )
        if peak and ours.case.model == HEAVIEST_PRODUCT:
            share = group.work[ours.case.model]["flops"] / min(ours.ms) / 1e6 / peak
            lines.append(
                _line(share >= LEAST_PEAK_SHARE)
                + f"{ours.case.model}: {100 * share:.0f} % of the core's peak at best, copies included "
                f"(promised: at least {100 * LEAST_PEAK_SHARE:.0f} %)"
            )
    return lines


def _integer_verdicts(groups: Sequence[Group]) -> list[str]:
    lines = []
    for group in groups:
        ours = [lane for lane in group.lanes if lane.side == OURS.title]
        for one in ours[1:]:
            gain = ratio(ours[0], one)
            lines.append(
                _line(gain >= LEAST_OVER_FLOATS)
                + f"{one.case.model}: our f32 takes {gain:.2f} times as long (promised: at least {LEAST_OVER_FLOATS})"
            )
            over = tables.ratio_of(group.find(THEIRS, one.case.model), one)
            if over is not None:
                lines.append(
                    _line(over >= LEAST_OVER_INTEGERS)
                    + f"{one.case.model}: onnxruntime-web takes {over:.2f} times as long "
                    f"(promised: at least {LEAST_OVER_INTEGERS})"
                )
            lines += _agreement_verdict([Group((one,))], FARTHEST_INTEGERS, one.case.model)
    return lines


def _fresh_verdicts(seen: Mapping[str, Mapping[str, Sequence[Fresh]]]) -> list[str]:
    lines = []
    if "det" in seen and THEIRS.title in seen["det"]:
        ours, theirs = (median(one.ready_ms for one in seen["det"][side.title]) for side in (OURS, THEIRS))
        lines.append(
            _line(ours <= theirs)
            + f"det: load, compile and first run take {ours:.0f} ms, onnxruntime-web's {theirs:.0f} "
            "(promised: no longer)"
        )
    shares = {
        model: sides[OURS.title][-1].session_nbytes / sides[THEIRS.title][-1].session_nbytes
        for model, sides in seen.items()
        if THEIRS.title in sides
    }
    if shares:
        worst = max(shares, key=lambda model: shares[model])
        lines.append(
            _line(shares[worst] <= LARGEST_MEMORY_SHARE)
            + f"a session holds at most {shares[worst]:.2f} of onnxruntime-web's memory ({worst}; "
            f"promised: {LARGEST_MEMORY_SHARE})"
        )
    return lines


def _visit_verdicts(visits: Sequence[Visit]) -> list[str]:
    if not visits:
        return []
    start = median(one.marks["intab"] for one in visits) / 1e3
    share = median(reading.around_share for one in visits for reading in one.readings)
    return [
        _line(start <= LONGEST_START_S) + f"start {start:.2f} s (promised: at most {LONGEST_START_S:.0f} s)",
        _line(share <= LARGEST_AROUND_SHARE) + f"decoding, pre- and post-processing are {100 * share:.0f} % of the job "
        f"(promised: at most {100 * LARGEST_AROUND_SHARE:.0f} %)",
    ]


def _line(holds: bool) -> str:
    return "kept: " if holds else "BROKEN: "


def as_json(machine: Mapping[str, str], measured: Measured) -> dict[str, Any]:
    """Everything measured, as plain data."""
    return {"machine": dict(machine)} | {
        one.name: _plain(getattr(measured, one.name)) for one in dataclasses.fields(measured)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "dtype": str(value.dtype)}
    if dataclasses.is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def document(machine: Mapping[str, str], measured: Measured) -> str:
    """docs/performance.md."""
    facts = [f"- {name}: {value}" for name, value in {**machine, **measured.versions}.items()]
    lines = [
        "# Performance",
        "",
        "Written by `python3 scripts/bench.py --write`; never by hand. One headless Chromium in which all sides are",
        "given the same tensors in turn (ours, theirs, ours, ...), so that a busy moment of the machine meets all; a",
        "ratio is the median over the rounds, pair by pair. Times include copying feeds in and outputs out; TF.js",
        "and jax-js, which are given no model but asked for a product, have its factors in their memory already.",
        "*From native*: how far the outputs of the same run are from native onnxruntime's, in the measure of",
        "`tests/agreement.py`. GFLOP/s and GB/s count what the operators ask for, not what a kernel makes of it.",
        "Light models have seeded random weights.",
        "",
        *facts,
        "",
        *(f"- {line}" for line in verdict_lines(measured)),
        "",
        *lines_of(measured),
    ]
    return "\n".join(lines).rstrip() + "\n"
