"""Elementwise graphs as they stand inside other operators."""

import numpy as np

from intab import dtypes
from intab.graph.ir import Graph
from intab.ops.builder import Builder


def body(op: str) -> Graph:
    """relu((t * 2 + c) * sigmoid(t)) with t = op(a, b): a constant, three inputs, an inner result used twice."""
    builder = Builder("body")
    a, b, c = (builder.input(name, dtypes.float32, ()) for name in "abc")
    two = builder.constant(np.array(2, np.float32), "two")
    first = builder.emit(op, a, b)
    sigmoid = builder.emit("Sigmoid", first)
    result = builder.emit("Mul", builder.emit("Add", builder.emit("Mul", first, two), c), sigmoid)
    return builder.graph([("y", builder.emit("Relu", result))])


def epilogue(op: str = "Add") -> Graph:
    """silu(x op e)"""
    builder = Builder("epilogue")
    x, e = (builder.input(name, dtypes.float32, ()) for name in "xe")
    return builder.graph([("y", builder.emit("Silu", builder.emit(op, x, e)))])


def activation(op: str = "Relu") -> Graph:
    builder = Builder("activation")
    return builder.graph([("y", builder.emit(op, builder.input("x", dtypes.float32, ())))])
