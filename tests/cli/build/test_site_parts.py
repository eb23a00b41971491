"""Publishing, keyed results and the lock file: nothing half there, nothing made twice, nothing untrue."""

import hashlib
import json
import os
import zipfile
from pathlib import Path

import pytest

from intab.cli.build.files import combined_digest, made_once, replacing, sweep
from intab.cli.build.lockfile import LockedWheel, write_lock
from intab.cli.build.publish import publish, remove_others
from intab.cli.build.site import Layout, build_site
from intab.errors import IntabError


def test_publish_touches_only_what_changed(tmp_path):
    source = tmp_path / "source.js"
    source.write_text("one")
    site = tmp_path / "site"
    files: dict[str, Path | bytes] = {"a/source.js": source, "site.json": b"{}"}
    assert publish(site, files) == ["a/source.js", "site.json"]
    before = (site / "a/source.js").stat().st_mtime_ns
    assert publish(site, files) == []
    assert (site / "a/source.js").stat().st_mtime_ns == before
    source.write_text("two")
    assert publish(site, files) == ["a/source.js"]
    assert (site / "a/source.js").read_text() == "two"


def test_strangers_leave_the_site(tmp_path):
    publish(tmp_path, {"kept/a.js": b"a", "old/deep/b.js": b"b", "c.js": b"c"})
    assert sorted(remove_others(tmp_path, ["kept/a.js"])) == ["c.js", "old/deep/b.js"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.js", "kept"]


def test_replacing_keeps_the_old_file_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(target) as partial:
        partial.write_text("half of the n")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_made_once_makes_once_and_never_leaves_half(tmp_path):
    folder = tmp_path / "key"

    def interrupted(partial: Path) -> None:
        (partial / "first").write_text("1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_once(folder, interrupted)
    assert list(tmp_path.iterdir()) == []

    calls = []

    def whole(partial: Path) -> None:
        calls.append(partial)
        (partial / "file").write_text("1")

    assert made_once(folder, whole) == folder
    assert made_once(folder, whole) == folder
    assert len(calls) == 1
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_sweep_takes_old_leftovers_and_nothing_else(tmp_path):
    old, young, kept = tmp_path / ".a.whl.x.partial", tmp_path / "sub" / ".pip-young", tmp_path / "a.whl"
    folder = tmp_path / "sub" / ".pip-old"
    for path in (young, folder):
        path.mkdir(parents=True)
    for path in (old, kept, folder / "half.whl"):
        path.write_text("")
    for path in (old, folder, kept):
        os.utime(path, (0, 0))
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".pip-young", "a.whl", "sub"]


def test_borders_of_parts_count_in_a_digest():
    assert combined_digest("ab", "c") != combined_digest("a", "bc")


def wheel(folder: Path, name: str, *requires: str) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {r}" for r in requires)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(f"{name}-1.0.dist-info/METADATA", "\n".join(lines) + "\n\n")
    return path


@pytest.fixture
def core(tmp_path: Path) -> Path:
    folder = tmp_path / "core"
    folder.mkdir()
    info = {"arch": "wasm32", "platform": "emscripten_5_0_3", "python": "3.14.2", "abi_version": "2026_0"}
    (folder / "pyodide-lock.json").write_text(json.dumps({"info": info, "packages": {}}))
    (folder / "package.json").write_text(json.dumps({"version": "314.0.7"}))
    return folder


def test_lock_tells_the_digest_of_what_is_served(tmp_path, core):
    first = wheel(tmp_path, "first", 'second>=1; sys_platform == "emscripten"', 'third; sys_platform == "win32"')
    second = wheel(tmp_path, "second", 'fourth; extra == "all"')
    served = tmp_path / "served.whl"
    served.write_bytes(b"compiled")
    lock = tmp_path / "lock.json"
    wheels = [LockedWheel(first, served, "first.whl"), LockedWheel(second, second, "second.whl")]
    write_lock(lock, core=core, wheels=wheels)
    written = json.loads(lock.read_text())
    assert written["info"]["abi_version"] == "2026_0"
    assert written["packages"]["first"]["sha256"] == hashlib.sha256(b"compiled").hexdigest()
    assert written["packages"]["first"]["imports"] == ["first"]
    assert written["packages"]["first"]["depends"] == ["second"]
    assert written["packages"]["second"]["depends"] == []


def test_lock_refuses_a_wheel_whose_need_is_absent(tmp_path, core):
    lone = wheel(tmp_path, "lone", "absent")
    with pytest.raises(IntabError, match=r"lone\.whl needs absent: add them to wheels/wheels\.lock\.toml"):
        write_lock(tmp_path / "lock.json", core=core, wheels=[LockedWheel(lone, lone, "lone.whl")])


def test_build_without_set_up_says_so(tmp_path):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "wheels.lock.toml").write_text("")
    (tmp_path / "models.lock.toml").write_text("")
    with pytest.raises(IntabError, match=r"is missing: run python3 scripts/setup\.py first"):
        build_site(Layout(tmp_path), say=lambda line: None)
