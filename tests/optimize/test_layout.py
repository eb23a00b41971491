"""Channels go last where kernels like it, and nowhere else."""

from dataclasses import replace

import pytest

from intab.graph.dims import symbol
from intab.optimize.choose_layout import CHOOSE_LAYOUT
from intab.optimize.remove_identities import REMOVE_IDENTITIES
from intab.target import WASM_SIMD
from tests.optimize.check import apply, graph_of, operators

WEIGHTS = """
  %w = const f32[4, 3, 1, 1] {1.0, -1.0, 0.5, 2.0, 0.25, 3.0, -2.0, 1.0, 0.5, 0.25, 1.0, 2.0}
  %v = const f32[3, 4, 1, 1] {1.0, -1.0, 0.5, 2.0, 0.25, 3.0, -2.0, 1.0, 0.5, 0.25, 1.0, 2.0}
  %k = const f32[4, 1, 1, 2] {1.0, -1.0, 0.5, 2.0, 0.25, 3.0, -2.0, 1.0}
  %b = const f32[4] {1.0, -1.0, 0.5, 2.0}
  %c = const f32[1, 4, 1, 1] {0.5, 1.5, -2.0, 3.0}
  %d = const f32[4, 1, 1] {1.5, 2.5, -1.0, 2.0}
  %line = const f32[6] {1.5, 2.5, -1.0, 2.0, 0.0, 1.0}
  %s = const f32[] {0.75}
"""
PLAIN = "strides=[1, 1], pads=[0, 0, 0, 0], dilations=[1, 1]"
CONV = f"Conv(%x, %w, %b) {{{PLAIN}, group=1}}"
SIZES = {"N": 2, "H": 4}


def text_of(*statements: str, outputs: str = "y = %y") -> str:
    inputs = "%x: f32[N, 3, H, 6], %z: f32[N, 4, H, 6], %e: f32[N, 4, 1, 1], %r: f32[N, H, 6, 4]"
    return f"graph g({inputs}) -> ({outputs}) {{ {WEIGHTS} {chr(10).join(statements)} }}"


def test_a_convolution_between_transpositions() -> None:
    graph = apply(text_of(f"%y = {CONV}"), CHOOSE_LAYOUT, sizes=SIZES)
    assert operators(graph) == ["Transpose", "Conv", "Transpose"]
    assert graph.nodes[1].attributes["layout"] == "NHWC"
    weights = graph.nodes[1].inputs[1]
    assert weights is not None and weights.shape == (4, 1, 1, 3)


@pytest.mark.parametrize(
    "statement",
    [
        "Relu(%p)",
        "Add(%p, %c)",
        "Mul(%d, %p)",
        "Add(%p, %line)",
        "Mul(%p, %s)",
        "Add(%p, %z)",
        "Mul(%p, %e)",
        "Concat(%p, %p) {axis=1}",
        "Shuffle(%p) {axis=1, groups=2}",
        "Concat(%p, %z) {axis=-1}",
        "Softmax(%p) {axis=1}",
        "Softmax(%p) {axis=3}",
        "ReduceMean(%p) {axes=[2, 3], keepdims=true}",
        "ReduceMax(%p) {axes=[1], keepdims=true}",
        "Slice(%p) {starts=[0, 1, 0, 2], sizes=[N, 2, H, 3], steps=[1, 2, 1, -1]}",
        "Pad(%p) {pads=[0, 1, 2, 3, 0, 4, 5, 6]}",
        'Resize(%p) {sizes=[N, 4, 2*H, 12], scales=[1.0, 1.0, 2.0, 2.0], coordinates="asymmetric", nearest="floor"}',
        'Resize(%p) {sizes=[N, 4, 7, 9], mode="linear", coordinates="half_pixel"}',
        "MaxPool(%p) {kernel=[2, 2], strides=[1, 2], pads=[0, 0, 1, 0], dilations=[1, 1]}",
        "AveragePool(%p) {kernel=[2, 2], strides=[1, 2], pads=[0, 0, 1, 0], dilations=[1, 1], count_include_pad=false}",
        f"Conv(%p, %v) {{{PLAIN}, group=1}}",
        f"Conv(%p, %k) {{{PLAIN}, group=4}}",
        f"ConvTranspose(%p, %k) {{{PLAIN}, group=4, output_padding=[0, 0]}}",
        "BatchNorm(%p, %b, %b, %b, %b2) {epsilon=1e-05}",
        "Reshape(%p) {shape=[N, 4, 6*H]}",
        "Reshape(%p) {shape=[N, 4, H, 2, 3]}",
        "Reshape(%p) {shape=[N, 4, 1, H, 6]}",
    ],
)
def test_what_follows_a_convolution_keeps_its_order(statement: str) -> None:
    second = "%b2 = const f32[4] {1.0, 2.0, 0.5, 2.0}"
    graph = apply(text_of(second, f"%p = {CONV}", f"%y = {statement}"), CHOOSE_LAYOUT, sizes=SIZES, tolerance=1e-5)
    moves = [op for op in operators(graph) if op in ("Transpose", "Reshape")]
    used = sum(name in statement for name in ("%z", "%e"))
    reshaped = statement.startswith("Reshape")
    assert moves.count("Transpose") + moves.count("Reshape") <= 2 + used + reshaped
    assert operators(graph)[-1] in ("Transpose", "Reshape")
    assert operators(graph)[-2] == statement.split("(")[0]


