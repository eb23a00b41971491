"""Elementwise operators, in each opset that changed them."""

import numpy as np
import pytest

from intab.errors import UnsupportedOpError
from tests.formats.small_models import Fixed, check, floats, node_model, read_model, run_model, whole

X = floats(2, 3, 4)
POSITIVE = np.abs(X) + 0.1


@pytest.mark.parametrize(
    "op",
    ["Neg", "Abs", "Exp", "Relu", "Sigmoid", "Tanh", "Floor", "Ceil", "Reciprocal", "Softplus", "Softsign"],
)
@pytest.mark.parametrize("opset", [6, 13])
def test_unary(op: str, opset: int) -> None:
    check(op, X, opset=opset)


@pytest.mark.parametrize("op", ["Log", "Sqrt"])
@pytest.mark.parametrize("opset", [6, 13])
def test_unary_of_positive_numbers(op: str, opset: int) -> None:
    check(op, POSITIVE, opset=opset)


@pytest.mark.parametrize(
    ("op", "opset"), [("Erf", 9), ("Sign", 9), ("Sin", 7), ("Cos", 7), ("Round", 11), ("IsNaN", 13)]
)
def test_later_unary(op: str, opset: int) -> None:
    check(op, X, opset=opset)


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("LeakyRelu", {}),
        ("LeakyRelu", {"alpha": 0.3}),
        ("Elu", {}),
        ("Elu", {"alpha": 0.5}),
        ("Selu", {}),
        ("Selu", {"alpha": 1.1, "gamma": 2.0}),
        ("HardSigmoid", {}),
        ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    ],
)
def test_parameters_and_their_defaults(op: str, attributes: dict[str, float]) -> None:
    check(op, X * 3, opset=6, **attributes)


@pytest.mark.parametrize("attributes", [{}, {"alpha": 0.4}])
def test_thresholded_relu_and_celu(attributes: dict[str, float]) -> None:
    check("ThresholdedRelu", X * 3, opset=10, **attributes)
    check("Celu", X * 3, opset=12, **attributes)


def test_shrink_and_infinities() -> None:
    check("Shrink", X, opset=9)
    check("Shrink", X, opset=9, lambd=1.0, bias=0.25)
    edges = np.array([np.inf, -np.inf, 0, np.nan, 3e38], np.float32)
    for above, below in ((1, 1), (1, 0), (0, 1), (0, 0)):
        check("IsInf", edges, opset=10, detect_positive=above, detect_negative=below)


def test_functions_of_angles_and_of_areas() -> None:
    for op in ("Tan", "Sinh", "Cosh", "Asinh", "Atan"):
        check(op, X * 3, opset=9, tolerance=1e-5)
    sines = np.append(np.sin(X * 3).reshape(-1), np.array([1, -1, 0], np.float32))
    for op in ("Asin", "Acos"):
        check(op, sines, opset=9, tolerance=1e-5)
    check("Acosh", 1 + np.abs(X), opset=9, tolerance=1e-5)
    check("Atanh", np.tanh(X), opset=9, tolerance=1e-4)


def test_hard_swish_and_mish() -> None:
    check("HardSwish", X * 4, opset=14)
    check("Mish", X, opset=18)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    check("Gelu", X, opset=20, approximate=approximate)


@pytest.mark.parametrize("alpha", [1.0, 1.5])
def test_swish(alpha: float) -> None:
    check("Swish", X, opset=24, expected=[X / (1 + np.exp(-alpha * X))], alpha=alpha)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Pow"])
@pytest.mark.parametrize("opset", [7, 14])
def test_binary_broadcasts(op: str, opset: int) -> None:
    check(op, POSITIVE, floats(4, seed=1), opset=opset)
    check(op, POSITIVE, floats(3, 1, seed=1), opset=opset, sizes="known")


@pytest.mark.parametrize("op", ["Equal", "Less", "Greater"])
@pytest.mark.parametrize("opset", [7, 13])
def test_comparisons(op: str, opset: int) -> None:
    # onnxruntime's Equal of opset 7 knows no floats.
    a = whole(2, 3, 4, high=3)
    check(op, a, whole(3, 4, high=3), opset=opset if op == "Equal" or opset > 7 else 9)


@pytest.mark.parametrize("op", ["LessOrEqual", "GreaterOrEqual"])
def test_later_comparisons(op: str) -> None:
    check(op, X, np.round(X), opset=12)


@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_logic(op: str) -> None:
    check(op, X > 0, X[:, :, ::-1] > 0.5, opset=7)


def test_not_and_where() -> None:
    check("Not", X > 0, opset=7)
    check("Where", X > 0, X, floats(4), opset=9)


