"""Operators that make one element of many along axes."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from intab.dtypes import float32, int64
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, Shape, ceil_div, product
from intab.graph.ir import Value
from intab.kernels.families import reduce as family
from intab.kernels.families import team_rows
from intab.kernels.families.arg import arg_last
from intab.kernels.families.team import TeamShape
from intab.ops.arrays import Numbers, highest, lowest
from intab.ops.broadcast import at_most, normal_axes, normal_axis
from intab.ops.elementwise import NUMBERS
from intab.ops.intervals import ANY, MOST_ELEMENTS, Interval, exactly, hull, most_elements
from intab.ops.items import item_width, pieces, team_shape
from intab.ops.kernel_steps import fill_step, tensor_work, transpose_step
from intab.ops.lowering import Lowering, Place, Work
from intab.ops.registry import Result, op


class Reduce:
    """Base of reductions over several axes, which are kept with size 1 or dropped. x -> x without `axes`."""

    __slots__ = ()

    axes: tuple[int, ...]
    keepdims: bool
    accepts: ClassVar[tuple[str, ...]] = NUMBERS
    kind: ClassVar[str]
    compute: ClassVar[Callable[..., Numbers]]

    def infer(self, x: Value) -> Result:
        if x.dtype.kind not in self.accepts:
            raise DTypeError(f"{type(self).__name__} takes {' or '.join(self.accepts)} tensors, not {x}.")
        return Result(x.dtype, reduced_shape(x.shape, self.axes, self.keepdims), self.known_elements(x))

    def known_elements(self, x: Value) -> tuple[Dim, ...] | None:
        """The result's number, where it follows from known numbers of x."""
        return None

    def reduction(self, x: Value) -> family.Reduction:
        return family.Reduction(self.kind, x.dtype.name)

    def bounds(self, inputs: tuple[Value, ...], given: tuple[Interval, ...]) -> Interval:
        """Among those of x; sums and products say otherwise."""
        return hull((given[0], exactly(0)))

    def reference(self, x: Numbers) -> Numbers:
        axes = normal_axes(self.axes, x.ndim)
        with np.errstate(all="ignore"):
            made = np.asarray(self.compute(x, axis=axes, keepdims=self.keepdims))
            return made.astype(x.dtype, copy=False)

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (y,) = inputs, outputs
        axes = tuple(axis for axis in normal_axes(self.axes, x.rank) if x.shape[axis] != 1)
        if not axes:
            lowering.view(y, x)
            return
        if x.dtype.name not in ("f32", "i32"):
            raise UnsupportedOpError(f"Reductions have kernels for f32 and i32, not for {x.dtype}.")
        _reduce_step(lowering, self.reduction(x), x, axes, y, {})


@op("ReduceSum")
class ReduceSum(Reduce):
    """Sum; 0 of nothing. Source: ONNX ReduceSum-13."""

    kind = "sum"

    axes: tuple[int, ...]
    keepdims: bool

    def compute(self, x: Numbers, **where: Any) -> Numbers:
        return np.asarray(np.sum(x, dtype=_sum_dtype(x), **where))

    def bounds(self, inputs: tuple[Value, ...], given: tuple[Interval, ...]) -> Interval:
        axes = normal_axes(self.axes, inputs[0].rank)
        return given[0].sums(most_elements(inputs[0].shape[axis] for axis in axes))


@op("ReduceMean")
class ReduceMean(Reduce):
    """Mean; of integers the whole part, towards zero. NaN of nothing. Source: ONNX ReduceMean-18.

    `in_order` sums along middle axes one after the other, less exactly: for those who will have the last place so.
    """

    kind = "mean"

    axes: tuple[int, ...]
    keepdims: bool
    in_order: bool = False

    def reduction(self, x: Value) -> family.Reduction:
        return family.Reduction(self.kind, x.dtype.name, in_order=self.in_order)

    def compute(self, x: Numbers, **where: Any) -> Numbers:
        total = np.asarray(np.sum(x, dtype=_sum_dtype(x), **where))
        count = x.size // total.size if total.size else 1
        if x.dtype.kind == "f":
            return np.asarray(total / count)
        return np.asarray(np.trunc(total / max(count, 1)))