@pytest.mark.parametrize(
    "statement",
    [
        "MatMul(%p, %p) {transpose_b=true}",
        "LayerNorm(%p, %line) {axis=3}",
        "Gather(%p, %i) {axis=1}",
        "Reshape(%p) {shape=[N*4, 6*H]}",
        "ReduceMean(%p) {axes=[0], keepdims=false}",
        "ArgMax(%p) {axis=1, keepdims=false}",
        "Expand(%p) {shape=[3, 1, 4, H, 6]}",
    ],
)
def test_everything_else_gets_the_declared_order(statement: str) -> None:
    indices = "%i = const i64[2] {0, 2}"
    graph = apply(text_of(indices, f"%p = {CONV}", f"%y = {statement}"), CHOOSE_LAYOUT, sizes=SIZES)
    assert operators(graph) == ["Transpose", "Conv", "Transpose", statement.split("(")[0]]


def test_reductions_to_batch_and_channels_need_no_transposition() -> None:
    reduced = "%y = ReduceMean(%p) {axes=[2, 3], keepdims=false}"
    assert operators(apply(text_of(f"%p = {CONV}", reduced), CHOOSE_LAYOUT, sizes=SIZES)) == [
        "Transpose",
        "Conv",
        "ReduceMean",
    ]


def test_flattened_pictures_of_one_pixel_need_no_transposition() -> None:
    statements = (f"%p = {CONV}", "%q = ReduceMean(%p) {axes=[2, 3], keepdims=true}", "%y = Reshape(%q) {shape=[N, 4]}")
    graph = apply(text_of(*statements), CHOOSE_LAYOUT, sizes=SIZES)
    assert operators(graph) == ["Transpose", "Conv", "ReduceMean", "Reshape"]


def test_transpositions_of_the_model_vanish() -> None:
    statements = (
        f"%p = {CONV}",
        "%t = Transpose(%r) {perm=[0, 3, 1, 2]}",
        "%a = Add(%p, %t)",
        "%y = Transpose(%a) {perm=[0, 2, 3, 1]}",
    )
    assert operators(apply(text_of(*statements), CHOOSE_LAYOUT, sizes=SIZES)) == ["Transpose", "Conv", "Add"]


def test_other_transpositions_are_merged_with_the_change_of_order() -> None:
    statements = (f"%p = {CONV}", "%y = Transpose(%p) {perm=[3, 2, 0, 1]}")
    graph = apply(text_of(*statements), CHOOSE_LAYOUT, sizes=SIZES)
    assert operators(graph) == ["Transpose", "Conv", "Transpose"]


def test_moving_axes_of_size_one_is_a_reshape() -> None:
    statements = ("%p = Conv(%e, %v4) {strides=[1, 1], pads=[0, 0, 0, 0], dilations=[1, 1], group=1}",)
    weights = "%v4 = const f32[1, 4, 1, 1] {1.0, 2.0, 3.0, 4.0}"
    graph = apply(text_of(weights, *statements, outputs="y = %p"), CHOOSE_LAYOUT, sizes=SIZES)
    assert operators(graph) == ["Reshape", "Conv", "Reshape"]


def test_values_wanted_in_both_orders_are_moved_once() -> None:
    statements = (f"%p = {CONV}", f"%q = {CONV}", "%l = Relu(%x)", "%m = MatMul(%p, %q) {transpose_b=true}")
    outputs = "p = %p, q = %q, l = %l, m = %m"
    graph = apply(text_of(*statements, outputs=outputs), CHOOSE_LAYOUT, sizes=SIZES)
    assert operators(graph).count("Transpose") == 3
    assert graph.nodes[-1].op == "MatMul"
    relu = next(n for n in graph.nodes if n.op == "Relu")
    assert relu.inputs == (graph.inputs[0],)


def test_one_spatial_axis() -> None:
    graph = apply(
        """
        graph g(%x: f32[N, 2, W]) -> (y = %t) {
          %w = const f32[3, 2, 2] {1.0, -1.0, 0.5, 2.0, 0.25, 3.0, -2.0, 1.0, 0.5, 0.25, 1.0, 2.0}
          %p = Conv(%x, %w) {strides=[1], pads=[0, 1], dilations=[1], group=1}
          %r = Relu(%p)
          %t = Transpose(%r) {perm=[0, 2, 1]}
        }""",
        CHOOSE_LAYOUT,
        sizes={"N": 2, "W": 5},
    )
    assert operators(graph) == ["Transpose", "Conv", "Relu"]


def test_targets_that_like_the_declared_order_get_it() -> None:
    graph = graph_of(text_of(f"%y = {CONV}"))
    assert apply(graph, CHOOSE_LAYOUT, sizes=SIZES, target=replace(WASM_SIMD, layout="NCHW")) is graph


def test_graphs_without_pictures_stay() -> None:
    graph = graph_of(text_of("%t = Transpose(%x) {perm=[0, 2, 3, 1]} %y = Relu(%t)"))
    assert apply(graph, CHOOSE_LAYOUT, sizes=SIZES) is graph


def test_a_broadcast_over_batch_of_computed_values() -> None:
    statements = (
        f"%p = {CONV}",
        "%m = ReduceMean(%z) {axes=[0, 2, 3], keepdims=false}",
        "%n = Reshape(%m) {shape=[4, 1, 1]}",
        "%y = Mul(%p, %n)",
    )
    graph = apply(text_of(*statements), CHOOSE_LAYOUT, REMOVE_IDENTITIES, sizes=SIZES)
    assert operators(graph).count("Transpose") == 2
    assert graph.inputs[0].shape == (symbol("N"), 3, symbol("H"), 6)
