"""Linear memory and modules, over a stand-in for the browser."""

import asyncio

import pytest

from intab.browser.wasm import PAGE_NBYTES, WasmMemory, instantiate, pages_for
from intab.errors import KernelError, OutOfMemoryError
from tests.browser_layer.stand_in import JsError, StandIn


def test_sizes_round_up_to_pages(way: StandIn):
    assert [pages_for(nbytes) for nbytes in (0, 1, PAGE_NBYTES, PAGE_NBYTES + 1)] == [0, 1, 1, 2]


def test_what_is_written_is_read(way: StandIn):
    memory = WasmMemory(100, 1000)
    memory.write(96, memoryview(b"abcdef"))
    out = bytearray(4)
    memory.read(98, memoryview(out))
    assert out == b"cdef"
    memory.dispose()


def test_content_survives_growth_and_views_follow(way: StandIn):
    memory = WasmMemory(PAGE_NBYTES, 4 * PAGE_NBYTES)
    memory.write(7, memoryview(b"kept"))
    memory.grow_to(2 * PAGE_NBYTES + 1)
    assert memory.nbytes == 3 * PAGE_NBYTES
    memory.write(2 * PAGE_NBYTES, memoryview(b"new"))
    out = bytearray(4)
    memory.read(7, memoryview(out))
    assert out == b"kept"
    memory.grow_to(10)
    assert memory.nbytes == 3 * PAGE_NBYTES
    memory.dispose()


@pytest.mark.parametrize("address, nbytes", [(-1, 1), (PAGE_NBYTES - 1, 2), (PAGE_NBYTES + 5, 1)])
def test_ranges_outside_the_memory_are_refused(way: StandIn, address: int, nbytes: int):
    memory = WasmMemory(1, 1)
    with pytest.raises(KernelError, match=f"{nbytes} bytes at address {address} lie outside a memory of 65,536 bytes"):
        memory.write(address, memoryview(bytes(nbytes)))
    with pytest.raises(KernelError, match="lie outside"):
        memory.read(address, memoryview(bytearray(nbytes)))
    memory.dispose()


def test_memory_that_cannot_be_had_names_the_bytes(way: StandIn):
    with pytest.raises(OutOfMemoryError, match="no WebAssembly memory of 131,072,000 bytes"):
        WasmMemory(2000 * PAGE_NBYTES, 2000 * PAGE_NBYTES)
    memory = WasmMemory(1, PAGE_NBYTES)
    with pytest.raises(OutOfMemoryError, match="could not grow from 65,536 to 65,537 bytes"):
        memory.grow_to(PAGE_NBYTES + 1)
    memory.dispose()


def test_a_module_runs_until_it_is_disposed(way: StandIn):
    calls = []
    way.exports.run = lambda table, steps: calls.append((table, steps))
    memory = WasmMemory(1, 1)
    instance = asyncio.run(instantiate(b"module", memory))
    instance.run(64, 3)
    assert calls == [(64, 3)]
    instance.dispose()
    instance.dispose()
    with pytest.raises(KernelError, match="disposed"):
        instance.run(64, 3)
    memory.dispose()
    memory.dispose()


def test_a_trap_is_an_error_of_intab(way: StandIn):
    def trap(table: int, steps: int) -> None:
        raise JsError("RuntimeError", "memory access out of bounds")

    way.exports.run = trap
    memory = WasmMemory(1, 1)
    instance = asyncio.run(instantiate(b"module", memory))
    with pytest.raises(KernelError, match=r"a run of 9 steps \(RuntimeError: memory access out of bounds\)"):
        instance.run(0, 9)
    instance.dispose()
    memory.dispose()


@pytest.mark.parametrize("module, error", [(b"bad", KernelError), (b"huge", OutOfMemoryError)])
def test_a_module_that_is_refused(way: StandIn, module: bytes, error: type[Exception]):
    memory = WasmMemory(1, 1)
    with pytest.raises(error, match=f"module of {len(module)} bytes"):
        asyncio.run(instantiate(module, memory))
    memory.dispose()
