"""Matmul and convolutions on generated WebAssembly, over odd sizes, against the reference."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from intab.dtypes import float32
from intab.graph.dims import symbol
from intab.graph.ir import Array, Graph, Value
from intab.ops.builder import Builder
from tests.running import assert_as_reference

pytestmark = pytest.mark.wasmtime

N, H, W = symbol("N"), symbol("H"), symbol("W")
PICTURES = [(1, 9, 11), (2, 6, 5), (1, 3, 3)]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed + len(shape) + sum(shape)).standard_normal(shape).astype(np.float32)


def one_node(make: Callable[[Builder], Value]) -> Graph:
    builder = Builder("test")
    return builder.graph([("y", make(builder))])


# (kernel, channels in, channels out, strides, pads, dilations, groups)
CONVOLUTIONS = [
    ((1, 1), 16, 24, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((1, 1), 5, 3, (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((1, 1), 8, 12, (2, 2), (0, 0, 0, 0), (1, 1), 1),
    ((3, 3), 3, 16, (2, 2), (1, 1, 1, 1), (1, 1), 1),
    ((2, 2), 7, 9, (1, 1), (0, 0, 1, 1), (1, 1), 1),
    ((3, 2), 9, 17, (1, 3), (2, 0, 1, 1), (1, 1), 1),
    ((3, 3), 8, 8, (1, 1), (2, 2, 2, 2), (2, 2), 1),
    ((3, 3), 8, 12, (1, 1), (1, 1, 1, 1), (1, 1), 4),
    ((3, 3), 4, 8, (1, 1), (1, 2, 1, 2), (1, 2), 4),
    ((1, 1), 15, 33, (1, 1), (0, 0, 0, 0), (1, 1), 3),
    ((3, 3), 24, 30, (2, 1), (1, 1, 1, 1), (1, 1), 6),
    ((3, 3), 640, 640, (1, 2), (1, 1, 1, 1), (1, 1), 8),  # more groups than an item does one after the other
    ((3, 3), 160, 64, (1, 2), (1, 1, 1, 1), (1, 1), 1),  # a right side larger than the cache: by panels
    ((3, 3), 8, 8, (1, 1), (1, 1, 1, 1), (1, 1), 8),
    ((3, 3), 6, 6, (2, 1), (1, 1, 1, 1), (1, 1), 6),
    ((5, 5), 12, 12, (2, 2), (2, 2, 2, 2), (1, 1), 12),
    ((3, 3), 5, 5, (1, 1), (2, 2, 2, 2), (2, 2), 5),
    ((1, 7), 10, 10, (1, 1), (0, 3, 0, 3), (1, 1), 10),
]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution(case) -> None:
    kernel, channels, features, strides, pads, dilations, group = case
    weights, bias = normal(features, *kernel, channels // group), normal(features)

    def make(builder: Builder) -> Value:
        x = builder.input("x", float32, (N, H, W, channels))
        operands = (x, builder.constant(weights), builder.constant(bias))
        return builder.emit(
            "Conv", *operands, strides=strides, pads=pads, dilations=dilations, group=group, layout="NHWC"
        )

    graph = one_node(make)
    for images, height, width in PICTURES:
        assert_as_reference(graph, {"x": normal(images, height, width, channels)})


def test_convolution_over_a_line() -> None:
    def make(builder: Builder) -> Value:
        x = builder.input("x", float32, (N, W, 5))
        w = builder.constant(normal(7, 3, 5))
        return builder.emit("Conv", x, w, strides=(2,), pads=(1, 1), dilations=(1,), layout="NHWC")

    assert_as_reference(one_node(make), {"x": normal(2, 13, 5)})


def test_convolution_with_computed_weights() -> None:
    def make(builder: Builder) -> Value:
        x = builder.input("x", float32, (N, H, W, 4))
        w = builder.input("w", float32, (9, 3, 3, 4))
        return builder.emit("Conv", x, w, strides=(1, 1), pads=(1, 1, 1, 1), dilations=(1, 1), layout="NHWC")

    assert_as_reference(one_node(make), {"x": normal(1, 5, 6, 4), "w": normal(9, 3, 3, 4)})


# (kernel, channels in, channels out, strides, pads, dilations, output padding)
TRANSPOSED = [
    ((2, 2), 24, 24, (2, 2), (0, 0, 0, 0), (1, 1), (0, 0)),
    ((2, 2), 24, 1, (2, 2), (0, 0, 0, 0), (1, 1), (0, 0)),
    ((3, 3), 5, 6, (2, 2), (1, 1, 1, 1), (1, 1), (0, 0)),
    ((4, 3), 5, 6, (3, 2), (1, 0, 1, 2), (1, 2), (1, 0)),
]


@pytest.mark.parametrize("case", TRANSPOSED, ids=str)
def test_transposed_convolution(case) -> None:
    kernel, channels, features, strides, pads, dilations, output_padding = case
    weights, bias = normal(channels, features, *kernel), normal(features)

    def make(builder: Builder) -> Value:
        x = builder.input("x", float32, (N, H, W, channels))
        return builder.emit(
            "ConvTranspose",
            x,
            builder.constant(weights),
            builder.constant(bias),
            strides=strides,
            pads=pads,
            dilations=dilations,
            output_padding=output_padding,
            layout="NHWC",
        )

    graph = one_node(make)
    for images, height, width in PICTURES:
        assert_as_reference(graph, {"x": normal(images, height, width, channels)})


# (left shape, right shape, right is constant, transpose left, transpose right)
PRODUCTS = [
    ((7, 13), (13, 21), True, False, False),
    ((1, 120), (120, 1871), True, False, False),
    ((9, 200), (200, 1000), True, False, False),
    ((4, 5), (7, 5), True, False, True),
    ((2, 3, 5, 16), (16, 8), False, False, False),
    ((4, 2, 5, 16), (4, 2, 16, 9), False, False, False),
    ((4, 2, 5, 16), (2, 16, 9), False, False, False),
    ((5, 16), (3, 16, 9), False, False, False),
    ((2, 1, 5, 16), (1, 3, 16, 9), False, False, False),
    ((16,), (16, 4), False, False, False),
    ((3, 4, 16), (16,), False, False, False),
    ((2, 4, 5), (2, 7, 5), False, False, True),
    ((5, 4), (5, 7), False, True, False),
    ((3, 5, 4), (3, 5, 7), False, True, False),
]


@pytest.mark.parametrize("case", PRODUCTS, ids=str)
def test_matmul(case) -> None:
    left, right, constant, transpose_a, transpose_b = case
    values = normal(*right)

    def make(builder: Builder) -> Value:
        a = builder.input("a", float32, left)
        b = builder.constant(values) if constant else builder.input("b", float32, right)
        return builder.emit("MatMul", a, b, transpose_a=transpose_a, transpose_b=transpose_b)

    feeds = {"a": normal(*left, seed=1)} | ({} if constant else {"b": values})
    assert_as_reference(one_node(make), feeds)


def epilogue(*operators: str, extra: int) -> Graph:
    """acc; then each operator with the next extra operand, or alone."""
    builder = Builder("epilogue")
    value = builder.input("acc", float32, ())
    extras = [builder.input(f"e{i}", float32, ()) for i in range(extra)]
    for name in operators:
        operands = [value, extras.pop(0)] if name in ("Add", "Mul") else [value]
        value = builder.emit(name, *operands)
    return builder.graph([("y", value)])


EXTRAS: list[Sequence[int | str]] = [
    (2, 4, 5, 12),  # as the result
    (12,),  # one value a column
    (1, 1, 1, 1),  # one value
    (2, 4, 5, 1),  # one value a pixel
    (2, 1, 1, 12),  # repeats over the picture: expanded
    (1, 4, 5, 12),  # repeats over the images: expanded
]


@pytest.mark.parametrize("shape", EXTRAS, ids=str)
@pytest.mark.parametrize("features", [12, 6])
def test_epilogue_of_convolution(shape, features: int) -> None:
    shape = tuple(features if size == 12 else size for size in shape)
    body = epilogue("Relu", "Add", "Sigmoid", extra=1)

    def make(builder: Builder) -> Value:
        x = builder.input("x", float32, (2, 4, 5, 7))
        extra = builder.input("extra", float32, shape)
        w, bias = builder.constant(normal(features, 3, 3, 7)), builder.constant(normal(features))
        window = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1), "layout": "NHWC"}
        return builder.emit("Conv", x, w, bias, extra, epilogue=body, **window)

    assert_as_reference(one_node(make), {"x": normal(2, 4, 5, 7), "extra": normal(*shape, seed=2)})


def test_epilogue_of_depthwise_and_grouped_convolution() -> None:
    for group, depth in ((8, 1), (2, 4)):
        body = epilogue("Add", "Relu", extra=1)

        def make(builder: Builder, group: int = group, depth: int = depth, body: Graph = body) -> Value:
            x = builder.input("x", float32, (1, 6, 7, 8))
            extra = builder.input("extra", float32, (1, 6, 7, 8))
            w, bias = builder.constant(normal(8, 3, 3, depth)), builder.constant(normal(8))
            window = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1), "layout": "NHWC"}
            return builder.emit("Conv", x, w, bias, extra, group=group, epilogue=body, **window)

        assert_as_reference(one_node(make), {"x": normal(1, 6, 7, 8), "extra": normal(1, 6, 7, 8, seed=3)})


def test_epilogue_of_batched_matmul_and_transposed_convolution() -> None:
    body = epilogue("Mul", "Tanh", extra=1)

    def product(builder: Builder) -> Value:
        a, b = builder.input("a", float32, (3, 5, 4)), builder.input("b", float32, (3, 4, 9))
        return builder.emit("MatMul", a, b, None, builder.input("extra", float32, (3, 1, 9)), epilogue=body)

    feeds = {"a": normal(3, 5, 4), "b": normal(3, 4, 9), "extra": normal(3, 1, 9)}
    assert_as_reference(one_node(product), feeds)

    def transposed(builder: Builder) -> Value:
        x, extra = builder.input("x", float32, (1, 3, 4, 5)), builder.input("extra", float32, (1, 6, 8, 2))
        w, bias = builder.constant(normal(5, 2, 2, 2)), builder.constant(normal(2))
        window = {"strides": (2, 2), "pads": (0,) * 4, "dilations": (1, 1), "output_padding": (0, 0)}
        return builder.emit("ConvTranspose", x, w, bias, extra, epilogue=body, layout="NHWC", **window)

    assert_as_reference(one_node(transposed), {"x": normal(1, 3, 4, 5), "extra": normal(1, 6, 8, 2)})


def test_nothing_in_nothing_out() -> None:
    def make(builder: Builder) -> Value:
        x = builder.input("x", float32, (N, H, W, 4))
        w = builder.constant(normal(5, 1, 1, 4))
        return builder.emit("Conv", x, w, strides=(1, 1), pads=(0,) * 4, dilations=(1, 1), layout="NHWC")

    assert_as_reference(one_node(make), {"x": normal(0, 3, 3, 4)})


def test_an_input_that_is_an_output() -> None:
    """On its own, twice, beside work on it, and under another shape."""
    builder = Builder("through")
    x, unread = (builder.input(name, float32, (N, 4)) for name in ("x", "unread"))
    flat = builder.emit("Reshape", x, shape=(N * 4,))
    doubled = builder.emit("Add", x, x)
    outputs = [("x", x), ("again", unread), ("twice", unread), ("doubled", doubled), ("flat", flat)]
    feeds = {"x": normal(3, 4), "unread": normal(3, 4, seed=5)}
    assert_as_reference(builder.graph(outputs), feeds, 0.0)
