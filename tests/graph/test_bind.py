"""Symbols get their numbers everywhere."""

import pytest

from intab.errors import ShapeError
from intab.graph.bind import bind, bindings_of
from intab.graph.dims import symbol
from intab.graph.parse import parse_graph
from intab.graph.text import graph_text

SYMBOLIC = """\
graph g(%x: f32[N, H]) -> (y = %y, s = %s) {
  assume N == H//2 "node"
  %c = const f32[1] {1.0}
  %s: i64[2] <N, H + 1> = Shape(%x)
  %y: f32[N, 2*H] = Expand(%x) {shape=[N, 2*H], pads=[H - 1], body=graph b(%a: f32[H]) -> (o = %a) {
  }}
}"""

BOUND = """\
graph g(%x: f32[2, 4]) -> (y = %y, s = %s) {
  %c = const f32[1] {1.0}
  %s: i64[2] <2, 5> = Shape(%x)
  %y: f32[2, 8] = Expand(%x) {shape=[2, 8], pads=[3], body=graph b(%a: f32[4]) -> (o = %a) {
  }}
}"""


def test_every_place_is_bound() -> None:
    assert graph_text(bind(parse_graph(SYMBOLIC), {"N": 2, "H": 4})) == BOUND


def test_symbols_may_stay_or_become_others() -> None:
    graph = bind(parse_graph(SYMBOLIC), {"H": symbol("W") * 2})
    assert graph.inputs[0].shape == (symbol("N"), 2 * symbol("W"))
    assert [str(e.right) for e in graph.equalities] == ["W"]


def test_sizes_that_were_taken_for_equal_must_be() -> None:
    with pytest.raises(ShapeError, match=r"g: node 'node' needs N and H//2 .* 3 and 2"):
        bind(parse_graph(SYMBOLIC), {"N": 3, "H": 4})


def test_negative_sizes_are_refused() -> None:
    graph = parse_graph("graph g(%x: f32[H]) -> (y = %y) { %y: f32[H - 3] = Slice(%x) }")
    with pytest.raises(ShapeError, match=r"'y' would have the shape \[-1\] with H = 2"):
        bind(graph, {"H": 2})


def test_bindings_are_read_off_shapes() -> None:
    values = parse_graph("graph g(%x: f32[N, 2*H, 3], %z: f32[H]) -> () {}").inputs
    assert bindings_of(values, {"x": (2, 8, 3), "z": (4,)}) == {"N": 2, "H": 4}
    with pytest.raises(ShapeError, match=r"'x' has shape \[2\], but the model takes \[N, 2\*H, 3\]"):
        bindings_of(values, {"x": (2,), "z": (4,)})
    with pytest.raises(ShapeError, match=r"'x' has a size of 6 where the model takes 2\*H = 8"):
        bindings_of(values, {"x": (2, 6, 3), "z": (4,)})
    with pytest.raises(ShapeError, match="'x' has a size of 4 where the model takes 3"):
        bindings_of(values, {"x": (2, 8, 4), "z": (4,)})
