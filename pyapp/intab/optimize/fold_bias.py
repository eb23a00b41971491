"""Adding constants per channel inside the producer."""

import numpy as np

from intab.graph.ir import Array, Constant, Node, Value
from intab.optimize.channels import PRODUCERS, is_plain, per_channel
from intab.optimize.constants import derive
from intab.optimize.editor import Editor, peephole


def _add(editor: Editor, node: Node) -> Value | None:
    left, right = node.inputs
    return _folded(editor, node, left, right, np.add) or _folded(editor, node, right, left, np.add)


def _sub(editor: Editor, node: Node) -> Value | None:
    left, right = node.inputs
    return _folded(editor, node, left, right, np.subtract)


def _folded(editor: Editor, node: Node, result: Value | None, addend: Value | None, combine: np.ufunc) -> Value | None:
    producer = editor.single(result, *PRODUCERS)
    if producer is None or not is_plain(producer) or producer.output.shape != node.output.shape:
        return None
    constant = per_channel(editor, addend, producer, scalar=True)
    if constant is None:
        return None
    x, weights, *bias = producer.inputs
    earlier = editor.constant(bias[0]) if bias else None
    if earlier is None and bias and bias[0] is not None:
        return None
    value = editor.add_constant(_combined(combine, earlier, constant), f"{node.output.name}.bias")
    return editor.again(producer, x, weights, value, like=node)


def _combined(combine: np.ufunc, earlier: Constant | None, constant: Constant) -> Constant:
    def compute(addend: Array, *before: Array) -> Array:
        start = before[0] if before else np.zeros_like(addend)
        return np.asarray(combine(start, addend))

    sources = (constant,) if earlier is None else (constant, earlier)
    return derive(compute, constant.dtype, constant.shape, "bias", *sources)


FOLD_BIAS = peephole("fold_bias", {"Add": [_add], "Sub": [_sub]})
"""add(conv(x, w), b)   ->   conv(x, w, b)

For a constant b with one number per output channel (or one for all) after Conv, ConvTranspose or a MatMul with
a matrix on the right, when nobody else uses the sum before; a bias that is there already is added. Requires no
epilogue. The addition moves, so results differ by rounding of the last bit.
"""
