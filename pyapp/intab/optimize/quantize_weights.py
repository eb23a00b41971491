"""Weights left as floats between bytes."""

import numpy as np

from intab.dtypes import float32, int8, int32
from intab.graph.ir import Constant, Node, Value
from intab.ops.arrays import Numbers
from intab.optimize.constants import derive
from intab.optimize.editor import Editor, peephole
from intab.optimize.integer_products import dequantized, known

LEAST, MOST = -128, 127


def _products(editor: Editor, node: Node) -> Value | None:
    bounds: list[Node] = []
    value = node.inputs[0]
    while (bound := editor.single(value, "Relu", "Clip")) is not None:
        bounds.append(bound)
        value = bound.inputs[0]
    product = editor.single(value, "Conv", "ConvTranspose")
    operands = None if product is None else _operands(editor, product)
    if product is None or operands is None:
        return None
    made = editor.again(product, *operands, like=product)
    for bound in reversed(bounds):
        made = editor.again(bound, made, *bound.inputs[1:], like=bound)
    return editor.again(node, made, *node.inputs[1:], like=node)


def _operands(editor: Editor, product: Node) -> tuple[Value | None, ...] | None:
    """The product's inputs with dequantized weights and bias, where its weights are floats and its left side bytes."""
    x, w, *rest = product.inputs
    others = [value for value in rest if value is not None]
    left, weights = dequantized(editor, x), editor.constant(w)
    if left is None or left.inputs[1] is None or left.inputs[1].rank != 0 or weights is None or w is None:
        return None
    left_scale = known(editor, left.inputs[1])
    biases = [editor.constant(value) for value in others]
    if weights.dtype != float32 or left_scale is None or any(bias is None for bias in biases):
        return None
    scale = derive(_scale, float32, (), f"{w.name}.scale", weights)
    zero = derive(_zero, int8, (), f"{w.name}.zero", weights, scale)
    levels = derive(_levels, int8, weights.shape, w.name, weights, scale, zero)
    quantized = (editor.add_constant(part, w.name) for part in (levels, scale, zero))
    operands = [x, editor.emit("DequantizeLinear", *quantized, like=product)]
    for value, bias in zip(others, biases, strict=True):
        if bias is not None:
            operands.append(_bias(editor, product, value, bias, (left_scale, scale)))
    return tuple(operands)


def _bias(editor: Editor, product: Node, value: Value, bias: Constant, scales: tuple[Constant, Constant]) -> Value:
    scale = derive(np.multiply, float32, (), f"{value.name}.scale", *scales)
    levels = derive(lambda b, s: np.rint(b / s).astype(np.int32), int32, bias.shape, value.name, bias, scale)
    quantized = (editor.add_constant(part, value.name) for part in (levels, scale))
    return editor.emit("DequantizeLinear", *quantized, like=product)


def _scale(weights: Numbers) -> Numbers:
    """The width of a level, so that all of the weights' range, which is made to hold 0, has levels."""
    width = max(float(weights.max(initial=0.0)), 0.0) - min(float(weights.min(initial=0.0)), 0.0)
    return np.asarray(width / (MOST - LEAST) if width else 1.0, np.float32)


def _zero(weights: Numbers, scale: Numbers) -> Numbers:
    least = np.minimum(weights.min(initial=0.0), np.float32(0))
    return np.asarray(np.clip(np.rint(LEAST - least / scale), LEAST, MOST), np.int8)


def _levels(weights: Numbers, scale: Numbers, zero: Numbers) -> Numbers:
    return np.asarray(np.clip(np.rint(weights / scale) + zero, LEAST, MOST), np.int8)


QUANTIZE_WEIGHTS = peephole("quantize_weights", {"QuantizeLinear": [_products]})
"""quantize(conv(dequantize(x), w, b))   ->   quantize(conv(dequantize(x), dequantize(w'), dequantize(b')))

For Conv and ConvTranspose of constant floats, also with a Relu or Clip behind them: weights become i8 with one scale
and zero point over their range, the bias i32 in the scale of the sums. Not exact: as onnxruntime does in every model
but with its optimiser off, whose quantizer leaves such weights of transposed convolutions.
"""
