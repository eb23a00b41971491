"""Channels that change places between groups, as exporters spell it."""

from intab.graph.ir import Node, Value
from intab.optimize.editor import Editor, peephole


def _joined(editor: Editor, node: Node) -> Value | None:
    turned = editor.single(node.inputs[0], "Transpose")
    split = editor.single(turned.inputs[0], "Reshape") if turned is not None else None
    x = split.inputs[0] if split is not None else None
    if turned is None or split is None or x is None or x.shape != node.output.shape:
        return None
    parts = split.output.shape
    for axis in range(x.rank):
        groups, size = parts[axis], x.shape[axis]
        swapped = (*range(axis), axis + 1, axis, *range(axis + 2, len(parts)))
        if turned.attributes["perm"] != swapped or not isinstance(groups, int) or not isinstance(size, int):
            continue
        if parts == (*x.shape[:axis], groups, size // max(1, groups), *x.shape[axis + 1 :]):
            return editor.emit("Shuffle", x, like=node, axis=axis, groups=groups)
    return None


RECOGNISE_SHUFFLE = peephole("recognise_shuffle", {"Reshape": [_joined]})
"""reshape(transpose(reshape(x, [N, groups, C / groups, H, W]), [0, 2, 1, 3, 4]), [N, C, H, W])   ->   shuffle(x)

Along any one axis whose size is known; requires that nobody else uses what lies between. Exact.
"""
