"""What one Concat has joined, the next does not join again."""

import pytest

from intab.graph.ir import Graph
from intab.optimize.nest_concats import NEST_CONCATS
from tests.optimize.check import apply

INPUTS = "%a: f32[N, 2, 3], %b: f32[N, 1, 3], %c: f32[N, 4, 3], %d: f32[N, 2, 3]"


def joins(graph: Graph) -> list[int]:
    """How many inputs each Concat has."""
    return [len(node.inputs) for node in graph.nodes if node.op == "Concat"]


@pytest.mark.parametrize(
    "statements, counts",
    [
        (
            "%p = Concat(%a, %b) {axis=1} %q = Concat(%a, %b, %c) {axis=1} %r = Concat(%a, %b, %c, %d) {axis=-2}",
            [2, 2, 2],
        ),
        (
            "%p = Concat(%a, %b) {axis=1} %q = Concat(%a, %b, %c, %b) {axis=1} %r = Concat(%a, %b, %d) {axis=1}",
            [2, 3, 2],
        ),
        ("%p = Concat(%b, %a) {axis=1} %q = Concat(%a, %b, %c) {axis=1} %r = Concat(%c, %a, %b) {axis=1}", [2, 3, 3]),
        ("%p = Concat(%a, %d) {axis=1} %q = Concat(%a, %d, %a) {axis=2} %r = Concat(%a, %d) {axis=1}", [2, 3, 2]),
    ],
)
def test_nested(statements: str, counts: list[int]) -> None:
    text = f"graph g({INPUTS}) -> (p = %p, q = %q, r = %r) {{ {statements} }}"
    assert joins(apply(text, NEST_CONCATS, sizes={"N": 2})) == counts
