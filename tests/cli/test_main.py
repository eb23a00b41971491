"""The command line: what it takes, how it fails, what it prints. Running models is tested in tests/browser."""

import json
from pathlib import Path
from typing import Any

import pytest

from intab.cli import run
from intab.cli.main import main

REPORT = {
    "backend": "wasm",
    "adapter": "",
    "threads": 1,
    "load_ms": 12.34,
    "compile_ms": 50.0,
    "first_run_ms": 30.0,
    "run_ms": [21.0, 20.0, 25.0],
    "peak_nbytes": 12_300_000,
    "steps": 90,
    "kernels": 21,
    "fetches": None,
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"model")
    return path


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `run` asks to be measured; the answer is REPORT."""
    asked: list[dict[str, Any]] = []

    def measure(model: Path, **options: Any) -> dict[str, Any]:
        asked.append({"model": model, **options})
        return REPORT

    monkeypatch.setattr(run, "measure", measure)
    return asked


def test_options_reach_the_measurement(model: Path, measured: list[dict[str, Any]]):
    options = "--dim w=320 --dim a=b=3 --backend wasm --threads 2 --repeat 5"
    assert main(["run", str(model), *options.split()]) == 0
    assert measured == [
        {
            "model": model,
            "feeds": None,
            "fetches": None,
            "dims": {"w": 320, "a=b": 3},
            "backend": "wasm",
            "threads": 2,
            "repeat": 5,
            "profile": False,
        }
    ]


def test_the_table_is_for_people(model: Path, measured: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]):
    assert main(["run", str(model)]) == 0
    out = capsys.readouterr().out
    assert "back end     wasm, 1 thread" in out
    assert "run          21.0 ms (median of 3, best 20.0)" in out
    assert "peak memory  12.3 MB" in out


def test_json_is_one_line_and_last(model: Path, measured: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]):
    assert main(["run", str(model), "--json"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert list(json.loads(last)) == [
        "backend", "adapter", "threads", "load_ms", "compile_ms", "first_run_ms", "run_ms", "peak_nbytes", "steps",
        "kernels",
    ]  # fmt: skip
    assert json.loads(last) == {key: value for key, value in REPORT.items() if key != "fetches"}


@pytest.mark.parametrize(
    "options, words",
    [
        ([], "the following arguments are required: MODEL"),
        (["MODEL", "--dim", "w"], "'w' is not NAME=N"),
        (["MODEL", "--repeat", "0"], "'0' is not a whole number"),
        (["MODEL", "--backend", "cuda"], "invalid choice: 'cuda'"),
        (["nothing.onnx"], "nothing.onnx: there is no such file"),
        (["MODEL", "--feeds", "nothing.npz"], "nothing.npz: there is no such file"),
        (["MODEL", "--feeds", "MODEL"], "not an .npz file"),
        (["MODEL", "--fetches", "nowhere/g.npz"], "there is no folder nowhere"),
    ],
)
def test_errors_are_one_line_and_exit_1(
    model: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
):
    line = ["run", *(str(model) if option == "MODEL" else option for option in options)]
    try:
        code: object = main(line)
    except SystemExit as exit_:
        code = exit_.code
    captured = capsys.readouterr()
    assert code == 1
    assert words in captured.err
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
