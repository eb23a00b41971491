"""Repacked wheels: byte code in place of source, what is left out gone, RECORD true. Run here by this Python."""

import base64
import csv
import hashlib
import marshal
import sys
import zipfile
from pathlib import Path

import pytest

from intab.cli.build.inside import repack

SOURCE = b'"""A module."""\n\ndef answer():\n    return 42\n'
MEMBERS = {
    "thing/__init__.py": SOURCE,
    "thing/stub.pyi": b"def answer() -> int: ...\n",
    "thing/tests/test_thing.py": b"assert True\n",
    "thing/template.py": b"this is {{ no }} Python\n",
    "thing/data.bin": bytes(range(256)),
    "thing-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
    "thing-1.0.dist-info/RECORD": b"stale,sha256=stale,1\n",
}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in MEMBERS.items():
            archive.writestr(name, data)
    return path


def repacked(wheel: Path, target: Path) -> dict[str, bytes]:
    repack.repack_wheel(wheel, target, left_out=["*.pyi", "*/tests/*"], library="/lib/python/site-packages")
    with zipfile.ZipFile(target) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_members(wheel, tmp_path):
    assert set(repacked(wheel, tmp_path / "out.whl")) == {
        "thing/__init__.pyc",
        "thing/template.py",  # does not compile, so it stays as it is
        "thing/data.bin",
        "thing-1.0.dist-info/METADATA",
        "thing-1.0.dist-info/RECORD",
    }


def test_code_names_the_place_it_will_be_in(wheel, tmp_path):
    data = repacked(wheel, tmp_path / "out.whl")["thing/__init__.pyc"]
    assert int.from_bytes(data[4:8], "little") == 0b01, "hash-based and unchecked: no source is looked for"
    assert marshal.loads(data[16:]).co_filename == "/lib/python/site-packages/thing/__init__.py"


def test_record_is_true_of_every_member(wheel, tmp_path):
    members = repacked(wheel, tmp_path / "out.whl")
    record = members.pop("thing-1.0.dist-info/RECORD").decode()
    rows = {name: (digest, size) for name, digest, size in csv.reader(record.splitlines())}
    assert rows.pop("thing-1.0.dist-info/RECORD") == ("", "")
    assert set(rows) == set(members)
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert rows[name] == (f"sha256={digest}", str(len(data)))


def test_same_input_gives_same_bytes(wheel, tmp_path):
    repacked(wheel, tmp_path / "a.whl")
    repacked(wheel, tmp_path / "b.whl")
    assert (tmp_path / "a.whl").read_bytes() == (tmp_path / "b.whl").read_bytes()


def test_module_imports_from_its_byte_code_alone(wheel, tmp_path, monkeypatch):
    target = tmp_path / "out.whl"
    repacked(wheel, target)
    folder = tmp_path / "unpacked"
    zipfile.ZipFile(target).extractall(folder)
    monkeypatch.syspath_prepend(str(folder))
    import thing  # type: ignore[import-not-found]

    try:
        assert thing.answer() == 42
        assert thing.__file__.endswith("__init__.pyc")
    finally:
        del sys.modules["thing"]


def test_library_zip_keeps_no_source_that_compiles(tmp_path):
    source, target = tmp_path / "lib.zip", tmp_path / "out.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("json/__init__.py", SOURCE)
        archive.writestr("zoneinfo/tzdata", b"data")
    repack.repack_library(source, target, library="/lib/python314.zip")
    assert zipfile.ZipFile(target).namelist() == ["json/__init__.pyc", "zoneinfo/tzdata"]
