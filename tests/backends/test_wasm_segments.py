"""Sizes that a model computes in mid-run."""

import numpy as np
import pytest

from intab.backends.reference import evaluate
from intab.errors import ShapeError
from intab.graph.ir import Graph
from intab.graph.parse import parse_graph
from intab.ops.inference import infer
from tests.running import TARGETS, assert_as_reference, run_on_wasmtime

pytestmark = pytest.mark.wasmtime


@pytest.fixture
def graph() -> Graph:
    """filled = 2.5 in the shape `shape + 1`; y = exp(x) kept over the boundary, added to the row sums of filled."""
    text = """
    graph g(%x: f32[1, W], %shape: i64[2]) -> (filled = %f, y = %y) {
      %one = const i64[2] {1, 1}
      %number = const f32[] {2.5}
      %e = Exp(%x)
      %s = Add(%shape, %one)
      %f = Fill(%s, %number) {symbols=["rows", "columns"]}
      %r = ReduceSum(%f) {axes=[1], keepdims=true}
      %y = Add(%r, %e)
    }"""
    return parse_graph(text, infer=infer)


def feeds(width: int, *shape: int) -> dict[str, np.ndarray]:
    return {"x": np.linspace(-1, 1, width, dtype=np.float32)[None], "shape": np.array(shape, np.int64)}


@pytest.mark.parametrize("shape", [(2, 3), (0, 0), (40, 1), (1, 500)])
def test_the_run_goes_on_with_what_was_computed(graph: Graph, shape: tuple[int, int]) -> None:
    assert_as_reference(graph, feeds(7, *shape))


def test_a_negative_size_is_refused(graph: Graph) -> None:
    with pytest.raises(ShapeError, match="negative"):
        evaluate(graph, feeds(7, -3, 2))
    for target in TARGETS:
        with pytest.raises(ShapeError, match="negative"):
            run_on_wasmtime(graph, feeds(7, -3, 2), target)


def test_sizes_that_must_agree_are_compared() -> None:
    text = """
    graph g(%x: f32[W], %shape: i64[1]) -> (y = %y) {
      %number = const f32[] {1.0}
      %f = Fill(%shape, %number) {symbols=["length"]}
      %y = Add(%f, %x) "adding"
    }"""
    graph = parse_graph(text, infer=infer)
    given = {"x": np.ones(3, np.float32), "shape": np.array([3], np.int64)}
    assert_as_reference(graph, given)
    for target in TARGETS:
        with pytest.raises(ShapeError, match="node 'adding': the sizes"):
            run_on_wasmtime(graph, given | {"shape": np.array([4], np.int64)}, target)
