"""Sums of dequantized bytes that become bytes again."""

import numpy as np

from intab.graph.ir import Constant, Node, Value
from intab.optimize.byte_sums import Sum
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
    bytes_of = [maker.inputs[0] for maker in sides]
    ties = Sum(*(np.asarray(level.numpy()) for pair in levels if pair is not None for level in pair))
    numbers = ties.numbers(*(value.dtype.name for value in bytes_of if value is not None))
    constants = (editor.add_constant(np.asarray(number), f"{node.output.name}.ratio") for number in numbers)
    return editor.emit("AddBytes", *bytes_of, *constants, like=node, to=node.output.dtype)


def _levels(editor: Editor, node: Node) -> tuple[Constant, Constant] | None:
    """Scale and zero point, where they are constant and one for all."""
    scale = known(editor, node.inputs[1])
    zero = known(editor, node.inputs[2]) if len(node.inputs) > 2 else None
    return None if scale is None or zero is None or scale.shape != () or zero.shape != () else (scale, zero)


ADD_BYTES = peephole("add_bytes", {"QuantizeLinear": [_sum]})
"""quantize_linear(add(dequantize_linear(a, s, z), dequantize_linear(b, t, u)), r, v)
    ->   add_bytes(a, b, s / r, t / r, offset)

For constant scales and zero points of whole tensors. The same but for the rounding of floats, and rounded as
onnxruntime's QLinearAdd is (`byte_sums`); three divisions and subtractions fewer for each element.
"""
