"""Weights that are stored as bytes stay bytes."""

import numpy as np
import pytest

from intab import dtypes
from intab.graph.dims import symbol
from intab.graph.ir import Graph, Value
from intab.ops.builder import Builder
from intab.optimize import DEFAULT_PASSES, run_passes
from intab.optimize.fold_constants import FOLD_CONSTANTS
from intab.optimize.keep_compressed import COMPRESS_MATMUL, RECOGNISE_DEQUANTIZED
from intab.target import WASM_SIMD
from tests.optimize.check import apply, operators

DEPTH, COLUMNS = 300, 400
random = np.random.default_rng(3)
BYTES = random.integers(-128, 128, (DEPTH, COLUMNS)).astype(np.int8)
BY_COLUMN = random.random((1, COLUMNS)).astype(np.float32)
BY_ROW = random.random((DEPTH, 1)).astype(np.float32)
ONE = np.array(0.01, np.float32)


def scaled(builder: Builder, scale: np.ndarray) -> Value:
    """cast(bytes) * scale, as exporters write it."""
    numbers = builder.emit("Cast", builder.constant(BYTES, "bytes"), to=dtypes.float32)
    return builder.emit("Mul", numbers, builder.constant(scale, "scale"))


def product(scale: np.ndarray) -> Graph:
    """relu(x @ weights + bias)"""
    builder = Builder("product")
    x = builder.input("x", dtypes.float32, (symbol("N"), DEPTH))
    bias = builder.constant(np.arange(COLUMNS, dtype=np.float32), "bias")
    total = builder.emit("Add", builder.emit("MatMul", x, scaled(builder, scale)), bias)
    return builder.graph([("y", builder.emit("Relu", total))])


def table(scale: np.ndarray) -> Graph:
    """Rows of a table of bytes."""
    builder = Builder("table")
    ids = builder.input("ids", dtypes.int64, (symbol("N"), 3))
    return builder.graph([("y", builder.emit("Gather", scaled(builder, scale), ids, axis=0))])


def constants_nbytes(graph: Graph) -> int:
    return sum(constant.nbytes for constant in graph.constants.values())


@pytest.mark.parametrize("scale", [BY_COLUMN, BY_COLUMN[0], ONE])
def test_weights_stay_bytes(scale: np.ndarray) -> None:
    graph = apply(product(scale), *DEFAULT_PASSES, sizes={"N": 5}, tolerance=1e-4)
    assert operators(graph) == ["CompressedMatMul[Relu]"]
    assert constants_nbytes(graph) <= BYTES.nbytes + 8 * COLUMNS


def test_a_scale_along_the_depth_is_no_scale_of_the_result() -> None:
    graph = apply(product(BY_ROW), RECOGNISE_DEQUANTIZED, COMPRESS_MATMUL, sizes={"N": 5}, tolerance=1e-4)
    assert operators(graph) == ["DequantizeLinear", "MatMul", "Add", "Relu"]


@pytest.mark.parametrize("scale", [BY_ROW, BY_COLUMN, ONE])
def test_rows_of_a_table_are_taken_before_they_become_floats(scale: np.ndarray) -> None:
    graph = apply(table(scale), *DEFAULT_PASSES, sizes={"N": 5})
    assert operators(graph)[0] == "Gather"
    assert graph.nodes[0].output.dtype == dtypes.int8
    assert constants_nbytes(graph) <= BYTES.nbytes + 8 * max(DEPTH, COLUMNS)


def test_bytes_are_not_folded_into_floats() -> None:
    builder = Builder("folded")
    graph = builder.graph([("y", scaled(builder, ONE))])
    unchanged, _ = run_passes(graph, [FOLD_CONSTANTS], WASM_SIMD)
    assert constants_nbytes(unchanged) == BYTES.nbytes + ONE.nbytes
