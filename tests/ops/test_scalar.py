"""Elementwise operators as scalar functions against their numpy meaning, at all edges of their types."""

import math

import numpy as np
import pytest

from intab import dtypes
from intab.dtypes import dtype_of
from intab.errors import ShapeError, UnsupportedOpError
from intab.graph.ir import Attribute
from intab.kernels.interpret import apply
from intab.ops.builder import Builder
from intab.ops.elementwise import Elementwise, scalar_function
from intab.ops.epilogue import body_function, evaluate_body
from intab.ops.registry import OPERATORS, operator_of
from tests.agreement import agreement
from tests.ops.bodies import body
from tests.ops.case import Numbers
from tests.ops.cases import SPECIAL

FLOATS = np.unique(np.append(SPECIAL, [2.0, 4.0, -4.0, 127.5, 2.0**31, -(2.0**31), 1e38])).astype(np.float32)
INT32 = np.array([-(2**31), -(2**31) + 1, -7, -2, -1, 0, 1, 2, 3, 8, 2**31 - 1], np.int32)
INT64 = np.array([-(2**63), -(2**40), -7, -2, -1, 0, 1, 2, 3, 8, 2**40, 2**63 - 1], np.int64)
BOOLS = np.array([False, True])

ATTRIBUTES: dict[str, list[dict[str, Attribute]]] = {
    "LeakyRelu": [{"alpha": 0.1}],
    "ThresholdedRelu": [{"alpha": 1.0}],
    "Elu": [{"alpha": 1.5}],
    "Selu": [{"alpha": 1.6, "gamma": 1.1}],
    "HardSigmoid": [{"alpha": 0.2, "beta": 0.5}],
    "Gelu": [{"approximate": "none"}, {"approximate": "tanh"}],
    "Clip": [{"minimum": -3.0, "maximum": 6.0}, {"minimum": 5.0, "maximum": 1.0}],
    "Cast": [{"to": to} for to in (dtypes.float32, dtypes.int32, dtypes.int64, dtypes.bool_)],
    "Mod": [{"fmod": False}, {"fmod": True}],
}
# 1 + erf and exp - 1 cancel: these are near to within a part of 1 + |x|, not of their result.
CANCELLING = ("Gelu", "Elu", "Selu")
# Where the meanings part, and why.
FAR = {
    "Sin": lambda x: np.abs(x) > 8192,  # the reduction of the angle ends there
    "Cos": lambda x: np.abs(x) > 8192,
    "Gelu": lambda x: ~np.isfinite(x),  # 0 * inf
    "Silu": lambda x: np.isneginf(x),  # 0 * inf, where onnxruntime gives NaN too
}
NAMES = sorted(n for n, cls in OPERATORS.items() if issubclass(cls, Elementwise) and n != "Fused")


def grid(name: str, array: Numbers) -> list[Numbers]:
    """All combinations of an array's elements as inputs of an operator."""
    operator = OPERATORS[name]
    assert issubclass(operator, Elementwise)
    if name == "Where":
        return list(np.meshgrid(BOOLS, array, array))
    return list(np.meshgrid(*[array] * operator.arity))


def cases() -> list[tuple[str, dict[str, Attribute], list[Numbers]]]:
    found = []
    for name in NAMES:
        for attributes in ATTRIBUTES.get(name, [{}]):
            for array in (FLOATS, INT32, INT64, BOOLS):
                operator, inputs = operator_of(name, attributes), grid(name, array)
                assert isinstance(operator, Elementwise)
                kinds = operator.accepts if name not in ("Where", "Pow") else ("float", "signed")
                if dtype_of(array).kind in kinds and (name, array.dtype.kind) not in (("Pow", "i"), ("Mod", "f")):
                    found.append((name, attributes, inputs))
    return found


