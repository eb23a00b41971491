"""What was measured on WebGPU as rows of tables."""

from collections.abc import Mapping, Sequence
from statistics import median

from benchmark.measure import Timed
from benchmark.sides import OURS_GPU, THEIRS_GPU
from benchmark.tables import Row, geometric_mean_of, number, times
from benchmark.webgpu import GpuCase
from benchmark.webgpu_plans import PlanFigures

PRODUCTS_HEAD = (
    "product",
    "on the device, ms: median (best)",
    "GFLOP/s: median (best)",
    "of peak: median (best)",
    "whole run, ms: median (best)",
    "of peak",
    "from native",
)
MODELS_HEAD = (
    "whole runs, ms: median (minimum)",
    "intab",
    "onnxruntime-web",
    "rounds",
    "theirs / ours",
    "GFLOP/s",
    "of peak",
    "on the device, ms",
    "of peak there",
    "ours from native",
    "theirs from native",
)
MOVED_HEAD = (
    "one run",
    "dispatches",
    "theirs",
    "MB moved by kernels",
    "MB bound, theirs",
    "MFLOP",
    "FLOP/byte",
    "MB written",
    "theirs",
    "maps",
    "theirs",
)
PLANS_HEAD = (
    "plan",
    "GPU",
    "dispatches",
    "kernels",
    "MFLOP",
    "MB moved",
    "FLOP/byte",
    "workgroup memory, KiB",
    "largest team",
    "of one subgroup",
    "MB of weights",
    "MB between",
)


def product_rows(cases: Sequence[GpuCase]) -> list[Row]:
    """One row for each product of ours that ran."""
    rows = []
    for one in cases:
        if one.ours is None:
            continue
        gflop = one.work["flops"] / 1e6
        best, best_share = gflop / min(one.device_ms), one.best_share
        rows.append(
            [
                one.case.title,
                f"{median(one.device_ms):.2f} ({min(one.device_ms):.2f})",
                f"{gflop / median(one.device_ms):.2f} ({best:.2f})",
                f"{percent(one.device_share)} ({percent(best_share)})",
                times(one.ours),
                percent(one.run_share),
                _far(one.ours),
            ]
        )
    return rows


def model_rows(cases: Sequence[GpuCase]) -> list[Row]:
    """One row for each model, refused or not, then the geometric mean."""
    rows = []
    for one in cases:
        ours = one.ours
        rows.append(
            [
                one.case.title,
                _times_or_refused(one, OURS_GPU.title, ours),
                _times_or_refused(one, THEIRS_GPU.title, one.theirs),
                str(len(one.peaks)),
                number(one.gain),
                f"{one.work['flops'] / ours.median_ms / 1e6:.2f}" if ours else "",
                percent(one.run_share),
                f"{median(one.device_ms):.1f}" if ours else "",
                percent(one.device_share),
                _far(ours),
                _far(one.theirs),
            ]
        )
    mean = number(geometric_mean_of(one.gain for one in cases))
    return [*rows, ["**geometric mean**", "", "", "", mean, *[""] * (len(MODELS_HEAD) - 5)]]


def moved_rows(cases: Sequence[GpuCase]) -> list[Row]:
    """One row for each model that ran on either side."""
    rows = []
    for one in cases:
        ours, theirs = (one.counts.get(side.title, {}) for side in (OURS_GPU, THEIRS_GPU))
        nbytes, flops = one.work.get("nbytes"), one.work.get("flops", 0.0)
        if not ours and not theirs:
            continue
        rows.append(
            [
                one.case.title,
                _count(ours, "dispatches"),
                _count(theirs, "dispatches"),
                _moved(one.work),
                megabytes(theirs.get("boundBytes")),
                f"{flops / 1e6:.0f}" if one.work else "",
                f"{flops / nbytes:.1f}" if nbytes else "",
                megabytes(ours.get("writtenBytes")),
                megabytes(theirs.get("writtenBytes")),
                _count(ours, "maps"),
                _count(theirs, "maps"),
            ]
        )
    return rows


def plan_rows(plans: Sequence[PlanFigures]) -> list[Row]:
    """One row for each plan that there is."""
    return [
        [
            one.model,
            one.device,
            str(one.dispatches),
            str(one.kernels),
            f"{one.flops / 1e6:.0f}",
            _moved({"nbytes": one.nbytes, "uncounted": one.uncounted}),
            f"{one.intensity:.1f}",
            f"{one.shared_nbytes / 1024:.1f}",
            str(one.team),
            str(one.subgroup_kernels),
            megabytes(one.weights_nbytes),
            megabytes(one.arena_nbytes),
        ]
        for one in plans
        if not one.refused
    ]


def _times_or_refused(one: GpuCase, side: str, timed: Timed | None) -> str:
    return times(timed) if timed else "refused" if side in one.refused else ""


def percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def _far(timed: Timed | None) -> str:
    return f"{timed.far:.0e}" if timed else ""


def _count(counts: Mapping[str, float], name: str) -> str:
    return f"{counts[name]:.0f}" if counts else ""


def _moved(work: Mapping[str, float]) -> str:
    """Bytes that are counted; more where some dispatches do not say."""
    if not work:
        return ""
    return f"{'more than ' if work['uncounted'] else ''}{megabytes(work['nbytes'])}"


def megabytes(nbytes: float | None) -> str:
    return "" if nbytes is None else f"{nbytes / 1e6:.1f}"
