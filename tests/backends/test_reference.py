"""The reference back end: a graph means what its operators mean, one after the other."""

import numpy as np
import pytest

from intab.backends.reference import evaluate
from intab.errors import DTypeError, FeedError, ShapeError
from intab.graph.ir import Graph
from intab.graph.parse import parse_graph
from intab.ops.inference import infer


@pytest.fixture
def graph() -> Graph:
    text = """
    graph g(%x: f32[N, 2], %z: f32[M, 2]) -> (sum = %s, cut = %r, given = %x, fixed = %c) {
      %c = const f32[2] {1.0, -2.0}
      %y = Add(%x, %c)
      %s = Add(%y, %z) "adding"
      %r = Relu(%s)
    }"""
    return parse_graph(text, infer=infer)


X = np.array([[1, 2], [3, 4]], np.float32)


def test_all_outputs(graph: Graph) -> None:
    found = evaluate(graph, {"x": X, "z": -X})
    assert list(found) == ["sum", "cut", "given", "fixed"]
    np.testing.assert_array_equal(found["sum"], [[1, -2], [1, -2]])
    np.testing.assert_array_equal(found["cut"], [[1, 0], [1, 0]])
    np.testing.assert_array_equal(found["given"], X)
    np.testing.assert_array_equal(found["fixed"], [1, -2])


def test_chosen_outputs(graph: Graph) -> None:
    assert list(evaluate(graph, {"x": X, "z": X}, ["cut"])) == ["cut"]


def test_wrong_feeds_are_named(graph: Graph) -> None:
    with pytest.raises(FeedError, match="g takes the inputs x, z; missing: z"):
        evaluate(graph, {"x": X})
    with pytest.raises(FeedError, match="no output 'total'; it has"):
        evaluate(graph, {"x": X, "z": X}, ["total"])
    with pytest.raises(DTypeError, match="input 'z' is float32, the feed is float64"):
        evaluate(graph, {"x": X, "z": X.astype(np.float64)})
    with pytest.raises(ShapeError, match="input 'z' has 2 axes"):
        evaluate(graph, {"x": X, "z": X[0]})
    with pytest.raises(ShapeError, match="node 'adding' needs N and M"):
        evaluate(graph, {"x": X, "z": np.zeros((3, 2), np.float32)})
