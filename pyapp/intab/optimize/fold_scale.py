"""Multiplying by constants per channel inside the weights."""

import numpy as np

from intab.graph.ir import Array, Constant, Node, Value
from intab.ops.arrays import Numbers
from intab.optimize.channels import PRODUCERS, is_plain, per_channel, scaled_weights
from intab.optimize.constants import derive
from intab.optimize.editor import Editor, peephole


def _mul(editor: Editor, node: Node) -> Value | None:
    left, right = node.inputs
    return _folded(editor, node, left, right) or _folded(editor, node, right, left)


def _folded(editor: Editor, node: Node, result: Value | None, factor: Value | None) -> Value | None:
    producer = editor.single(result, *PRODUCERS)
    if producer is None or not is_plain(producer) or producer.output.shape != node.output.shape:
        return None
    constant = per_channel(editor, factor, producer, scalar=True)
    if constant is None:
        return None
    return scaled(editor, producer, constant, None, like=node)


def scaled(editor: Editor, producer: Node, factor: Constant, shift: Constant | None, *, like: Node) -> Value | None:
    """producer(x) * factor + shift as one producer, or None where weights or bias are not constant."""
    x, _, *bias = producer.inputs
    earlier = editor.constant(bias[0]) if bias else None
    if earlier is None and bias and bias[0] is not None:
        return None
    weights = scaled_weights(editor, producer, factor)
    if weights is None:
        return None
    name = like.output.name
    inputs = [x, editor.add_constant(weights, f"{name}.weights")]
    if earlier is not None or shift is not None:
        inputs.append(editor.add_constant(_shifted(earlier, factor, shift), f"{name}.bias"))
    return editor.again(producer, *inputs, like=like)


def _shifted(bias: Constant | None, factor: Constant, shift: Constant | None) -> Constant:
    """bias * factor + shift"""

    def compute(factor: Numbers, *others: Numbers) -> Array:
        remaining = list(others)
        total = np.zeros(factor.shape)
        if bias is not None:
            total += remaining.pop(0).astype(np.float64) * factor
        if shift is not None:
            total += remaining.pop(0)
        return np.asarray(total.astype(factor.dtype))

    others = tuple(c for c in (bias, shift) if c is not None)
    return derive(compute, factor.dtype, factor.shape, "bias", factor, *others)


FOLD_SCALE = peephole("fold_scale", {"Mul": [_mul]})
"""mul(conv(x, w, b), s)   ->   conv(x, w * s, b * s)

For a constant s with one number per output channel (or one for all) after Conv, ConvTranspose or MatMul with
constant weights, when nobody else uses the product before. Requires no epilogue. Weights are scaled in float64
and rounded once; results differ by rounding.
"""
