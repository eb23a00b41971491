"""Removing nodes that change nothing."""

import math

import numpy as np

from intab.graph.dims import Dim
from intab.graph.ir import Node, Value
from intab.optimize.editor import Editor, peephole


def _neutral(editor: Editor, value: Value | None, number: float) -> bool:
    """Is a value a constant whose elements are all `number`?"""
    constant = editor.constant(value)
    # Larger constants are weights; reading them to find zeros would cost more than it saves.
    if constant is None or constant.nbytes > 4096:
        return False
    return bool(np.all(constant.numpy() == number))


def _unless_widened(node: Node, value: Value | None) -> Value | None:
    """The input, if the node's output has the input's type."""
    output = node.output
    if value is None or (value.dtype, value.shape, value.elements) != (output.dtype, output.shape, output.elements):
        return None
    return value


def _add(editor: Editor, node: Node) -> Value | None:
    left, right = node.inputs
    if _neutral(editor, right, 0):
        return _unless_widened(node, left)
    return _unless_widened(node, right) if _neutral(editor, left, 0) else None


def _mul(editor: Editor, node: Node) -> Value | None:
    left, right = node.inputs
    if _neutral(editor, right, 1):
        return _unless_widened(node, left)
    return _unless_widened(node, right) if _neutral(editor, left, 1) else None


def _sub(editor: Editor, node: Node) -> Value | None:
    return _unless_widened(node, node.inputs[0]) if _neutral(editor, node.inputs[1], 0) else None


def _div(editor: Editor, node: Node) -> Value | None:
    return _unless_widened(node, node.inputs[0]) if _neutral(editor, node.inputs[1], 1) else None


def _same_type(_editor: Editor, node: Node) -> Value | None:
    """A cast to the same dtype, a reshape or expansion to the same shape."""
    return _unless_widened(node, node.inputs[0])


def _reshape(editor: Editor, node: Node) -> Value | None:
    """Of two reshapes only the last counts."""
    producer = editor.producer(node.inputs[0])
    if producer is None or producer.op != "Reshape":
        return None
    (source,) = producer.inputs
    if source is not None and source.dtype == node.output.dtype and source.shape == node.output.shape:
        return source
    return editor.emit("Reshape", source, like=node, shape=node.output.shape)


def _transpose(editor: Editor, node: Node) -> Value | None:
    """Of two transpositions one is enough, and none when they undo each other."""
    (x,) = node.inputs
    perm = _perm(node)
    if perm == tuple(range(len(perm))):
        return x
    producer = editor.producer(x)
    if producer is None or producer.op != "Transpose":
        return None
    earlier = _perm(producer)
    both = tuple(earlier[axis] for axis in perm)
    (source,) = producer.inputs
    if both == tuple(range(len(both))):
        return source
    return editor.emit("Transpose", source, like=node, perm=both)


def _perm(node: Node) -> tuple[int, ...]:
    perm = node.attributes["perm"]
    assert isinstance(perm, tuple)
    return tuple(axis for axis in perm if isinstance(axis, int))


def _whole(_editor: Editor, node: Node) -> Value | None:
    """A slice of everything, in order."""
    starts, steps = node.attributes["starts"], node.attributes["steps"]
    assert isinstance(starts, tuple) and isinstance(steps, tuple)
    in_order = all(start == 0 for start in starts) and all(step == 1 for step in steps)
    return _unless_widened(node, node.inputs[0]) if in_order else None


def _no_border(_editor: Editor, node: Node) -> Value | None:
    pads = node.attributes["pads"]
    assert isinstance(pads, tuple)
    zero: Dim = 0
    return _unless_widened(node, node.inputs[0]) if all(pad == zero for pad in pads) else None


def _alone(_editor: Editor, node: Node) -> Value | None:
    return node.inputs[0] if len(node.inputs) == 1 else None


def _unbounded(_editor: Editor, node: Node) -> Value | None:
    limits = (node.attributes["minimum"], node.attributes["maximum"])
    return node.inputs[0] if limits == (-math.inf, math.inf) else None


REMOVE_IDENTITIES = peephole(
    "remove_identities",
    {
        "Add": [_add],
        "Mul": [_mul],
        "Sub": [_sub],
        "Div": [_div],
        "Cast": [_same_type],
        "Expand": [_same_type],
        "Reshape": [_same_type, _reshape],
        "Transpose": [_transpose],
        "Slice": [_whole],
        "Pad": [_no_border],
        "Concat": [_alone],
        "Clip": [_unbounded],
    },
)
"""add(x, 0), mul(x, 1), cast(x: f32, f32), reshape(x, x.shape), transpose(transpose(x))   ->   x

Also sub(x, 0), div(x, 1), expand to the same shape, slices of everything, borders of width 0, concatenations of
one, limits without bounds; two reshapes or two transpositions become one. Exact, but for the sign of a zero
(-0 + 0 is 0).
"""
