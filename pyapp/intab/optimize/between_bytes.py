"""Floats between bytes and bytes: what is done about their last place, and what need not be floats."""

import numpy as np

from intab.dtypes import float32
from intab.graph.ir import Constant, Node, Value
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


def _concat(editor: Editor, node: Node) -> Value | None:
    concat, scale = editor.single(node.inputs[0], "Concat"), node.inputs[1]
    if concat is None or scale is None or scale.rank or node.output.dtype.name not in BYTES:
        return None
    if not any(dequantized(editor, part) for part in concat.inputs):
        return None
    parts = (_quantized_part(editor, node, part) for part in concat.inputs if part is not None)
    return editor.again(concat, *parts, like=node)


def _resize(editor: Editor, node: Node) -> Value | None:
    resize, scale = _nearest(editor, node.inputs[0]), node.inputs[1]
    if resize is None or scale is None or scale.rank:
        return None
    picture = resize.inputs[0]
    if picture is None or node.output.dtype.name not in BYTES or dequantized(editor, picture) is None:
        return None
    return editor.again(resize, _quantized_part(editor, node, picture), like=node)


def _max_pool(editor: Editor, node: Node) -> Value | None:
    pool, scale = editor.single(node.inputs[0], "MaxPool"), node.inputs[1]
    maker = None if pool is None else dequantized(editor, pool.inputs[0])
    if pool is None or maker is None or scale is None or scale.rank or node.output.dtype.name not in BYTES:
        return None
    factor = known(editor, maker.inputs[1])
    if factor is None or factor.shape != () or not np.greater(factor.numpy(), 0):
        return None
    largest = editor.again(pool, maker.inputs[0], like=node)
    return _quantized_part(editor, node, editor.again(maker, largest, *maker.inputs[1:], like=node))


def _nearest(editor: Editor, value: Value | None) -> Node | None:
    """The resizing to the nearest element that makes a value which nobody else wants."""
    resize = editor.single(value, "Resize")
    return resize if resize is not None and resize.attributes.get("mode", "nearest") == "nearest" else None


def _quantized_part(editor: Editor, node: Node, part: Value) -> Value:
    """A part as the bytes that `node` makes of it: those it was made of, where they have the same levels."""
    levels = node.inputs[1:]
    maker = dequantized(editor, part)
    if maker is not None and len(maker.inputs) == len(node.inputs):
        own = [
            (known(editor, ours), known(editor, theirs)) for ours, theirs in zip(maker.inputs[1:], levels, strict=True)
        ]
        if all(a is not None and b is not None and _equal(a, b) for a, b in own) and maker.inputs[0] is not None:
            return maker.inputs[0]
        resize, scale = _nearest(editor, maker.inputs[0]), maker.inputs[1]
        if resize is not None and editor.uses(part) == 1 and scale is not None and scale.rank == 0:
            # Made of bytes by `_resize`: these become others while they are fewer.
            small = editor.again(maker, *resize.inputs, *maker.inputs[1:], like=node)
            return editor.again(resize, editor.again(node, small, *levels, like=node), like=node)
    return editor.again(node, part, *levels, like=node)


def _equal(first: Constant, second: Constant) -> bool:
    return first.dtype == second.dtype and first.shape == () == second.shape and bool(first.numpy() == second.numpy())


def _between(editor: Editor, node: Node, op: str) -> Node | None:
    """The node of an operator that stands between dequantized bytes and this QuantizeLinear to bytes."""
    found = editor.single(node.inputs[0], op)
    if found is None or found.output.dtype != float32 or node.output.dtype.name not in BYTES:
        return None
    return found if dequantized(editor, found.inputs[0]) is not None else None


def _whole_levels(scale: Numbers) -> Numbers:
    levels = np.maximum(np.floor(np.float32(1) / scale), np.float32(1))
    return np.asarray(np.float32(1) / levels, np.float32)


BETWEEN_BYTES = peephole("between_bytes", {"QuantizeLinear": [_mean, _softmax, _concat, _resize, _max_pool]})
"""quantize(reduce_mean(dequantize(x)))      ->   quantize(reduce_mean(dequantize(x)) {in_order})
quantize(softmax(dequantize(x)), scale)   ->   quantize(softmax(dequantize(x)), 1 / floor(1 / scale))
quantize(concat(dequantize(x), y))        ->   concat(quantize(dequantize(x)), quantize(y))
quantize(resize(dequantize(x)))           ->   resize(quantize(dequantize(x))), to the nearest
quantize(max_pool(dequantize(x)))         ->   quantize(dequantize(max_pool(x))), or max_pool(x) at equal levels

The last three are exact, and move bytes instead of floats, which become others while they are few. The others are as
onnxruntime computes them: it puts channels last, too, and adds one pixel after the other, and its softmax of bytes cuts
the number of levels up to 1 to a whole one (254 for a scale of 1/255, which is a little more in f32).
"""
