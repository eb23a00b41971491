"""Elements taken from, or put at, places that indices name."""

from collections.abc import Callable

import numpy as np

from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, product
from intab.graph.ir import Value
from intab.kernels.families import scatter as family
from intab.ops.arrays import Numbers
from intab.ops.broadcast import NO_PAIRS, Pairs, agree, normal_axis, shape_text
from intab.ops.intervals import ANY, Interval, hull, most_elements, moved_from
from intab.ops.items import pieces
from intab.ops.kernel_steps import checked, copy_step, tensor_work
from intab.ops.lowering import Lowering, Place
from intab.ops.registry import Result, op

_COMBINE: dict[str, Callable[[Numbers, Numbers], Numbers]] = {
    "none": lambda old, new: new,
    "add": np.add,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
}


@op("GatherElements")
class GatherElements:
    """x [*A, N, *B], indices [*A, M, *B] (negative ones count from the end) -> [*A, M, *B].

    Element (a, m, b) is x[a, indices[a, m, b], b]. Source: ONNX GatherElements-13.
    """

    axis: int = 0

    def infer(self, x: Value, indices: Value) -> Result:
        axis = normal_axis(self.axis, x.rank)
        return Result(x.dtype, indices.shape, equal=_same_but(axis, "GatherElements", x, indices))

    def reference(self, x: Numbers, indices: Numbers) -> Numbers:
        places = _counted(indices, x.shape[self.axis], "GatherElements")
        return np.take_along_axis(x, places, self.axis)

    bounds = moved_from(0)

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x, indices), (y,) = inputs, outputs
        axis = normal_axis(self.axis, x.rank)
        width = int(lowering.target.small_items)
        kernel = family.gather_elements(checked(x.dtype).name, _index_dtype(indices), width)
        buffers = {name: lowering.place(value) for name, value in (("x", x), ("indices", indices), ("y", y))}
        words = _words(axis, x, indices)
        work = tensor_work((0,), *((buffers[name], y.shape) for name in ("y", "y", "indices")))
        items = product(y.shape[: axis + 1]) * pieces(words["columns"], width)
        lowering.step(kernel, buffers, words, items, work=work)


@op("ScatterElements")
class ScatterElements:
    """x [*A, N, *B], indices and updates [*A, M, *B] -> x with element (a, indices[a, m, b], b) = updates[a, m, b].

    `reduction` says what becomes of the old and the new number. Source: ONNX ScatterElements-18.
    """

    axis: int = 0
    reduction: str = "none"

    def infer(self, x: Value, indices: Value, updates: Value) -> Result:
        axis = normal_axis(self.axis, x.rank)
        _check_update("ScatterElements", x, updates, self.reduction)
        pairs = _same_but(axis, "ScatterElements", x, indices)
        if updates.rank != indices.rank:
            raise ShapeError(f"ScatterElements needs an update for each index, not {updates} for {indices}.")
        for one, other in zip(indices.shape, updates.shape, strict=True):
            pairs += agree(one, other, "Indices and updates of ScatterElements")[1]
        return Result(x.dtype, x.shape, equal=pairs)

    def reference(self, x: Numbers, indices: Numbers, updates: Numbers) -> Numbers:
        result = x.copy()
        places = _counted(indices, x.shape[self.axis], "ScatterElements")
        axis = self.axis % x.ndim
        for at in np.ndindex(*indices.shape):
            target = (*at[:axis], places[at], *at[axis + 1 :])
            result[target] = _COMBINE[self.reduction](result[target], updates[at])
        return result

    def bounds(self, inputs: tuple[Value, ...], given: tuple[Interval, ...]) -> Interval:
        return _updated_bounds(self.reduction, given[0], given[2], inputs[1])

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x, indices, updates), (y,) = inputs, outputs
        axis = normal_axis(self.axis, x.rank)
        width, words = int(lowering.target.small_items), _words(axis, x, indices)
        kernel = family.scatter_elements(_reducible(x, self.reduction), _index_dtype(indices), self.reduction, width)
        buffers = _copied(lowering, x, y) | {"indices": lowering.place(indices), "updates": lowering.place(updates)}
        tensors = ((buffers[name], indices.shape) for name in ("indices", "updates", "y"))
        items = product(x.shape[:axis]) * pieces(words["columns"], width)
        lowering.step(kernel, buffers, words, items, work=tensor_work((0,), *tensors))


