"""Weights that are stored as bytes stay bytes."""

import numpy as np
import pytest

from intab import dtypes
from intab.graph.dims import symbol
from intab.graph.ir import Graph, Value
from intab.ops.builder import Builder
from intab.optimize import DEFAULT_PASSES
from intab.optimize.keep_compressed import COMPRESS_MATMUL, RECOGNISE_DEQUANTIZED
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


def dequantized(zero: np.ndarray | None, scale: np.ndarray, axis: int, op: str = "MatMul") -> Graph:
    """x @ dequantize(bytes, scale, zero), or another operator of both."""
    builder = Builder("dequantized")
    x = builder.input("x", dtypes.float32, (symbol("N"), DEPTH if op == "MatMul" else COLUMNS))
    given = [builder.constant(array) for array in (BYTES.view(np.uint8), scale, zero) if array is not None]
    weights = builder.emit("DequantizeLinear", *given, axis=axis)
    if op == "Transpose":
        weights, op = builder.emit("Transpose", weights, perm=(1, 0)), "MatMul"
    return builder.graph([("y", builder.emit(op, x, weights))])


@pytest.mark.parametrize("middle", [0, 128])
@pytest.mark.parametrize(("scale", "axis"), [(BY_COLUMN[0], 1), (ONE, 0)])
def test_zero_points_that_need_no_arithmetic(middle: int, scale: np.ndarray, axis: int) -> None:
    zero = np.full(scale.shape, middle, np.uint8)
    graph = apply(dequantized(zero, scale, axis), *DEFAULT_PASSES, sizes={"N": 5}, tolerance=1e-4)
    assert operators(graph) == ["CompressedMatMul"]
    assert constants_nbytes(graph) <= BYTES.nbytes + 8 * COLUMNS


@pytest.mark.parametrize(("scale", "axis"), [(BY_COLUMN[0], 1), (ONE, 0)])
def test_zero_points_stay_with_the_bytes(scale: np.ndarray, axis: int) -> None:
    zero = np.resize(np.arange(7, 90, dtype=np.uint8), scale.shape)
    graph = apply(dequantized(zero, scale, axis), *DEFAULT_PASSES, sizes={"N": 5}, tolerance=1e-4)
    assert operators(graph) == ["CompressedMatMul"]
    assert len(graph.nodes[0].inputs) == 4


def of_blocks(axis: int, *, turned: bool) -> Graph:
    """x @ dequantized blocks of 50 along an axis, or x @ their transpose."""
    builder = Builder("blocks")
    x = builder.input("x", dtypes.float32, (symbol("N"), COLUMNS if turned else DEPTH))
    counts = [size // 50 if i == axis else size for i, size in enumerate(BYTES.shape)]
    sides = builder.constant(random.random(counts).astype(np.float32)), builder.constant(np.ones(counts, np.int8))
    weights = builder.emit("DequantizeLinear", builder.constant(BYTES), *sides, axis=axis, block_size=50)
    return builder.graph([("y", builder.emit("MatMul", x, weights, transpose_b=turned))])


@pytest.mark.parametrize(("axis", "turned"), [(0, False), (1, True)])
def test_blocks_along_the_depth_stay(axis: int, turned: bool) -> None:
    graph = apply(of_blocks(axis, turned=turned), *DEFAULT_PASSES, sizes={"N": 5}, tolerance=1e-4)
    assert operators(graph) == ["CompressedMatMul"]
    assert graph.nodes[0].attributes["block_size"] == 50


@pytest.mark.parametrize(("axis", "turned"), [(1, False), (0, True)])
def test_blocks_across_columns_become_floats(axis: int, turned: bool) -> None:
    graph = apply(of_blocks(axis, turned=turned), *DEFAULT_PASSES, sizes={"N": 5}, tolerance=1e-4)
    assert operators(graph) == ["MatMul"]


def test_a_transpose_between_is_taken_along() -> None:
    along_columns = BY_ROW[:, 0]  # of the transposed matrix
    graph = apply(dequantized(None, along_columns, 0, "Transpose"), *DEFAULT_PASSES, sizes={"N": 5}, tolerance=1e-4)
    assert operators(graph) == ["CompressedMatMul"]
    assert graph.nodes[0].attributes["transpose_b"] is True


@pytest.mark.parametrize(
    ("zero", "scale", "axis", "op"),
    [
        (None, BY_ROW[:, 0], 0, "MatMul"),
        (None, BY_COLUMN[0], 1, "Transpose"),
    ],
)
def test_what_no_kernel_takes_as_bytes_becomes_floats_once(
    zero: np.ndarray | None, scale: np.ndarray, axis: int, op: str
) -> None:
    graph = apply(dequantized(zero, scale, axis, op), *DEFAULT_PASSES, sizes={"N": 5}, tolerance=1e-4)
    assert operators(graph) == ["MatMul"]
    assert graph.constant_of(graph.nodes[0].inputs[1]) is not None


def test_weights_that_two_kinds_of_node_read_become_floats() -> None:
    builder = Builder("shared")
    x = builder.input("x", dtypes.float32, (symbol("N"), DEPTH))
    weights = builder.emit("DequantizeLinear", builder.constant(BYTES), builder.constant(ONE), axis=0)
    graph = builder.graph([("y", builder.emit("MatMul", x, weights)), ("z", builder.emit("Relu", weights))])
    changed = apply(graph, *DEFAULT_PASSES, sizes={"N": 5}, tolerance=1e-4)
    assert "DequantizeLinear" not in operators(changed)
