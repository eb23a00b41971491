"""Which nodes need all bits of their 64-bit integers, and between which numbers all values really lie."""

import numpy as np
import pytest

from intab import dtypes
from intab.backends.reference import evaluate
from intab.graph.ir import Graph
from intab.graph.parse import parse_graph
from intab.ops.inference import infer
from intab.ops.intervals import Interval, exactly, of_dim, of_dtype
from intab.program.wide_integers import FED, beyond_32_bits, integer_spans


def graph_of(*lines: str, inputs: str = "%i: i64[B, N], %j: i64[B, N], %x: f32[N]", output: str = "r") -> Graph:
    text = "\n".join(lines)
    return parse_graph(f"graph g({inputs}) -> (y = %{output}) {{\n{text}\n}}", infer=infer)


def refused(graph: Graph, *, alone: bool = True) -> set[str]:
    return {node.outputs[0].name for node in beyond_32_bits(graph, alone=alone)}


BIG = "%big = const i64[] {5000000000}"
SEVEN = "%seven = const i64[] {7}"

FITS = {
    "sums of what is fed": ["%r = Add(%i, %j)"],
    "differences": ["%r = Sub(%i, %j)"],
    "moves": ["%t = Transpose(%i) {perm=[1, 0]}", "%r = Concat(%t, %t) {axis=1}"],
    "counts": ["%b = Greater(%i, %j)", "%c = Cast(%b) {to=i64}", "%r = CumSum(%c) {axis=1}"],
    "positions": [
        SEVEN,
        "%b = Equal(%i, %seven)",
        "%c = Cast(%b) {to=i64}",
        "%s = CumSum(%c) {axis=1}",
        "%m = Mul(%s, %c)",
        "%r = Add(%m, %seven)",
    ],
    "quotients": [SEVEN, "%r = Div(%i, %seven)"],
    "remainders": [SEVEN, "%m = Mod(%i, %seven)", "%r = Mul(%m, %m)"],
    "the best": [
        SEVEN,
        "%v, %p = TopK(%x) {axis=0, count=3}",
        "%q = Div(%p, %seven)",
        "%m = Mod(%p, %seven)",
        "%r = Sub(%q, %m)",
    ],
    "where the best is": [
        SEVEN,
        "%a = ArgMax(%x) {axis=0, keepdims=true}",
        "%r = Add(%a, %seven)",
    ],
    "how many there are": [
        "%b = Greater(%i, %j)",
        "%c = Cast(%b) {to=i64}",
        "%r = ReduceSum(%c) {axes=[0, 1], keepdims=false}",
    ],
    "sizes": ["%s = Shape(%i)", "%r = Add(%s, %s)"],
    "a cast that is clipped": [
        "%c = Cast(%x) {to=i64}",
        "%k = Clip(%c) {minimum=0.0, maximum=639.0}",
        "%r = Mul(%k, %k)",
    ],
    "positions that a mask which is fed tells": [
        SEVEN,
        "%s = CumSum(%i) {axis=1}",
        "%p = Sub(%s, %seven)",
        "%r = Gather(%x, %p) {axis=0}",
    ],
    "what is cast to fewer bits": ["%m = Mul(%i, %j)", "%r = Cast(%m) {to=i32}"],
    "an index": [
        SEVEN,
        "%m = Mul(%i, %i)",
        "%a = Add(%m, %seven)",
        "%r = Gather(%x, %a) {axis=0}",
    ],
}


@pytest.mark.parametrize("lines", FITS.values(), ids=FITS)
def test_what_fits(lines: list[str]) -> None:
    assert not refused(graph_of(*lines))


DOES_NOT = {
    "products of what is fed": (["%r = Mul(%i, %j)"], {"r"}),
    "three summands": (["%a = Add(%i, %j)", "%r = Add(%a, %j)"], {"r"}),
    "a large constant": ([BIG, "%a = Add(%i, %j)", "%r = Add(%a, %big)"], {"r"}),
    "a constant to compare with": ([BIG, "%r = Less(%i, %big)"], {"r"}),
    "floats that are cast": (["%c = Cast(%x) {to=i64}", "%r = Add(%c, %i)"], {"c", "r"}),
    "and what reads it, but no more": (
        [SEVEN, "%m = Mul(%i, %j)", "%o = Mod(%m, %seven)", "%r = Add(%o, %i)"],
        {"m", "o"},
    ),
    "what is cast to a truth": (["%m = Mul(%i, %j)", "%r = Cast(%m) {to=bool}"], {"m", "r"}),
    "an index that is looked at, too": (
        [SEVEN, "%m = Mul(%i, %j)", "%g = Gather(%x, %m) {axis=0}", "%l = Less(%m, %seven)", "%r = Where(%l, %g, %g)"],
        {"m", "g", "l"},
    ),
    "products along an axis": (["%r = ReduceProd(%i) {axes=[1], keepdims=false}"], {"r"}),
    "sums of what is fed along an axis": (["%r = ReduceSum(%i) {axes=[1], keepdims=false}"], {"r"}),
    "running sums of what is fed": (["%r = CumSum(%i) {axis=1}"], {"r"}),
}


