"""Batch normalisation with constants, as it is at inference time."""

import numpy as np

from intab.graph.ir import Array, Constant, Node, Value
from intab.optimize.channels import is_plain
from intab.optimize.constants import derive, reshaped
from intab.optimize.editor import Editor, peephole
from intab.optimize.fold_scale import scaled


def _batch_norm(editor: Editor, node: Node) -> Value | None:
    x, *parameters = node.inputs
    constants = [editor.constant(v) for v in parameters]
    given = [c for c in constants if c is not None]
    if x is None or len(given) != 4 or node.attributes.get("layout", "NCHW") != "NCHW":
        return None
    factor, shift = _factor_and_shift(node, given)
    producer = editor.single(x, "Conv", "ConvTranspose")
    if producer is not None and is_plain(producer):
        merged = scaled(editor, producer, factor, shift, like=node)
        if merged is not None:
            return merged
    return _multiply_and_add(editor, node, x, factor, shift)


def _factor_and_shift(node: Node, parameters: list[Constant]) -> tuple[Constant, Constant]:
    """x * factor + shift is the normalisation."""
    epsilon = node.attributes["epsilon"]
    assert isinstance(epsilon, float)
    scale, bias, mean, variance = parameters

    def factor_of(scale: Array, variance: Array) -> Array:
        wide = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
        return np.asarray(wide.astype(scale.dtype))

    def shift_of(bias: Array, mean: Array, scale: Array, variance: Array) -> Array:
        wide = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
        return np.asarray((bias.astype(np.float64) - mean.astype(np.float64) * wide).astype(bias.dtype))

    return (
        derive(factor_of, scale.dtype, scale.shape, "factor", scale, variance),
        derive(shift_of, bias.dtype, bias.shape, "shift", bias, mean, scale, variance),
    )


def _multiply_and_add(editor: Editor, node: Node, x: Value, factor: Constant, shift: Constant) -> Value:
    shape = (*factor.shape, *(1,) * (x.rank - 2))
    factor_value = editor.add_constant(reshaped(factor, shape), f"{node.output.name}.factor")
    shift_value = editor.add_constant(reshaped(shift, shape), f"{node.output.name}.shift")
    return editor.emit("Add", editor.emit("Mul", x, factor_value, like=node), shift_value, like=node)


FOLD_BATCH_NORM = peephole("fold_batch_norm", {"BatchNorm": [_batch_norm]})
"""batch_norm(conv(x, w, b), scale, bias, mean, variance)   ->   conv(x, w', b')
batch_norm(x, ...)                                       ->   add(mul(x, factor), shift)

With factor = scale / sqrt(variance + epsilon) and shift = bias - mean * factor per channel, worked out in
float64 and rounded once; requires constant parameters. Results differ by rounding, as all such folding does
(relative to the largest result, about 1e-6).
"""
