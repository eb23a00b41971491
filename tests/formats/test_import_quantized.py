"""Integer products of ONNX, bit for bit as onnxruntime has them."""

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper

from intab.errors import ModelFormatError, UnsupportedOpError
from tests.agreement import assert_agree
from tests.formats.small_models import Fixed, check, expected_by_onnxruntime, node_model, read_model, run_model

LOW = {"uint8": 0, "int8": -128}


def octets(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(LOW[dtype], LOW[dtype] + 256, shape).astype(dtype)


def fixed(dtype: str, *shape: int, seed: int = 1) -> Fixed:
    return Fixed(octets(dtype, *shape, seed=seed), np.dtype(dtype))


def one(number: float, dtype: Any = np.float32) -> Fixed:
    return Fixed(number, dtype)


def scales(columns: int, size: float) -> Fixed:
    return Fixed(np.random.default_rng(7).uniform(0.5, 2.0, columns) * size, np.float32)


@pytest.mark.parametrize("left", LOW)
@pytest.mark.parametrize("right", LOW)
def test_matmul_integer(left: str, right: str) -> None:
    a, b = octets(left, 3, 5, 17), fixed(right, 17, 9)
    check("MatMulInteger", a, b, opset=10, tolerance=0)
    check("MatMulInteger", a, b, one(LOW[left] + 77, left), opset=10, tolerance=0)
    check("MatMulInteger", a, b, one(LOW[left] + 77, left), one(LOW[right] + 200, right), opset=10, tolerance=0)
    check("MatMulInteger", a, b, None, fixed(right, 9), opset=10, tolerance=0)
    check("MatMulInteger", a, octets(right, 3, 17, 4), opset=10, sizes="known", tolerance=0)


WINDOWS: list[dict[str, Any]] = [
    {},
    {"pads": [1, 1, 1, 1], "strides": [2, 2]},
    {"pads": [2, 0, 1, 1], "dilations": [2, 1]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 1]},
]


@pytest.mark.parametrize("attributes", WINDOWS)
def test_conv_integer(attributes: dict[str, Any]) -> None:
    x, w = octets("uint8", 2, 5, 9, 8), fixed("int8", 6, 5, 3, 2)
    check("ConvInteger", x, w, opset=10, tolerance=0, **attributes)
    check("ConvInteger", x, w, one(131, np.uint8), opset=10, tolerance=0, **attributes)
    check("ConvInteger", x, fixed("uint8", 6, 5, 3, 2), one(3, np.uint8), one(90, np.uint8), opset=10, **attributes)


@pytest.mark.parametrize(("left", "right"), [("uint8", "uint8"), ("uint8", "int8"), ("int8", "int8")])
@pytest.mark.parametrize("per_column", [False, True])
def test_qlinear_matmul(left: str, right: str, per_column: bool) -> None:
    """Scales that make results fill the range of a byte, and some leave it."""
    columns = 13
    b_scale, b_zero = (scales(columns, 0.02), fixed(right, columns)) if per_column else (one(0.02), one(3, right))
    inputs = (octets(left, 6, 21), one(0.05), one(LOW[left] + 100, left), fixed(right, 21, columns), b_scale, b_zero)
    check("QLinearMatMul", *inputs, one(0.9), one(LOW[left] + 120, left), opset=10, tolerance=0)


@pytest.mark.parametrize("attributes", WINDOWS)
@pytest.mark.parametrize(("left", "right"), [("uint8", "uint8"), ("uint8", "int8"), ("int8", "int8")])
def test_qlinear_conv(left: str, right: str, attributes: dict[str, Any]) -> None:
    zero, bias = one(LOW[left] + 100, left), Fixed(np.arange(6) * 900 - 2000, np.int32)
    x, w = octets(left, 2, 5, 9, 8), fixed(right, 6, 5, 3, 2)
    result = (one(1.7), one(LOW[left] + 90, left))
    one_scale = (x, one(0.05), zero, w, one(0.03), one(0 if right == "int8" else 128, right), *result)
    check("QLinearConv", *one_scale, opset=10, tolerance=0, **attributes)
    per_filter = (x, one(0.05), zero, w, scales(6, 0.03), Fixed(np.zeros(6), right), *result, bias)
    check("QLinearConv", *per_filter, opset=10, tolerance=0, **attributes)


