"""Operators that find elements: how many there are is known only when they have run."""

import numpy as np

from intab.dtypes import bool_, int32, int64
from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.graph.dims import Dim, product, symbol
from intab.graph.ir import Value


@onnx_op("NonZero", since=9)
def non_zero(call: Call, x: Value) -> Value:
    """The indices of all elements that are not 0, one column each: [rank, count]"""
    if x.rank == 0:
        raise call.unsupported("its input has no axes")
    flat = _places(call, _holds(call, x))
    count = flat.shape[0]
    rows = []
    for axis, size in enumerate(x.shape):
        step = product(x.shape[axis + 1 :])
        along = flat if step == 1 else call.part("Div", flat, _size(call, step))
        index = along if axis == 0 else call.part("Mod", along, _size(call, size))
        rows.append(call.part("Reshape", index, shape=(1, count)))
    return call.result("Concat", *rows, axis=0)


@onnx_op("Compress", since=9)
def compress(call: Call, x: Value, condition: Value) -> Value:
    """The slices of x along an axis, or its elements when none is named, for which the condition holds"""
    if condition.rank != 1:
        raise call.malformed(f"its condition has {condition.rank} axes, but one is expected")
    if call.has("axis"):
        axis = call.axis(call.integer("axis"), x.rank)
        return call.result("Gather", x, _places(call, condition), axis=axis)
    flat = call.part("Reshape", x, shape=(product(x.shape),))
    return call.result("Gather", flat, _places(call, condition), axis=0)


def _holds(call: Call, x: Value) -> Value:
    return x if x.dtype == bool_ else call.part("Not", call.part("Equal", x, call.constant_like(x, 0)))


def _places(call: Call, mask: Value) -> Value:
    """Where the elements of a mask are true, counted from its first: int64 [count].

    Each of these places goes to where it comes in the result, all others to one place behind them, which is cut off.
    """
    size = product(mask.shape)
    flat = call.part("Reshape", mask, shape=(size,))
    one = call.constant(np.array([1], np.int64))
    total = call.part("ReduceSum", call.part("Cast", flat, to=int32), axes=(0,), keepdims=True)
    behind = call.part("Cast", total, to=int64)
    # The output's name, since no input has the same, and inputs name symbols in this way too.
    count = f"{call.node.outputs[0]}:count"
    empty = call.part("Fill", behind, call.constant(np.array(0, np.int64)), symbols=(count,))
    room = call.part("Concat", empty, call.constant(np.array([0], np.int64)), axis=0)
    order = call.part("Sub", call.part("CumSum", call.part("Cast", flat, to=int64), axis=0), one)
    target = call.part("Where", flat, order, behind)
    placed = call.part("ScatterElements", room, target, call.part("Range", start=0, count=size), axis=0)
    return call.part("Slice", placed, starts=(0,), sizes=(symbol(count),), steps=(1,))


def _size(call: Call, size: Dim) -> Value:
    """A size as a value."""
    return call.part("Range", start=size, count=1)
