"""The core snapshot of the built site, started under Node as the page starts it."""

import gzip
import json
from pathlib import Path

import pytest

from intab.cli.build.snapshot import FILE_NAME, check_start
from intab.errors import IntabError

CORE = Path(__file__).resolve().parents[3] / "build" / "site" / "pyodide"


@pytest.fixture(scope="module")
def snapshot() -> Path:
    path = CORE / FILE_NAME
    assert path.is_file(), f"{path} is missing: run python3 scripts/build.py"
    return path


def test_two_visitors_do_not_draw_the_same_numbers(snapshot):
    """What is in the snapshot is the same for all, so the random module's state must not be in it."""
    first, second = (json.loads(check_start(CORE, snapshot, packages=(), imports=())) for _ in range(2))
    assert first["chance"] != second["chance"]


def test_start_without_snapshot_works_too():
    assert json.loads(check_start(CORE, None, packages=(), imports=("json",)))["core_ms"] > 0


def test_snapshot_of_another_build_is_refused(snapshot, tmp_path):
    """The build id stands in bytes 16 to 48 of the snapshot; Pyodide compares it with its own."""
    raw = bytearray(gzip.decompress(snapshot.read_bytes()))
    raw[20] ^= 0xFF
    other = tmp_path / FILE_NAME
    other.write_bytes(gzip.compress(raw, compresslevel=1))
    with pytest.raises(IntabError, match="build id mismatch"):
        check_start(CORE, other, packages=(), imports=())


def test_missing_package_is_an_error(snapshot):
    with pytest.raises(IntabError, match="No known package with name 'no-such-package'"):
        check_start(CORE, snapshot, packages=("no-such-package",), imports=())
