"""Memory that cannot be had: the error names the bytes, and what was there before goes on."""

import asyncio

import numpy as np
import pytest

from intab.backends.wasm import desktop
from intab.backends.wasm.desktop import WasmtimeMachine
from intab.backends.wasm.pool import Pool
from intab.errors import OutOfMemoryError
from intab.runtime import Session, load
from tests.runtime.models import added, wide
from tests.runtime.pools import on

pytestmark = pytest.mark.wasmtime

PAGE_NBYTES = 65536
FEW_ROWS, TOO_MANY_ROWS = 3, 110_000  # the latter need more than 4 GiB


def loaded(model: bytes, pool: Pool) -> Session:
    with on(pool) as backend:
        return asyncio.run(load(model, backend=backend))


def assert_runs(session: Session, rows: int = FEW_ROWS) -> None:
    (y,) = session.run_sync({"x": np.ones((rows, 1), np.float32)}).values()
    assert y.shape == (rows, 1) and np.allclose(y, 1 / 4096)


def test_input_that_is_too_large_ends_the_run_and_nothing_else() -> None:
    pool = Pool(WasmtimeMachine())
    before, session = loaded(wide(), pool), loaded(wide(), pool)
    assert_runs(before)
    assert_runs(session)
    for _ in range(2):
        with pytest.raises(OutOfMemoryError, match=r"model: its arena: 5,4[\d,]+ bytes .* it may have 4,294,"):
            session.run_sync({"x": np.ones((TOO_MANY_ROWS, 1), np.float32)})
        assert_runs(before)
        assert_runs(session)
        assert_runs(session, 7)
    with pytest.raises(OutOfMemoryError, match="with N=1000000 a tensor takes 16,384,000,000 bytes"):
        session.run_sync({"x": np.ones((1_000_000, 1), np.float32)})
    assert_runs(session)
    before.dispose()
    session.dispose()
    assert pool.used_nbytes == 0


def test_a_model_for_which_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop, "MAXIMUM_PAGES", 16)
    pool = Pool(WasmtimeMachine())
    before = loaded(wide(), pool)
    assert_runs(before)
    used_nbytes = pool.used_nbytes
    taken = pool.allocate(16 * PAGE_NBYTES - used_nbytes - 300)
    with pytest.raises(OutOfMemoryError, match="model: its steps: [0-9]+ bytes cannot be had"):
        loaded(added(), pool)
    pool.free(taken)
    assert pool.used_nbytes == used_nbytes
    assert_runs(before)
    loaded(added(), pool).dispose()


def test_python_memory_that_is_full_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    session = loaded(wide(), Pool(WasmtimeMachine()))

    def full(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 3.00 GiB")

    with monkeypatch.context() as patch:
        patch.setattr(np, "empty", full)
        with pytest.raises(OutOfMemoryError, match=r"model: Python's own memory is full \(Unable to allocate 3.00 GiB"):
            session.run_sync({"x": np.ones((3, 1), np.float32)})
    assert_runs(session)
