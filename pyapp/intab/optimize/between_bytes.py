"""Floats between bytes and bytes, in whose last place onnxruntime decides what is halfway between two bytes."""

import numpy as np

from intab.dtypes import float32
from intab.graph.ir import Node, Value
from intab.ops.arrays import Numbers
from intab.optimize.constants import derive
from intab.optimize.editor import Editor, peephole
from intab.optimize.integer_products import BYTES, dequantized, known


def _mean(editor: Editor, node: Node) -> Value | None:
    mean = _between(editor, node, "ReduceMean")
    if mean is None or mean.attributes.get("in_order"):
        return None
    return editor.again(node, editor.again(mean, *mean.inputs, like=mean, in_order=True), *node.inputs[1:], like=node)


def _softmax(editor: Editor, node: Node) -> Value | None:
    softmax, scale = _between(editor, node, "Softmax"), known(editor, node.inputs[1])
    if softmax is None or scale is None or not np.all(np.greater(scale.numpy(), 0)):
        return None
    whole = derive(_whole_levels, float32, scale.shape, f"{node.output.name}.scale", scale)
    if np.array_equal(whole.numpy(), scale.numpy()):
        return None
    return editor.again(
        node, node.inputs[0], editor.add_constant(whole, whole.storage.name), *node.inputs[2:], like=node
    )


def _between(editor: Editor, node: Node, op: str) -> Node | None:
    """The node of an operator that stands between dequantized bytes and this QuantizeLinear to bytes."""
    found = editor.single(node.inputs[0], op)
    if found is None or found.output.dtype != float32 or node.output.dtype.name not in BYTES:
        return None
    return found if dequantized(editor, found.inputs[0]) is not None else None


def _whole_levels(scale: Numbers) -> Numbers:
    levels = np.maximum(np.floor(np.float32(1) / scale), np.float32(1))
    return np.asarray(np.float32(1) / levels, np.float32)


BETWEEN_BYTES = peephole("between_bytes", {"QuantizeLinear": [_mean, _softmax]})
"""quantize(reduce_mean(dequantize(x)))      ->   quantize(reduce_mean(dequantize(x)) {in_order})
quantize(softmax(dequantize(x)), scale)   ->   quantize(softmax(dequantize(x)), 1 / floor(1 / scale))

As onnxruntime computes them: it puts channels last, too, and adds one pixel after the other, and its softmax of bytes
cuts the number of levels up to 1 to a whole one (254 for a scale of 1/255, which is a little more in f32).
"""
