"""What scripts/bench.py makes of what it measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.__main__ import options_of
from benchmark.job import Reading, Visit
from benchmark.peers import Comparison, Measured
from benchmark.report import as_json, comparison_lines, document, table, verdict_lines
from benchmark.tensors import Case, fixed_cases

FAR = {"ours_native": 1e-5, "ours_theirs": 2e-4, "theirs_native": 3e-4}
LOAD = {"ours": {"load_ms": 1.0, "compile_ms": 2.0, "peak_nbytes": 3e6, "steps": 4, "kernels": 5}}


def measured(ours: tuple[float, ...], theirs: tuple[float, ...], *, model: str = "det", job: bool = True) -> Measured:
    case = Case(model, "finds lines", job, np.zeros((1, 3, 4, 5), np.float32))
    return Measured(case, {"ours": 9.0, "theirs": 8.0}, ours, theirs, FAR if theirs else {})


def compared(*results: Measured) -> Comparison:
    theirs = {"theirs": {"load_ms": 7.0}} if results[0].theirs_ms else {}
    return Comparison({"intab": "1"}, {"det": LOAD | theirs}, results, 0)


def visit(start_ms: float, around_ms: float) -> Visit:
    reading = Reading(open_ms=10.0, detect_ms=40.0, recognise_ms=50.0, around_ms=around_ms, total_ms=100.0 + around_ms)
    return Visit({"intab": start_ms}, 1.0, 2.0, 2, (reading, reading))


def test_the_ratio_is_the_median_over_pairs_not_of_medians() -> None:
    one = measured((10.0, 20.0, 40.0), (30.0, 20.0, 60.0))
    assert one.ratios == (3.0, 1.0, 1.5)
    assert one.ratio == 1.5


def test_the_job_is_summed_round_by_round() -> None:
    other = measured((1.0, 2.0), (3.0, 4.0), job=False)
    finds = measured((1.0, 2.0), (3.0, 4.0))
    comparison = compared(finds, measured((10.0, 20.0), (30.0, 40.0), model="rec"), other)
    assert comparison.job is not None
    assert (comparison.job.ours_ms, comparison.job.theirs_ms) == ((11.0, 22.0), (33.0, 44.0))
    assert compared(finds, other).job is None


@pytest.mark.parametrize(("theirs_ms", "word"), [(6.0, "kept"), (5.0, "kept"), (4.9, "BROKEN")])
def test_a_promise_about_the_models(theirs_ms: float, word: str) -> None:
    parts = measured((4.0,), (theirs_ms / 2,)), measured((6.0,), (theirs_ms / 2,), model="rec")
    (line,) = verdict_lines(compared(*parts), [])
    assert line.startswith(f"{word}: the models' runs on page.png take {10 / theirs_ms:.2f} times as long")


def test_promises_about_start_and_work_around() -> None:
    assert [line.split(":")[0] for line in verdict_lines(None, [visit(3900, 20)])] == ["kept", "kept"]
    assert [line.split(":")[0] for line in verdict_lines(None, [visit(4100, 45)])] == ["BROKEN", "BROKEN"]


def test_without_a_peer_nothing_is_said_of_it() -> None:
    comparison = compared(measured((10.0, 12.0), ()))
    assert verdict_lines(comparison, []) == []
    assert "| det: finds lines 1x3x4x5 " in "\n".join(comparison_lines(comparison))


def test_everything_is_plain_data() -> None:
    report = as_json({"cores": "2"}, compared(measured((10.0,), (20.0,))), [visit(3000, 10)])
    again = json.loads(json.dumps(report))
    assert again["cases"][0]["ratios"] == [2.0]
    assert again["cases"][0]["shape"] == [1, 3, 4, 5]
    assert again["visits"][0]["readings"][0]["detect_ms"] == 40.0


def test_the_document_holds_what_was_measured() -> None:
    text = document({"cores": "2"}, compared(measured((10.0,), (20.0,))), [visit(3000, 10)])
    for part in ("- cores: 2", "- kept: start 3.00 s", "2.00", "1e-05", "3e-04", "| whole job "):
        assert part in text


def test_tables_line_up() -> None:
    lines = table(("what", "ms"), [("a", "1"), ("longer", "100")])
    assert lines == ["| what   |  ms |", "|--------|----:|", "| a      |   1 |", "| longer | 100 |"]


def test_fixed_tensors_are_the_same_every_time() -> None:
    first, second = fixed_cases(), fixed_cases()
    assert [case.model for case in first] == ["det", "rec", "cls"]
    assert all((a.feed == b.feed).all() for a, b in zip(first, second, strict=True))


def test_the_document_is_written_from_whole_measurements_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert options_of(["--peers", "--start", "--write", "--json", "x.json"]).json == Path("x.json")
    for arguments in (["--write"], ["--write", "--peers"], ["--rounds", "0"], ["--models", "llm"]):
        with pytest.raises(SystemExit):
            options_of(arguments)
