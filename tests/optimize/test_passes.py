"""Running passes: order, checks, and what is told of them."""

from dataclasses import replace

import pytest

from intab.errors import ModelFormatError
from intab.graph.ir import Graph
from intab.optimize import DEFAULT_PASSES, Effect, Pass, optimize, run_passes
from intab.optimize.remove_dead import REMOVE_DEAD
from intab.target import WASM_SIMD, Target
from tests.optimize.check import graph_of, operators

TEXT = """
graph g(%x: f32[N, 3, H, W]) -> (y = %y) {
  %w = const f32[2, 3, 1, 1] {1.0, -1.0, 0.5, 2.0, 0.25, 3.0}
  %b = const f32[1, 2, 1, 1] {1.0, 2.0}
  %p = Conv(%x, %w) {strides=[1, 1], pads=[0, 0, 0, 0], dilations=[1, 1], group=1}
  %q = Add(%p, %b)
  %unused = Exp(%q)
  %y = Relu(%q)
}
"""


def test_all_passes_by_default() -> None:
    assert operators(optimize(graph_of(TEXT), check=True)) == ["Transpose", "Conv[Relu]", "Transpose"]


def test_a_second_time_changes_nothing_more() -> None:
    once = optimize(graph_of(TEXT))
    assert operators(optimize(once, check=True)) == operators(once)


def test_passes_see_the_target() -> None:
    plain = replace(WASM_SIMD, layout="NCHW")
    assert operators(optimize(graph_of(TEXT), DEFAULT_PASSES, plain)) == ["Conv[Relu]"]


def test_names_of_passes_tell_them_apart() -> None:
    by_name: dict[str, Pass] = {}
    for each in DEFAULT_PASSES:
        assert by_name.setdefault(each.name, each) is each


def test_effects_say_what_happened() -> None:
    _, effects = run_passes(graph_of(TEXT), [REMOVE_DEAD], WASM_SIMD)
    assert [(e.name, e.nodes_before, e.nodes_after) for e in effects] == [("remove_dead", 4, 3)]
    assert str(Effect("fold_bias", 10, 7, 1.25)) == "fold_bias                   10 ->     7 nodes      1.2 ms"


def test_a_pass_that_breaks_the_graph_is_named() -> None:
    def reverse(graph: Graph, _target: Target) -> Graph:
        return replace(graph, nodes=graph.nodes[::-1])

    broken = Pass("reverse", reverse)
    with pytest.raises(ModelFormatError, match="after pass reverse: g: "):
        optimize(graph_of(TEXT), [REMOVE_DEAD, broken], check=True)
    assert optimize(graph_of(TEXT), [broken]).nodes[0].op == "Relu"
