"""Operators on bytes that are those on floats between a DequantizeLinear and a QuantizeLinear."""

from intab.dtypes import uint8
from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import add_importer, onnx_op
from intab.graph.ir import Value

MICROSOFT = "com.microsoft"


def _add_binary(name: str, op: str) -> None:
    def importer(
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
        y = call.part(op, _real(call, a, a_scale, a_zero), _real(call, b, b_scale, b_zero))
        return _quantized(call, y, y_scale, y_zero)

    add_importer(name, importer, since=1, domain=MICROSOFT)


for _name, _op in (("QLinearAdd", "Add"), ("QLinearMul", "Mul")):
    _add_binary(_name, _op)


@onnx_op("QLinearSigmoid", since=1, domain=MICROSOFT)
def qlinear_sigmoid(call: Call, x: Value, x_scale: Value, x_zero: Value, y_scale: Value, y_zero: Value) -> Value:
    return _quantized(call, call.part("Sigmoid", _real(call, x, x_scale, x_zero)), y_scale, y_zero)


@onnx_op("QLinearLeakyRelu", since=1, domain=MICROSOFT)
def qlinear_leaky_relu(call: Call, x: Value, x_scale: Value, x_zero: Value, y_scale: Value, y_zero: Value) -> Value:
    y = call.part("LeakyRelu", _real(call, x, x_scale, x_zero), alpha=call.number("alpha", 0.01))
    return _quantized(call, y, y_scale, y_zero)


@onnx_op("QLinearSoftmax", since=1, domain=MICROSOFT)
def qlinear_softmax(call: Call, x: Value, x_scale: Value, x_zero: Value, y_scale: Value, y_zero: Value) -> Value:
    """Softmax of the stated opset; until 12 the axes from `axis` on counted as one."""
    axis = call.axis(call.integer("axis", -1), x.rank)
    if call.integer("opset") < 13 and any(size != 1 for size in x.shape[axis + 1 :]):
        raise call.unsupported(f"it takes the axes from {axis} on for one (opset 12 and older)")
    return _quantized(call, call.part("Softmax", _real(call, x, x_scale, x_zero), axis=axis), y_scale, y_zero)


@onnx_op("QLinearGlobalAveragePool", since=1, domain=MICROSOFT)
def qlinear_global_average_pool(
    call: Call, x: Value, x_scale: Value, x_zero: Value, y_scale: Value, y_zero: Value
) -> Value:
    if x.rank < 3:
        raise call.malformed(f"its input has {x.rank} axes, but batch, channel and at least one more are expected")
    last = call.flag("channels_last", default=False)
    axes = tuple(range(1, x.rank - 1)) if last else tuple(range(2, x.rank))
    y = call.part("ReduceMean", _real(call, x, x_scale, x_zero), axes=axes, keepdims=True)
    return _quantized(call, y, y_scale, y_zero)


@onnx_op("QLinearConcat", since=1, domain=MICROSOFT)
def qlinear_concat(call: Call, y_scale: Value, y_zero: Value, *parts: Value) -> Value:
    """`parts` are a tensor, its scale and its zero point, again and again."""
    if not parts or len(parts) % 3:
        raise call.malformed(f"it has {len(parts)} inputs after its own scale, not three for each part")
    axis = call.axis(call.integer("axis"), parts[0].rank)
    reals = [_real(call, *parts[i : i + 3]) for i in range(0, len(parts), 3)]
    return _quantized(call, call.part("Concat", *reals, axis=axis), y_scale, y_zero)


@onnx_op("DynamicQuantizeLinear", since=11)
def dynamic_quantize_linear(call: Call, x: Value) -> tuple[Value, Value, Value]:
    """x as u8 over its own range, which is made to hold 0; then the scale and the zero point."""
    axes = tuple(range(x.rank))
    nothing = call.constant_like(x, 0.0)
    most = call.part("Maximum", call.part("ReduceMax", x, axes=axes, keepdims=False), nothing)
    least = call.part("Minimum", call.part("ReduceMin", x, axes=axes, keepdims=False), nothing)
    span = call.part("Sub", most, least)
    step = call.part("Div", span, call.constant_like(x, 255.0))
    # All zeros have no range: onnxruntime takes 1 for their scale.
    scale = call.part("Where", call.part("Equal", span, nothing), call.constant_like(x, 1.0), step)
    zero = call.part("QuantizeLinear", call.part("Neg", least), scale, to=uint8)
    return call.result("QuantizeLinear", x, scale, zero, to=uint8), scale, zero


def _real(call: Call, x: Value, scale: Value, zero: Value) -> Value:
    return call.part("DequantizeLinear", x, _single(call, scale), _single(call, zero))


def _quantized(call: Call, y: Value, scale: Value, zero: Value) -> Value:
    return call.result("QuantizeLinear", y, _single(call, scale), _single(call, zero), to=zero.dtype)


def _single(call: Call, value: Value) -> Value:
    """A scale or zero point for a whole tensor; a list of one is one for all."""
    if value.rank == 0:
        return value
    if value.shape != (1,):
        raise call.unsupported(f"a scale or zero point is {value}, more than one number")
    return call.part("Reshape", value, shape=())
