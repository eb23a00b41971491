"""Elementwise work becomes one node, or the end of the kernel before it."""

from dataclasses import replace

import pytest

from intab.graph.ir import Graph
from intab.graph.text import graph_text
from intab.optimize.fuse_elementwise import FUSE_ELEMENTWISE
from intab.optimize.fuse_epilogue import FUSE_EPILOGUE
from intab.target import WEBGPU
from tests.optimize.check import apply, operators

CONSTANTS = """
  %s = const f32[] {0.75}
  %t = const f32[1, 1] {1.5}
  %deep = const f32[1, 1, 1] {1.5}
  %c = const f32[4] {1.0, 2.0, 3.0, -4.0}
  %w = const f32[4, 4] {1.0, -1.0, 0.5, 2.0, 0.25, 3.0, -2.0, 1.0, 1.0, -1.0, 0.5, 2.0, 0.25, 3.0, -2.0, 1.0}
"""
SIZES = {"N": 3, "M": 3}


def text_of(*statements: str, outputs: str = "y = %y") -> str:
    inputs = "%x: f32[N, 4], %z: f32[N, 4], %r: f32[N, 1], %d: f64[N, 4]"
    return f"graph g({inputs}) -> ({outputs}) {{ {CONSTANTS} {chr(10).join(statements)} }}"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (("%a = Mul(%x, %s)", "%y = Relu(%a)"), ["Fused[Mul Relu]"]),
        (("%a = Mul(%x, %z)", "%b = Exp(%x)", "%e = Add(%a, %b)", "%y = Relu(%e)"), ["Fused[Mul Exp Add Relu]"]),
        (("%a = Mul(%x, %c)", "%y = Add(%a, %t)"), ["Fused[Mul Add]"]),
        (("%a = Exp(%x)", "%y = Mul(%a, %a)"), ["Fused[Exp Mul]"]),
        (("%y = Relu(%x)",), ["Relu"]),
        # What is smaller than the result is not computed anew for each element.
        (("%a = Exp(%r)", "%y = Mul(%x, %a)"), ["Exp", "Mul"]),
        (("%a = Add(%r, %s)", "%b = Exp(%a)", "%y = Mul(%x, %b)"), ["Fused[Add Exp]", "Mul"]),
        # Other dtypes have no fused kernel.
        (("%a = Exp(%d)", "%y = Neg(%a)"), ["Exp", "Neg"]),
        (("%a = Exp(%d)", "%b = Cast(%a) {to=f32}", "%y = Add(%b, %x)"), ["Exp", "Cast", "Add"]),
        # A number with more axes than anything else makes the result's shape.
        (("%a = Mul(%x, %deep)", "%y = Relu(%a)"), ["Mul", "Relu"]),
    ],
)
def test_trees_of_elementwise_nodes(statements: tuple[str, ...], expected: list[str]) -> None:
    assert operators(apply(text_of(*statements), FUSE_ELEMENTWISE, sizes=SIZES)) == expected


def test_what_others_want_stays_a_value() -> None:
    statements = ("%a = Exp(%x)", "%b = Neg(%a)", "%e = Relu(%b)", "%f = Sqrt(%a)", "%y = Add(%e, %f)")
    graph = apply(text_of(*statements, outputs="y = %y, b = %b"), FUSE_ELEMENTWISE, sizes=SIZES)
    assert operators(graph) == ["Exp", "Neg", "Fused[Relu Sqrt Add]"]


def test_fused_nodes_take_each_input_once_and_numbers_not_at_all() -> None:
    statements = ("%a = Mul(%x, %s)", "%b = Mul(%x, %z)", "%e = Add(%a, %b)", "%y = Mul(%e, %z)")
    (node,) = apply(text_of(*statements), FUSE_ELEMENTWISE, sizes=SIZES).nodes
    assert [v.name for v in node.inputs if v is not None] == ["x", "z"]


def test_fused_nodes_are_fused_again() -> None:
    statements = ("%a = Mul(%x, %s)", "%b = Relu(%a)", "%e = Exp(%b)", "%y = Neg(%e)")
    once = apply(text_of(*statements[:2], outputs="y = %b"), FUSE_ELEMENTWISE, sizes=SIZES)
    assert operators(once) == ["Fused[Mul Relu]"]
    body = once.nodes[0].attributes["body"]
    assert isinstance(body, Graph)
    fused = f"%b = Fused(%x) {{body={graph_text(body)}}}"
    graph = apply(text_of(fused, *statements[2:]), FUSE_ELEMENTWISE, sizes=SIZES)
    assert operators(graph) == ["Fused[Mul Relu Exp Neg]"]


