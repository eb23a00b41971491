"""Attention is recognised however exporters spell it, and what only looks like it is left alone."""

import pytest

from intab.graph.ir import Graph
from intab.optimize import DEFAULT_PASSES
from intab.optimize.recognise_attention import RECOGNISE_ATTENTION
from tests.optimize.check import apply, operators

INPUTS = "%q: f32[B, T, 6], %k: f32[B, S, 6], %v: f32[B, S, 6], %mask: f32[B, 1, 1, S], %flags: bool[B, 1, T, S]"
CONSTANTS = """
  %c = const f32[] {0.7}
  %root = const f32[] {1.7}
  %zero = const f32[] {0.0}
  %none = const f32[1] {-inf}
  %least = const f32[] {-3.4028235e+38}
  %few = const f32[] {-4.0}
"""
HEADS = """
  %q4 = Reshape(%q) {shape = [B, T, 2, 3]} %qh = Transpose(%q4) {perm = [0, 2, 1, 3]}
  %k4 = Reshape(%k) {shape = [B, S, 2, 3]} %kh = Transpose(%k4) {perm = [0, 2, 1, 3]}
  %v4 = Reshape(%v) {shape = [B, S, 2, 3]} %vh = Transpose(%v4) {perm = [0, 2, 1, 3]}
"""
TURNED = "%kt = Transpose(%k4) {perm = [0, 2, 3, 1]}"
SCORES = f"{TURNED} %s = MatMul(%qh, %kt) %z = Mul(%s, %c)"
AFTER = "%p = Softmax(%m) {axis = 3} %o = MatMul(%p, %vh)"
JOINED = "%ot = Transpose(%o) {perm = [0, 2, 1, 3]} %y = Reshape(%ot) {shape = [B, T, 6]}"
SIZES = {"B": 2, "T": 5, "S": 7}


def text_of(statements: str, outputs: str = "y = %y") -> str:
    return f"graph g({INPUTS}) -> ({outputs}) {{ {CONSTANTS} {HEADS} {statements} }}"


def recognised(statements: str) -> Graph:
    return apply(text_of(statements), RECOGNISE_ATTENTION, sizes=SIZES, tolerance=1e-5)


def attention_in(graph: Graph) -> dict[str, object]:
    """The attributes of the only attention."""
    (node,) = [node for node in graph.nodes if node.op == "Attention"]
    return {"inputs": len(node.inputs), **node.attributes}


@pytest.mark.parametrize(
    "scores",
    [
        f"{TURNED} %s = MatMul(%qh, %kt) %m = Mul(%s, %c)",
        f"{TURNED} %s = MatMul(%qh, %kt) %m = Div(%s, %root)",
        f"{TURNED} %s = Mul(%qh, %c) %m = MatMul(%s, %kt)",
        f"{TURNED} %s = Mul(%qh, %c) %r = Mul(%kt, %c) %m = MatMul(%s, %r)",
        "%kt = Transpose(%kh) {perm = [0, 1, 3, 2]} %m = MatMul(%qh, %kt)",
        "%r = Mul(%kh, %c) %kt = Transpose(%r) {perm = [0, 1, 3, 2]} %m = MatMul(%qh, %kt)",
        "%m = MatMul(%qh, %kh) {transpose_b = true}",
        """%k3 = Reshape(%kh) {shape = [2*B, S, 3]} %t3 = Transpose(%k3) {perm = [0, 2, 1]}
           %kt = Reshape(%t3) {shape = [B, 2, 3, S]} %r = Mul(%kt, %c) %m = MatMul(%qh, %r)""",
    ],
)
def test_scales_and_turned_keys(scores: str) -> None:
    graph = recognised(f"{scores} {AFTER} {JOINED}")
    assert operators(graph) == ["Reshape"] * 3 + ["Attention", "Reshape"]
    found = attention_in(graph)
    assert found["q_by_token"] and found["k_by_token"] and found["v_by_token"] and found["by_token"]


def test_keys_stored_by_depth() -> None:
    text = f"""graph g(%qh: f32[B, 2, T, 3], %kt: f32[B, 2, 3, S], %vh: f32[B, 2, S, 4]) -> (o = %o)
        {{ %m = MatMul(%qh, %kt) {AFTER} }}"""
    graph = apply(text, RECOGNISE_ATTENTION, sizes=SIZES, tolerance=1e-5)
    assert operators(graph) == ["Attention"]
    assert attention_in(graph)["k_by_depth"]


@pytest.mark.parametrize(
    ("mask", "others"),
    [
        ("%m = Add(%z, %mask)", []),
        ("%m = Add(%mask, %z)", []),
        ("%m = Where(%flags, %z, %none)", []),
        ("%m = Where(%flags, %z, %least)", []),
        ("%m = Where(%flags, %z, %few)", []),
        ("%m = Where(%flags, %few, %z)", ["Not"]),
        ("%w = Expand(%mask) {shape = [B, 2, T, S]} %m = Add(%z, %w)", []),
        ("%w = Where(%flags, %z, %least) %m = Add(%w, %mask)", ["Where", "Add"]),
        ("%w = Add(%z, %mask) %m = Add(%w, %mask)", ["Add"]),
    ],
)
def test_masks(mask: str, others: list[str]) -> None:
    graph = recognised(f"{SCORES} {mask} {AFTER} {JOINED}")
    assert operators(graph) == ["Reshape"] * 3 + [*others, "Attention", "Reshape"]
    assert attention_in(graph)["inputs"] == 4


