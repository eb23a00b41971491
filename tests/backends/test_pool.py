"""Regions of a shared memory."""

import pytest

from intab.backends.wasm.desktop import WasmtimeMachine
from intab.backends.wasm.pool import Pool
from intab.errors import KernelError

pytestmark = pytest.mark.wasmtime


def test_gaps_are_used_again() -> None:
    pool = Pool(WasmtimeMachine())
    first, second = pool.allocate(1000), pool.allocate(1000)
    assert first.end <= second.address and pool.machine.memory.nbytes >= second.end
    pool.free(first)
    assert pool.allocate(900).address == first.address
    assert pool.allocate(1000).address >= second.end


def test_memory_stays_flat_over_many_regions() -> None:
    pool = Pool(WasmtimeMachine())
    kept = pool.allocate(10)
    for size in range(1, 200):
        regions = [pool.allocate(size * 100), pool.allocate(size * 7)]
        for region in regions:
            pool.free(region)
    assert pool.used_nbytes == kept.nbytes
    assert pool.machine.memory.nbytes <= 2 * 65536


def test_giving_back_twice_is_refused() -> None:
    pool = Pool(WasmtimeMachine())
    region = pool.allocate(10)
    pool.free(region)
    with pytest.raises(KernelError, match="twice"):
        pool.free(region)
