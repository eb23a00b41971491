"""What steps say of their work: known operators, counted by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from intab.dtypes import float32, int32, uint8
from intab.graph.dims import symbol
from intab.graph.ir import Value
from intab.kernels import functions
from intab.kernels.ir import F32, I32, Fma
from intab.kernels.scalar import operations_of
from intab.ops.builder import Builder
from intab.program import Binder, build
from intab.target import WASM_SIMD

SIZES = {"N": 2, "H": 9, "W": 11}
N, H, W = (symbol(name) for name in SIZES)


def work_of(make: Callable[[Builder], Value]) -> dict[str, tuple[int, int] | None]:
    """Kernel name -> (flops, bytes) of its step, of a graph with one output."""
    builder = Builder("test")
    program = build(builder.graph([("y", make(builder))]), WASM_SIMD)
    counted = Binder(program).work(SIZES)
    names = [program.kernels[step.kernel].name for step in program.steps]
    assert len(set(names)) == len(names)
    return dict(zip(names, counted, strict=True))


def constant(builder: Builder, *shape: int) -> Value:
    return builder.constant(np.ones(shape, np.float32))


def test_matmul() -> None:
    def make(builder: Builder) -> Value:
        x = builder.input("x", float32, (N, H, 30))
        return builder.emit("MatMul", x, constant(builder, 30, 50), constant(builder, 50))

    assert work_of(make) == {"matmul": (2 * 18 * 30 * 50, 4 * (18 * 30 + 30 * 50 + 18 * 50 + 50))}


def test_batched_matmul() -> None:
    def make(builder: Builder) -> Value:
        return builder.emit("MatMul", builder.input("a", float32, (N, 3, 4)), builder.input("b", float32, (N, 4, 5)))

    assert work_of(make) == {
        "pack_right": (0, 4 * 2 * 2 * 4 * 5),
        "matmul": (2 * 2 * 3 * 4 * 5, 4 * 2 * (3 * 4 + 4 * 5 + 3 * 5)),
    }


@pytest.mark.parametrize("group", [1, 2])
def test_convolution(group: int) -> None:
    def make(builder: Builder) -> Value:
        x = builder.input("x", float32, (N, H, W, 4))
        attributes = {"strides": (2, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1), "group": group, "layout": "NHWC"}
        return builder.emit("Conv", x, constant(builder, 6, 3, 3, 4 // group), constant(builder, 6), **attributes)

    builder = Builder("test")
    program = build(builder.graph([("y", make(builder))]), WASM_SIMD)
    padding, product = Binder(program).work(SIZES)
    pixels, padded = 2 * 5 * 11, 2 * 11 * 13
    assert padding == (0, 4 * 4 * (2 * 9 * 11 + padded))
    flops = 2 * pixels * 3 * 3 * (4 // group) * 6
    assert product == (flops, 4 * (padded * 4 + 9 * (4 // group) * 6 + pixels * 6 + 6))


def octets(builder: Builder, *shape: int) -> Value:
    return builder.constant(np.ones(shape, np.int8))


def test_integer_products() -> None:
    """Whole numbers count as floats do; bytes are made pairs of four bytes first."""

    def make(builder: Builder) -> Value:
        x = builder.input("x", uint8, (N, H, 30))
        return builder.emit("IntegerMatMul", x, octets(builder, 30, 50), to=int32)

    assert work_of(make) == {
        "widen_lines_u8": (0, 18 * 30 + 4 * 18 * 15),
        "integer_matmul": (2 * 18 * 30 * 50, 4 * (18 * 15 + 15 * 50 + 18 * 50)),
    }


@pytest.mark.parametrize("group", [1, 6])
def test_integer_convolution(group: int) -> None:
    def make(builder: Builder) -> Value:
        x = builder.input("x", uint8, (N, H, W, 6))
        attributes = {"strides": (2, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1), "group": group, "layout": "NHWC"}
        return builder.emit("IntegerConv", x, octets(builder, 6, 3, 3, 6 // group), to=int32, **attributes)

    pixels, padded, read = 2 * 5 * 11, 2 * 11 * 13, 2 * 9 * 11 * 6
    if group == 1:
        assert work_of(make) == {
            "widen_lines_u8": (0, read + 4 * padded * 3),
            "integer_convolution": (2 * pixels * 9 * 6 * 6, 4 * (padded * 3 + 9 * 3 * 6 + pixels * 6)),
        }
    else:
        assert work_of(make) == {
            "pair_lines_u8": (0, read + 4 * padded * 6),
            "integer_depthwise_3x3s1d1": (2 * pixels * 9 * 6, 4 * (padded * 6 + 2 * 3 * 6 + pixels * 6)),
        }


def test_winograd_convolution() -> None:
    """Counted as the convolution that it is; the weights are those that are read."""

    def make(builder: Builder) -> Value:
        x = builder.input("x", float32, (N, H, W, 8))
        attributes = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1), "layout": "NHWC"}
        return builder.emit("Conv", x, constant(builder, 12, 3, 3, 8), constant(builder, 12), **attributes)

    pixels = 2 * 9 * 11
    tensors = 4 * (pixels * 8 + 36 * 2 * 8 * 8 + pixels * 12 + 12)
    assert work_of(make) == {"winograd_4": (2 * pixels * 9 * 8 * 12, tensors)}


def test_depthwise_convolution() -> None:
    def make(builder: Builder) -> Value:
        x = builder.input("x", float32, (N, H, W, 8))
        attributes = {"strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1), "group": 8, "layout": "NHWC"}
        return builder.emit("Conv", x, constant(builder, 8, 3, 3, 1), **attributes)

    pixels = 2 * 7 * 9
    assert work_of(make) == {"depthwise_3x3s1d1": (2 * pixels * 9 * 8, 4 * 8 * (2 * 9 * 11 + 9 + pixels))}


def test_pooling() -> None:
    def make(builder: Builder) -> Value:
        x = builder.input("x", float32, (N, H, W, 8))
        windows = {"kernel": (3, 2), "strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1)}
        return builder.emit("MaxPool", x, **windows, layout="NHWC")

    out = 2 * 7 * 10 * 8
    assert work_of(make) == {"pool_max": (3 * 2 * out, 4 * (2 * 9 * 11 * 8 + out))}


def test_elementwise_work_counts_what_repeats_once() -> None:
    def make(builder: Builder) -> Value:
        return builder.emit("Mul", builder.input("x", float32, (N, H, 4)), builder.input("y", float32, (4,)))

    assert work_of(make) == {"elementwise": (2 * 9 * 4, 4 * (2 * 9 * 4 + 4 + 2 * 9 * 4))}


def test_work_passes_what_a_word_can_hold() -> None:
    """Flops are no sizes: they may pass 2**31."""
    a = Builder("test")
    graph = a.graph([("y", a.emit("MatMul", a.input("x", float32, (N, 1024)), constant(a, 1024, 8)))])
    binder = Binder(build(graph, WASM_SIMD))
    (work,) = binder.work({"N": 1 << 19})
    assert work is not None and work[0] == 2 * (1 << 19) * 1024 * 8 > math.ldexp(1, 31)
    binder.bind({"N": 1 << 18})


def test_operations_of_a_function() -> None:
    function = functions.scalar_function(lambda block, x, y: Fma(x, y, x - y).maximum(x), F32, F32)
    assert operations_of(function).floats == 4 and not operations_of(function).divides_integers
    integers = functions.scalar_function(lambda block, x, y: x // y + 1, I32, I32)
    assert operations_of(integers).floats == 0 and operations_of(integers).divides_integers
