"""The cache seam: keys, places, and sessions from programs compiled earlier."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from intab.errors import CacheError, QuotaError
from intab.graph.storage import MemoryStorage
from intab.runtime import Session, load
from intab.runtime.cache import FolderPrograms, MemoryPrograms, ProgramStore, code_digest, program_key
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD, WEBGPU, Target
from tests.runtime.models import added


def feeds(rows: int, other_rows: int | None = None) -> dict[str, np.ndarray]:
    random = np.random.default_rng(rows)
    shapes = {"x": (rows, 4), "y": (other_rows or rows, 3)}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def session_of(store: ProgramStore | None, model: bytes | Path | None = None) -> Session:
    return asyncio.run(load(added() if model is None else model, backend="wasm", programs=store))


def assert_same_answers(one: Session, other: Session) -> None:
    for given in (feeds(3), feeds(7), feeds(1, 4)):
        first, second = one.run_sync(given), other.run_sync(given)
        assert list(first) == list(second)
        assert all((first[name] == second[name]).all() for name in first)


def test_keys_follow_what_a_program_depends_on() -> None:
    model, other = MemoryStorage("a", b"one" * 1_000_000), MemoryStorage("a", b"two" * 1_000_000)

    def key(model: MemoryStorage, target: Target, sizes: dict[str, int] | None = None) -> str:
        return asyncio.run(program_key(model, target, sizes))

    keys = [
        key(model, WASM_SIMD),
        key(other, WASM_SIMD),
        key(model, WASM_RELAXED_SIMD),
        key(model, WASM_SIMD, {"N": 1}),
        key(model, WASM_SIMD, {"N": 2}),
        key(model, WEBGPU),
        key(model, replace(WEBGPU, subgroup=4)),
        key(model, replace(WEBGPU, subgroup=32)),
        key(model, replace(WEBGPU, shared_nbytes=32_768)),
    ]
    assert len(set(keys)) == len(keys) and all(len(key) == 64 for key in keys)
    assert key(MemoryStorage("b", b"one" * 1_000_000), WASM_SIMD, {}) == keys[0]
    assert len(code_digest()) == 64


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_a_store_gives_back_what_was_put(kind: str, tmp_path: Path) -> None:
    store: ProgramStore = MemoryPrograms() if kind == "memory" else FolderPrograms(tmp_path / "new" / "folder")

    async def use() -> None:
        assert await store.get("a") is None
        await store.put("a", b"first")
        await store.put("b", b"")
        await store.put("a", b"second")
        assert (await store.get("a"), await store.get("b")) == (b"second", b"")

    asyncio.run(use())
    if kind == "folder":
        assert sorted(os.listdir(tmp_path / "new" / "folder")) == ["a.program", "b.program"]


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FolderPrograms(tmp_path / "file")
    with pytest.raises(CacheError, match="cannot be written"):
        asyncio.run(store.put("a", b"data"))
    with pytest.raises(CacheError, match="cannot be read"):
        asyncio.run(store.get("a"))


@pytest.mark.wasmtime
def test_a_session_from_the_store_is_the_same(tmp_path: Path) -> None:
    plain, first = session_of(None), session_of(FolderPrograms(tmp_path))
    assert "earlier" not in str(first.choice)
    second = session_of(FolderPrograms(tmp_path))
    assert "compiled earlier, from the store" in second.choice.reasons
    assert (second.inputs, second.outputs, second.metadata) == (plain.inputs, plain.outputs, plain.metadata)
    assert_same_answers(plain, second)
    assert [s.kernel for s in second.profile().steps] == [s.kernel for s in plain.profile().steps]
    third = session_of(FolderPrograms(tmp_path))
    assert_same_answers(plain, third)  # also the program for exact sizes comes from the store by now
    for session in (plain, first, second, third):
        session.dispose()


@pytest.mark.wasmtime
def test_a_damaged_program_is_compiled_anew_and_replaced() -> None:
    store = MemoryPrograms()
    plain = session_of(store)
    (key,) = store.kept
    store.kept[key] = store.kept[key][:-1]
    again = session_of(store)
    assert "compiled anew" in str(again.choice) and "not what was stored" in str(again.choice)
    assert_same_answers(plain, again)
    assert "compiled earlier, from the store" in session_of(store).choice.reasons


class Full(MemoryPrograms):
    async def put(self, key: str, data: bytes) -> None:
        raise QuotaError("there is no room")


@pytest.mark.wasmtime
def test_a_full_store_stops_nothing() -> None:
    session = session_of(Full())
    assert "not stored: there is no room" in session.choice.reasons
    assert_same_answers(session, session_of(None))


@pytest.mark.wasmtime
def test_a_model_with_files_beside_it_is_not_stored(tmp_path: Path) -> None:
    """Its key would not change with those files."""
    model = onnx.load_model_from_string(added())
    path = tmp_path / "model.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    store = MemoryPrograms()
    assert_same_answers(session_of(store, path), session_of(None))
    assert store.kept == {}
