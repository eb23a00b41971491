"""Inference of one node apart from building: what the graph's parser and verifier are given."""

from collections.abc import Mapping

import intab.ops  # noqa: F401  (all families register themselves)
from intab.graph.ir import Attribute, Value
from intab.ops.registry import Result, operator_of


def infer(op: str, attributes: Mapping[str, Attribute], inputs: tuple[Value | None, ...]) -> tuple[Result, ...]:
    """What is known of each output. Raises UnsupportedOpError, ShapeError or DTypeError as the operator does."""
    inferred = operator_of(op, attributes).infer(*inputs)
    return (inferred,) if isinstance(inferred, Result) else inferred
