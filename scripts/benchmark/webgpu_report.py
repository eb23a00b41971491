"""What was measured on WebGPU, as tables, verdicts and docs/performance-webgpu.md."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from benchmark.cases import MODELS
from benchmark.sides import OURS_GPU, THEIRS_GPU
from benchmark.tables import geometric_mean_of, number, table
from benchmark.webgpu import GpuCase, GpuMeasured
from benchmark.webgpu_plans import TYPICAL, PlanFigures
from benchmark.webgpu_tables import (
    MODELS_HEAD,
    MOVED_HEAD,
    PLANS_HEAD,
    PRODUCTS_HEAD,
    megabytes,
    model_rows,
    moved_rows,
    percent,
    plan_rows,
    product_rows,
)

LEAST_PRODUCT_SHARE, LEAST_MODEL_SHARE = 0.6, 0.4
SHARED_PRODUCTS = ("matmul1024", "convolution_56", "convolution_28")
SHARED_MODELS = ("det", "minilm")
LEAST_GAIN = 6.0
FARTHEST = 1e-3
ENCODED = "det"
MOST_ENCODE_MS = 1.0
MOST_CROSSINGS = 5
EVENT_LOOP = "event loop"
"""Calls that awaiting takes, which Pyodide makes."""

HEAD = """\
# Performance on WebGPU

Written by `python3 scripts/bench.py --parts webgpu --write`; never by hand. One headless Chromium for the products and
one for each model. In each round come first the adapter's peak (a loop of `fma` in 8 or 12 independent chains, or in 2
of vectors: the best of them), then three runs of ours, of which the median counts, their steps one by one by timestamp
queries (*on the device*), and one run of onnxruntime-web's WebGPU execution provider on the same tensors. A ratio or a
share is the median over the rounds, pair by pair; *best* is the best of all rounds over the best peak. Whole runs copy
feeds in and outputs out. Where a run of the peer takes many seconds, as it does on a software adapter, one round must
do; who gives no answer within {patience_s:.0f} s, or refuses a model, is listed with the reason.
Models may be measured in several runs, which `--from` joins: then it says below when, and products are the last run's.

*MB moved by kernels* are the tensors that our dispatches ask for, each once a dispatch. *MB bound* are the storage
buffers that the peer binds for its dispatches, each once a dispatch, as `page/gpu_counts.js` sees them: the peer's
kernels are not ours to count, and a buffer may be larger than the tensor in it. *From native*: as in `performance.md`.
Encoding is counted from the first command encoder to the return of the last submit. Calls into JavaScript are those
that Python makes in one run; awaiting a promise and reading a property are no calls.
"""


def lines_of(measured: GpuMeasured, plans: Sequence[PlanFigures]) -> list[str]:
    """A section for each thing that was measured."""
    lines: list[str] = []
    if measured.adapter:
        adapter = measured.adapter
        sizes = " to ".join(map(str, dict.fromkeys(adapter.subgroup_sizes))) or "unknown"
        lines += [
            f"Adapter: {adapter.name}{' (software: the processor plays the GPU)' if adapter.software else ''}; "
            f"subgroups of {sizes}; features: {', '.join(adapter.features)}.",
            "",
        ]
    if measured.peak:
        lines += [
            f"A loop of multiply-adds alone does {measured.peak:.1f} GFLOP/s on it, at best, which is *peak* below; "
            f"unrolled eightfold it does {measured.unrolled_peak:.1f}.",
            "",
        ]
    if measured.products:
        lines += ["## Products on WebGPU", "", *table(PRODUCTS_HEAD, product_rows(measured.products)), ""]
        lines += _refusals(measured.products)
    if measured.models:
        lines += ["## Models on WebGPU", "", *table(MODELS_HEAD, model_rows(measured.models)), ""]
        lines += _refusals(measured.models)
        lines += ["## What a run asks of WebGPU", "", *table(MOVED_HEAD, moved_rows(measured.models)), ""]
        lines += _crossing_lines(measured.models)
    if plans:
        lines += ["## What other GPUs would be given", "", "Compiled here for them, and not run.", ""]
        lines += [*map(_typical_line, TYPICAL), "", *table(PLANS_HEAD, plan_rows(plans)), ""]
        lines += [f"- {one.model} on a typical {one.device} GPU: {one.refused}" for one in plans if one.refused]
        lines += [""] if any(one.refused for one in plans) else []
    return lines


def verdicts(measured: GpuMeasured, plans: Sequence[PlanFigures]) -> list[tuple[bool, str]]:
    """Each promise, whether it is kept, with what was measured."""
    found = [_product_verdict(one) for one in measured.products if one.case.model in SHARED_PRODUCTS]
    if not measured.models:
        return found
    found += _share_verdicts(measured.models)
    mean = geometric_mean_of(one.gain for one in measured.models)
    compared = sum(one.gain is not None for one in measured.models)
    found.append(
        (
            mean is not None and mean >= LEAST_GAIN and compared == len(measured.models),
            f"onnxruntime-web's WebGPU takes {number(mean) or 'unknown'} times as long in the geometric mean over "
            f"{compared} of {len(measured.models)} models (promised: at least {LEAST_GAIN} over all)",
        )
    )
    found += [verdict for one in measured.models for verdict in _moved_verdict(one, plans)]
    found += _agreement_verdict(measured)
    return found + [verdict for one in measured.models if one.case.model == ENCODED for verdict in _door_verdicts(one)]


def _product_verdict(one: GpuCase) -> tuple[bool, str]:
    share = one.best_share
    return (
        share is not None and share >= LEAST_PRODUCT_SHARE,
        f"{one.case.model}: {percent(share) or 'no part'} of the adapter's peak at best, by the device's clock "
        f"(promised: at least {100 * LEAST_PRODUCT_SHARE:.0f} %)",
    )


def _share_verdicts(cases: Sequence[GpuCase]) -> list[tuple[bool, str]]:
    """The share over the models of SHARED_MODELS together, when any of them was to be measured."""
    asked = [one for one in cases if one.case.model in SHARED_MODELS]
    if not asked:
        return []
    ran = [one for one in asked if one.ours]
    names = " and ".join(one.case.model for one in asked)
    shares = [one.run_share for one in ran if one.run_share]
    # Flops over time of all: the harmonic mean of the shares, weighted by the flops.
    flops = [one.work["flops"] for one in ran]
    share = sum(flops) / sum(part / whole for part, whole in zip(flops, shares, strict=True)) if shares else None
    return [
        (
            share is not None and share >= LEAST_MODEL_SHARE and len(ran) == len(SHARED_MODELS),
            f"{names}: {percent(share) or 'no part'} of the adapter's peak over the whole runs of "
            f"{len(ran)} of {len(SHARED_MODELS)} (promised: at least {100 * LEAST_MODEL_SHARE:.0f} %)",
        )
    ]


def _moved_verdict(one: GpuCase, plans: Sequence[PlanFigures]) -> list[tuple[bool, str]]:
    """Dispatches and bytes of ours, here and on typical GPUs, beside the peer's."""
    theirs = one.counts.get(THEIRS_GPU.title)
    ours = {"here": (one.counts[OURS_GPU.title]["dispatches"], one.work["nbytes"])} if one.ours else {}
    for plan in plans:
        if plan.model == one.case.model and not plan.refused:
            ours[plan.device] = (plan.dispatches, plan.nbytes)
    if not theirs or not ours:
        return []
    told = ", ".join(f"{where} {n:.0f} and {megabytes(nbytes)} MB" for where, (n, nbytes) in ours.items())
    fewer = all(n < theirs["dispatches"] and nbytes < theirs["boundBytes"] for n, nbytes in ours.values())
    return [
        (
            fewer,
            f"{one.case.model}: dispatches and bytes {told}, beside {theirs['dispatches']:.0f} and "
            f"{megabytes(theirs['boundBytes'])} MB of onnxruntime-web's (promised: fewer of both)",
        )
    ]


