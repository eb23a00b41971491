"""Every family as WebAssembly under wasmtime, with relaxed SIMD and without, against the right results."""

import asyncio
import struct
from collections.abc import Iterator

import numpy as np
import pytest

from intab.backends.wasm.desktop import WasmtimeInstance, WasmtimeMachine
from intab.kernels.ir import Kernel
from intab.kernels.wasm import STEP_NBYTES, generate
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD, Target
from tests.kernels.case import KernelCase, far
from tests.kernels.cases import CASES

pytestmark = pytest.mark.wasmtime

KERNELS: dict[int, Kernel] = {id(case.kernel): case.kernel for case in CASES}
PLACES = {key: place for place, key in enumerate(KERNELS)}
# Buffers lie between guards of this byte, so that a stray store is seen.
GUARD = 0x5A
GUARD_NBYTES = 64


class Module:
    """All kernels of the cases in one module."""

    def __init__(self, target: Target) -> None:
        self.machine = WasmtimeMachine(target)
        self.instance: WasmtimeInstance = asyncio.run(
            self.machine.instantiate(generate(list(KERNELS.values()), target))
        )

    def run(self, case: KernelCase) -> dict[str, np.ndarray]:
        """A case's buffers after it ran. Raises AssertionError when a guard was overwritten."""
        image = bytearray([GUARD]) * GUARD_NBYTES
        places = {}
        for buffer in case.kernel.buffers:
            array = case.buffers[buffer.name]
            places[buffer.name] = len(image)
            image += array.tobytes()
            image += bytes([GUARD]) * (GUARD_NBYTES + -len(image) % 16)
        words = len(image)
        for buffer in case.kernel.buffers:
            start = case.offsets.get(buffer.name, 0) * case.buffers[buffer.name].itemsize
            image += struct.pack("<i", places[buffer.name] + start)
        for word in case.kernel.words:
            value = case.words[word.name]
            image += struct.pack("<f", value) if word.type.scalar == "f32" else struct.pack("<i", int(value))
        table = len(image)
        image += struct.pack("<4i", PLACES[id(case.kernel)], words, case.items, 0)
        assert len(image) == table + STEP_NBYTES
        memory = self.machine.memory
        memory.grow_to(len(image))
        memory.write(0, memoryview(image))
        self.instance.run(table, 1)
        after = bytearray(len(image))
        memory.read(0, memoryview(after))
        return self._buffers(case, places, image, after)

    @staticmethod
    def _buffers(case: KernelCase, places: dict[str, int], before: bytes, after: bytearray) -> dict[str, np.ndarray]:
        result = {}
        outside = np.ones(len(after), bool)
        for name, place in places.items():
            array = case.buffers[name]
            outside[place : place + array.nbytes] = False
            result[name] = np.frombuffer(bytes(after[place : place + array.nbytes]), array.dtype)
        changed = np.frombuffer(bytes(before), np.uint8) != np.frombuffer(bytes(after), np.uint8)
        assert not (changed & outside).any(), "a store went astray"
        return result


@pytest.fixture(scope="module", params=[WASM_RELAXED_SIMD, WASM_SIMD], ids=["relaxed", "plain"])
def module(request: pytest.FixtureRequest) -> Iterator[Module]:
    made = Module(request.param)
    yield made
    made.instance.dispose()
    made.machine.dispose()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_family_is_right_as_wasm(module: Module, case: KernelCase) -> None:
    buffers = module.run(case)
    for name, expected in case.expected.items():
        assert far(buffers[name], expected) <= case.tolerance
    for name in buffers.keys() - case.expected.keys() - case.scratch:
        assert buffers[name].tobytes() == case.buffers[name].tobytes(), f"{name} is read only and was written"
