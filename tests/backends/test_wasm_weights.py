"""Weights on their way into a memory: packed one at a time, so that Python never holds them all."""

import asyncio
import tracemalloc

import numpy as np
import pytest

from intab.backends.wasm.desktop import WasmtimeMachine
from intab.backends.wasm.executable import prepare
from intab.backends.wasm.pool import Pool
from intab.dtypes import float32
from intab.graph.dims import symbol
from intab.kernels.families.register_tile import TILE_COLUMNS, pack_panels
from intab.ops.builder import Builder
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


@pytest.mark.parametrize("columns", [1, 7, 8, 16, 21])
def test_panels_hold_columns_side_by_side(columns: int) -> None:
    matrix = np.arange(1, 1 + 3 * columns, dtype=np.float32).reshape(columns, 3).T
    packed = pack_panels(matrix)
    assert packed.shape == (-(-columns // TILE_COLUMNS), 3, TILE_COLUMNS) and packed.flags.c_contiguous
    flat = packed.transpose(1, 0, 2).reshape(3, -1)
    assert (flat[:, :columns] == matrix).all() and not flat[:, columns:].any()