def _agreement_verdict(measured: GpuMeasured) -> list[tuple[bool, str]]:
    ours = [one.ours.far for one in (*measured.products, *measured.models) if one.ours]
    if not ours:
        return []
    return [(all(far <= FARTHEST for far in ours), f"outputs are within {max(ours):.0e} (promised: {FARTHEST:.0e})")]


def _door_verdicts(one: GpuCase) -> list[tuple[bool, str]]:
    if not one.ours:
        return []
    encode_ms, calls = median(one.encode_ms), _calls(one)
    return [
        (
            encode_ms < MOST_ENCODE_MS,
            f"{one.case.model}: its list is encoded and submitted in {encode_ms:.2f} ms "
            f"(promised: less than {MOST_ENCODE_MS:.0f})",
        ),
        (
            calls <= MOST_CROSSINGS,
            f"{one.case.model}: a run makes {calls} calls from Python into JavaScript, beside the event loop's "
            f"(promised: at most {MOST_CROSSINGS})",
        ),
    ]


def _typical_line(device: str) -> str:
    target = TYPICAL[device]
    return (
        f"- {device}: subgroups of {target.subgroup}, workgroups of {target.team_limit} at most with "
        f"{target.shared_nbytes // 1024} KiB, {', '.join(sorted(target.features))}"
    )


def _crossing_lines(cases: Sequence[GpuCase]) -> list[str]:
    lines = []
    for one in cases:
        first = [f"{side} {ms / 1e3:.1f} s" for side, ms in one.ready_ms.items()]
        lines += [f"- {one.case.model}: load, compile and first run together: {', '.join(first)}"] if first else []
        if one.ours:
            calls = ", ".join(f"{name} {count}" for name, count in sorted(one.crossings.items()))
            lines.append(
                f"- {one.case.model}: encode and submit {median(one.encode_ms):.2f} ms; "
                f"{_calls(one)} calls from Python into JavaScript ({calls})"
            )
    return [*lines, ""] if lines else []


def _calls(one: GpuCase) -> int:
    return sum(count for name, count in one.crossings.items() if name != EVENT_LOOP)


def _refusals(cases: Iterable[GpuCase]) -> list[str]:
    """Who did not run what, and why; what runs on WebGPU in part only; and whose answer is wrong, whatever its time."""
    lines = [f"- {one.case.model}, {side}: {why}" for one in cases for side, why in one.refused.items()]
    lines += [f"- {one.case.model}, {OURS_GPU.title}: {part}" for one in cases for part in one.parts]
    lines += [
        f"- {timed.case.model}, {timed.side}: its answer is wrong, {timed.far:.0e} from native onnxruntime's"
        for one in cases
        for timed in (one.ours, one.theirs)
        if timed and not timed.far <= FARTHEST
    ]
    return [*lines, ""] if lines else []


def document(machine: Mapping[str, str], measured: GpuMeasured, plans: Sequence[PlanFigures]) -> str:
    """docs/performance-webgpu.md; `machine` has the versions, too."""
    missing = [model for model in MODELS if model not in [one.case.model for one in measured.models]]
    lines = [
        HEAD.format(patience_s=THEIRS_GPU.patience_s),
        *(f"- {name}: {value}" for name, value in machine.items()),
        "",
        *(f"- {'kept' if kept else 'BROKEN'}: {text}" for kept, text in verdicts(measured, plans)),
        *([f"- BROKEN: not measured: {', '.join(missing)}"] if missing else []),
        "",
        *lines_of(measured, plans),
    ]
    return "\n".join(lines).rstrip() + "\n"