@op("MeanBytes")
class MeanBytes:
    """Mean of (x - zero) * scale: x bytes, scale f32 [], zero [] of x's dtype -> f32. `in_order` see ReduceMean."""

    axes: tuple[int, ...]
    keepdims: bool
    in_order: bool = False

    def infer(self, x: Value, scale: Value, zero: Value) -> Result:
        if x.dtype.name not in ("u8", "i8") or scale.dtype != float32 or zero.dtype != x.dtype:
            raise DTypeError(f"MeanBytes takes bytes, a scale of f32 and a zero point alike, not {x}, {scale}, {zero}.")
        if scale.rank or zero.rank:
            raise ShapeError(f"MeanBytes takes one scale and zero point, not {scale} and {zero}.")
        return Result(float32, reduced_shape(x.shape, self.axes, self.keepdims))

    def reference(self, x: Numbers, scale: Numbers, zero: Numbers) -> Numbers:
        real = (x.astype(np.int32) - zero.astype(np.int32)).astype(np.float32) * scale
        mean = np.mean(real, axis=normal_axes(self.axes, x.ndim), keepdims=self.keepdims, dtype=np.float64)
        return np.asarray(mean, np.float32)

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x, scale, zero), (y,) = inputs, outputs
        reduction = family.Reduction("mean", in_order=self.in_order, stored=x.dtype.name)
        levels = {"scale": lowering.place(scale), "zero": lowering.place(zero)}
        _reduce_step(lowering, reduction, x, normal_axes(self.axes, x.rank), y, levels)


@op("ReduceMax")
class ReduceMax(Reduce):
    """Largest element; NaN if one is. The least number of the dtype of nothing. Source: ONNX ReduceMax-20."""

    accepts = (*NUMBERS, "bool")
    kind = "max"

    axes: tuple[int, ...]
    keepdims: bool

    def compute(self, x: Numbers, **where: Any) -> Numbers:
        return np.asarray(np.maximum.reduce(x, initial=lowest(x.dtype), **where))


@op("ReduceMin")
class ReduceMin(Reduce):
    """Smallest element; NaN if one is. The largest number of the dtype of nothing. Source: ONNX ReduceMin-20."""

    accepts = (*NUMBERS, "bool")
    kind = "min"

    axes: tuple[int, ...]
    keepdims: bool

    def compute(self, x: Numbers, **where: Any) -> Numbers:
        return np.asarray(np.minimum.reduce(x, initial=highest(x.dtype), **where))


@op("ReduceProd")
class ReduceProd(Reduce):
    """Product; 1 of nothing. Source: ONNX ReduceProd-18."""

    kind = "prod"

    axes: tuple[int, ...]
    keepdims: bool

    def compute(self, x: Numbers, **where: Any) -> Numbers:
        return np.asarray(np.prod(x, dtype=_sum_dtype(x), **where))

    def bounds(self, inputs: tuple[Value, ...], given: tuple[Interval, ...]) -> Interval:
        return ANY

    def known_elements(self, x: Value) -> tuple[Dim, ...] | None:
        if x.elements is None or x.rank != 1 or not self.axes:
            return None
        return (product(x.elements),)


class ArgExtreme:
    """Base of ArgMax and ArgMin. x -> int64 index along `axis`; of equals the first or last. NaN counts for nothing."""

    __slots__ = ()

    axis: int
    keepdims: bool
    select_last: bool
    pick: ClassVar[Callable[..., Any]]
    largest: ClassVar[bool]

    def infer(self, x: Value) -> Result:
        if x.dtype.kind not in NUMBERS:
            raise DTypeError(f"{type(self).__name__} takes numbers, not {x}.")
        axis = normal_axis(self.axis, x.rank)
        if x.shape[axis] == 0:
            raise ShapeError(f"{type(self).__name__} over axis {axis} of {x}: there is nothing to pick from.")
        shape = reduced_shape(x.shape, (axis,), self.keepdims)
        return Result(int64, shape, equal=at_most(1, x.shape[axis]))

    def reference(self, x: Numbers) -> Numbers:
        axis = normal_axis(self.axis, x.ndim)
        if x.dtype.kind == "f":
            # NaN is never picked before a number.
            x = np.where(np.isnan(x), lowest(x.dtype) if self.largest else highest(x.dtype), x)
        if self.select_last:
            found = x.shape[axis] - 1 - type(self).pick(np.flip(x, axis), axis=axis, keepdims=self.keepdims)
        else:
            found = type(self).pick(x, axis=axis, keepdims=self.keepdims)
        return np.asarray(found, dtype=np.int64)

    def bounds(self, inputs: tuple[Value, ...], given: tuple[Interval, ...]) -> Interval:
        return Interval(0, MOST_ELEMENTS)

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (y,) = inputs, outputs
        axis = normal_axis(self.axis, x.rank)
        if x.shape[axis] == 1:
            fill_step(lowering, lowering.place(y), product(y.shape), 0)
            return
        if x.dtype.name not in ("f32", "i32"):
            raise UnsupportedOpError(f"{type(self).__name__} has kernels for f32 and i32, not for {x.dtype}.")
        source, (outer, length, _) = reduced_last(lowering, x, (axis,), always=True)
        how: dict[str, Any] = {"dtype": x.dtype.name, "largest": self.largest, "last": self.select_last}
        if lowering.target.small_items:
            width = 1 if self.select_last else item_width(lowering, length, (source,))
            kernel = team_rows.arg_last(team_shape(lowering, outer, length, width), **how)
        else:
            kernel = arg_last(lanes=lowering.target.lanes, **how)
        target = lowering.place(y)
        work = tensor_work((0,), (source, x.shape), (target, y.shape))
        lowering.step(kernel, {"x": source, "y": target}, {"length": length}, outer, work=work)


