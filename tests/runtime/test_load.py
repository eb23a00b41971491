"""What a model may be loaded from, what runs it, and what is said when it cannot be."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from intab.errors import BackendUnavailableError, DownloadError, ModelFormatError, UnsupportedOpError
from intab.graph.storage import MemoryStorage
from intab.runtime import Session, device, load
from tests.runtime.models import WEIGHT, added, split

X, Y = np.eye(2, 4, dtype=np.float32), np.ones((2, 3), np.float32)


def loaded(source: object, **options: str) -> Session:
    return asyncio.run(load(source, **({"backend": "reference"} | options)))


def assert_works(session: Session) -> None:
    np.testing.assert_allclose(session.run_sync({"x": X, "y": Y})["sum"], X @ WEIGHT + Y)
    session.dispose()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "added.onnx"
    path.write_bytes(added())
    return path


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: MemoryStorage("mine", data)])
def test_bytes(kind) -> None:
    assert_works(loaded(kind(added())))


def test_paths(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_works(loaded(file))
    assert_works(loaded(str(file)))
    monkeypatch.chdir(file.parent)
    assert_works(loaded("added.onnx"))


@pytest.mark.wasmtime
def test_a_file_may_go_once_it_is_loaded(file: Path) -> None:
    session = loaded(file, backend="wasm")
    file.unlink()
    assert_works(session)


@pytest.mark.parametrize("backend", ["reference", pytest.param("wasm", marks=pytest.mark.wasmtime)])
def test_weights_in_a_file_beside(tmp_path: Path, backend: str) -> None:
    model, weights = split(location="parts/added 1.bin")
    path = tmp_path / "split.onnx"
    path.write_bytes(model)
    with pytest.raises(ModelFormatError, match=r"added 1\.bin: cannot be read \(No such file or directory\)"):
        loaded(path, backend=backend)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "added 1.bin").write_bytes(weights)
    assert_works(loaded(path, backend=backend))
    assert_works(loaded(str(path), backend=backend))
    (tmp_path / "parts" / "added 1.bin").write_bytes(weights[:-1])
    with pytest.raises(ModelFormatError, match=r"bytes 0 to 48 of 'parts/added 1\.bin' are named, but it has 47"):
        loaded(path, backend=backend)


def test_weights_outside_the_folder_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "inside" / "split.onnx"
    path.parent.mkdir()
    model, weights = split(location="../added.bin")
    path.write_bytes(model)
    (tmp_path / "added.bin").write_bytes(weights)
    with pytest.raises(ModelFormatError, match="not a relative path inside the model's folder"):
        loaded(path)


def test_bytes_have_no_file_beside_them() -> None:
    with pytest.raises(ModelFormatError, match=r"its numbers lie in the file 'added\.bin'"):
        loaded(split()[0])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"nothing\.onnx: cannot be read \(No such file or directory\)\. Check"):
        loaded(tmp_path / "nothing.onnx")
    with pytest.raises(ModelFormatError, match=r"cannot be read \(Is a directory\)"):
        loaded(tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.touch()
    for source in (path, b""):
        with pytest.raises(ModelFormatError, match="empty"):
            loaded(source)


def test_a_picture_named_onnx(skimage_picture, tmp_path: Path) -> None:
    path = tmp_path / "page.onnx"
    path.write_bytes(skimage_picture("page.png").read_bytes())
    with pytest.raises(ModelFormatError, match=r"page\.onnx: this is a PNG picture"):
        loaded(path)


def test_what_is_no_source() -> None:
    with pytest.raises(ModelFormatError, match="given as a URL, a path, bytes or a File, not as int"):
        loaded(5)
    with pytest.raises(DownloadError, match=r"https://example.org/model.onnx: on the desktop a model is a file"):
        loaded("https://example.org/model.onnx")


def test_requests_that_cannot_be_met() -> None:
    with pytest.raises(BackendUnavailableError, match=r"no back end 'webgl' in this version.*wasm, webgpu, reference"):
        loaded(added(), backend="webgl")
    with pytest.raises(UnsupportedOpError, match="precision='int3' is not one of auto, float32"):
        loaded(added(), precision="int3")


@pytest.mark.wasmtime
def test_automatic_choice_is_webassembly_where_it_is_there() -> None:
    session = loaded(added(), backend="auto")
    assert session.choice.backend == session.stats().backend == "wasm"
    assert str(session.choice) == "wasm: desktop Python with the wasmtime package"
    assert_works(session)


def test_automatic_choice_without_wasmtime_is_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "wasmtime_is_installed", lambda: False)
    session = loaded(added(), backend="auto")
    assert str(session.choice) == "reference: desktop Python without the wasmtime package"
    assert_works(session)


def test_a_choice_that_was_asked_for_says_so() -> None:
    assert str(loaded(added()).choice) == "reference: asked for"


@pytest.mark.wasmtime
def test_progress_is_told_up_to_the_end() -> None:
    told: list[tuple[str, float, float]] = []
    session = asyncio.run(load(added(), backend="wasm", progress=lambda *step: told.append(step)))
    assert {stage for stage, _, _ in told} == {"compile"}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1] == told[-1][2]
    session.dispose()


def test_sources_that_are_no_files_are_not_kept_open() -> None:
    """An object that is a Storage only in parts is no source."""
    with pytest.raises(ModelFormatError, match="not as SimpleNamespace"):
        loaded(SimpleNamespace(name="x"))


@pytest.mark.parametrize("backend", ["auto", "wasm", "reference"])
def test_halves_are_for_webgpu(backend: str) -> None:
    with pytest.raises(UnsupportedOpError, match=r'precision="float16": .* keeps all in 32 bits.*backend="webgpu"'):
        loaded(added(), backend=backend, precision="float16")