@pytest.mark.parametrize(
    ("name", "attributes", "inputs"),
    [pytest.param(*c, id=f"{c[0]}-{dtype_of(c[2][-1])}-{'-'.join(map(str, c[1].values()))}") for c in cases()],
)
def test_scalar_function_means_what_numpy_means(
    name: str, attributes: dict[str, Attribute], inputs: list[Numbers]
) -> None:
    operator = operator_of(name, attributes)
    assert isinstance(operator, Elementwise)
    if name in FAR:
        inputs = [np.where(FAR[name](x), x.dtype.type(1), x) for x in inputs]
    expected = operator.reference(*inputs)
    found = apply(scalar_function(operator, tuple(dtype_of(x) for x in inputs)), *inputs)
    # Where f32 runs out of exponents, kernels may give 0 for what is smaller than any normal number.
    if expected.dtype == np.float32:
        expected = np.where(np.abs(expected) < 2.0**-125, np.float32(0), expected)
        found = np.where(np.abs(found) < 2.0**-125, np.float32(0), found)
        for f, e, *x in zip(found.flat, expected.flat, *(i.flat for i in inputs), strict=True):
            near = agreement(np.array([f]), np.array([e])) <= 1e-6
            near |= name in CANCELLING and bool(np.isfinite(e) and abs(f - e) <= 2e-7 * (1 + abs(x[0])))
            assert near, f"{name}{tuple(x)} = {f}, not {e}"
    else:
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


def test_powers_of_whole_numbers() -> None:
    a, b = np.meshgrid(np.arange(-9, 10, dtype=np.int32), np.arange(-3, 6, dtype=np.int32))
    a = np.where((a == 0) & (b < 0), 1, a)
    operator = operator_of("Pow", {})
    assert isinstance(operator, Elementwise)
    found = apply(scalar_function(operator, (dtypes.int32, dtypes.int32)), a, b)
    np.testing.assert_array_equal(found, operator.reference(a, b))
    mixed = apply(scalar_function(operator, (dtypes.float32, dtypes.int32)), a.astype(np.float32), b)
    np.testing.assert_allclose(mixed, operator.reference(a.astype(np.float32), b), rtol=1e-6)


@pytest.mark.parametrize("to", [dtypes.uint8, dtypes.int8, dtypes.uint16, dtypes.int16], ids=str)
@pytest.mark.parametrize("array", [FLOATS, INT32, INT64, BOOLS], ids=lambda array: str(array.dtype))
def test_casts_to_narrow_integers_saturate_floats_and_wrap_integers(array: Numbers, to: dtypes.DType) -> None:
    operator = operator_of("Cast", {"to": to})
    assert isinstance(operator, Elementwise)
    found = apply(scalar_function(operator, (dtype_of(array),)), array)
    np.testing.assert_array_equal(found, operator.reference(array))


def test_remainders_of_floats_near_their_divisor() -> None:
    a, b = np.meshgrid(np.linspace(-9, 9, 37, dtype=np.float32), np.array([-2.5, 0.75, 3, math.inf], np.float32))
    for fmod in (False, True):
        operator = operator_of("Mod", {"fmod": fmod})
        assert isinstance(operator, Elementwise)
        found = apply(scalar_function(operator, (dtypes.float32, dtypes.float32)), a, b)
        whole = np.isfinite(b) | fmod | (a >= 0)
        np.testing.assert_allclose(found[whole], operator.reference(a, b)[whole], atol=1e-6)


def test_body_is_one_function() -> None:
    graph = body("Sub")
    arrays = tuple(np.random.default_rng(i).standard_normal(50).astype(np.float32) for i in range(3))
    assert agreement(apply(body_function(graph), *arrays), evaluate_body(graph, arrays)) < 1e-6


def test_equal_bodies_are_equal_functions() -> None:
    assert body_function(body("Sub")) == body_function(body("Sub"))
    assert body_function(body("Sub")) != body_function(body("Add"))


def test_bodies_that_are_no_functions_are_refused() -> None:
    builder = Builder("sum")
    total = builder.emit("ReduceSum", builder.input("x", dtypes.float32, (3,)), axes=(0,), keepdims=False)
    with pytest.raises(UnsupportedOpError, match="'sum' holds ReduceSum, which is not elementwise"):
        body_function(builder.graph([("y", total)]))
    builder = Builder("shift")
    shift = builder.constant(np.zeros(3, np.float32))
    moved = builder.emit("Add", builder.input("x", dtypes.float32, (3,)), shift)
    with pytest.raises(ShapeError, match="tensors come in as inputs"):
        body_function(builder.graph([("y", moved)]))


def test_dtypes_without_kernels_are_named() -> None:
    operator = operator_of("Add", {})
    assert isinstance(operator, Elementwise)
    with pytest.raises(UnsupportedOpError, match="not in f16"):
        scalar_function(operator, (dtypes.float16, dtypes.float16))
