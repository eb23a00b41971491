"""The test command counts what pytest reports and takes silence, hanging and death for failures."""

import importlib.util
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def command():
    """scripts/test.py as a module; by its path, since the standard library has a package named test."""
    spec = importlib.util.spec_from_file_location("intab_test_command", ROOT / "scripts" / "test.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def run_pytest(command, monkeypatch, folder: Path, source: str):
    file = folder / "test_sample.py"
    file.write_text(source)
    monkeypatch.setattr(command, "RESULTS", folder)
    return command.pytest("sample", [str(file), "-p", "no:cacheprovider"], minutes=1)


def test_counts_are_those_of_pytest(command, monkeypatch, tmp_path):
    source = (
        "import pytest\n"
        "def test_a(): pass\n"
        "def test_b(): pass\n"
        "def test_c(): assert False\n"
        "def test_d(): pytest.skip('not here')\n"
        "@pytest.fixture\n"
        "def broken(): raise OSError\n"
        "def test_e(broken): pass\n"
    )
    assert run_pytest(command, monkeypatch, tmp_path, source) == command.Counts(passed=2, failed=2, skipped=1)


def test_no_test_is_a_failure(command, monkeypatch, tmp_path):
    assert run_pytest(command, monkeypatch, tmp_path, "").failed == 1


def test_death_in_mid_run_is_a_failure(command, monkeypatch, tmp_path):
    source = "import os\ndef test_a(): pass\ndef test_b(): os._exit(0 or 7)\n"
    assert run_pytest(command, monkeypatch, tmp_path, source).failed == 1


def test_what_hangs_is_stopped_with_its_children(command, tmp_path):
    marker = tmp_path / "child"
    child = f"import time, pathlib; time.sleep(3); pathlib.Path({str(marker)!r}).touch()"
    parent = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    assert command.check("sample", [sys.executable, "-c", parent], minutes=1 / 60) == command.Counts(failed=1)
    time.sleep(3)
    assert not marker.exists()


def test_closing_line_is_the_one_that_other_tools_read(command):
    assert str(command.Counts(passed=12, failed=1, skipped=3)) == "12 passed, 1 failed, 3 skipped"
