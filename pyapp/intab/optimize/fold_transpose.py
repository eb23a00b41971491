"""Transposed operands of matrix products."""

from intab.graph.ir import Node, Value
from intab.optimize.editor import Editor, peephole


def _matmul(editor: Editor, node: Node) -> Value | None:
    a, b, *others = node.inputs
    left, right = _before_swap(editor, a), _before_swap(editor, b)
    if left is None and right is None:
        return None
    flags = {
        "transpose_a": bool(node.attributes.get("transpose_a")) ^ (left is not None),
        "transpose_b": bool(node.attributes.get("transpose_b")) ^ (right is not None),
    }
    return editor.again(node, left or a, right or b, *others, like=node, **flags)


def _before_swap(editor: Editor, value: Value | None) -> Value | None:
    """x, where a value is x with its last two axes swapped."""
    producer = editor.producer(value)
    if producer is None or producer.op != "Transpose" or value is None or value.rank < 2:
        return None
    swapped = (*range(value.rank - 2), value.rank - 1, value.rank - 2)
    return producer.inputs[0] if producer.attributes["perm"] == swapped else None


FOLD_TRANSPOSE = peephole("fold_transpose", {"MatMul": [_matmul]})
"""matmul(a, transpose(b))   ->   matmul(a, b, transpose_b)

For transpositions that swap the last two axes, on either side. Exact, but for the order of summation.
"""
