"""Rows of contiguous elements on a GPU: reductions, normalisations and searches, each row by a team or by one item."""

from collections.abc import Sequence
from functools import cache

from intab.errors import KernelError
from intab.kernels import functions
from intab.kernels.block import KernelWriter, load
from intab.kernels.families.loops import widened
from intab.kernels.families.reduce import LEAST, MOST, Elements, Reduction
from intab.kernels.families.team import Team, TeamShape
from intab.kernels.ir import F32, I32, I64, Binary, Cast, Const, Expr, Fma, Kernel, Lane, Select, Splat, Type, Unary


@cache
def softmax(shape: TeamShape, *, logarithm: bool = False) -> Kernel:
    """`row.softmax`, whose buffers and words it has; y is not x. Items: rows."""
    kernel = KernelWriter("team_log_softmax" if logarithm else "team_softmax")
    width = shape.width
    x, y = kernel.buffer("x", "f32", "read", vector=width), kernel.buffer("y", "f32", "write", vector=width)
    length = kernel.word("length")
    team = Team(kernel, shape)
    start = kernel.let("start", kernel.item * length)

    def value(i: Expr) -> Expr:
        return kernel.let("value", load(x, start + i, F32.wide(width)))

    largest = team.fold("max", Const(-functions.INFINITY, F32), length, value)
    below = kernel.let("below", widened(largest, width))
    total = team.fold("add", Const(0.0, F32), length, lambda i: functions.exp(kernel, value(i) - below))
    share = functions.log(kernel, total) if logarithm else Const(1.0, F32) / total
    whole = kernel.let("whole", widened(kernel.let("share", share), width))
    with team.loop(length) as i:
        distance = kernel.let("distance", value(i) - below)
        kernel.store(y, start + i, distance - whole if logarithm else functions.exp(kernel, distance) * whole)
    return kernel.kernel()


@cache
def layer_norm(shape: TeamShape, *, scale: bool = True, bias: bool = True) -> Kernel:
    """`row.layer_norm`, whose buffers and words it has; y is not x. Items: rows."""
    kernel = KernelWriter("team_layer_norm")
    width = shape.width
    x = kernel.buffer("x", "f32", "read", vector=width)
    for name, wanted in (("scale", scale), ("bias", bias)):
        if wanted:
            kernel.buffer(name, "f32", "read", vector=width)
    y = kernel.buffer("y", "f32", "write", vector=width)
    length, epsilon = kernel.word("length"), kernel.word("epsilon", F32)
    team = Team(kernel, shape)
    start, count = kernel.let("start", kernel.item * length), kernel.let("count", Cast(length, F32))

    def value(i: Expr) -> Expr:
        return kernel.let("value", load(x, start + i, F32.wide(width)))

    total = team.fold("add", Const(0.0, F32), length, value)
    mean = kernel.let("mean", widened(kernel.let("single", total / count), width))

    def square(i: Expr) -> Expr:
        distance = kernel.let("distance", value(i) - mean)
        return distance * distance

    variance = team.fold("add", Const(0.0, F32), length, square) / count
    factor = kernel.let("factor", Const(1.0, F32) / Unary("sqrt", variance + epsilon))
    with team.loop(length) as i:
        result: Expr = (value(i) - mean) * widened(factor, width)
        if scale and bias:
            result = Fma(result, load("scale", i, F32.wide(width)), load("bias", i, F32.wide(width)))
        elif scale:
            result = result * load("scale", i, F32.wide(width))
        elif bias:
            result = result + load("bias", i, F32.wide(width))
        kernel.store(y, start + i, result)
    return kernel.kernel()


@cache
def reduce_last(reduction: Reduction, shape: TeamShape) -> Kernel:
    """`reduce.reduce_last`, whose buffers and words it has. Items: rows."""
    kernel = KernelWriter(f"team_reduce_last_{reduction.name}")
    elements = Elements(kernel, reduction, vector=shape.width)
    y = kernel.buffer("y", reduction.dtype, "write")
    length = kernel.word("length")
    team = Team(kernel, shape)
    elements.begin(shape.width)
    start = kernel.let("start", kernel.item * length)

    def value(i: Expr) -> Expr:
        (found,) = elements.load(start + i, [(0, shape.width)])
        return found

    total = kernel.let("total", team.fold(reduction.operation, reduction.first(1), length, value))
    team.store(y, kernel.item, reduction.finished(kernel, total, length))
    return kernel.kernel()


