"""Repack wheels and the standard library with byte code in place of source.

This file is run by Pyodide's own Python under Node, since byte code belongs to one version of Python. It needs the
standard library only and imports nothing of intab, which is not there yet.

Source: CPython's importlib (`_code_to_hash_pyc`), the wheel format (RECORD) as packaging.python.org has it.
"""

import base64
import csv
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from importlib import _bootstrap_external
from importlib.util import source_hash
from pathlib import Path

# Fixed, so that the same input gives the same bytes and the same digest.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)


def repack_wheel(source: Path, target: Path, *, left_out: Sequence[str], library: str) -> None:
    """Write `source` to `target` without what `left_out` matches, compiled, with a true RECORD.

    `library` is the folder that the wheel will be unpacked in; tracebacks show it.
    """
    members = compiled(_read(source, left_out), library)
    record = next(name for name in members if name.endswith(".dist-info/RECORD"))
    members[record] = record_of(members, record)
    _write(target, members)


def repack_library(source: Path, target: Path, *, library: str) -> None:
    """Write the zip of the standard library to `target`, compiled. `library` is the zip's own path in Pyodide."""
    _write(target, compiled(_read(source, ()), library))


def compiled(members: Mapping[str, bytes], library: str) -> dict[str, bytes]:
    """The members with each module `x.py` replaced by `x.pyc`. What does not compile stays source.

    The byte code is marked "unchecked hash": Python loads it without looking for the source.
    """
    result: dict[str, bytes] = {}
    for name, data in members.items():
        if not name.endswith(".py"):
            result[name] = data
            continue
        try:
            code = compile(data, f"{library}/{name}", "exec", dont_inherit=True)
        except SyntaxError:  # templates and test data may carry the suffix
            result[name] = data
            continue
        pyc = _bootstrap_external._code_to_hash_pyc(code, source_hash(data), False)  # type: ignore[attr-defined]
        result[name + "c"] = bytes(pyc)
    return result


def record_of(members: Mapping[str, bytes], record: str) -> bytes:
    """The text of a wheel's RECORD: every member with its sha256 and size, itself without."""
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    for name, data in members.items():
        if name != record:
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            writer.writerow([name, f"sha256={digest}", len(data)])
    writer.writerow([record, "", ""])
    return rows.getvalue().encode()


def _read(source: Path, left_out: Sequence[str]) -> dict[str, bytes]:
    with zipfile.ZipFile(source) as archive:
        return {
            info.filename: archive.read(info)
            for info in archive.infolist()
            if not info.is_dir() and not any(fnmatchcase(info.filename, pattern) for pattern in left_out)
        }


def _write(target: Path, members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, TIMESTAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)


def run(jobs: str) -> None:
    """Do a JSON list of jobs: {kind: "wheel" | "library", source, target, left_out}, and say each."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for job in json.loads(jobs):
        source, target = Path(job["source"]), Path(job["target"])
        if job["kind"] == "wheel":
            library = f"/lib/{version}/site-packages"
            repack_wheel(source, target, left_out=job["left_out"], library=library)
        else:
            repack_library(source, target, library=f"/lib/{version.replace('.', '')}.zip")
        print(f"compiled {target.name}", flush=True)
