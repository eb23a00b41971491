"""The commands over the built site, in real Chromium: `intab run`, and what scripts/run.py calls."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from intab.cli import reading
from intab.cli.main import main
from tests.agreement import assert_agree
from tests.ops.test_ways import two_products

KEYS = "backend adapter threads load_ms compile_ms first_run_ms run_ms peak_nbytes steps kernels".split()


def test_a_model_is_run_timed_and_its_outputs_written(
    ocr_models: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    model = ocr_models["cls"]
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(5).standard_normal((2, 3, 48, 192)).astype(np.float32)
    feeds, fetches = tmp_path / "feeds.npz", tmp_path / "fetches.npz"
    np.savez(feeds, **{session.get_inputs()[0].name: x})
    options = ["--feeds", str(feeds), "--fetches", str(fetches), "--repeat", "3", "--threads", "2", "--json"]
    assert main(["run", str(model), *options]) == 0

    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(report) == KEYS
    assert report["backend"] == "wasm"
    assert report["threads"] == 2
    assert len(report["run_ms"]) == 3
    assert min(report["load_ms"], report["compile_ms"], report["first_run_ms"], *report["run_ms"]) > 0
    assert report["peak_nbytes"] > model.stat().st_size / 2
    assert 0 < report["kernels"] <= 40 <= report["steps"]

    names = [output.name for output in session.get_outputs()]
    expected = session.run(names, {session.get_inputs()[0].name: x})
    with np.load(fetches) as got:
        assert_agree(dict(got), dict(zip(names, expected, strict=True)), 1e-3)


def test_a_run_is_profiled(ocr_models: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    trace = tmp_path / "trace.json"
    options = ["--dim", "x:2=48", "--dim", "x:3=96", "--profile", "--trace", str(trace), "--json"]
    assert main(["run", str(ocr_models["cls"]), *options]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    report = json.loads(last)
    assert list(report) == KEYS
    assert any(line.split()[:2] == ["kernel", "steps"] for line in lines)
    assert any(line.startswith(f"{ocr_models['cls']}: ") for line in lines) and "127.0.0.1" not in "\n".join(lines)
    events = json.loads(trace.read_text())["traceEvents"]
    assert len(events) == report["steps"] and sum(event["dur"] for event in events) > 0


def test_feeds_are_made_up_when_there_are_none(ocr_models: Mapping[str, Path], capsys: pytest.CaptureFixture[str]):
    options = ["--dim", "x:2=48", "--dim", "x:3=96", "--backend", "reference"]
    assert main(["run", str(ocr_models["cls"]), *options]) == 0
    assert "back end     reference, 1 thread" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, words",
    [
        (["--threads", "2", "--backend", "webgpu"], "one thread"),
        (["--backend", "webgl"], "webgl"),
        (["--threads", "2", "--backend", "reference"], "one thread"),
        (["--dim", "depth=3"], "no dimension of this name; it has"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_1(
    ocr_models: Mapping[str, Path], capsys: pytest.CaptureFixture[str], options: list[str], words: str
):
    assert main(["run", str(ocr_models["cls"]), *options]) == 1
    captured = capsys.readouterr()
    error = [line for line in captured.err.splitlines() if not line.startswith("  ")]  # what the build says is indented
    assert len(error) == 1
    assert error[0].startswith("error: ")
    assert words in error[0]


def test_a_file_that_is_no_model_is_named_by_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "notes.onnx"
    path.write_text("not a model")
    assert main(["run", str(path)]) == 1
    assert f"error: {path}: " in capsys.readouterr().err


def test_a_picture_is_read_by_driving_the_page(
    skimage_picture: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
):
    assert reading.main(["--image", str(skimage_picture("page.png")), "--json"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert state["read"]["lines"][0]["text"] == "Region-based segmentation"
    assert state["started"]["snapshot"] == "used"
    marks = state["started"]["marks"]
    order = ["worker", "pyodide", "packages", "micropip", "wheels", "intab"]
    assert sorted(marks, key=marks.get) == order


def test_a_model_is_tuned(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    model, storage = tmp_path / "products.onnx", two_products()
    model.write_bytes(bytes(storage.read(0, storage.nbytes)))
    assert main(["tune", str(model), "--budget", "30", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    report = json.loads(last)
    assert list(report) == "adapter seconds products left before_ms after_ms".split()
    assert len(report["products"]) == 2 and report["left"] == 0
    assert len(report["before_ms"]) == len(report["after_ms"])
    assert lines[0].startswith(f"{model}: 2 products timed on {report['adapter']}") and "127.0.0.1" not in lines[0]
    for product in report["products"]:
        assert product["tried"] >= 2 and any(line.startswith(product["problem"]) for line in lines)


@pytest.mark.parametrize("budget", ["0", "-1", "soon", "nan"])
def test_a_budget_that_is_none_is_refused(budget: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["tune", "model.onnx", "--budget", budget])
    assert stopped.value.code == 1
    assert "is not a number of seconds above 0" in capsys.readouterr().err