@pytest.mark.parametrize(("lines", "names"), DOES_NOT.values(), ids=DOES_NOT)
def test_what_does_not_fit(lines: list[str], names: set[str]) -> None:
    assert refused(graph_of(*lines)) == names


def test_numbers_that_may_leave_the_device_have_to_fit() -> None:
    for name in ("an index", "a cast that is clipped"):
        assert refused(graph_of(*FITS[name]), alone=False)


def test_a_reason_says_what_the_numbers_may_be() -> None:
    graph = graph_of("%r = Mul(%i, %j)")
    (reason,) = beyond_32_bits(graph).values()
    assert reason == f"'r' may be {FED * FED}, and there are integers of 32 bits only"


def test_graphs_without_such_integers_are_left_alone() -> None:
    assert not beyond_32_bits(graph_of("%r = Exp(%x)"))


OPERATIONS = (
    "%r = Add(%i, %j)",
    "%r = Sub(%i, %j)",
    "%r = Mul(%i, %j)",
    "%r = Div(%i, %j)",
    "%r = Mod(%i, %j) {fmod=false}",
    "%r = Mod(%i, %j) {fmod=true}",
    "%r = Minimum(%i, %j)",
    "%r = Maximum(%i, %j)",
    "%r = Neg(%i)",
    "%r = Abs(%i)",
    "%r = Sign(%i)",
    "%r = Relu(%i)",
    "%r = Clip(%i) {minimum=-3.0, maximum=inf}",
    "%r = CumSum(%i) {axis=1}",
    "%r = ReduceSum(%i) {axes=[1], keepdims=true}",
    "%r = ReduceMean(%i) {axes=[1], keepdims=true}",
    "%r = ReduceMax(%i) {axes=[1], keepdims=true}",
    "%r = Pad(%i) {pads=[0, 1, 0, 1], value=4.0}",
)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("limits", [(-9, -2), (-5, 0), (-4, 3), (0, 6), (2, 8), (7, 7)])
@pytest.mark.parametrize("others", [(-9, -2), (-5, 0), (-4, 3), (0, 6), (2, 8), (-1, -1)])
def test_no_number_leaves_its_interval(operation: str, limits: tuple[int, int], others: tuple[int, int]) -> None:
    numbers = [np.arange(low, high + 1) for low, high in (limits, others)]
    i, j = (side.reshape(1, -1) for side in np.meshgrid(*numbers))
    # Bounds come in as clipped inputs do, so that both sides have their own.
    clips = [
        f"%{name} = Clip(%{name}0) {{minimum={low}.0, maximum={high}.0}}"
        for name, (low, high) in (("i", limits), ("j", others))
    ]
    graph = graph_of(*clips, operation, inputs="%i0: i64[1, N], %j0: i64[1, N]")
    (made,) = evaluate(graph, {"i0": i, "j0": j}).values()
    span = integer_spans(graph)[graph.outputs[0]]
    assert Interval(int(made.min()), int(made.max())) in span
    if "Sum" not in operation:  # there may be more numbers than these
        assert span.magnitude <= 200, "wider than it need be"


def test_sizes_are_words_of_32_bits() -> None:
    graph = graph_of("%s = Shape(%i)", "%r = Mul(%s, %s)")
    (value,) = graph.outputs
    assert value.elements is not None
    assert all(of_dim(element) == Interval(0, 2**31 - 1) for element in value.elements)
    assert of_dim(-3) == exactly(-3)


def test_all_numbers_of_a_dtype() -> None:
    for dtype in (dtypes.int8, dtypes.uint8, dtypes.int32, dtypes.uint64):
        limits = np.iinfo(dtype.numpy_name)
        assert of_dtype(dtype) == Interval(int(limits.min), int(limits.max))
    assert of_dtype(dtypes.bool_) == Interval(0, 1)
