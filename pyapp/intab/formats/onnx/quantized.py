"""Work on 8-bit integers: products as sums or scaled back to bytes, and onnxruntime's own operators on bytes."""

from intab.dtypes import float32
from intab.formats.onnx.call import Call
from intab.formats.onnx.conv import check_weights, group_of
from intab.formats.onnx.registry import onnx_op
from intab.formats.onnx.windows import read_window, spatial_sizes
from intab.graph.ir import Attribute, Value
from intab.ops.integer_dense import is_single

MICROSOFT = "com.microsoft"


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


@onnx_op("QGemm", since=1, domain=MICROSOFT)
def qgemm(
    call: Call,
    a: Value,
    a_scale: Value,
    a_zero: Value,
    b: Value,
    b_scale: Value,
    b_zero: Value,
    bias: Value | None = None,
    y_scale: Value | None = None,
    y_zero: Value | None = None,
) -> Value:
    """alpha * a' @ b' + bias, the bias in the scale of the sums; floats where no scale of the result is given."""
    if a.rank != 2 or b.rank != 2:
        raise call.malformed(f"its operands have {a.rank} and {b.rank} axes, but two are expected")
    if bias is not None and bias.rank != 1:
        raise call.unsupported(f"its bias is {bias}, not one number a column")
    alpha = call.number("alpha", 1.0)
    a = call.part("Transpose", a, perm=(1, 0)) if call.flag("transA", default=False) else a
    b = call.part("Transpose", b, perm=(1, 0)) if call.flag("transB", default=False) else b
    for value in (a_scale, a_zero, y_scale, y_zero):
        _check_single(call, value, "a scale or zero point of its input or output")
    scale = call.part("Mul", a_scale, b_scale)
    scale = scale if alpha == 1.0 else call.part("Mul", scale, call.constant_like(scale, alpha))
    if y_scale is None or y_zero is None:
        return call.result("IntegerMatMul", a, b, a_zero, b_zero, bias, scale, to=float32)
    scale = call.part("Div", scale, y_scale)
    return call.result("IntegerMatMul", a, b, a_zero, b_zero, bias, scale, y_zero, to=y_zero.dtype)


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
