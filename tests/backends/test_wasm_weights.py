"""Weights on their way into a memory: packed one at a time, so that Python never holds them all."""

import asyncio
import tracemalloc

import numpy as np
import pytest

from intab.backends.wasm import packer
from intab.backends.wasm.desktop import WasmtimeMachine
from intab.backends.wasm.executable import prepare
from intab.backends.wasm.pool import Pool
from intab.dtypes import float32
from intab.graph.dims import symbol
from intab.graph.ir import Graph
from intab.kernels.families.register_tile import TILE_COLUMNS, pack_panels
from intab.ops.builder import Builder
from intab.optimize import optimize
from intab.program import build

SIZE = 256
COUNT = 12


@pytest.mark.wasmtime
def test_weights_are_packed_one_at_a_time() -> None:
    builder = Builder("deep")
    value = builder.input("x", float32, (symbol("N"), SIZE))
    for number in range(COUNT):
        weight = np.random.default_rng(number).standard_normal((SIZE, SIZE)).astype(np.float32)
        value = builder.emit("MatMul", value, builder.constant(weight))
    pool = Pool(WasmtimeMachine())
    program = build(builder.graph([("y", value)]), pool.machine.target)
    tracemalloc.start()
    try:
        executable = asyncio.run(prepare(program, pool))
        _, peak_nbytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    one_nbytes = 4 * SIZE * SIZE
    assert executable.memory().weights >= COUNT * one_nbytes
    assert peak_nbytes < 4 * one_nbytes
    executable.dispose()


def conv(features: int, channels: int, *, side: int, group: int = 1, scaled: bool = False) -> Graph:
    """A convolution with a BatchNorm behind it when `scaled`."""
    random = np.random.default_rng(features)
    builder = Builder("conv")
    x = builder.input("x", float32, (1, channels, 16, 16))
    w = random.standard_normal((features, channels // group, side, side)).astype(np.float32)
    window = {"strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0), "group": group}
    y = builder.emit("Conv", x, builder.constant(w), **window)
    if scaled:
        parameters = [random.uniform(0.5, 2, features).astype(np.float32) for _ in range(4)]
        y = builder.emit("BatchNorm", y, *map(builder.constant, parameters), epsilon=1e-5)
        y = builder.emit("Mul", y, builder.constant(parameters[1].reshape(-1, 1, 1)))
    return builder.graph([("y", y)])


def matmul(depth: int, columns: int, *, transposed: bool = False, scaled: bool = False) -> Graph:
    random = np.random.default_rng(depth)
    builder = Builder("matmul")
    x = builder.input("x", float32, (symbol("N"), depth))
    w = random.standard_normal((columns, depth) if transposed else (depth, columns)).astype(np.float32)
    right = builder.emit("Transpose", builder.constant(w), perm=(1, 0)) if transposed else builder.constant(w)
    y = builder.emit("MatMul", x, right)
    if scaled:
        y = builder.emit("Mul", y, builder.constant(random.standard_normal(columns).astype(np.float32)))
    return builder.graph([("y", y)])


GRAPHS = {
    "pointwise": conv(70, 300, side=1),
    "windows": conv(20, 70, side=5),
    "scaled windows": conv(20, 70, side=5, scaled=True),
    "scaled pointwise": conv(70, 300, side=1, scaled=True),
    "groups": conv(36, 240, group=3, side=5, scaled=True),
    "winograd, small": conv(300, 136, side=3),
    "winograd, large": conv(44, 36, side=3),
    "winograd, small, scaled": conv(300, 136, side=3, scaled=True),
    "winograd, large, scaled": conv(44, 36, side=3, scaled=True),
    "matrix": matmul(300, 70),
    "transposed matrix": matmul(300, 70, transposed=True),
    "scaled matrix": matmul(300, 70, scaled=True),
    "scaled transposed matrix": matmul(300, 70, transposed=True, scaled=True),
    "narrow matrix": matmul(9000, 3),
    "vector": matmul(5000, 1),
}


@pytest.mark.wasmtime
@pytest.mark.parametrize("room", [1 << 20, 2000], ids=["whole", "pieces"])
@pytest.mark.parametrize("name", GRAPHS)
def test_kernels_pack_as_numpy_does(name: str, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, whole and in pieces that are as small as can be."""
    monkeypatch.setattr(packer, "STAGING_NBYTES", room)
    monkeypatch.setattr(packer, "MOST_STEPS", 5)
    pool = Pool(WasmtimeMachine())
    program = build(optimize(GRAPHS[name], target=pool.machine.target), pool.machine.target)
    packed = {weight.pack.name for weight in program.weights if weight.pack and packer.is_packed_by_kernels(weight)}
    assert packed
    assert ("winograd filters" in packed) == name.startswith("winograd")
    executable = asyncio.run(prepare(program, pool))
    places, region = executable.weight_places()
    for weight in program.weights:
        expected = np.ascontiguousarray(weight.numpy()).reshape(-1).view(np.uint8)
        found = np.empty_like(expected)
        pool.machine.memory.read(region.address + places[weight.buffer], found.data)
        assert found.tobytes() == expected.tobytes(), weight.pack
    executable.dispose()
    assert pool.used_nbytes == 0


@pytest.mark.parametrize("columns", [1, 7, 8, 16, 21])
def test_panels_hold_columns_side_by_side(columns: int) -> None:
    matrix = np.arange(1, 1 + 3 * columns, dtype=np.float32).reshape(columns, 3).T
    packed = pack_panels(matrix)
    assert packed.shape == (-(-columns // TILE_COLUMNS), 3, TILE_COLUMNS) and packed.flags.c_contiguous
    flat = packed.transpose(1, 0, 2).reshape(3, -1)
    assert (flat[:, :columns] == matrix).all() and not flat[:, columns:].any()
