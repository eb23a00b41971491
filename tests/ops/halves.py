"""Operator cases whose inputs and outputs are copied, so that the values between may be kept in 16 bits."""

import numpy as np

from intab.dtypes import float32
from intab.graph.ir import Graph
from intab.ops.builder import Builder
from tests.ops.case import Numbers, OpCase


def between(graph: Graph) -> Graph:
    """The graph with its float32 inputs and outputs copied, so that the values between are not the model's own."""
    builder = Builder(graph.name)
    builder.assume(graph.equalities)
    known = {}
    for value in graph.inputs:
        given = builder.input(value.name, value.dtype, value.shape)
        everything = {"minimum": -np.inf, "maximum": np.inf}
        known[value] = builder.emit("Clip", given, **everything) if value.dtype == float32 else given
    for value in graph.constant_values:
        known[value] = builder.constant(graph.constants[value.name], value.name)
    for node in graph.nodes:
        inputs = (None if value is None else known[value] for value in node.inputs)
        known.update(zip(node.outputs, builder.emit_all(node.op, *inputs, **node.attributes), strict=True))
    outputs = [known[value] for value in graph.outputs]
    outputs = [builder.emit("Neg", builder.emit("Neg", v)) if v.dtype == float32 else v for v in outputs]
    return builder.graph(zip(graph.output_names, outputs, strict=True))


def representable(array: Numbers) -> Numbers:
    """Floats that float16 has: rounded, and within its range where they are finite."""
    if array.dtype != np.float32:
        return array
    within = np.where(np.isfinite(array), np.clip(array, -6e4, 6e4), array)
    return within.astype(np.float16).astype(np.float32)


def representable_feeds(case: OpCase) -> dict[str, Numbers]:
    """The case's feeds as float16 has them."""
    return {name: representable(array) for name, array in case.feeds.items()}
