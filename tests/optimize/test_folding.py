"""Bias, scale and batch normalisation move into weights."""

import pytest

from intab.optimize.fold_batch_norm import FOLD_BATCH_NORM
from intab.optimize.fold_bias import FOLD_BIAS
from intab.optimize.fold_scale import FOLD_SCALE
from intab.optimize.fold_transpose import FOLD_TRANSPOSE
from intab.optimize.sink_scale import SINK_SCALE
from tests.optimize.check import apply, operators

WEIGHTS = """
  %w = const f32[4, 2, 1, 1] {1.0, -1.0, 0.5, 2.0, 0.25, 3.0, -2.0, 1.0}
  %g = const f32[4, 1, 2, 2] {1.0, -1.0, 0.5, 2.0, 0.25, 3.0, -2.0, 1.0, 1.0, -1.0, 0.5, 2.0, 0.25, 3.0, -2.0, 1.0}
  %m = const f32[2, 4] {1.0, -1.0, 0.5, 2.0, 0.25, 3.0, -2.0, 1.0}
  %n = const f32[4, 2] {1.0, -1.0, 0.5, 2.0, 0.25, 3.0, -2.0, 1.0}
  %c = const f32[1, 4, 1, 1] {0.5, 1.5, -2.0, 3.0}
  %d = const f32[4, 1, 1] {1.5, 2.5, -1.0, 2.0}
  %r = const f32[4] {0.5, 1.5, -2.0, 3.0}
  %v = const f32[4] {0.5, 1.5, 2.0, 3.0}
  %s = const f32[] {0.75}
  %wide = const f32[1, 1, 1, 5] {0.5, 1.5, -2.0, 3.0, 1.0}
"""
CONV = "Conv(%x, %w) {strides=[1, 1], pads=[0, 0, 0, 0], dilations=[1, 1], group=1}"
BIASED = "Conv(%x, %w, %r) {strides=[1, 1], pads=[0, 0, 0, 0], dilations=[1, 1], group=1}"
TRANSPOSED = (
    "ConvTranspose(%z, %g) {strides=[2, 2], pads=[0, 0, 0, 0], dilations=[1, 1], output_padding=[0, 0], group=4}"
)
MATMUL = "MatMul(%a, %m)"
TURNED = "MatMul(%a, %n) {transpose_b=true}"


def graph_text_of(*statements: str, outputs: str = "y = %y") -> str:
    inputs = "%x: f32[N, 2, 3, 5], %z: f32[N, 4, 3, 5], %a: f32[N, 3, 2]"
    return f"graph g({inputs}) -> ({outputs}) {{ {WEIGHTS} {chr(10).join(statements)} }}"


@pytest.mark.parametrize(
    ("producer", "addition"),
    [
        (CONV, "Add(%p, %c)"),
        (CONV, "Add(%c, %p)"),
        (CONV, "Add(%p, %d)"),
        (CONV, "Add(%p, %s)"),
        (CONV, "Sub(%p, %c)"),
        (BIASED, "Add(%p, %c)"),
        (BIASED, "Sub(%p, %s)"),
        (TRANSPOSED, "Add(%p, %c)"),
        (MATMUL, "Add(%p, %r)"),
        (TURNED, "Add(%p, %r)"),
        (MATMUL, "Sub(%p, %s)"),
    ],
)
def test_a_constant_per_channel_becomes_the_bias(producer: str, addition: str) -> None:
    graph = apply(graph_text_of(f"%p = {producer}", f"%y = {addition}"), FOLD_BIAS, sizes={"N": 2})
    assert operators(graph) == [producer.split("(")[0]]
    assert len(graph.nodes[0].inputs) == 3


@pytest.mark.parametrize(
    ("producer", "factor"),
    [(CONV, "%c"), (CONV, "%d"), (CONV, "%s"), (BIASED, "%c"), (TRANSPOSED, "%c"), (MATMUL, "%r"), (TURNED, "%r")],
)
def test_a_factor_per_channel_goes_into_the_weights(producer: str, factor: str) -> None:
    for product in (f"Mul(%p, {factor})", f"Mul({factor}, %p)"):
        graph = apply(graph_text_of(f"%p = {producer}", f"%y = {product}"), FOLD_SCALE, sizes={"N": 2})
        assert operators(graph) == [producer.split("(")[0]]


@pytest.mark.parametrize("producer", [CONV, BIASED, TRANSPOSED])
def test_batch_norm_goes_into_the_convolution(producer: str) -> None:
    norm = "%y = BatchNorm(%p, %r, %v, %r, %v) {epsilon=1e-05}"
    graph = apply(graph_text_of(f"%p = {producer}", norm), FOLD_BATCH_NORM, sizes={"N": 2}, tolerance=1e-5)
    assert operators(graph) == [producer.split("(")[0]]


