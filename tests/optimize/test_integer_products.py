"""Dequantized products become products of integers, and what is left fuses with the elementwise work around it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from intab.dtypes import DType, float32, int8, uint8
from intab.errors import UnsupportedOpError
from intab.graph.ir import Attribute, Graph, Value
from intab.ops.builder import Builder
from intab.ops.epilogue import body_function
from intab.ops.lookup import every_byte
from intab.optimize import optimize
from intab.optimize.add_bytes import ADD_BYTES
from intab.optimize.between_bytes import BETWEEN_BYTES
from intab.optimize.fuse_elementwise import FUSE_ELEMENTWISE
from intab.optimize.integer_products import INTEGER_PRODUCTS
from intab.optimize.mean_bytes import MEAN_BYTES
from intab.optimize.quantize_weights import QUANTIZE_WEIGHTS
from intab.optimize.scaled_sums import SCALED_SUMS
from intab.optimize.simplify_arithmetic import SIMPLIFY_ARITHMETIC
from intab.optimize.spread_quantization import SPREAD_QUANTIZATION
from intab.optimize.tabulate import TABULATE
from intab.target import WASM_SIMD
from tests.optimize.check import apply, operators
from tests.running import assert_as_reference

Operand = Callable[["Quantized"], Value]
WINDOW: dict[str, Attribute] = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1), "group": 1}
SIDES = (("x", uint8, 80), ("y", int8, -9))
RANDOM = np.random.default_rng(5)


class Quantized(Builder):
    """Scales are powers of two, so that float sums are exact too and results the same."""

    def scale(self, *exponents: int) -> Value:
        numbers = np.array(exponents, np.float32)
        return self.constant(2.0**numbers if len(exponents) > 1 else (2.0**numbers).reshape(()))

    def level(self, number: int, dtype: Any = np.uint8) -> Value:
        return self.constant(np.array(number, dtype))

    def octets(self, *shape: int) -> Value:
        return self.constant(RANDOM.integers(-128, 128, shape).astype(np.int8))

    def real(self, x: Value, *operands: Value, axis: int = 1) -> Value:
        return self.emit("DequantizeLinear", x, *operands, axis=axis)

    def round(self, x: Value, *operands: Value) -> Value:
        return self.emit("QuantizeLinear", x, *operands, axis=1, to=operands[-1].dtype)

    def picture(self, name: str = "x") -> Value:
        """A dequantized picture [N, 4, 5, 6]."""
        fed = self.input(name, float32, (2, 4, 5, 6))
        return self.real(self.round(fed, self.scale(-5), self.level(117)), self.scale(-5), self.level(117))

    def bias(self, columns: int, *exponents: int) -> Value:
        return self.real(
            self.constant(RANDOM.integers(-900, 900, columns).astype(np.int32)), self.scale(*exponents), axis=0
        )


def graph(make: Callable[[Quantized], Value]) -> Graph:
    builder = Quantized("quantized")
    return builder.graph([("y", make(builder))])


def weights_of(columns: int, *exponents: int) -> Operand:
    return lambda b: b.real(b.octets(columns, 4, 3, 3), b.scale(*exponents), axis=0)


@pytest.mark.parametrize("exponents", [(-7,), (-7, -6, -8, -5, -7)])
@pytest.mark.parametrize("biased", [False, True])
def test_convolution(exponents: tuple[int, ...], biased: bool) -> None:
    def make(b: Quantized) -> Value:
        bias = b.bias(5, *(e - 5 for e in exponents)) if biased else None
        y = b.emit("Conv", b.picture(), weights_of(5, *exponents)(b), bias, **WINDOW)
        return b.round(y, b.scale(1), b.level(9))

    made = apply(graph(make), INTEGER_PRODUCTS, tolerance=0)
    assert operators(made) == ["QuantizeLinear", "Mul", "Div", "IntegerConv"]
    assert made.nodes[-1].attributes["to"] == uint8


def test_a_product_whose_floats_are_wanted_makes_floats() -> None:
    def make(b: Quantized) -> Value:
        y = b.emit("Conv", b.picture(), weights_of(5, -7)(b), **WINDOW)
        return b.emit("Add", y, b.real(b.round(y, b.scale(1), b.level(0, np.int8)), b.scale(1)))

    made = apply(graph(make), INTEGER_PRODUCTS, tolerance=0)
    assert operators(made) == ["QuantizeLinear", "Mul", "IntegerConv", "QuantizeLinear", "DequantizeLinear", "Add"]
    assert made.nodes[2].attributes["to"] == float32


def test_matmul() -> None:
    for turned in (False, True):

        def make(b: Quantized, turned: bool = turned) -> Value:
            a = b.real(b.input("a", uint8, (3, 6)), b.scale(-3), b.level(100))
            right = b.octets(5, 6) if turned else b.octets(6, 5)
            matrix = b.real(right, b.scale(-1, -2, -3, -4, -5), axis=0 if turned else 1)
            y = b.emit("MatMul", a, matrix, b.bias(5, *range(-4, -9, -1)), transpose_b=turned)
            return b.round(y, b.scale(0), b.level(3, np.int8))

        made = apply(graph(make), INTEGER_PRODUCTS, tolerance=0)
        assert operators(made)[-1] == "IntegerMatMul" and made.nodes[-1].attributes["to"] == int8


def test_products_that_stay() -> None:
    """A bias of another scale, weights that are computed, and a scale along the wrong axis."""

    def odd_bias(b: Quantized) -> Value:
        return b.emit("Conv", b.picture(), weights_of(5, -7)(b), b.bias(5, -11), **WINDOW)

    def computed(b: Quantized) -> Value:
        w = b.real(b.input("w", int8, (5, 4, 3, 3)), b.scale(-7))
        return b.emit("Conv", b.picture(), w, **WINDOW)

    def wrong_axis(b: Quantized) -> Value:
        w = b.real(b.octets(5, 4, 3, 3), b.scale(-7, -6, -8, -5), axis=1)
        return b.emit("Conv", b.picture(), w, **WINDOW)

    for make in (odd_bias, computed, wrong_axis):
        assert operators(apply(graph(make), INTEGER_PRODUCTS, tolerance=0))[-1] == "Conv"


def test_weights_of_other_convolutions_become_floats() -> None:
    def make(b: Quantized) -> Value:
        x = b.input("x", float32, (2, 4, 5, 6))
        window = {**WINDOW, "output_padding": (0, 0)}
        return b.emit("ConvTranspose", x, b.real(b.octets(4, 3, 2, 2), b.scale(-7), b.level(5, np.int8)), **window)

    made = apply(graph(make), INTEGER_PRODUCTS)
    assert operators(made) == ["ConvTranspose"]


def test_scales_along_an_axis_broadcast() -> None:
    def make(b: Quantized) -> Value:
        levels = b.constant(np.array([3, 200, 0, 255], np.uint8))
        x = b.round(b.input("x", float32, (2, 4, 5, 6)), b.scale(-5, -6, -4, -3), levels)
        return b.real(x, b.scale(-5, -6, -4, -3), levels)

    made = apply(graph(make), SPREAD_QUANTIZATION, tolerance=0)
    assert operators(made) == ["Quantize", "Dequantize"]
    assert [v.shape for v in made.nodes[1].inputs if v is not None] == [(2, 4, 5, 6), (4, 1, 1), (4, 1, 1)]


def test_arithmetic_on_bytes_is_one_kernel() -> None:
    """Two sums of the same bytes: each reads the bytes, no floats are in memory between."""

    def make(b: Quantized) -> Value:
        x, y = (b.real(b.input(n, uint8, (2, 4, 5, 6)), b.scale(-5), b.level(80)) for n in "xy")
        first = b.round(b.emit("Add", x, y), b.scale(-4), b.level(70))
        second = b.round(b.emit("Mul", x, y), b.scale(-3), b.level(60))
        return b.emit("Concat", first, second, axis=1)

    made = apply(graph(make), SPREAD_QUANTIZATION, FUSE_ELEMENTWISE, tolerance=0)
    assert operators(made) == [f"Fused[Dequantize Dequantize {op} Quantize]" for op in ("Add", "Mul")] + ["Concat"]
    # Scales are inputs, so that all such sums of a model are one kernel.
    for node in made.nodes[:2]:
        body = node.attributes["body"]
        assert isinstance(body, Graph) and not body.constants and len(node.inputs) == 8
    feeds = {n: RANDOM.integers(0, 256, (2, 4, 5, 6)).astype(np.uint8) for n in "xy"}
    assert_as_reference(made, feeds, 0)


def test_sums_of_bytes_take_ratios() -> None:
    def make(b: Quantized) -> Value:
        x, y = (b.real(b.input(n, d, (2, 4, 5, 6)), b.scale(-5), b.level(z, d.numpy)) for n, d, z in SIDES)
        return b.round(b.emit("Add", x, y), b.scale(-4), b.constant(np.array(7, np.uint8)))

    made = apply(graph(make), ADD_BYTES, tolerance=0)
    assert operators(made) == ["AddBytes"]
    feeds = {n: RANDOM.integers(0, 100, (2, 4, 5, 6)).astype(d.numpy) for n, d, _ in SIDES}
    assert_as_reference(made, feeds, 0)


@pytest.mark.parametrize("dtype", [uint8, int8])
def test_functions_of_bytes_become_tables(dtype: DType) -> None:
    """Not where a second tensor takes part, nor a number a channel, nor where there is little to do."""

    def make(b: Quantized) -> Value:
        level = b.level(-3 if dtype == int8 else 80, dtype.numpy)
        stored = b.input("x", dtype, (2, 4, 5, 6))
        x = b.real(stored, b.scale(-5), level)
        curve = b.round(b.emit("Sigmoid", x), b.scale(-8), b.level(0))
        sums = b.round(b.emit("Add", x, b.constant(np.ones((4, 1, 1), np.float32))), b.scale(-3), level)
        plain = b.emit("Neg", x)
        return b.emit("Add", b.emit("Add", b.real(curve, b.scale(-8)), b.real(sums, b.scale(-3), level)), plain)

    made = apply(graph(make), SPREAD_QUANTIZATION, FUSE_ELEMENTWISE, TABULATE, tolerance=0)
    assert "Lookup" not in operators(made)  # all one tree, with a number a channel in it

    def alone(b: Quantized) -> Value:
        level = b.level(-3 if dtype == int8 else 80, dtype.numpy)
        x = b.real(b.input("x", dtype, (2, 4, 5, 6)), b.scale(-5), level)
        return b.round(b.emit("Sigmoid", x), b.scale(-8), b.level(0))

    made = apply(graph(alone), SPREAD_QUANTIZATION, FUSE_ELEMENTWISE, TABULATE, tolerance=0)
    assert operators(made) == ["Lookup"]
    assert_as_reference(made, {"x": every_byte(dtype.name)[:240].reshape(2, 4, 5, 6)}, 0)


def test_a_quantized_network_runs() -> None:
    """Convolutions, a depthwise one, a residual sum and a transposed layout, all passes, on WebAssembly."""

    def make(b: Quantized) -> Value:
        x = b.picture()
        y = b.emit("Conv", x, weights_of(4, -7)(b), b.bias(4, -12), **WINDOW)
        y = b.real(b.round(y, b.scale(0), b.level(128)), b.scale(0), b.level(128))
        deep = b.real(b.octets(4, 1, 3, 3), b.scale(-6, -7, -6, -7), axis=0)
        y = b.emit("Conv", y, deep, **{**WINDOW, "group": 4})
        y = b.real(b.round(y, b.scale(1), b.level(120)), b.scale(1), b.level(120))
        y = b.round(b.emit("Add", x, y), b.scale(1), b.level(100))
        return b.real(y, b.scale(1), b.level(100))

    made = optimize(graph(make), target=WASM_SIMD, check=True)
    assert [n.op for n in made.nodes].count("IntegerConv") == 2
    x = np.random.default_rng(3).standard_normal((2, 4, 5, 6)).astype(np.float32)
    assert_as_reference(made, {"x": x}, 0)


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
def test_float_weights_between_bytes_are_quantized(op: str) -> None:
    """Also with a bound behind them; not where the floats are wanted."""
    shape = (5, 4, 3, 3) if op == "Conv" else (4, 5, 3, 3)
    window = WINDOW if op == "Conv" else {**WINDOW, "output_padding": (0, 0)}
    numbers = RANDOM.standard_normal(shape).astype(np.float32)

    def make(b: Quantized, rounded: bool = True) -> Value:
        y = b.emit("Relu", b.emit(op, b.picture(), b.constant(numbers), b.constant(numbers.reshape(-1)[:5]), **window))
        return b.round(y, b.scale(-3), b.level(9)) if rounded else y

    made = apply(graph(make), QUANTIZE_WEIGHTS, tolerance=0.12)
    assert operators(made)[-5:] == ["DequantizeLinear", "DequantizeLinear", op, "Relu", "QuantizeLinear"]
    levels, scale, zero = (made.constants[v.name].numpy() for v in made.nodes[-5].inputs if v is not None)
    assert levels.dtype == np.int8 and levels.min() == -128 and levels.max() == 127
    assert np.abs((levels.astype(np.float32) - zero) * scale - numbers).max() <= 0.51 * scale
    assert operators(apply(graph(lambda b: make(b, False)), QUANTIZE_WEIGHTS)).count("DequantizeLinear") == 1


def test_means_and_softmax_between_bytes_are_rounded_as_elsewhere() -> None:
    def make(b: Quantized, op: str, **attributes: Attribute) -> Graph:
        return graph(
            lambda b: b.round(b.emit(op, b.picture(), **attributes), b.constant(np.float32(1 / 255)), b.level(0))
        )

    made = apply(make(Quantized("m"), "ReduceMean", axes=(2, 3), keepdims=True), BETWEEN_BYTES, tolerance=0)
    assert made.nodes[-2].attributes["in_order"] is True
    made = apply(make(Quantized("s"), "Softmax", axis=1), BETWEEN_BYTES, tolerance=0.06)
    scale = made.nodes[-1].inputs[1]
    assert scale is not None and made.constants[scale.name].numpy() == np.float32(1 / 254)


@pytest.mark.parametrize("scales", [1, 4])
def test_means_are_taken_of_bytes(scales: int) -> None:
    """Where there is one scale for all; a sum of the same floats still reads bytes, too."""

    def make(b: Quantized) -> Value:
        x = b.real(
            b.input("x", uint8, (2, 4, 5, 6)),
            b.scale(*[-5] * scales),
            b.constant(np.array([9] * scales if scales > 1 else 9, np.uint8)),
            axis=1,
        )
        return b.emit("Mul", x, b.emit("ReduceMean", x, axes=(2, 3), keepdims=True))

    made = apply(graph(make), SPREAD_QUANTIZATION, MEAN_BYTES, FUSE_ELEMENTWISE, tolerance=0)
    mean = ["MeanBytes"] if scales == 1 else ["Dequantize", "ReduceMean"]
    assert operators(made) == [*mean, "Fused[Dequantize Mul]"]
    assert_as_reference(made, {"x": RANDOM.integers(0, 256, (2, 4, 5, 6)).astype(np.uint8)}, 1e-6)


def test_parts_of_bytes_are_joined_as_bytes() -> None:
    """A part with the levels of the whole is taken as it is, another changes its levels by a table."""

    def make(b: Quantized) -> Value:
        level = b.level(70)
        x, y = (b.real(b.input(n, uint8, (2, 4, 5, 6)), b.scale(e), level) for n, e in (("x", -5), ("y", -4)))
        z = b.emit("Relu", b.input("z", float32, (2, 4, 5, 6)))
        return b.round(b.emit("Concat", x, y, z, axis=1), b.scale(-4), level)

    made = apply(graph(make), BETWEEN_BYTES, tolerance=0)
    assert operators(made) == ["DequantizeLinear", "Relu", "QuantizeLinear", "QuantizeLinear", "Concat"]
    made = apply(graph(make), BETWEEN_BYTES, SPREAD_QUANTIZATION, FUSE_ELEMENTWISE, TABULATE, tolerance=0)
    assert operators(made) == ["Lookup", "Fused[Relu Quantize]", "Concat"]


@pytest.mark.parametrize(("mode", "wanted"), [("nearest", True), ("nearest", False), ("linear", True)])
def test_bytes_are_resized_as_bytes(mode: str, wanted: bool) -> None:
    """By the nearest element alone: what changes their levels, even later in a Concat, comes before."""

    def make(b: Quantized) -> Value:
        level = b.level(70)
        x, y = (b.real(b.input(n, uint8, (2, 4, 5, 6)), b.scale(-5), level) for n in "xy")
        large = b.emit("Resize", x, sizes=(2, 4, 10, 12), scales=(1.0, 1.0, 2.0, 2.0), mode=mode)
        large = b.real(b.round(large, b.scale(-5), level), b.scale(-5), level)
        joined = b.emit("Concat", large, b.emit("Resize", y, sizes=(2, 4, 10, 12), mode=mode), axis=1)
        return b.round(joined, b.scale(-4 if wanted else -5), level)

    passes = (BETWEEN_BYTES, SPREAD_QUANTIZATION, FUSE_ELEMENTWISE)
    made = operators(apply(graph(make), *passes, tolerance=0))
    changed = ["Fused[Dequantize Quantize]", "Resize"]
    if mode == "linear":
        assert made[-1] == "Concat" and made.index("Resize") < made.index("Fused[FakeQuantize Quantize]")
    elif wanted:
        assert made[-1] == "Concat" and sorted(made[:-1]) == sorted([*changed, "Dequantize", "Resize", "Quantize"])
    else:
        assert made[-1] == "Concat" and sorted(made[:-1]) == sorted(["Resize", "Dequantize", "Resize", "Quantize"])


@pytest.mark.parametrize("level", [70, 71])
def test_the_largest_bytes_are_taken(level: int) -> None:
    def make(b: Quantized) -> Value:
        x = b.real(b.input("x", uint8, (2, 4, 5, 6)), b.scale(-5), b.level(70))
        y = b.emit("MaxPool", x, kernel=(3, 2), strides=(2, 1), pads=(1, 0, 1, 0), dilations=(1, 1))
        return b.round(y, b.scale(-5), b.level(level))

    between = ["DequantizeLinear", "QuantizeLinear"] if level == 71 else []
    assert operators(apply(graph(make), BETWEEN_BYTES, tolerance=0)) == ["MaxPool", *between]


def test_sums_that_become_floats_are_scaled_where_they_are_made() -> None:
    """As in dynamic quantization; not where the sums are wanted too, nor by a number for each element."""

    def make(b: Quantized, scale: Value, wanted: bool = False) -> Value:
        sums = b.emit("IntegerMatMul", b.input("a", uint8, (3, 6)), b.octets(6, 5), b.level(100))
        floats = b.emit("Cast", sums, to=float32)
        y = b.emit("Mul", scale, floats)
        return b.emit("Add", y, floats) if wanted else y

    for exponents in ((-3,), (-1, -2, -3, -4, -5)):

        def scaled(b: Quantized, exponents: tuple[int, ...] = exponents) -> Value:
            return make(b, b.scale(*exponents))

        made = apply(graph(scaled), SCALED_SUMS, tolerance=0)
        assert operators(made) == ["IntegerMatMul"] and made.nodes[0].attributes["to"] == float32
        assert_as_reference(made, {"a": RANDOM.integers(0, 256, (3, 6)).astype(np.uint8)}, 0)
    kept = graph(lambda b: make(b, b.scale(-3), wanted=True))
    assert operators(apply(kept, SCALED_SUMS)) == ["IntegerMatMul", "Cast", "Mul", "Add"]
    kept = graph(lambda b: make(b, b.input("s", float32, (3, 5))))
    assert operators(apply(kept, SCALED_SUMS)) == ["IntegerMatMul", "Cast", "Mul"]


def test_quotients_of_bytes_stay_quotients() -> None:
    def make(b: Quantized) -> Value:
        return b.emit("Div", b.picture(), b.constant(np.float32(np.sqrt(2))))

    assert operators(apply(graph(make), SIMPLIFY_ARITHMETIC, tolerance=0))[-1] == "Div"
    alone = graph(lambda b: b.emit("Div", b.input("x", float32, ()), b.constant(np.float32(255))))
    assert operators(apply(alone, SIMPLIFY_ARITHMETIC, tolerance=0)) == ["Div"]


def test_bytes_in_bodies_need_operators_that_know_them() -> None:
    builder = Builder("bytes")
    total = builder.emit("Add", *(builder.input(n, uint8, ()) for n in "ab"))
    with pytest.raises(UnsupportedOpError, match="not in u8"):
        body_function(builder.graph([("y", total)]))