@op("ScatterND")
class ScatterNd:
    """x [*S, *R], indices [*I, K] with K the rank of S, updates [*I, *R] -> x with x[indices[i], :] = updates[i, :].

    `reduction` says what becomes of the old and the new numbers. Source: ONNX ScatterND-18.
    """

    reduction: str = "none"

    def infer(self, x: Value, indices: Value, updates: Value) -> Result:
        _check_update("ScatterND", x, updates, self.reduction)
        depth = self._depth(indices)
        if not 1 <= depth <= x.rank or indices.dtype.kind not in ("signed", "unsigned"):
            raise ShapeError(f"ScatterND needs whole numbers that name up to {x.rank} axes, not {indices}.")
        wanted, pairs = (*indices.shape[:-1], *x.shape[depth:]), NO_PAIRS
        if updates.rank != len(wanted):
            raise ShapeError(f"ScatterND needs updates {shape_text(wanted)}, not {updates}.")
        for one, other in zip(wanted, updates.shape, strict=True):
            pairs += agree(one, other, "Updates of ScatterND")[1]
        return Result(x.dtype, x.shape, equal=pairs)

    def reference(self, x: Numbers, indices: Numbers, updates: Numbers) -> Numbers:
        result = x.copy()
        for at in np.ndindex(*indices.shape[:-1]):
            sizes = x.shape[: indices.shape[-1]]
            place = tuple(_counted(i, size, "ScatterND") for i, size in zip(indices[at], sizes, strict=True))
            result[place] = _COMBINE[self.reduction](result[place], updates[at])
        return result

    def bounds(self, inputs: tuple[Value, ...], given: tuple[Interval, ...]) -> Interval:
        return _updated_bounds(self.reduction, given[0], given[2], inputs[1])

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x, indices, updates), (y,) = inputs, outputs
        depth = self._depth(indices)
        width, inner = int(lowering.target.small_items), product(x.shape[depth:])
        kernel = family.scatter_nd(_reducible(x, self.reduction), depth, _index_dtype(indices), self.reduction, width)
        words: dict[str, Dim | float] = {f"size_{i}": size for i, size in enumerate(x.shape[:depth])}
        words |= {"count": product(indices.shape[:-1]), "inner": inner}
        buffers = _copied(lowering, x, y) | {"indices": lowering.place(indices), "updates": lowering.place(updates)}
        tensors = ((buffers["indices"], indices.shape), *((buffers[n], updates.shape) for n in ("updates", "y")))
        lowering.step(kernel, buffers, words, pieces(inner, width), work=tensor_work((0,), *tensors))

    def _depth(self, indices: Value) -> int:
        """How many indices name a place."""
        depth = indices.shape[-1] if indices.rank else 0
        if not isinstance(depth, int):
            raise UnsupportedOpError(f"ScatterND needs to know how many indices name a place; {indices} does not say.")
        return depth


def _same_but(axis: int, name: str, x: Value, indices: Value) -> Pairs:
    """The sizes that x and indices must share: all but those of one axis."""
    if indices.dtype.kind not in ("signed", "unsigned"):
        raise DTypeError(f"{name} needs whole numbers as indices, not {indices}.")
    if indices.rank != x.rank:
        raise ShapeError(f"{name} needs indices of as many axes as {x} has, not {indices}.")
    pairs = NO_PAIRS
    for i, (one, other) in enumerate(zip(x.shape, indices.shape, strict=True)):
        if i != axis:
            pairs += agree(one, other, f"{name} of {x} by {indices}")[1]
    return pairs


def _check_update(name: str, x: Value, updates: Value, reduction: str) -> None:
    if reduction not in family.REDUCTIONS:
        raise UnsupportedOpError(f"{name} knows {', '.join(family.REDUCTIONS)}, not {reduction!r}.")
    if updates.dtype != x.dtype or x.dtype.kind == "string":
        raise DTypeError(f"{name} needs one dtype for x and updates, not {x} and {updates}.")


def _counted(indices: Numbers, size: int, name: str) -> Numbers:
    """Indices counted from the front. Raises ShapeError for one that leaves the axis."""
    if np.size(indices) and (np.min(indices) < -size or np.max(indices) >= size):
        raise ShapeError(f"{name}: indices {np.min(indices)} .. {np.max(indices)} leave an axis of {size}.")
    return np.asarray(np.where(indices < 0, indices + size, indices)).astype(np.int64)


def _index_dtype(indices: Value) -> str:
    if indices.dtype.name not in ("i64", "i32"):
        raise UnsupportedOpError(f"There are kernels for indices of i64 and i32, not of {indices.dtype}.")
    return indices.dtype.name


def _reducible(x: Value, reduction: str) -> str:
    """The dtype of x. Raises UnsupportedOpError where its numbers are only moved, and a reduction is asked for."""
    if reduction != "none" and x.dtype.name not in ("f32", "i32", "i64"):
        raise UnsupportedOpError(f"There are kernels that {reduction} in f32, i32 and i64, not in {x.dtype}.")
    return checked(x.dtype).name


def _updated_bounds(reduction: str, old: Interval, new: Interval, indices: Value) -> Interval:
    """Between which numbers elements lie that updates are put at, several at one place, too."""
    if reduction == "add":
        return old + new.sums(most_elements(indices.shape))
    return ANY if reduction == "mul" else hull((old, new))


def _words(axis: int, x: Value, indices: Value) -> dict[str, Dim]:
    return {"size": x.shape[axis], "count": indices.shape[axis], "columns": product(x.shape[axis + 1 :])}


def _copied(lowering: Lowering, x: Value, y: Value) -> dict[str, Place]:
    """Buffer y, holding x."""
    target = lowering.place(y)
    count = (product(x.shape),)
    copy_step(lowering, lowering.place(x), (1,), target, (1,), count)
    return {"y": target}