def test_batch_norm_alone_becomes_two_nodes() -> None:
    graph = apply(
        graph_text_of("%y = BatchNorm(%z, %r, %v, %r, %v) {epsilon=1e-05}"),
        FOLD_BATCH_NORM,
        sizes={"N": 2},
        tolerance=1e-5,
    )
    assert operators(graph) == ["Mul", "Add"]


def test_everything_after_a_convolution_folds() -> None:
    statements = (f"%p = {BIASED}", "%q = Mul(%p, %c)", "%o = Add(%q, %d)", "%y = Mul(%o, %s)")
    graph = apply(graph_text_of(*statements), FOLD_SCALE, FOLD_BIAS, FOLD_SCALE, sizes={"N": 2}, tolerance=1e-5)
    assert operators(graph) == ["Conv"]


@pytest.mark.parametrize(
    "statements",
    [
        (f"%p = {CONV}", "%y = Add(%p, %wide)"),
        (f"%p = {CONV}", "%y = Mul(%p, %wide)"),
        (f"%p = {CONV}", "%q = Relu(%p)", "%o = Add(%p, %c)", "%y = Mul(%o, %q)"),
        (f"%p = {CONV}", "%q = Relu(%p)", "%o = Mul(%p, %c)", "%y = Add(%o, %q)"),
        ("%p = Reshape(%c) {shape=[1, 4, 1, 1]}", "%q = Relu(%p)", f"%o = {CONV}", "%y = Add(%o, %q)"),
        ("%t = Reshape(%a) {shape=[N, 2, 3]}", "%p = MatMul(%a, %t)", "%y = Mul(%p, %s)"),
    ],
)
def test_what_does_not_fit_stays(statements: tuple[str, ...]) -> None:
    graph = apply(graph_text_of(*statements), FOLD_BIAS, FOLD_SCALE, FOLD_BATCH_NORM, sizes={"N": 2})
    assert len(graph.nodes) == len(statements)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (("%t = Transpose(%a) {perm=[0, 2, 1]}", "%y = MatMul(%a, %t)"), {"transpose_a": False, "transpose_b": True}),
        (("%t = Transpose(%a) {perm=[0, 2, 1]}", "%y = MatMul(%t, %a)"), {"transpose_a": True, "transpose_b": False}),
        (
            ("%t = Transpose(%a) {perm=[0, 2, 1]}", "%y = MatMul(%t, %t) {transpose_b=true}"),
            {"transpose_a": True, "transpose_b": False},
        ),
    ],
)
def test_transpositions_go_into_the_product(statements: tuple[str, ...], expected: dict[str, bool]) -> None:
    (node,) = apply(graph_text_of(*statements), FOLD_TRANSPOSE, sizes={"N": 2}).nodes
    assert node.op == "MatMul" and node.attributes == expected


def test_other_transpositions_stay() -> None:
    statements = ("%t = Transpose(%a) {perm=[2, 1, 0]}", "%u = Reshape(%t) {shape=[N, 2, 3]}", "%y = MatMul(%a, %u)")
    graph = apply(graph_text_of(*statements), FOLD_TRANSPOSE, sizes={"N": 2})
    assert operators(graph) == ["Transpose", "Reshape", "MatMul"]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (("%p = Mul(%a, %s)", "%y = MatMul(%p, %a) {transpose_b=true}"), ["MatMul", "Mul"]),
        (("%p = Div(%a, %s)", "%y = MatMul(%a, %p) {transpose_b=true}"), ["MatMul", "Mul"]),
        (("%p = Mul(%s, %a)", "%y = MatMul(%p, %m)"), ["MatMul"]),
        (("%p = Mul(%a, %s)", "%y = MatMul(%p, %m, %r)"), ["Mul", "MatMul"]),
        (("%p = Mul(%a, %s)", "%y = MatMul(%p, %p) {transpose_b=true}"), ["Mul", "MatMul"]),
    ],
)
def test_factors_go_through_the_product(statements: tuple[str, ...], expected: list[str]) -> None:
    graph = apply(graph_text_of(*statements), SINK_SCALE, sizes={"N": 2}, tolerance=1e-5)
    assert operators(graph) == expected


def test_a_result_that_leaves_the_graph_keeps_its_value() -> None:
    text = graph_text_of(f"%p = {CONV}", "%y = Add(%p, %c)", outputs="y = %y, p = %p")
    assert operators(apply(text, FOLD_BIAS, sizes={"N": 2})) == ["Conv", "Add"]