def test_equal_work_gives_equal_bodies() -> None:
    first = ("%a = Mul(%x, %s)", "%b = Relu(%a)")
    second = ("%e = Mul(%s, %z)", "%f = Relu(%e)")
    graph = apply(text_of(*first, *second, outputs="b = %b, f = %f"), FUSE_ELEMENTWISE, sizes=SIZES)
    one, two = (n.attributes["body"] for n in graph.nodes)
    assert isinstance(one, Graph) and isinstance(two, Graph)
    assert graph_text(one) == graph_text(two)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (("%p = MatMul(%x, %w)", "%y = Relu(%p)"), ["MatMul[Relu]"]),
        (("%p = MatMul(%x, %w, %c)", "%y = Add(%z, %p)"), ["MatMul[Add]"]),
        (("%p = MatMul(%x, %w)", "%a = Mul(%p, %r)", "%y = Add(%a, %s)"), ["MatMul[Mul Add]"]),
        (("%p = MatMul(%x, %w)", "%q = MatMul(%z, %w)", "%y = Add(%p, %q)"), ["MatMul", "MatMul[Add]"]),
        (("%p = MatMul(%x, %w)", "%a = Sigmoid(%p)", "%y = Mul(%p, %a)"), ["MatMul[Sigmoid Mul]"]),
        # The sum has more elements than the product.
        (("%p = MatMul(%r, %one)", "%y = Add(%p, %x)"), ["MatMul", "Add"]),
    ],
)
def test_epilogues(statements: tuple[str, ...], expected: list[str]) -> None:
    one = "%one = const f32[1, 1] {2.0}"
    graph = apply(text_of(one, *statements), FUSE_ELEMENTWISE, FUSE_EPILOGUE, sizes=SIZES)
    assert operators(graph) == expected


def test_a_product_that_leaves_the_graph_keeps_its_value() -> None:
    statements = ("%p = MatMul(%x, %w)", "%y = Relu(%p)")
    graph = apply(text_of(*statements, outputs="y = %y, p = %p"), FUSE_EPILOGUE, sizes=SIZES)
    assert operators(graph) == ["MatMul", "Relu"]


def test_an_epilogue_grows() -> None:
    first = apply(text_of("%p = MatMul(%x, %w)", "%y = Add(%p, %z)"), FUSE_EPILOGUE, sizes=SIZES)
    body = first.nodes[0].attributes["epilogue"]
    assert isinstance(body, Graph)
    statements = (f"%p = MatMul(%x, %w, _, %z) {{epilogue={graph_text(body)}}}", "%y = Mul(%r, %p)")
    graph = apply(text_of(*statements), FUSE_EPILOGUE, sizes=SIZES)
    assert operators(graph) == ["MatMul[Add Mul]"]
    assert [None if v is None else v.name for v in graph.nodes[0].inputs] == ["x", "w", None, "z", "r"]


def test_the_producer_moves_behind_what_its_epilogue_reads() -> None:
    statements = ("%p = MatMul(%x, %w)", "%q = Softmax(%z) {axis=1}", "%y = Add(%p, %q)")
    assert operators(apply(text_of(*statements), FUSE_EPILOGUE, sizes=SIZES)) == ["Softmax", "MatMul[Add]"]


def test_trees_and_epilogues_read_no_more_than_a_kernel_may_bind() -> None:
    few = replace(WEBGPU, most_buffers=4)
    # Three tensors beside the result; the number is none.
    statements = ("%a = Add(%x, %z)", "%b = Mul(%a, %s)", "%e = Mul(%b, %c)", "%f = Add(%e, %r)", "%y = Neg(%f)")
    graph = apply(text_of(*statements), FUSE_ELEMENTWISE, sizes=SIZES, target=few)
    assert operators(graph) == ["Fused[Add Mul Mul]", "Fused[Add Neg]"]
    product = ("%p = MatMul(%x, %w)", "%a = Mul(%p, %z)", "%b = Add(%a, %r)", "%y = Mul(%b, %c)")
    graph = apply(text_of(*product), FUSE_EPILOGUE, sizes=SIZES, target=replace(WEBGPU, most_buffers=7))
    assert operators(graph) == ["MatMul[Mul Add]", "Mul"]


def test_bytes_that_several_trees_read_stay_where_one_of_them_has_no_room() -> None:
    text = """graph g(%a: u8[N, 4], %x: f32[N, 4]) -> (y = %y, v = %v) {
      %s = const f32[] {0.75}
      %k = const u8[] {3}
      %f = Dequantize(%a, %s, %k)
      %b = Mul(%f, %x)
      %y = Neg(%b)
      %v = Exp(%f)
    }"""
    roomy = apply(text, FUSE_ELEMENTWISE, sizes=SIZES, target=WEBGPU)
    assert operators(roomy) == ["Fused[Dequantize Mul Neg]", "Fused[Dequantize Exp]"]
    cramped = apply(text, FUSE_ELEMENTWISE, sizes=SIZES, target=replace(WEBGPU, most_buffers=4))
    assert operators(cramped) == ["Dequantize", "Fused[Mul Neg]", "Fused[Dequantize Exp]"]
