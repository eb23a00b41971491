"""What is not a well-formed graph is refused by name."""

from dataclasses import replace

import numpy as np
import pytest

from intab.dtypes import float32
from intab.errors import IntabError, ModelFormatError, ShapeError, UnsupportedOpError
from intab.graph.ir import Constant, Graph, Value
from intab.graph.parse import parse_graph
from intab.graph.storage import MemoryStorage
from intab.graph.verify import verify
from intab.ops.inference import infer

GOOD = """
graph g(%x: f32[N, 4]) -> (y = %z) {
  %c = const f32[4] {1.0, 2.0, 3.0, 4.0}
  %y: f32[N, 4] = Add(%x, %c) "adding"
  %z: f32[N, 4] = Relu(%y) "cutting"
}
"""


@pytest.fixture
def graph() -> Graph:
    return parse_graph(GOOD)


def test_a_good_graph_passes(graph: Graph) -> None:
    verify(graph)
    verify(graph, infer)


def test_a_value_used_before_it_is_made(graph: Graph) -> None:
    with pytest.raises(ModelFormatError, match=r"g: %y, an input of node 'cutting' \(z = Relu\), is not defined"):
        verify(replace(graph, nodes=graph.nodes[::-1]))


def test_a_value_made_twice(graph: Graph) -> None:
    with pytest.raises(ModelFormatError, match=r"g: %y, an output of node 'adding' .*, has a name that is taken"):
        verify(replace(graph, nodes=graph.nodes[:1] * 2))


def test_another_value_of_the_same_name(graph: Graph) -> None:
    stranger = replace(graph.nodes[1], inputs=(Value("y", float32, graph.outputs[0].shape),))
    with pytest.raises(ModelFormatError, match="%y, an input of node 'cutting'"):
        verify(replace(graph, nodes=(graph.nodes[0], stranger)))


def test_an_output_that_nothing_makes(graph: Graph) -> None:
    with pytest.raises(ModelFormatError, match="%q, an output of the graph"):
        verify(replace(graph, outputs=(Value("q", float32, ()),)))


def test_outputs_need_names(graph: Graph) -> None:
    with pytest.raises(ModelFormatError, match="one name each"):
        verify(replace(graph, output_names=()))


@pytest.mark.parametrize(
    "constant",
    [
        Constant.of(np.zeros(5, np.float32)),
        Constant.of(np.zeros(4, np.float64)),
        Constant(float32, (4,), MemoryStorage("f", bytes(16)), 0, 12),
        Constant(float32, (4,), MemoryStorage("f", bytes(16)), 4, 16),
        Constant(float32, (4,), MemoryStorage("f", bytes(16)), -4, 16),
    ],
)
def test_a_constant_that_is_not_what_its_value_says(graph: Graph, constant: Constant) -> None:
    with pytest.raises(ModelFormatError, match="%c"):
        verify(replace(graph, constants={"c": constant}))


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("Relu(", "Rellu(", UnsupportedOpError, "g: node 'cutting' .* 'Rellu'"),
        ("Relu(%y)", "Relu(%y) {alpha=1.0}", UnsupportedOpError, "g: node 'cutting' .*alpha"),
        ("%z: f32[N, 4]", "%z: f32[N, 5]", ModelFormatError, r"records %z: f32\[N, 5\]; inference gives f32\[N, 4\]"),
        ("%z: f32[N, 4]", "%z: f32[N, 4] <N>", ModelFormatError, "node 'cutting'"),
        ("%z: f32[N, 4]", "%z: i32[N, 4]", ModelFormatError, "node 'cutting'"),
        ("%x: f32[N, 4]", "%x: f32[N, 5]", ShapeError, "g: node 'adding'"),
        ("%z: f32[N, 4]", "%z: f32[N, 4], %q: f32[]", ModelFormatError, "records 2 outputs; it has 1"),
    ],
)
def test_what_inference_does_not_confirm(old: str, new: str, error: type[IntabError], message: str) -> None:
    graph = parse_graph(GOOD.replace(old, new))
    with pytest.raises(error, match=message):
        verify(graph, infer)


def test_bodies_are_verified_too() -> None:
    text = """
    graph g(%x: f32[N]) -> (y = %y) {
      %y: f32[N] = Fused(%x) {body=graph b(%a: f32[]) -> (o = %q) {
        %q: i64[] = Relu(%a)
      }}
    }"""
    with pytest.raises(ModelFormatError, match=r"b: node '' \(q = Relu\) records"):
        verify(parse_graph(text), infer)
