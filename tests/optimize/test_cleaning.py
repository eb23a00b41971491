"""Dead nodes, identities, constants, and what is written twice."""

import numpy as np
import pytest

from intab.dtypes import float32
from intab.errors import ShapeError
from intab.graph.ir import Constant
from intab.optimize import optimize
from intab.optimize.constants import EAGER_NBYTES, derive
from intab.optimize.fold_constants import FOLD_CONSTANTS
from intab.optimize.remove_dead import REMOVE_DEAD
from intab.optimize.remove_identities import REMOVE_IDENTITIES
from intab.optimize.share_common import SHARE_COMMON
from tests.optimize.check import apply, graph_of, operators


def test_dead_nodes_and_constants_go() -> None:
    graph = apply(
        """
        graph g(%x: f32[N]) -> (y = %y) {
          %c = const f32[] {1.0}
          %d = Add(%x, %c)
          %e = Exp(%d)
          %y = Relu(%x)
        }""",
        REMOVE_DEAD,
        sizes={"N": 3},
    )
    assert operators(graph) == ["Relu"]
    assert not graph.constants and not graph.constant_values


def test_a_pass_that_finds_nothing_gives_the_graph_back() -> None:
    graph = graph_of("graph g(%x: f32[N]) -> (y = %y) { %y = Relu(%x) }")
    for each in (REMOVE_DEAD, REMOVE_IDENTITIES, FOLD_CONSTANTS, SHARE_COMMON):
        assert apply(graph, each, sizes={"N": 3}) is graph


@pytest.mark.parametrize(
    "statement",
    [
        "%y = Add(%x, %zero)",
        "%y = Add(%zeros, %x)",
        "%y = Sub(%x, %zero)",
        "%y = Mul(%x, %one)",
        "%y = Mul(%one, %x)",
        "%y = Div(%x, %one)",
        "%y = Cast(%x) {to=f32}",
        "%y = Reshape(%x) {shape=[2, N, 3]}",
        "%y = Expand(%x) {shape=[2, 1, 3]}",
        "%y = Transpose(%x) {perm=[0, 1, 2]}",
        "%y = Slice(%x) {starts=[0, 0, 0], sizes=[2, N, 3], steps=[1, 1, 1]}",
        "%y = Pad(%x) {pads=[0, 0, 0, 0, 0, 0]}",
        "%y = Concat(%x) {axis=1}",
        "%y = Clip(%x) {minimum=-inf, maximum=inf}",
        "%t = Transpose(%x) {perm=[1, 2, 0]}\n %y = Transpose(%t) {perm=[2, 0, 1]}",
        "%t = Reshape(%x) {shape=[6, N]}\n %y = Reshape(%t) {shape=[2, N, 3]}",
    ],
)
def test_identities_go(statement: str) -> None:
    graph = apply(
        f"""
        graph g(%x: f32[2, N, 3]) -> (y = %y) {{
          %zero = const f32[] {{0.0}}
          %zeros = const f32[1, 3] {{0.0, 0.0, 0.0}}
          %one = const f32[1] {{1.0}}
          {statement}
        }}""",
        REMOVE_IDENTITIES,
        sizes={"N": 4},
    )
    assert operators(graph) == []
    assert graph.outputs == graph.inputs


@pytest.mark.parametrize(
    "statement",
    [
        "%y = Add(%x, %zeros)",
        "%y = Add(%x, %one)",
        "%y = Sub(%zero, %x)",
        "%y = Div(%one, %x)",
        "%y = Cast(%x) {to=f64}",
        "%y = Expand(%x) {shape=[2, 3]}",
        "%y = Slice(%x) {starts=[0, 2], sizes=[1, 3], steps=[1, -1]}",
        "%y = Clip(%x) {minimum=-inf, maximum=0.0}",
        "%y = Transpose(%x) {perm=[1, 0]}",
    ],
)
def test_what_changes_something_stays(statement: str) -> None:
    graph = apply(
        f"""
        graph g(%x: f32[1, 3]) -> (y = %y) {{
          %zero = const f32[] {{0.0}}
          %zeros = const f32[2, 3] {{0.0, 0.0, 0.0, 0.0, 0.0, 0.0}}
          %one = const f32[1] {{1.0}}
          {statement}
        }}""",
        REMOVE_IDENTITIES,
    )
    assert len(graph.nodes) == 1


