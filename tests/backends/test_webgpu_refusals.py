"""What keeps graphs from a GPU."""

import pytest

from intab.backends.webgpu.refusals import check, refusals
from intab.errors import UnsupportedOpError
from intab.graph.ir import Graph
from intab.graph.parse import parse_graph
from intab.ops.inference import infer
from intab.target import WEBGPU


def graph_of(inputs: str, *lines: str) -> Graph:
    text = "\n".join(lines)
    return parse_graph(f"graph g({inputs}) -> (y = %y) {{\n{text}\n}}", infer=infer)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (
            graph_of("%x: f32[N]", '%w = Cast(%x) {to=f64} "widen"', "%y = Exp(%w)"),
            r"node 'widen' \(Cast\): there is no f64",
        ),
        (graph_of("%x: i64[N]", '%y = Mul(%x, %x) "square"'), r"node 'square' \(Mul\): 'y' may be "),
        (graph_of("%y: f64[N]"), "'y' holds f64, which a GPU has not"),
    ],
    ids=["float64", "64 bits", "an input"],
)
def test_numbers_of_64_bits_are_refused_by_name(graph: Graph, message: str) -> None:
    with pytest.raises(UnsupportedOpError, match=message):
        check(graph, WEBGPU)


def test_what_a_gpu_has_is_not_refused() -> None:
    graph = graph_of("%x: f32[N, 4], %i: i64[M]", "%g = Gather(%x, %i) {axis=0}", "%y = Exp(%g)")
    check(graph, WEBGPU)
    assert not refusals(graph, WEBGPU)


def test_nodes_are_refused_one_by_one() -> None:
    lines = ("%a = Exp(%x)", "%b = Cast(%a) {to=f64}", "%c = Neg(%b)", "%d = Cast(%c) {to=f32}", "%y = Sin(%d)")
    assert [node.outputs[0].name for node in refusals(graph_of("%x: f32[N]", *lines), WEBGPU)] == ["b", "c", "d"]