@cache
def reduce_middle(reduction: Reduction, shape: TeamShape) -> Kernel:
    """`reduce.reduce_middle`, whose buffers and words it has; `width` divides inner. Items: outer * inner / width.

    The members share out what is reduced, one row of x after the other.
    """
    kernel = KernelWriter(f"team_reduce_middle_{reduction.name}")
    width = shape.width
    elements = Elements(kernel, reduction, vector=width)
    y = kernel.buffer("y", reduction.dtype, "write", vector=width)
    reduced, inner = kernel.word("reduced"), kernel.word("inner")
    team = Team(kernel, shape)
    elements.begin(width)
    columns = kernel.let("columns", inner // width)
    outer = kernel.let("outer", kernel.item // columns)
    column = kernel.let("column", kernel.item % columns * width)
    source = kernel.let("source", outer * reduced * inner + column)
    part = kernel.let("part", reduction.first(width))
    with kernel.loop("row", team.member, reduced, shape.members) as row:
        (value,) = elements.load(source + row * inner, [(0, width)])
        kernel.assign(part, reduction.combine(part, value))
    total = kernel.let("total", team.together(reduction.operation, part))
    team.store(y, kernel.item * width, reduction.finished(kernel, total, reduced))
    return kernel.kernel()


@cache
def arg_last(
    shape: TeamShape, *, dtype: str = "f32", output: str = "i64", largest: bool = True, last: bool = False
) -> Kernel:
    """`arg.arg_last`, whose buffers and words it has; `last` with a width of 1 only. Items: rows."""
    width = shape.width
    if dtype not in ("f32", "i32") or output not in ("i64", "i32") or (last and width > 1):
        raise KernelError(f"There is no arg kernel from {dtype} to {output} in {width} lanes.")
    kernel = KernelWriter("team_arg_max" if largest else "team_arg_min")
    kernel.buffer("x", dtype, "read", vector=width)
    kernel.buffer("y", output, "write")
    length = kernel.word("length")
    team = Team(kernel, shape)
    start = kernel.let("start", kernel.item * length)
    bests = kernel.let("bests", Const((LEAST if largest else MOST)[dtype], Type(dtype, width)))
    # Lane k holds the place of its element less k, since a vector of different constants cannot be written.
    wheres = kernel.let("wheres", Const(0, I32.wide(width)))
    with team.loop(length) as i:
        values = kernel.let("values", load("x", start + i, bests.type))
        if last:
            better = values.ge(bests) if largest else values.le(bests)
        else:
            better = values.gt(bests) if largest else values.lt(bests)
        better = kernel.let("better", better)
        kernel.assign(bests, Select(better, values, bests))
        kernel.assign(wheres, Select(better, Splat(i, width) if width > 1 else i, wheres))
    lanes: list[Expr] = [Lane(bests, k) for k in range(width)] if width > 1 else [bests]
    places: list[Expr] = [Lane(wheres, k) + k for k in range(width)] if width > 1 else [wheres]
    extreme = "max" if largest else "min"
    best = team.together(extreme, kernel.let("best", _folded(extreme, lanes)))
    # Of equal elements the first or last one counts: among members, too.
    nearest, beyond = ("max", -1) if last else ("min", 2**31 - 1)
    met = [Select(lane.equal(best), place, Const(beyond, I32)) for lane, place in zip(lanes, places, strict=True)]
    where = team.together(nearest, kernel.let("met", _folded(nearest, met)))
    team.store("y", kernel.item, Cast(where, I64) if output == "i64" else where)
    return kernel.kernel()


def _folded(op: str, values: Sequence[Expr]) -> Expr:
    result = values[0]
    for value in values[1:]:
        result = Binary(op, result, value)
    return result
