"""Shape rules with symbols, shape arithmetic through `elements`, and the errors that shapes end in."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intab import dtypes
from intab.dtypes import DType, float32, int64
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, Shape, dense_strides, evaluate, symbol
from intab.graph.ir import Attribute, Graph, Value
from intab.ops.broadcast import broadcast, broadcast_to, numbers
from intab.ops.builder import Builder
from intab.ops.move import resolve_reshape
from intab.ops.registry import Result, operator_of
from intab.ops.strides import Walk, broadcast_strides, collapse

N, H, W, M = map(symbol, "NHWM")


def value(*shape: Dim, dtype: DType = float32, elements: Sequence[Dim] | None = None) -> Value:
    return Value("v", dtype, shape, None if elements is None else tuple(elements))


def infer(op: str, *inputs: Value | None, **attributes: Attribute) -> Result:
    found = operator_of(op, attributes).infer(*inputs)
    assert isinstance(found, Result)
    return found


def test_symbols_that_meet_are_taken_for_equal_and_handed_on() -> None:
    assert broadcast((N, 4), (M, 4)) == ((M, 4), ((N, M),))
    assert broadcast((N, H), (N, 1), (1, H)) == ((N, H), ())
    assert broadcast((N * 2 + 1,), (N,)) == ((N,), ((N * 2 + 1, N),))


def test_a_number_wins_over_a_symbol_except_one() -> None:
    assert broadcast((N, H), (4, 1)) == ((4, H), ((N, 4),))
    assert broadcast((0, H), (N, H)) == ((0, H), ((0, N),))


def test_known_sizes_that_differ_name_both_shapes() -> None:
    with pytest.raises(ShapeError, match=r"\[N, 3\] and \[4\] do not broadcast: 3 and 4 differ"):
        infer("Add", value(N, 3), value(4))


def test_nothing_grows_that_is_broadcast_to_a_fixed_shape() -> None:
    assert broadcast_to((5,), (N, 5), "x") == ()
    for shape in ((2, 1), (1, 1, 1)):
        with pytest.raises(ShapeError, match=r"x of shape .* does not broadcast"):
            broadcast_to(shape, (1, 1), "x")


@pytest.mark.parametrize(
    ("shape", "target", "expected"),
    [
        ((N, 3, 4), (0, -1), (N, 12)),
        ((N, H, W, 64), (0, -1, 64), (N, H * W, 64)),
        ((N, H * W, 64), (N, H, W, 64), (N, H, W, 64)),
        ((N, H + 3, 64), (-1, 64), (N * H + N * 3, 64)),
        ((N, H + 3, W + 1), (N, -1), (N, H * W + H + W * 3 + 3)),
        ((2, 0, 5), (0, 0, -1), (2, 0, 5)),
        ((6,), (), ()),
    ],
)
def test_reshape_targets(shape: Shape, target: Shape, expected: Shape) -> None:
    assert resolve_reshape(shape, target) == expected


def test_reshape_keeps_zero_when_allowed() -> None:
    assert resolve_reshape((0, 5), (0, 7), allow_zero=True) == (0, 7)


@pytest.mark.parametrize(
    ("shape", "target", "message"),
    [
        ((6,), (-1, -1), "at most one size may be -1"),
        ((6,), (-2,), "at most one"),
        ((6,), (4, -1), "6 is no multiple of 4"),
        ((6,), (2, 0), "no axis 1 to copy"),
        ((6,), (0, -1), "means nothing"),
    ],
)
def test_reshape_targets_that_mean_nothing(shape: Shape, target: Shape, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        resolve_reshape(shape, target, allow_zero=message == "means nothing")


def test_shape_arithmetic_of_a_typical_export() -> None:
    """x.reshape(x.shape[0], -1, x.shape[3] // 2 * 2) computed by nodes, then resolved."""
    builder = Builder("g")
    x = builder.input("x", float32, (N, H, 4, W))
    shape = builder.emit("Shape", x)
    first = builder.emit("Slice", shape, starts=(0,), sizes=(1,), steps=(1,))
    zero_d = builder.constant(np.array(3, np.int64))
    last = builder.emit("Gather", shape, zero_d, axis=0)
    assert last.shape == () and last.elements == (W,)
    two = builder.constant(np.array(2, np.int64))
    even = builder.emit("Mul", builder.emit("Div", last, two), two)
    minus_one = builder.constant(np.array([-1], np.int64))
    parts = [first, minus_one, builder.emit("Reshape", even, shape=(1,))]
    target = builder.emit("Cast", builder.emit("Concat", *parts, axis=0), to=dtypes.int64)
    assert target.elements == (N, -1, W // 2 * 2)


@pytest.mark.parametrize(
    ("op", "left", "right", "expected"),
    [
        ("Add", (N, 2), (3,), (N + 3, 5)),
        ("Sub", (N,), (1,), (N - 1,)),
        ("Div", (N + 1,), (2,), ((N + 1) // 2,)),
        ("Div", (-7, 7), (2,), (-3, 3)),
        ("Div", (N - 5,), (2,), None),
        ("Div", (4,), (0,), None),
    ],
)
def test_arithmetic_on_sizes(
    op: str, left: tuple[Dim, ...], right: tuple[Dim, ...], expected: tuple[Dim, ...] | None
) -> None:
    found = infer(
        op,
        value(len(left), dtype=int64, elements=left),
        value(len(right), dtype=int64, elements=right),
    )
    assert found.elements == expected


def test_minimum_and_maximum_of_sizes() -> None:
    left, right = value(2, dtype=int64, elements=(N + 2, 9)), value(2, dtype=int64, elements=(N, 4))
    assert infer("Minimum", left, right).elements == (N, 4)
    assert infer("Maximum", left, right).elements == (N + 2, 9)


def test_product_of_sizes() -> None:
    sizes = value(3, dtype=int64, elements=(N, 4, H))
    assert infer("ReduceProd", sizes, axes=(0,), keepdims=False).elements == (N * H * 4,)


def test_floats_are_not_shape_arithmetic() -> None:
    assert infer("Cast", value(1, dtype=int64, elements=(N,)), to=float32).elements is None


def test_convolution_sizes_are_expressions() -> None:
    found = infer(
        "Conv", value(N, H, W, 3), value(8, 3, 3, 3), strides=(2, 2), pads=(1, 1, 1, 1), dilations=(1, 1), layout="NHWC"
    )
    assert found.shape == (N, (H + 1) // 2, (W + 1) // 2, 8)


BODY = Graph("body", (Value("a", float32, ()),), (Value("a", float32, ()),), ())
STRIDES: dict[str, Attribute] = {"strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1)}
POOL: dict[str, Attribute] = {**STRIDES, "kernel": (2, 2)}
FLAG = value(3, dtype=dtypes.bool_)


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "error", "message"),
    [
        ("Add", [value(3), value(3, dtype=int64)], {}, DTypeError, "one dtype"),
        ("Add", [value(3)], {}, UnsupportedOpError, "takes 2 inputs"),
        ("Exp", [value(3, dtype=int64)], {}, DTypeError, "Exp takes float tensors, not i64"),
        ("Not", [value(3)], {}, DTypeError, "bool"),
        ("Where", [value(3), value(3), value(3)], {}, DTypeError, "bool condition"),
        ("Pow", [FLAG, value(3)], {}, DTypeError, "numbers"),
        ("Cast", [value(3)], {"to": dtypes.string}, DTypeError, "text"),
        ("Relu", [value(3)], {"alpha": 1.0}, UnsupportedOpError, "attributes"),
        ("Nothing", [value(3)], {}, UnsupportedOpError, "no operator 'Nothing'"),
        ("ReduceSum", [value(3)], {"axes": (1,), "keepdims": True}, ShapeError, "Axis 1 does not exist"),
        ("ReduceSum", [value(3)], {"axes": (0, -1), "keepdims": True}, ShapeError, "twice"),
        ("ReduceSum", [FLAG], {"axes": (0,), "keepdims": True}, DTypeError, "ReduceSum takes"),
        ("ArgMax", [value(0, 3)], {"axis": 0, "keepdims": True}, ShapeError, "nothing to pick"),
        ("MatMul", [value(2, 3), value(4, 5)], {}, ShapeError, r"\[2, 3\] and \[4, 5\]: 3 and 4 differ"),
        ("MatMul", [value(), value(4, 5)], {}, ShapeError, "vectors or matrices"),
        ("MatMul", [value(2, 3), value(3, 4), value(5)], {}, ShapeError, "Bias and columns"),
        ("MatMul", [value(2, 3), value(3, 4), None, value(4)], {}, ShapeError, "no epilogue"),
        ("MatMul", [value(2, 3), value(3, 4)], {"epilogue": BODY}, None, ""),
        ("MatMul", [value(2, 3), value(3, 4), None, value(4)], {"epilogue": BODY}, ShapeError, "takes 1 inputs"),
        ("Conv", [value(1, 3, 5, 5), value(4, 2, 3, 3)], STRIDES, ShapeError, "Channels of Conv"),
        ("Conv", [value(1, 3, 2, 2), value(4, 3, 3, 3)], STRIDES, ShapeError, "larger than the picture"),
        ("Conv", [value(1, 3, 5), value(4, 3, 3)], STRIDES, ShapeError, "1 spatial axes"),
        ("Conv", [value(1, 3, 5, 5), value(4, 3, 3)], STRIDES, ShapeError, "different ranks"),
        ("Conv", [value(1, 3, 5, 5), value(4, 3, 3, 3), value(5)], STRIDES, ShapeError, "Bias and filters"),
        ("Conv", [value(1, 4, 5, 5), value(5, 2, 3, 3)], {**STRIDES, "group": 2}, ShapeError, "into 2 groups"),
        ("Conv", [value(1, 3, 5, 5), value(4, 3, 3, 3)], {**STRIDES, "layout": "CHWN"}, UnsupportedOpError, "CHWN"),
        ("Conv", [value(1, 3, 5, 5), value(4, 3, 3, 3)], {**STRIDES, "strides": (0, 1)}, ShapeError, "at least 1"),
        ("MaxPool", [value(1, 3, 5)], POOL, ShapeError, "1 kernel sizes"),
        ("AveragePool", [value(1, 3, 5, 5, dtype=int64)], POOL, DTypeError, "float"),
        ("Resize", [value(1, 3)], {"sizes": (1,)}, ShapeError, "one size"),
        ("Resize", [value(1, 3)], {"sizes": (1, 5), "mode": "lanczos"}, UnsupportedOpError, "lanczos"),
        ("Resize", [value(1, 0)], {"sizes": (1, 5)}, ShapeError, "empty axis"),
        ("Reshape", [value(2, 3)], {"shape": (7,)}, ShapeError, r"\[2, 3\] to \[7\]"),
        ("Reshape", [value(2, 3)], {"shape": (2, -3)}, ShapeError, "not negative"),
        ("Transpose", [value(2, 3)], {"perm": (0, 0)}, ShapeError, "each of its axes once"),
        ("Shuffle", [value(2, 3)], {"axis": 1, "groups": 2}, ShapeError, "cannot be cut into 2 groups"),
        ("Concat", [value(2, 3), value(3, 3)], {"axis": 1}, ShapeError, "2 and 3 differ"),
        ("Concat", [value(2, 3), value(2)], {"axis": 1}, DTypeError, "one dtype and rank"),
        ("Slice", [value(5)], {"starts": (3,), "sizes": (3,), "steps": (1,)}, ShapeError, "leaves an axis"),
        ("Slice", [value(5)], {"starts": (1,), "sizes": (3,), "steps": (-1,)}, ShapeError, "leaves an axis"),
        ("Slice", [value(5)], {"starts": (1,), "sizes": (3,), "steps": (0,)}, ShapeError, "leaves an axis"),
        ("Expand", [value(3)], {"shape": (4,)}, ShapeError, "do not broadcast"),
        ("Pad", [value(3)], {"pads": (3, 0), "mode": "reflect"}, ShapeError, "reflect"),
        ("Pad", [value(0)], {"pads": (1, 0), "mode": "edge"}, ShapeError, "edge"),
        ("Pad", [value(3)], {"pads": (-2, -2)}, ShapeError, "constant"),
        ("Pad", [value(3)], {"pads": (1, 4), "mode": "wrap"}, ShapeError, "wrap"),
        ("Pad", [value(3)], {"pads": (1, 1), "mode": "mirror"}, UnsupportedOpError, "mirror"),
        ("Gather", [value(3), value(2)], {"axis": 0}, DTypeError, "whole numbers"),
        ("Gather", [value(3), value(dtype=int64, elements=(3,))], {"axis": 0}, ShapeError, "element 3"),
        ("Softmax", [value(3, dtype=int64)], {"axis": 0}, DTypeError, "float"),
        ("Softmax", [value(3)], {"axis": 1}, ShapeError, "Axis 1"),
        ("LayerNorm", [value(2, 3), value(4)], {"axis": 1, "epsilon": 1e-5}, ShapeError, "do not broadcast"),
        ("BatchNorm", [value(2, 3), *[value(4)] * 4], {"epsilon": 1e-5}, ShapeError, "Parameters and channels"),
    ],
)
def test_misuse_is_named(
    op: str,
    inputs: Sequence[Value | None],
    attributes: dict[str, Attribute],
    error: type[Exception] | None,
    message: str,
) -> None:
    if error is None:
        infer(op, *inputs, **attributes)
        return
    with pytest.raises(error, match=message):
        infer(op, *inputs, **attributes)


def test_gather_outside_the_axis_is_an_error_on_the_reference() -> None:
    with pytest.raises(ShapeError, match="leave an axis of 3"):
        operator_of("Gather", {"axis": 0}).reference(np.zeros(3), np.array([1, 3]))


def test_axes_that_all_operands_pass_in_one_go_are_merged() -> None:
    shape = (N, H, W, 8)
    dense = dense_strides(shape)
    assert dense == (H * W * 8, W * 8, 8, 1)
    channel = broadcast_strides((8,), shape)
    assert collapse(shape, (dense, dense)) == Walk((N * H * W * 8,), ((1,), (1,)))
    assert collapse(shape, (dense, channel)) == Walk((N * H * W, 8), ((8, 1), (0, 1)))
    gate = broadcast_strides((N, 1, 1, 8), shape)
    assert collapse(shape, (dense, gate)) == Walk((N, H * W, 8), ((H * W * 8, 8, 1), (8, 0, 1)))
    assert collapse((1, 1), ((0, 0),)) == Walk((1,), ((1,),))


def test_sizes_taken_for_equal_count_as_the_targets() -> None:
    assert broadcast_strides((M, 1, 4), (N, H, 4)) == (4, 0, 1)


def offsets(walk: Walk) -> list[tuple[int, ...]]:
    """Where each operand is at each place of a walk, in order."""
    sizes, strides = numbers(walk.sizes), [numbers(own) for own in walk.strides]
    return [tuple(int(np.dot(index, own)) for own in strides) for index in np.ndindex(*sizes)]


@given(st.lists(st.integers(0, 4), max_size=4), st.data())
def test_collapsing_visits_the_same_places_in_the_same_order(sizes: list[int], data: st.DataObject) -> None:
    shape = tuple(sizes)
    narrow = tuple(data.draw(st.sampled_from([1, size])) for size in shape)
    first = data.draw(st.integers(0, len(shape)))
    perm = data.draw(st.permutations(range(len(shape))))
    dense = dense_strides(tuple(shape[axis] for axis in perm))
    permuted = tuple(dense[perm.index(axis)] for axis in range(len(shape)))
    strides = (dense_strides(shape), permuted, broadcast_strides(narrow[first:], shape))
    walk = collapse(shape, strides)
    assert walk.rank <= max(len(shape), 1)
    assert walk.count == math.prod(shape)
    assert offsets(walk) == offsets(Walk(shape, strides))


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "small", "enough"),
    [
        ("Slice", [value(H)], {"starts": (2,), "sizes": (3,), "steps": (1,)}, 4, 5),
        ("Slice", [value(H)], {"starts": (H - 4,), "sizes": (2,), "steps": (1,)}, 3, 4),
        ("Slice", [value(H)], {"starts": (H - 1,), "sizes": (3,), "steps": (-2,)}, 4, 5),
        ("Pad", [value(H)], {"pads": (2, 1), "mode": "reflect"}, 2, 3),
        ("Pad", [value(H)], {"pads": (2, 1), "mode": "edge"}, 0, 1),
        ("Gather", [value(H), value(2, dtype=int64, elements=(3, -2))], {"axis": 0}, 3, 4),
        ("ArgMax", [value(H)], {"axis": 0, "keepdims": True}, 0, 1),
        ("Resize", [value(H)], {"sizes": (7,)}, 0, 1),
    ],
)
def test_sizes_that_kernels_cannot_check_are_checked_when_they_are_known(
    op: str, inputs: Sequence[Value], attributes: dict[str, Attribute], small: int, enough: int
) -> None:
    pairs = infer(op, *inputs, **attributes).equal
    assert any(evaluate(a, {"H": small}) != evaluate(b, {"H": small}) for a, b in pairs)
    assert all(evaluate(a, {"H": enough}) == evaluate(b, {"H": enough}) for a, b in pairs)


def test_what_is_known_is_not_assumed() -> None:
    assert infer("Slice", value(H), starts=(2,), sizes=(H - 2,), steps=(1,)).equal == ()
    assert infer("Slice", value(H), starts=(0,), sizes=(H,), steps=(1,)).equal == ()
    assert infer("Resize", value(N, H // 2), sizes=(N, H // 2 * 4)).equal == ()