@op("ArgMax")
class ArgMax(ArgExtreme):
    """Where the largest element lies. Source: ONNX ArgMax-13."""

    pick = staticmethod(np.argmax)
    largest = True

    axis: int
    keepdims: bool
    select_last: bool = False


@op("ArgMin")
class ArgMin(ArgExtreme):
    """Where the smallest element lies. Source: ONNX ArgMin-13."""

    pick = staticmethod(np.argmin)
    largest = False

    axis: int
    keepdims: bool
    select_last: bool = False


def _reduce_step(
    lowering: Lowering,
    reduction: family.Reduction,
    x: Value,
    axes: tuple[int, ...],
    y: Value,
    levels: Mapping[str, Place],
) -> None:
    """y = the reduction of x along axes, one at least."""
    lanes = lowering.target.lanes
    source, (outer, reduced, inner) = reduced_last(lowering, x, axes)
    buffers = {"x": source, **levels, "y": lowering.place(y)}
    work = tensor_work((1, *x.shape), (source, x.shape), (buffers["y"], y.shape))
    if lowering.target.small_items:
        _team_reduce_step(lowering, reduction, buffers, (outer, reduced, inner), work)
        return
    if inner == 1:
        lowering.step(family.reduce_last(reduction, lanes=lanes), buffers, {"length": reduced}, outer, work=work)
        return
    items = outer * ceil_div(inner, family.middle_block(lanes))
    words: dict[str, Dim | float] = {"reduced": reduced, "inner": inner}
    lowering.step(family.reduce_middle(reduction, lanes=lanes), buffers, words, items, work=work)


def _team_reduce_step(
    lowering: Lowering,
    reduction: family.Reduction,
    buffers: dict[str, Place],
    sizes: tuple[Dim, Dim, Dim],
    work: Work,
) -> None:
    """The reduction of [outer, reduced, inner] in small items, by teams where that is worth it."""
    outer, reduced, inner = sizes
    x, y = buffers["x"], buffers["y"]
    if inner == 1:
        width = item_width(lowering, reduced, (x,), functions=(reduction.before,))
        shape = team_shape(lowering, outer, reduced, width)
        shape = TeamShape() if reduction.in_order else shape
        lowering.step(team_rows.reduce_last(reduction, shape), buffers, {"length": reduced}, outer, work=work)
        return
    width = item_width(lowering, inner, (x, y), functions=(reduction.before, reduction.after))
    if reduction.op == "mean" and reduction.dtype == "i32":
        width = 1  # as elsewhere, vectors do not divide integers
    items = outer * pieces(inner, width)
    shape = team_shape(lowering, items, reduced, width, columns=True)
    shape = TeamShape(1, width) if reduction.in_order else shape
    words: dict[str, Dim | float] = {"reduced": reduced, "inner": inner}
    lowering.step(team_rows.reduce_middle(reduction, shape), buffers, words, items, work=work)


def reduced_shape(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """The shape that is left when axes are reduced."""
    dropped = normal_axes(axes, len(shape))
    if keepdims:
        return tuple(1 if i in dropped else dim for i, dim in enumerate(shape))
    return tuple(dim for i, dim in enumerate(shape) if i not in dropped)


def reduced_last(
    lowering: Lowering, x: Value, axes: tuple[int, ...], *, always: bool = False
) -> tuple[Place, tuple[Dim, Dim, Dim]]:
    """x as [outer, reduced, inner] in memory: where it lies, and these sizes.

    x is moved so that `axes` come last if they are not neighbours, or if they are not last and `always` is set.
    """
    between = [axis for axis in range(axes[0], axes[-1] + 1) if axis not in axes and x.shape[axis] != 1]
    outer, inner = product(x.shape[: axes[0]]), product(x.shape[axes[-1] + 1 :])
    reduced = product(x.shape[axis] for axis in axes)
    if not between and (inner == 1 or not always):
        return lowering.place(x), (outer, reduced, inner)
    kept = tuple(axis for axis in range(x.rank) if axis not in axes)
    source = lowering.scratch(x.dtype, product(x.shape))
    transpose_step(lowering, lowering.place(x), x.shape, (*kept, *axes), source)
    return source, (product(x.shape[axis] for axis in kept), reduced, 1)


def _sum_dtype(x: Numbers) -> "np.dtype[Any]":
    """Floats are summed in float64, so that the meaning does not hang on the order of summation."""
    return np.dtype(np.float64) if x.dtype.kind == "f" else x.dtype
