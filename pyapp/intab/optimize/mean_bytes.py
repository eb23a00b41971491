"""Means of dequantized bytes without the floats in memory."""

from intab.graph.ir import Node, Value
from intab.optimize.editor import Editor, peephole


def _mean(editor: Editor, node: Node) -> Value | None:
    maker = editor.producer(node.inputs[0])
    if maker is None or maker.op != "Dequantize":
        return None
    x, *levels = maker.inputs
    if x is None or x.dtype.name not in ("u8", "i8") or x.shape != maker.output.shape:
        return None
    if any(level is None or level.rank for level in levels):
        return None
    return editor.emit("MeanBytes", *maker.inputs, like=node, **node.attributes)


MEAN_BYTES = peephole("mean_bytes", {"ReduceMean": [_mean]})
"""reduce_mean(dequantize(x, scale, zero))   ->   mean_bytes(x, scale, zero)

For scales and zero points of whole tensors. Exact: the same numbers, in the same order.
"""
