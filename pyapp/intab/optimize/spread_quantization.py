"""Scales along an axis as scales that broadcast, which makes quantization elementwise."""

import math

import numpy as np

from intab.graph.dims import Shape
from intab.graph.ir import Node, Value
from intab.ops.quantized_elements import NARROW
from intab.optimize.constants import reshaped
from intab.optimize.editor import Editor, peephole


def _dequantize(editor: Editor, node: Node) -> Value | None:
    x = node.inputs[0]
    if node.attributes.get("block_size"):
        return None
    rounded = editor.single(x, "Quantize")
    if rounded is not None and editor.uses(node.output) == 1 and _same_levels(editor, rounded.inputs[1:], node):
        return editor.emit("FakeQuantize", *rounded.inputs, like=node, to=rounded.output.dtype)
    # Constants stay as they are: other passes keep them as bytes.
    if x is None or x.dtype.name not in NARROW or editor.constant(x) is not None:
        return None
    return editor.emit("Dequantize", x, *_spread(editor, node, x), like=node)


def _same_levels(editor: Editor, levels: tuple[Value | None, ...], node: Node) -> bool:
    """Are scale and zero point of a Quantize, one for all, those of a DequantizeLinear?"""
    pairs = list(zip(levels, (*node.inputs[1:], None)[:2], strict=True))
    return all(_same(editor, ours, theirs) for ours, theirs in pairs)


def _same(editor: Editor, ours: Value | None, theirs: Value | None) -> bool:
    if ours is theirs:
        return True
    first, second = editor.constant(ours), editor.constant(theirs)
    if first is None or second is None or first.shape != () or second.shape != () or first.dtype != second.dtype:
        return False
    return bool(first.numpy() == second.numpy())


def _quantize(editor: Editor, node: Node) -> Value | None:
    x = node.inputs[0]
    if x is None or node.output.dtype.name not in NARROW:
        return None
    return editor.emit("Quantize", x, *_spread(editor, node, node.output), like=node, to=node.output.dtype)


def _spread(editor: Editor, node: Node, x: Value) -> tuple[Value, Value]:
    """Scale and zero point, which is 0 where there is none, so that they broadcast over x."""
    scale, zero = (*node.inputs[1:], None)[:2]
    assert scale is not None
    if zero is None:
        zero = editor.add_constant(np.zeros((), x.dtype.numpy), "zero")
    axis = node.attributes.get("axis", 1)
    assert isinstance(axis, int)
    return _broadcast(editor, node, scale, axis), _broadcast(editor, node, zero, axis)


def _broadcast(editor: Editor, node: Node, value: Value, axis: int) -> Value:
    behind = node.output.rank - axis % max(node.output.rank, 1) - 1
    if value.rank == 0 or behind == 0:
        return value
    shape: Shape = (*value.shape, *(1,) * behind)
    constant = editor.constant(value)
    if constant is None:
        return editor.emit("Reshape", value, like=node, shape=shape)
    return editor.add_constant(reshaped(constant, (math.prod(constant.shape), *(1,) * behind)), value.name)


SPREAD_QUANTIZATION = peephole(
    "spread_quantization", {"DequantizeLinear": [_dequantize], "QuantizeLinear": [_quantize]}
)
"""dequantize_linear(x, scale, zero) {axis}                ->   dequantize(x, reshape(scale), reshape(zero))
dequantize_linear(quantize(x, scale, zero), scale, zero)   ->   fake_quantize(x, scale, zero)

Likewise QuantizeLinear; of constants they stay. The second where
nobody else wants the bytes, and one node the floats: others would rather read bytes. Exact.
"""
