"""Sums of dequantized bytes that become bytes again."""

import numpy as np

from intab.dtypes import float32
from intab.graph.ir import Constant, Node, Value
from intab.ops.arrays import Numbers
from intab.optimize.constants import derive
from intab.optimize.editor import Editor, peephole
from intab.optimize.integer_products import BYTES, dequantized, known


def _sum(editor: Editor, node: Node) -> Value | None:
    added = editor.single(node.inputs[0], "Add")
    if added is None or node.output.dtype.name not in BYTES:
        return None
    makers = [dequantized(editor, value) for value in added.inputs]
    sides = [maker for maker in makers if maker is not None]
    # One number for all comes second: it joins the offset before the rest is added, as onnxruntime does.
    sides.sort(key=lambda maker: maker.output.shape in ((), (1,)))
    levels = [_levels(editor, maker) for maker in (*sides, node)]
    if len(sides) != 2 or any(level is None for level in levels):
        return None
    (a_scale, a_zero), (b_scale, b_zero), (scale, zero) = (level for level in levels if level is not None)
    ratios = [derive(np.divide, float32, (), "ratio", own, scale) for own in (a_scale, b_scale)]
    offset = derive(_offset, float32, (), "offset", *ratios, a_zero, b_zero, zero)
    numbers = (editor.add_constant(number, f"{node.output.name}.ratio") for number in (*ratios, offset))
    a, b = (maker.inputs[0] for maker in sides)
    return editor.emit("AddBytes", a, b, *numbers, like=node, to=node.output.dtype)


def _levels(editor: Editor, node: Node) -> tuple[Constant, Constant] | None:
    """Scale and zero point, where they are constant and one for all."""
    scale = known(editor, node.inputs[1])
    zero = known(editor, node.inputs[2]) if len(node.inputs) > 2 else None
    return None if scale is None or zero is None or scale.shape != () or zero.shape != () else (scale, zero)


def _offset(left: Numbers, right: Numbers, a_zero: Numbers, b_zero: Numbers, zero: Numbers) -> Numbers:
    """What the zero points add to the sum, rounded as onnxruntime does."""
    taken = left * a_zero.astype(np.float32) + right * b_zero.astype(np.float32)
    return np.asarray(zero.astype(np.float32) - taken)


ADD_BYTES = peephole("add_bytes", {"QuantizeLinear": [_sum]})
"""quantize_linear(add(dequantize_linear(a, s, z), dequantize_linear(b, t, u)), r, v)
    ->   add_bytes(a, b, s / r, t / r, offset)

For constant scales and zero points of whole tensors. The same but for the rounding of floats, and rounded as
onnxruntime's QLinearAdd is; three divisions and subtractions fewer for each element.
"""