def test_qlinear_conv_with_groups() -> None:
    for channels, group in ((6, 2), (6, 6), (6, 3)):
        x, w = octets("uint8", 1, channels, 7, 8), fixed("int8", 6, channels // group, 3, 3)
        quantization = (scales(6, 0.03), Fixed(np.zeros(6), np.int8), one(0.7), one(90, np.uint8))
        inputs = (x, one(0.05), one(100, np.uint8), w, *quantization)
        check("QLinearConv", *inputs, opset=10, tolerance=0, group=group, pads=[1, 1, 1, 1])


def test_a_zero_point_for_each_row_is_refused() -> None:
    inputs = [octets("uint8", 3, 4), fixed("uint8", 4, 5), fixed("uint8", 3)]
    model, _ = node_model("MatMulInteger", inputs, opset=10)
    with pytest.raises(
        UnsupportedOpError, match=r"small\.onnx: node 'node' \(MatMulInteger, opset 10\): its left zero"
    ):
        read_model(model)


def pair(dtype: str, scale: float) -> tuple[Fixed, Fixed]:
    """A scale and a zero point for a tensor of a dtype."""
    return one(scale), one(LOW[dtype] + 120, dtype)


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
def test_arithmetic_on_bytes(op: str, dtype: str) -> None:
    """Scales that are no powers of two leave no ties: onnxruntime multiplies by quotients of scales."""
    a, b, result = pair(dtype, 0.0313), pair(dtype, 0.0471), pair(dtype, 0.0977)
    x, y = octets(dtype, 2, 3, 5, 6), octets(dtype, 2, 3, 5, 6, seed=1)
    check(op, x, *a, y, *b, *result, opset=11, domain="com.microsoft", tolerance=0)
    check(op, x, *a, octets(dtype, 3, 1, 1), *b, *result, opset=11, domain="com.microsoft", sizes="known", tolerance=0)


@pytest.mark.parametrize("dtype", LOW)
def test_functions_of_bytes(dtype: str) -> None:
    x, scale, result = octets(dtype, 2, 3, 5, 6), pair(dtype, 0.0313), (one(1 / 256), one(LOW[dtype], dtype))
    given: dict[str, Any] = {"opset": 11, "domain": "com.microsoft", "tolerance": 0}
    check("QLinearSigmoid", x, *scale, *result, **given)
    check("QLinearLeakyRelu", x, *scale, *pair(dtype, 0.0213), alpha=0.2, **given)
    check("QLinearGlobalAveragePool", x, *scale, *pair(dtype, 0.0123), **given)
    check("QLinearGlobalAveragePool", x, *scale, *pair(dtype, 0.0123), channels_last=1, **given)


def softmax(version: int, axis: int) -> tuple[ModelProto, dict[str, Any]]:
    inputs = [octets("uint8", 2, 3, 5), *pair("uint8", 0.05), one(1 / 256), one(0, np.uint8)]
    model, feeds = node_model("QLinearSoftmax", inputs, opset=13, domain="com.microsoft", axis=axis)
    model.graph.node[0].attribute.append(helper.make_attribute("opset", version))
    return model, feeds


def test_softmax_of_bytes() -> None:
    for version, axis in ((13, -1), (13, 1), (11, 2)):
        model, feeds = softmax(version, axis)
        assert_agree(run_model(model, feeds), expected_by_onnxruntime(model, feeds), 0)
    with pytest.raises(UnsupportedOpError, match="it takes the axes from 1 on for one"):
        read_model(softmax(11, 1)[0])


def test_concat_of_bytes() -> None:
    parts = [octets("uint8", 2, channels, 4, seed=channels) for channels in (1, 3, 2)]
    inputs = [part for i, x in enumerate(parts) for part in (x, *pair("uint8", 0.02 + 0.013 * i))]
    check("QLinearConcat", *pair("uint8", 0.05), *inputs, opset=11, axis=1, domain="com.microsoft", tolerance=0)
    model, _ = node_model(
        "QLinearConcat", [*pair("uint8", 0.05), *inputs[:4]], opset=11, axis=1, domain="com.microsoft"
    )
    with pytest.raises(ModelFormatError, match="4 inputs after its own scale, not three for each part"):
        read_model(model)


@pytest.mark.parametrize("per_column", [False, True])
def test_qgemm(per_column: bool) -> None:
    a, b = octets("uint8", 4, 9), fixed("int8", 7, 9)
    b_scale, b_zero = (scales(7, 0.03), Fixed(np.zeros(7), np.int8)) if per_column else (one(0.03), one(3, np.int8))
    bias = Fixed(np.arange(7) * 500 - 900, np.int32)
    inputs = (a, *pair("uint8", 0.05), b, b_scale, b_zero, bias)
    given: dict[str, Any] = {"opset": 11, "domain": "com.microsoft", "transB": 1}
    check("QGemm", *inputs, one(0.9), one(90, np.uint8), tolerance=0, **given)
    check("QGemm", *inputs, tolerance=1e-6, **given)


@pytest.mark.parametrize("shift", [-2.0, 0.0, 5.0])
def test_dynamic_quantize_linear(shift: float) -> None:
    x = np.random.default_rng(3).standard_normal((3, 4, 7)).astype(np.float32)
    check("DynamicQuantizeLinear", x + np.float32(shift), opset=11, outputs=3, tolerance=0)
    check("DynamicQuantizeLinear", np.zeros((2, 3), np.float32), opset=11, outputs=3, tolerance=0)
