"""What scripts/run.py prints, and how errors of a page become errors here. Reading is tested in tests/browser."""

from pathlib import Path

import pytest

from intab.cli import reading
from intab.cli.host import outcome_value
from intab.errors import IntabError, MediaError

STATE = {
    "started": {"marks": {"worker": 100.0, "intab": 1800.4}, "snapshot": "used"},
    "opened": {"backend": "wasm", "adapter": "", "threads": 1, "load_ms": 90.0, "compile_ms": 700.0},
    "read": {
        "lines": [{"text": "Region-based", "score": 0.99951, "box": []}, {"text": "two", "score": 0.5, "box": []}],
        "timings": {"open_ms": 5, "detect_ms": 200, "recognise_ms": 300, "around_ms": 60, "total_ms": 565},
    },
}


def test_each_line_with_its_score_then_each_stage_with_its_time():
    lines = list(reading.report_lines(STATE))
    assert lines[:3] == ["1.000  Region-based", "0.500  two", ""]
    stages = [line.split()[0] for line in lines[3:]]
    assert stages == ["start", "load", "compile", "open", "detect", "recognise", "pre/post", "whole", "back"]
    assert lines[3] == "start          1800 ms  navigation to `import intab` done; snapshot: used"
    assert lines[-1] == "back end   wasm, 1 thread(s)"


def test_a_picture_without_text_says_so():
    state = STATE | {"read": STATE["read"] | {"lines": []}}
    assert next(reading.report_lines(state)) == "(no text in this picture)"


def test_a_missing_picture_is_one_line_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert reading.main(["--image", str(tmp_path / "none.png")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'none.png'}: there is no such file. Check the path.\n"


def test_errors_of_the_worker_come_out_as_what_they_are():
    assert outcome_value({"value": {"a": 1}}) == {"a": 1}
    with pytest.raises(MediaError, match=r"^a.png: no picture$"):
        outcome_value({"error": {"name": "MediaError", "message": "a.png: no picture", "trace": ""}})
    with pytest.raises(IntabError, match=r"^odd\nTraceback$"):
        outcome_value({"error": {"name": "ZeroDivisionError", "message": "odd", "trace": "Traceback"}})
