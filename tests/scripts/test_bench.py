"""What scripts/bench.py makes of what it measured."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.__main__ import GPU_PARTS, PARTS, options_of
from benchmark.cases import MODELS, Case, model_case, native_answer, square_case, square_model
from benchmark.integers import integer_cases, integer_models
from benchmark.job import Reading, Visit
from benchmark.measure import Core, Fresh, Group, Timed, ratio
from benchmark.report import Measured, as_json, document, lines_of, verdict_lines
from benchmark.sides import JAX, OURS, OURS_TWO, TENSORFLOW, THEIRS, THEIRS_TWO, Side
from benchmark.tables import geometric_mean_of, one_thread_rows, summed, table

WORK = {"flops": 8e7, "nbytes": 2e6}


def timed(side: Side, *ms: float, model: str = "det", far: float = 1e-5) -> Timed:
    return Timed(side.title, Case(model, "random", {"x": np.zeros((1, 3, 4, 5), np.float32)}), ms, far)


def group(*lanes: Timed) -> Group:
    return Group(lanes, {lane.case.model: WORK for lane in lanes})


def pair(ours: float, theirs: float, *, model: str = "det") -> Group:
    return group(timed(OURS, ours, model=model), timed(THEIRS, theirs, model=model))


def visit(start_ms: float, around_ms: float) -> Visit:
    reading = Reading(open_ms=10.0, detect_ms=40.0, recognise_ms=50.0, around_ms=around_ms, total_ms=100.0 + around_ms)
    return Visit({"intab": start_ms}, 1.0, 2.0, 2, (reading, reading))


def visited(side: Side, ready_ms: float, session_nbytes: int) -> Fresh:
    stats = {"steps": 3, "kernels": 2} if side == OURS else {}
    return Fresh(side.title, "det", ready_ms - 3, 2.0, 1.0, session_nbytes, 10**8, stats)


def fresh(ours: Fresh, theirs: Fresh) -> Mapping[str, dict[str, list[Fresh]]]:
    return {"det": {OURS.title: [ours], THEIRS.title: [theirs]}}


def words(measured: Measured) -> list[str]:
    return [line.split(":")[0] for line in verdict_lines(measured)]


def test_the_ratio_is_the_median_over_pairs_not_of_medians() -> None:
    assert ratio(timed(THEIRS, 30, 20, 60), timed(OURS, 10, 20, 40)) == 1.5


def test_the_job_is_summed_round_by_round() -> None:
    assert summed([pair(1, 2)], JAX) is None
    total = summed([group(timed(OURS, 1, 2)), group(timed(OURS, 10, 20), timed(THEIRS, 5, 6))], OURS)
    assert total is not None
    assert total.ms == (11, 22)


def test_means_are_geometric_and_take_what_is_there() -> None:
    assert geometric_mean_of([1.0, None, 4.0]) == pytest.approx(2.0)
    assert geometric_mean_of([None]) is None


def test_rates_and_shares_of_the_peak_are_of_the_work_in_the_time() -> None:
    row, mean = one_thread_rows([pair(4.0, 10.0)], peak=40.0)
    assert row[1:7] == ["4.00 (4.00)", "10.0 (10.0)", "2.50", "20.0", "50 %", "0.5"]
    assert mean[3] == "2.50"


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [((2.0, 2.0), ["kept", "kept"]), ((3.9, 1.0), ["BROKEN", "BROKEN"]), ((9.0, 1.2), ["kept", "BROKEN"])],
)
def test_promises_about_models(ratios: tuple[float, float], expected: list[str]) -> None:
    assert words(Measured(models=[pair(1.0, one, model="rec") for one in ratios]))[:2] == expected


@pytest.mark.parametrize(("two_ms", "theirs_ms", "word"), [(10.0, 20.0, "kept"), (10.1, 20.0, "BROKEN")])
def test_promises_about_two_threads(two_ms: float, theirs_ms: float, word: str) -> None:
    lanes = timed(OURS, 17.0), timed(OURS_TWO, two_ms), timed(THEIRS_TWO, theirs_ms)
    assert words(Measured(models=[group(*lanes)])) == [word, word, "kept"]


def test_a_wrong_answer_breaks_a_promise_however_quick_it_is() -> None:
    assert words(Measured(models=[group(timed(OURS, 1.0, far=2e-3))])) == ["BROKEN"]
    assert words(Measured(models=[group(timed(OURS, 1.0, far=float("nan")))])) == ["BROKEN"]


def test_promises_about_products() -> None:
    lanes = [timed(side, ms, model="matmul1024") for side, ms in ((OURS, 2.0), (THEIRS, 2.1), (TENSORFLOW, 1.9))]
    kept = Measured(core=Core(50.0, 0.05), products=[group(*lanes)])
    assert words(kept) == ["kept", "BROKEN", "kept", "kept"]
    assert words(replace(kept, core=Core(51.0, 0.11)))[2:] == ["BROKEN", "BROKEN"]


def test_promises_about_integers() -> None:
    floats, small = timed(OURS, 14.0, model="det_f32"), timed(OURS, 10.0, model="det_QDQ", far=9e-3)
    theirs = timed(THEIRS, 19.0, model="det_QDQ")
    assert words(Measured(integers=[group(floats, small, theirs)])) == ["kept", "BROKEN", "kept"]


def test_promises_about_a_fresh_browser() -> None:
    kept = Measured(fresh=dict(fresh(visited(OURS, 100, 60), visited(THEIRS, 100, 100))))
    assert words(kept) == ["kept", "kept"]
    broken = Measured(fresh=dict(fresh(visited(OURS, 101, 61), visited(THEIRS, 100, 100))))
    assert words(broken) == ["BROKEN", "BROKEN"]


def test_promises_about_the_job_and_its_start() -> None:
    assert words(Measured(job=[pair(4.0, 2.0)], visits=[visit(3900, 20)])) == ["kept", "kept", "kept"]
    assert words(Measured(job=[pair(4.1, 2.0)], visits=[visit(4100, 45)])) == ["BROKEN", "BROKEN", "BROKEN"]


def test_without_a_peer_nothing_is_said_of_it() -> None:
    alone = Measured(models=[group(timed(OURS, 10.0))], job=[group(timed(OURS, 10.0))])
    assert words(alone) == ["kept"]
    assert "| det: random 1x3x4x5 " in "\n".join(lines_of(alone))


def everything() -> Measured:
    return Measured(
        {"intab": "1"},
        Core(50.0, 0.05),
        [group(timed(OURS, 10.0), timed(THEIRS, 20.0), timed(OURS_TWO, 5.0), timed(THEIRS_TWO, 11.0))],
        [pair(1.0, 2.0)],
        [group(timed(OURS, 1.0), timed(JAX, 3.0))],
        [group(timed(OURS, 4.0, model="a_f32"), timed(OURS, 2.0, model="a_i8"), timed(THEIRS, 5.0, model="a_i8"))],
        dict(fresh(visited(OURS, 100, 60), visited(THEIRS, 100, 100))),
        [visit(3000, 10)],
    )


def test_everything_is_plain_data() -> None:
    again = json.loads(json.dumps(as_json({"cores": "2"}, everything())))
    assert again["models"][0]["lanes"][1]["ms"] == [20.0]
    assert again["models"][0]["lanes"][0]["case"]["feeds"]["x"]["shape"] == [1, 3, 4, 5]
    assert again["visits"][0]["readings"][0]["detect_ms"] == 40.0
    assert again["fresh"]["det"]["intab"][0]["session_nbytes"] == 60


def test_the_document_holds_what_was_measured() -> None:
    text = document({"cores": "2"}, everything())
    for part in ("- cores: 2", "- kept: start 3.00 s", " 2.20 ", "3.00 (3.00), 3.00 x", "| whole job ", " 0.60 "):
        assert part in text


def test_tables_line_up() -> None:
    lines = table(("what", "ms"), [("a", "1"), ("longer", "100")])
    assert lines == ["| what   |  ms |", "|--------|----:|", "| a      |   1 |", "| longer | 100 |"]


def test_tensors_are_the_same_every_time() -> None:
    for name in MODELS:
        first, second = model_case(name), model_case(name)
        assert all((first.feeds[key] == second.feeds[key]).all() for key in first.feeds)


def test_models_made_for_the_bench_compute_what_they_say(tmp_path: Path) -> None:
    case = square_case(256)
    (product,) = native_answer(square_model(256, tmp_path), case.feeds).values()
    assert np.allclose(product, case.feeds["a"] @ case.feeds["b"], atol=1e-3)
    models = integer_models(tmp_path)
    for name, (floats, small) in integer_cases().items():
        (exact,) = native_answer(models[f"{name}_f32"], floats.feeds).values()
        (rounded,) = native_answer(models[f"{name}_i8"], small.feeds).values()
        seen = (rounded.astype(np.float32) - 128) / 32
        inside = np.abs(exact) < 3.9  # what bytes can hold at this scale
        assert np.abs(seen - exact)[inside].max() < 0.2


def test_the_document_is_written_from_whole_measurements_only(capsys: pytest.CaptureFixture[str]) -> None:
    options = options_of(["--write", "--json", "x.json"])
    assert (options.peers, options.parts, options.models) == (
        True,
        [part for part in PARTS if part not in GPU_PARTS],
        list(MODELS),
    )
    for arguments in (["--rounds", "0"], ["--models", "llm"], ["--parts", "all"]):
        with pytest.raises(SystemExit):
            options_of(arguments)
