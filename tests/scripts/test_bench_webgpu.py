"""What scripts/bench.py makes of what it measured on WebGPU, and what it says of GPUs that are not here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.__main__ import GPU_PARTS, PARTS, options_of, take_earlier
from benchmark.cases import Case, model_case, native_answer, tiny_case, tiny_model
from benchmark.measure import Timed
from benchmark.report import Measured, as_json
from benchmark.sides import OURS, OURS_GPU, THEIRS_GPU
from benchmark.webgpu import WINDOWS, Adapter, GpuCase, GpuMeasured, product_case, window_models
from benchmark.webgpu_plans import TYPICAL, PlanFigures, plan_figures
from benchmark.webgpu_report import document, lines_of, verdicts
from benchmark.webgpu_tables import model_rows, product_rows

WORK = {"flops": 1e9, "nbytes": 2e6, "uncounted": 0}
OUR_COUNTS = {"dispatches": 10, "boundBytes": 5e7, "writtenBytes": 1e6, "submits": 1, "maps": 1, "encodeMs": 0.5}
THEIR_COUNTS = {**OUR_COUNTS, "dispatches": 20, "boundBytes": 4e6, "maps": 3}
CROSSINGS = {"GpuCommands.run": 1, "fetched": 2, "PyodideDoor.to_js": 2, "event loop": 4}


def gpu_case(
    model: str = "det", *, ours_ms: Sequence[float] = (200.0,), theirs_ms: Sequence[float] = (2000.0,)
) -> GpuCase:
    """A billion operations; the adapter does 10 GFLOP/s, so that 100 ms are all of the peak."""
    case = Case(model, "random", {"x": np.zeros((1, 3, 4, 5), np.float32)})
    return GpuCase(
        case,
        Timed(OURS_GPU.title, case, tuple(ours_ms), 1e-5),
        Timed(THEIRS_GPU.title, case, tuple(theirs_ms), 1e-5),
        peaks=(10.0,) * len(ours_ms),
        unrolled_peaks=(40.0,) * len(ours_ms),
        device_ms=tuple(0.75 * ms for ms in ours_ms),
        encode_ms=(0.5,) * len(ours_ms),
        work=WORK,
        counts={OURS_GPU.title: OUR_COUNTS, THEIRS_GPU.title: THEIR_COUNTS},
        crossings=CROSSINGS,
        refused={},
    )


def case_of(one: GpuCase, case: Case) -> GpuCase:
    """The same figures of another case."""
    assert one.ours
    assert one.theirs
    return replace(one, case=case, ours=replace(one.ours, case=case), theirs=replace(one.theirs, case=case))


def refused_by_us(model: str, why: str) -> GpuCase:
    return replace(
        gpu_case(model), ours=None, device_ms=(), encode_ms=(), work={}, crossings={}, refused={OURS_GPU.title: why}
    )


def plan(**changes: float) -> PlanFigures:
    return replace(PlanFigures("det", "discrete", 9, 5, 10**9, 10**6), **changes)


def kept(measured: GpuMeasured, plans: Sequence[PlanFigures] = ()) -> Mapping[str, bool]:
    """Whether each promise is kept, by the words that it begins with."""
    return {" ".join(text.split()[:2]): holds for holds, text in verdicts(measured, plans)}


def test_shares_are_of_the_peak_of_the_same_round() -> None:
    one = replace(gpu_case(ours_ms=(200.0, 400.0)), peaks=(10.0, 5.0))
    assert one.run_share == pytest.approx(0.5)
    assert one.device_share == pytest.approx(2 / 3)
    assert one.best_share == pytest.approx(1e9 / 150 / 1e6 / 10)


@pytest.mark.parametrize(("ms", "holds"), [(222.0, True), (223.0, False)])
def test_a_product_promises_a_part_of_the_peak_on_the_device(ms: float, holds: bool) -> None:
    measured = GpuMeasured(products=[gpu_case("matmul1024", ours_ms=(ms,)), gpu_case("matmul256", ours_ms=(900.0,))])
    (verdict,) = verdicts(measured, ())
    assert verdict[0] is holds


def test_models_promise_a_part_of_the_peak_together() -> None:
    quick, slow = gpu_case("det", ours_ms=(200.0,)), gpu_case("minilm", ours_ms=(300.0,))
    assert kept(GpuMeasured(models=[quick, slow]))["det and"]
    assert not kept(GpuMeasured(models=[quick, replace(slow, ours=Timed(OURS_GPU.title, slow.case, (301.0,), 0.0))]))[
        "det and"
    ]


def test_a_model_that_we_refuse_breaks_promises_and_is_listed_with_the_reason() -> None:
    measured = GpuMeasured(models=[gpu_case(), refused_by_us("minilm", "WGSL has no i16")])
    found = kept(measured)
    assert not found["det and"]
    assert not found["onnxruntime-web's WebGPU"]
    text = "\n".join(lines_of(measured, ()))
    assert "- minilm, intab on WebGPU: WGSL has no i16" in text
    assert model_rows(measured.models)[1][1:3] == ["refused", "2000.0 (2000.0)"]


def test_a_model_that_the_peer_refuses_breaks_the_mean_over_all() -> None:
    without = replace(gpu_case("rec"), theirs=None, refused={THEIRS_GPU.title: "no answer within 90 s"})
    assert not kept(GpuMeasured(models=[gpu_case(), without]))["onnxruntime-web's WebGPU"]
    assert kept(GpuMeasured(models=[gpu_case()]))["onnxruntime-web's WebGPU"]


@pytest.mark.parametrize(("theirs_ms", "holds"), [(1200.0, True), (1199.0, False)])
def test_the_peer_is_to_take_six_times_as_long(theirs_ms: float, holds: bool) -> None:
    assert kept(GpuMeasured(models=[gpu_case(theirs_ms=(theirs_ms,))]))["onnxruntime-web's WebGPU"] is holds


def test_dispatches_and_bytes_are_to_be_fewer_here_and_on_typical_gpus() -> None:
    measured = GpuMeasured(models=[gpu_case()])
    assert kept(measured, [plan()])["det: dispatches"]
    assert not kept(measured, [plan(dispatches=20)])["det: dispatches"]
    assert not kept(measured, [plan(nbytes=4 * 10**6)])["det: dispatches"]
    assert kept(measured, [replace(plan(dispatches=20), model="rec")])["det: dispatches"]


def test_encoding_and_calls_into_javascript_have_their_limits() -> None:
    found = kept(GpuMeasured(models=[gpu_case()]))
    assert found["det: its"] and found["det: a"]
    slow = replace(gpu_case(), encode_ms=(1.0,), crossings={**CROSSINGS, "more": 1})
    found = kept(GpuMeasured(models=[slow]))
    assert not found["det: its"] and not found["det: a"]


@pytest.mark.parametrize("far", [2e-3, float("nan")])
def test_a_wrong_answer_breaks_a_promise_and_is_listed(far: float) -> None:
    right = gpu_case()
    assert right.ours is not None
    measured = GpuMeasured(models=[replace(right, ours=replace(right.ours, far=far))])
    assert not kept(measured)["outputs are"]
    assert "- det, intab on WebGPU: its answer is wrong" in "\n".join(lines_of(measured, ()))


def test_bytes_that_are_not_all_counted_are_said_to_be_more() -> None:
    one = replace(gpu_case(), work={**WORK, "uncounted": 2})
    assert "more than 2.0" in "\n".join(lines_of(GpuMeasured(models=[one]), ()))
    assert "more than 1.0" in "\n".join(lines_of(GpuMeasured(), [plan(uncounted=1)]))


def test_products_that_did_not_run_have_no_row() -> None:
    assert product_rows([refused_by_us("matmul256", "no adapter")]) == []


def test_the_document_holds_what_was_measured() -> None:
    adapter = Adapter("google swiftshader", True, ("subgroups",), (4, 4))
    measured = GpuMeasured(adapter, [gpu_case("matmul1024")], [gpu_case()])
    text = document({"cores": "2"}, measured, [plan(), replace(plan(), refused="no i16", device="integrated")])
    for part in (
        "google swiftshader (software",
        "10.0 GFLOP/s",
        "does 40.0",
        "- cores: 2",
        " 10.00 ",
        "- det on a typical integrated GPU: no i16",
        "- BROKEN: not measured: rec, ",
        "(GpuCommands.run 1, PyodideDoor.to_js 2, event loop 4, fetched 2)",
    ):
        assert part in text


def written(path: Path, measured: GpuMeasured, date: str) -> Path:
    path.write_text(json.dumps(as_json({"date": date}, Measured({"intab": "1"}, webgpu=measured))))
    return path


def test_figures_of_earlier_runs_come_back_from_their_json(tmp_path: Path) -> None:
    adapter, product = Adapter("one", True, ("subgroups",), (4, 4)), case_of(gpu_case(), product_case("matmul256"))
    slow, quick = (case_of(gpu_case(ours_ms=(ms,)), model_case("rec")) for ms in (400.0, 200.0))
    refused = replace(
        case_of(gpu_case(), model_case("det")), theirs=None, refused={THEIRS_GPU.title: "why"}, parts=("p",)
    )
    first = written(tmp_path / "a", GpuMeasured(adapter, [product], [slow, refused]), "Monday")
    second = written(tmp_path / "b", GpuMeasured(None, [], [quick]), "Tuesday")
    found = Measured()
    take_earlier([first, second], found)
    wanted = GpuMeasured(adapter, [product], [refused, quick])
    assert as_json({}, found)["webgpu"] == as_json({}, Measured(webgpu=wanted))["webgpu"]
    assert found.webgpu.adapter == adapter
    assert [one.case.title for one in found.webgpu.models] == [refused.case.title, quick.case.title]
    assert found.versions == {"intab": "1", "measured at Monday": "rec, det", "measured at Tuesday": "rec"}
    with pytest.raises(SystemExit):
        options_of(["--parts", "webgpu", "--from", str(tmp_path / "c")])


def test_parts_of_webgpu_are_a_page_of_their_own() -> None:
    both = options_of(["--write", "--parts", "webgpu", "--models", "det"])
    assert (both.peers, both.parts, both.models) == (True, list(GPU_PARTS), ["det"])
    assert not set(GPU_PARTS) & set(options_of(["--write"]).parts)
    joined = options_of(["--write", "--parts", "plans", "--from", __file__])
    assert joined.parts == ["plans"]
    assert not set(GPU_PARTS) & set(options_of([]).parts)
    assert set(GPU_PARTS) < set(PARTS)


def test_sides_on_webgpu_are_workers_of_their_own() -> None:
    assert OURS.key != OURS_GPU.key


def test_convolutions_made_for_the_bench_compute_what_they_say(tmp_path: Path) -> None:
    models = window_models(tmp_path)
    for name, (size, channels) in WINDOWS.items():
        (found,) = native_answer(models[name], product_case(name).feeds).values()
        assert found.shape == (1, channels, size, size)
        assert np.abs(found).max() > 0


@pytest.mark.parametrize("device", TYPICAL)
def test_a_plan_is_compiled_for_a_device_that_is_not_here(device: str, tmp_path: Path) -> None:
    found = plan_figures("tiny", tiny_model(tmp_path), tiny_case().feeds, device)
    assert (found.dispatches, found.kernels, found.uncounted, found.refused) == (1, 1, 0, "")
    assert found.nbytes == 2 * 4 * 4
    assert found.intensity == found.flops / found.nbytes


def test_memory_that_a_workgroup_shares_is_counted(tmp_path: Path) -> None:
    name = next(iter(WINDOWS))
    found = plan_figures(name, window_models(tmp_path)[name], product_case(name).feeds, "discrete")
    assert 0 < found.shared_nbytes <= TYPICAL["discrete"].shared_nbytes
    assert 1 < found.team <= TYPICAL["discrete"].team_limit
    assert found.flops == 2 * 9 * 64 * 64 * 56 * 56


def test_a_model_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    found = plan_figures("broken", tmp_path / "broken.onnx", {}, "discrete")
    assert "broken.onnx" in found.refused
    assert found.dispatches == 0
