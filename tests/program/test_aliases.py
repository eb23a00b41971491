"""Parts of a Concat on devices whose kernels must not write the buffer that they read."""

from collections.abc import Callable

import numpy as np
import pytest

from intab.backends.reference import evaluate
from intab.dtypes import float32
from intab.graph.ir import Value
from intab.ops.builder import Builder
from intab.program import build
from intab.target import WEBGPU
from tests.interpreted_gpu import InterpretedGpu


def concat(builder: Builder, *parts: Value) -> Value:
    """Along the outermost axis: parts lie in the result with nothing between their elements."""
    return builder.emit("Concat", *parts, axis=0)


def with_its_activation(b: Builder, x: Value) -> Value:
    return concat(b, x, b.emit("Sigmoid", x))


def with_what_is_made_of_a_view(b: Builder, x: Value) -> Value:
    turned = b.emit("Reshape", b.emit("Reshape", x, shape=(4, 3)), shape=(3, 4))
    return concat(b, x, b.emit("Sigmoid", turned))


def with_a_view(b: Builder, x: Value) -> Value:
    return concat(b, b.emit("Sigmoid", x), x, b.emit("Reshape", b.emit("Reshape", x, shape=(4, 3)), shape=(3, 4)))


def with_a_concat_of_it(b: Builder, x: Value) -> Value:
    return concat(b, x, concat(b, x, b.emit("Sigmoid", x)))


def twice(b: Builder, x: Value) -> Value:
    return concat(b, x, x)


@pytest.mark.parametrize(
    "made", [with_its_activation, with_what_is_made_of_a_view, with_a_view, with_a_concat_of_it, twice]
)
def test_no_step_writes_what_it_reads(made: Callable[[Builder, Value], Value]) -> None:
    builder = Builder(made.__name__)
    x = builder.emit("Abs", builder.input("x", float32, (3, 4)))
    graph = builder.graph([("y", builder.emit("Neg", made(builder, x)))])
    feeds = {"x": np.random.default_rng(3).standard_normal((3, 4)).astype(np.float32)}
    found = InterpretedGpu(build(graph, WEBGPU)).run(feeds, {})
    np.testing.assert_allclose(found["y"], evaluate(graph, feeds)["y"], rtol=1e-6)