def test_two_reshapes_and_two_transpositions_become_one() -> None:
    graph = apply(
        """
        graph g(%x: f32[2, 3, N]) -> (a = %b, t = %u) {
          %a = Reshape(%x) {shape=[6, N]}
          %b = Reshape(%a) {shape=[3, 2*N]}
          %t = Transpose(%x) {perm=[1, 0, 2]}
          %u = Transpose(%t) {perm=[2, 0, 1]}
        }""",
        REMOVE_IDENTITIES,
        sizes={"N": 4},
    )
    assert operators(graph) == ["Reshape", "Transpose"]


def test_constants_fold_through_several_nodes() -> None:
    graph = apply(
        """
        graph g(%x: f32[N, 3]) -> (y = %y) {
          %c = const f32[3] {1.0, 2.0, 3.0}
          %h = const f32[] {0.5}
          %d = Mul(%c, %h)
          %e = Reshape(%d) {shape=[1, 3]}
          %f = Clip(%e) {minimum=0.75, maximum=inf}
          %y = Add(%x, %f)
        }""",
        FOLD_CONSTANTS,
        sizes={"N": 2},
    )
    assert operators(graph) == ["Add"]
    (value,) = graph.constant_values
    np.testing.assert_array_equal(graph.constants[value.name].numpy(), [[0.75, 1.0, 1.5]])


def test_absent_inputs_of_a_folded_node() -> None:
    text = """
    graph g(%x: f32[2, 2]) -> (y = %y) {
      %c = const f32[2, 2] {1.0, 2.0, 3.0, 5.0}
      %b = const f32[2] {1.0, 2.0}
      %n = LayerNorm(%c, _, %b) {axis=1, epsilon=0.1}
      %y = Add(%x, %n)
    }"""
    assert operators(apply(text, FOLD_CONSTANTS)) == ["Add"]


def test_sizes_that_are_known_become_constants() -> None:
    graph = apply(
        """
        graph g(%x: f32[N, 3, 4]) -> (s = %s, t = %t) {
          %t = Shape(%x)
          %s = Slice(%t) {starts=[1], sizes=[2], steps=[1]}
        }""",
        FOLD_CONSTANTS,
        sizes={"N": 2},
    )
    assert operators(graph) == ["Shape"]
    assert graph.outputs[0].elements == (3, 4)


def test_constants_do_not_grow_without_bound() -> None:
    text = """
    graph g(%x: f32[1]) -> (y = %y) {{
      %c = const f32[1] {{1.0}}
      %e = Expand(%c) {{shape=[{count}]}}
      %y = Add(%x, %e)
    }}"""
    assert operators(apply(text.format(count=1000), FOLD_CONSTANTS)) == ["Add"]
    assert operators(apply(text.format(count=20000), FOLD_CONSTANTS)) == ["Expand", "Add"]


def test_constants_that_cannot_be_computed_name_the_node() -> None:
    text = """
    graph g(%x: f32[2]) -> (y = %y) {
      %c = const f32[2] {1.0, 2.0}
      %i = const i64[1, 1] {7}
      %t = Gather(%c, %i) {axis=0} "picking"
      %y = Add(%x, %t)
    }"""
    with pytest.raises(ShapeError, match="g: node 'picking'"):
        optimize(graph_of(text), [FOLD_CONSTANTS])


def test_large_constants_are_computed_when_they_are_read() -> None:
    calls: list[int] = []

    def doubled(numbers: np.ndarray) -> np.ndarray:
        calls.append(1)
        return numbers * np.float32(2)

    count = EAGER_NBYTES // 4 + 1
    source = Constant.of(np.arange(count, dtype=np.float32))
    made = derive(doubled, float32, (count,), "doubled", source)
    assert not calls
    assert made.numpy()[-1] == 2 * (count - 1)
    assert calls


def test_common_nodes_are_shared() -> None:
    graph = apply(
        """
        graph g(%x: f32[N]) -> (y = %y) {
          %c = const f32[] {2.0}
          %d = const f32[] {2.0}
          %a = Add(%x, %c)
          %b = Add(%x, %d)
          %e = LeakyRelu(%a) {alpha=0.1}
          %f = LeakyRelu(%b) {alpha=0.1}
          %h = LeakyRelu(%b) {alpha=0.2}
          %i = Mul(%e, %f)
          %y = Mul(%i, %h)
        }""",
        SHARE_COMMON,
        sizes={"N": 3},
    )
    assert operators(graph) == ["Add", "LeakyRelu", "LeakyRelu", "Mul", "Mul"]


def test_shared_outputs_leave_twice() -> None:
    graph = apply(
        """
        graph g(%x: f32[N]) -> (a = %a, b = %b) {
          %a = Relu(%x)
          %b = Relu(%x)
        }""",
        SHARE_COMMON,
        sizes={"N": 3},
    )
    assert operators(graph) == ["Relu"]
    assert graph.outputs[0] is graph.outputs[1]
