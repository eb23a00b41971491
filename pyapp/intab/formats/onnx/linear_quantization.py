"""Operators of quantized models."""

from intab import dtypes
from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.formats.onnx.tensors import dtype_of_data_type
from intab.graph.ir import Value


@onnx_op("DequantizeLinear", since=10)
@onnx_op("DequantizeLinear", since=1, domain="com.microsoft")
def dequantize_linear(call: Call, x: Value, scale: Value, zero: Value | None = None) -> Value:
    block_size = call.integer("block_size", 0)
    if block_size < 0:
        raise call.malformed(f"attribute 'block_size' is {block_size}, but 0 or more is expected")
    if call.has("output_dtype") and call.integer("output_dtype") not in (0, 1):
        raise call.unsupported("attribute 'output_dtype' asks for something other than float32")
    if block_size and scale.rank > 1:
        axis = call.axis(call.integer("axis", 1), x.rank)
        return call.result("DequantizeLinear", x, scale, zero, axis=axis, block_size=block_size)
    axis = _axis(call, x, scale)
    return call.result("DequantizeLinear", x, _scale(call, scale), _scale(call, zero), axis=axis)


@onnx_op("QuantizeLinear", since=10)
@onnx_op("QuantizeLinear", since=1, domain="com.microsoft")
def quantize_linear(call: Call, x: Value, scale: Value, zero: Value | None = None) -> Value:
    axis = _axis(call, x, scale)
    _refuse_blocks(call)
    # `saturate` concerns 8-bit floats, `precision` the division of half floats.
    call.ignore("saturate", "precision")
    to = dtypes.uint8 if zero is None else zero.dtype
    if call.has("output_dtype") and call.integer("output_dtype"):
        to = dtype_of_data_type(call.integer("output_dtype"), call.where)
    return call.result("QuantizeLinear", x, _scale(call, scale), _scale(call, zero), axis=axis, to=to)


def _axis(call: Call, x: Value, scale: Value) -> int:
    """The axis of the scales, which is of no account where there is but one."""
    axis = call.integer("axis", 1)
    return call.axis(axis, x.rank) if scale.rank and scale.shape[0] != 1 else 0


def _scale(call: Call, value: Value | None) -> Value | None:
    """A scale or zero point; a list of one is one for all."""
    if value is None or value.rank == 0 or value.shape[0] != 1 or value.rank > 1:
        return value
    return call.part("Reshape", value, shape=())


def _refuse_blocks(call: Call) -> None:
    if call.integer("block_size", 0):
        raise call.unsupported("attribute 'block_size' gives each block along an axis a scale of its own")
