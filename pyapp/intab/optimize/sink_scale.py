"""Factors of matrix products, after the product or in its weights."""

import numpy as np

from intab.graph.ir import Array, Node, Value
from intab.optimize.channels import is_plain, per_channel
from intab.optimize.editor import Editor, peephole
from intab.optimize.fold_scale import scaled
from intab.optimize.patterns import scaled_by


def _matmul(editor: Editor, node: Node) -> Value | None:
    if not is_plain(node) or any(v is not None for v in node.inputs[2:]):
        return None
    a, b = node.inputs[:2]
    for side, other in ((a, b), (b, a)):
        found = scaled_by(editor, side)
        if found is None or side is None or found[0].shape != side.shape or side.dtype.name != "f32":
            continue
        x, factor = found
        operands = (x, other) if side is a else (other, x)
        number = editor.add_constant(_number(factor, side), f"{side.name}.factor")
        bare = Node("MatMul", operands, node.outputs, node.attributes, node.name)
        constant = per_channel(editor, number, bare, scalar=True)
        if constant is not None and editor.constant(operands[1]) is not None:
            return scaled(editor, bare, constant, None, like=node)
        product = editor.again(node, *operands, like=node)
        return editor.emit("Mul", product, number, like=node)
    return None


def _number(factor: float, like: Value) -> Array:
    return np.array(factor, like.dtype.numpy)


SINK_SCALE = peephole("sink_scale", {"MatMul": [_matmul]})
"""matmul(mul(a, s), b)   ->   mul(matmul(a, b), s)
matmul(mul(a, s), w)   ->   matmul(a, w * s)

For a number s, used nowhere else, in float32: after the product it becomes part of the epilogue, in constant
weights it costs nothing. Requires neither bias nor epilogue. Results differ by rounding.
"""
