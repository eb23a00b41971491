"""Products of 8-bit integers: sums as they are, and sums scaled back to bytes."""

from intab.formats.onnx.call import Call
from intab.formats.onnx.conv import check_weights, group_of
from intab.formats.onnx.registry import onnx_op
from intab.formats.onnx.windows import read_window, spatial_sizes
from intab.graph.ir import Attribute, Value
from intab.ops.integer_dense import is_single


@onnx_op("MatMulInteger", since=10)
def matmul_integer(call: Call, a: Value, b: Value, a_zero: Value | None = None, b_zero: Value | None = None) -> Value:
    _check_single(call, a_zero, "its left zero point")
    return call.result("IntegerMatMul", a, b, a_zero, b_zero)


@onnx_op("ConvInteger", since=10)
def conv_integer(call: Call, x: Value, w: Value, x_zero: Value | None = None, w_zero: Value | None = None) -> Value:
    _check_single(call, x_zero, "its left zero point")
    return call.result("IntegerConv", x, w, x_zero, w_zero, **_window(call, x, w))


@onnx_op("QLinearMatMul", since=10)
def qlinear_matmul(
    call: Call,
    a: Value,
    a_scale: Value,
    a_zero: Value,
    b: Value,
    b_scale: Value,
    b_zero: Value,
    y_scale: Value,
    y_zero: Value,
) -> Value:
    scale = _scale(call, (a_scale, a_zero), b_scale, (y_scale, y_zero))
    return call.result("IntegerMatMul", a, b, a_zero, b_zero, None, scale, y_zero, to=y_zero.dtype)


@onnx_op("QLinearConv", since=10)
def qlinear_conv(
    call: Call,
    x: Value,
    x_scale: Value,
    x_zero: Value,
    w: Value,
    w_scale: Value,
    w_zero: Value,
    y_scale: Value,
    y_zero: Value,
    bias: Value | None = None,
) -> Value:
    scale = _scale(call, (x_scale, x_zero), w_scale, (y_scale, y_zero))
    window = _window(call, x, w)
    return call.result("IntegerConv", x, w, x_zero, w_zero, bias, scale, y_zero, to=y_zero.dtype, **window)


def _scale(call: Call, left: tuple[Value, Value], right: Value, result: tuple[Value, Value]) -> Value:
    """left * right / result, in that order: onnxruntime rounds so."""
    for value in (*left, *result):
        _check_single(call, value, "a scale or zero point of its input or output")
    return call.part("Div", call.part("Mul", left[0], right), result[0])


def _check_single(call: Call, value: Value | None, what: str) -> None:
    if value is not None and not is_single(value):
        raise call.unsupported(f"{what} is {value}, more than one number")


def _window(call: Call, x: Value, w: Value) -> dict[str, Attribute]:
    check_weights(call, x, w)
    window = read_window(call, x, spatial_sizes(call, w))
    return {
        "strides": window.strides,
        "pads": window.pads,
        "dilations": window.dilations,
        "group": group_of(call),
    }