@pytest.mark.parametrize(
    "choice",
    ["%e = Equal(%p, %p) %n = Not(%e) %w = Where(%n, %zero, %p)", "%e = Equal(%p, %p) %w = Where(%e, %p, %zero)"],
)
def test_shares_that_are_no_numbers_become_nothing(choice: str) -> None:
    shares = f"%m = Where(%flags, %z, %none) %p = Softmax(%m) {{axis = -1}} {choice} %o = MatMul(%w, %vh)"
    graph = recognised(f"{SCORES} {shares} {JOINED}")
    assert operators(graph) == ["Reshape"] * 3 + ["Attention", "Reshape"]
    assert attention_in(graph)["zero_unseen"]


MERGED = """
  %q3 = Reshape(%qh) {shape = [2*B, T, 3]} %k3 = Reshape(%kh) {shape = [2*B, S, 3]}
  %v3 = Reshape(%vh) {shape = [2*B, S, 3]} %kt = Transpose(%k3) {perm = [0, 2, 1]} %s = MatMul(%q3, %kt)
"""


@pytest.mark.parametrize(
    "masked",
    [
        "%p = Softmax(%s) {axis = 2}",
        """%s4 = Reshape(%s) {shape = [B, 2, T, S]} %m = Add(%s4, %mask) %m3 = Reshape(%m) {shape = [2*B, T, S]}
           %p = Softmax(%m3) {axis = 2}""",
        """%w = Expand(%mask) {shape = [B, 2, T, S]} %w3 = Reshape(%w) {shape = [2*B, T, S]} %m = Add(%s, %w3)
           %p = Softmax(%m) {axis = 2}""",
    ],
)
def test_heads_merged_with_the_batch(masked: str) -> None:
    joined = "%o3 = MatMul(%p, %v3) %o = Reshape(%o3) {shape = [B, 2, T, 3]}"
    graph = recognised(f"{MERGED} {masked} {joined} {JOINED}")
    names = operators(graph)
    assert names.count("Attention") == 1 and "Transpose" not in names and "MatMul" not in names
    assert attention_in(graph)["by_token"]


def test_one_head_without_an_axis() -> None:
    text = f"graph g({INPUTS}) -> (y = %y) {{ %s = MatMul(%q, %k) {{transpose_b = true}} %p = Softmax(%s) {{axis = 2}}"
    graph = apply(text + " %y = MatMul(%p, %v) }", RECOGNISE_ATTENTION, sizes=SIZES, tolerance=1e-5)
    assert operators(graph) == ["Reshape"] * 3 + ["Attention", "Reshape"]


def test_heads_repeated_for_groups() -> None:
    text = """graph g(%q: f32[B, 6, T, 3], %k: f32[B, S, 2, 3], %v: f32[B, S, 2, 3]) -> (y = %y) {
      %kh = Transpose(%k) {perm = [0, 2, 1, 3]} %vh = Transpose(%v) {perm = [0, 2, 1, 3]}
      %k5 = Reshape(%kh) {shape = [B, 2, 1, S, 3]} %kx = Expand(%k5) {shape = [B, 2, 3, S, 3]}
      %v5 = Reshape(%vh) {shape = [B, 2, 1, S, 3]} %vx = Expand(%v5) {shape = [B, 2, 3, S, 3]}
      %kr = Reshape(%kx) {shape = [B, 6, S, 3]} %vr = Reshape(%vx) {shape = [B, 6, S, 3]}
      %kt = Transpose(%kr) {perm = [0, 1, 3, 2]} %s = MatMul(%q, %kt) %p = Softmax(%s) {axis = 3}
      %y = MatMul(%p, %vr) }"""
    graph = apply(text, RECOGNISE_ATTENTION, sizes=SIZES, tolerance=1e-5)
    assert operators(graph) == ["Attention"]


@pytest.mark.parametrize(
    ("statements", "outputs"),
    [
        (f"{SCORES} %m = Add(%z, %mask) {AFTER} {JOINED}", "y = %y, scores = %z"),
        (f"{SCORES} %m = Add(%z, %mask) {AFTER} {JOINED}", "y = %y, shares = %p"),
        (f"{SCORES} %p = Softmax(%z) {{axis = 2}} %o = MatMul(%p, %vh) {JOINED}", "y = %y"),
        (f"{SCORES} %m = Add(%z, %mask) %w = Mul(%m, %c) %p = Softmax(%w) {{axis = 3}} %y = MatMul(%p, %vh)", "y = %y"),
        (f"{SCORES} %m = Add(%z, %flagged) {AFTER} {JOINED}", "y = %y"),
    ],
)
def test_other_readers_and_other_work_keep_it_apart(statements: str, outputs: str) -> None:
    flagged = "%flagged = Relu(%z)" if "%flagged" in statements else ""
    before, found, after = statements.partition("%m = Add(%z, %flagged)")
    text = text_of(f"{before} {flagged} {found} {after}", outputs)
    assert "Attention" not in operators(apply(text, RECOGNISE_ATTENTION, sizes=SIZES))


def test_all_passes_leave_no_scores() -> None:
    graph = apply(
        text_of(f"{SCORES} %m = Add(%z, %mask) {AFTER} {JOINED}"), *DEFAULT_PASSES, sizes=SIZES, tolerance=1e-5
    )
    assert operators(graph) == ["Reshape"] * 3 + ["Attention", "Reshape"]