@pytest.mark.parametrize("op", ["And", "Add", "Less"])
def test_broadcast_of_opset_1_to_6(op: str) -> None:
    """Axes of b lie at `axis` of a, or at its end."""
    compute = {"And": np.logical_and, "Add": np.add, "Less": np.less}[op]
    a, b = (X > 0, floats(3, seed=1) > 0) if op == "And" else (X, floats(3, seed=1))
    check(op, a, b, opset=6 if op == "Add" else 1, expected=[compute(a, b[:, None])], broadcast=1, axis=1)
    last = a[0, 0]
    check(op, a, last, opset=6 if op == "Add" else 1, expected=[compute(a, last)], broadcast=1)


def test_no_broadcast_unless_asked_for() -> None:
    model, _ = node_model("Add", [X, floats(4)], opset=6)
    with pytest.raises(Exception, match="broadcasting is not asked for"):
        read_model(model)


@pytest.mark.parametrize("fmod", [0, 1])
def test_mod(fmod: int) -> None:
    check("Mod", whole(3, 4), Fixed([3, -2, 5, 1]), opset=10, fmod=fmod)
    check("Mod", X, floats(4, seed=1), opset=10, fmod=1)


def test_pow_of_two_dtypes() -> None:
    check("Pow", X, Fixed(2), opset=12)
    check("Pow", whole(3, 4), Fixed(2.0, np.float32), opset=12)


@pytest.mark.parametrize("op", ["Max", "Min", "Sum", "Mean"])
@pytest.mark.parametrize("opset", [8, 13])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_inputs(op: str, opset: int, count: int) -> None:
    check(op, *[X, floats(3, 4, seed=1), floats(4, seed=2)][:count], opset=opset)


def test_prelu() -> None:
    check("PRelu", X, Fixed(floats(3, 1), np.float32), opset=9)
    slope = floats(3, seed=1)
    check("PRelu", X, slope, opset=6, expected=[np.where(X < 0, slope[:, None] * X, X)])


@pytest.mark.parametrize("bounds", [(-0.5, 0.5), (None, 0.5), (-0.5, None), (None, None), (0.5, -0.5)])
def test_clip_by_inputs(bounds: tuple[float | None, float | None]) -> None:
    fixed = [None if b is None else Fixed(b, np.float32) for b in bounds]
    check("Clip", X, *fixed, opset=13)
    fed = [None if b is None else np.array(b, np.float32) for b in bounds]
    check("Clip", X, *fed, opset=11, sizes="known")


def test_clip_of_integers() -> None:
    check("Clip", whole(3, 4), Fixed(-2), Fixed(3), opset=12)


def test_clip_by_attributes() -> None:
    check("Clip", X, opset=6, min=-0.5, max=0.25)
    check("Clip", X, opset=6)
    infinite = np.array([np.inf, -np.inf, 1], np.float32)
    limit = np.finfo(np.float32).max
    check("Clip", infinite, opset=6, expected=[np.array([limit, -limit, 1], np.float32)])
    check("Clip", infinite, opset=1, expected=[infinite])


@pytest.mark.parametrize("to", [np.int32, np.int64, np.float64, np.float16, np.bool_, np.uint8])
def test_cast(to: type) -> None:
    from onnx import helper

    x = np.array([0, 1.5, 2.25, 100], np.float32)
    check("Cast", x, opset=9, to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))
    check("CastLike", x, Fixed([1], to), opset=15)


def test_cast_by_name_of_opset_1() -> None:
    x = np.array([0, 1.5], np.float32)
    check("Cast", x, opset=1, expected=[x.astype(np.int64)], to="INT64")
    check("Cast", whole(3), opset=1, expected=[whole(3).astype(np.float32)], to="FLOAT")


def test_hints_for_memory_are_skipped() -> None:
    check("Relu", X, opset=1, expected=[np.maximum(X, 0)], consumed_inputs=[0])


def test_an_attribute_that_is_not_understood_is_refused() -> None:
    model, _ = node_model("Relu", [X], opset=13, backwards=1)
    with pytest.raises(
        UnsupportedOpError, match=r"node 'node' \(Relu, opset 13\): attribute 'backwards' is not understood"
    ):
        read_model(model)


def test_gelu_of_microsoft() -> None:
    model, feeds = node_model("Gelu", [X], opset=17, domain="com.microsoft")
    from math import erf

    expected = np.vectorize(lambda x: 0.5 * x * (1 + erf(x / 2**0.5)))(X)
    np.testing.assert_allclose(run_model(model, feeds)["out0"], expected, atol=1e-6)
