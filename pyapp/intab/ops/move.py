"""Operators that move elements and compute nothing."""

import numpy as np

from intab.dtypes import int64
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, Shape, dense_strides, floor_div, product
from intab.graph.ir import Value
from intab.kernels.families import move as family
from intab.ops.arrays import Numbers
from intab.ops.broadcast import (
    NO_PAIRS,
    Pairs,
    agree,
    at_most,
    broadcast,
    normal_axis,
    numbers,
    shape_text,
)
from intab.ops.builder import KNOWN_ELEMENTS
from intab.ops.byte_words import WORD_BYTES, bytes_in_words
from intab.ops.intervals import moved_from
from intab.ops.items import item_width, pieces
from intab.ops.kernel_steps import (
    Turned,
    checked,
    copy_step,
    moved,
    size_step,
    tensor_work,
    transpose_step,
    turn_step,
)
from intab.ops.layout import Anywhere, WritesOnly, broadcast_walk, strides_of
from intab.ops.lowering import Layout, Lowering
from intab.ops.pictures import picture_of
from intab.ops.registry import Result, op
from intab.ops.strides import collapse, offset_of


@op("Reshape")
class Reshape:
    """The same elements in the same order under another shape."""

    shape: Shape

    def infer(self, x: Value) -> Result:
        for dim in self.shape:
            if isinstance(dim, int) and dim < 0:
                raise ShapeError(f"Reshape to {shape_text(self.shape)}: sizes are not negative.")
        what = f"Reshape of {shape_text(x.shape)} to {shape_text(self.shape)}: element counts"
        _, pairs = agree(product(x.shape), product(self.shape), what)
        return Result(x.dtype, self.shape, x.elements if len(self.shape) < 2 else None, pairs)

    def reference(self, x: Numbers) -> Numbers:
        return np.reshape(x, numbers(self.shape))

    bounds = moved_from()

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        lowering.view(outputs[0], inputs[0])


@op("Transpose")
class Transpose:
    """Axes in another order: result axis i is axis perm[i] of x."""

    perm: tuple[int, ...]

    def infer(self, x: Value) -> Result:
        if sorted(self.perm) != list(range(x.rank)):
            raise ShapeError(f"Transpose of {x} needs each of its axes once, not {self.perm}.")
        return Result(x.dtype, tuple(x.shape[axis] for axis in self.perm), x.elements)

    def reference(self, x: Numbers) -> Numbers:
        return np.ascontiguousarray(np.transpose(x, self.perm)).reshape([x.shape[axis] for axis in self.perm])

    bounds = moved_from()

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (y,) = inputs, outputs
        strides = dense_strides(x.shape)
        permuted = tuple(strides[axis] for axis in self.perm)
        path = collapse(y.shape, (permuted, dense_strides(y.shape)))
        if path.rank == 1 and path.strides[0] == path.strides[1]:
            lowering.view(y, x)  # only axes of size 1 change places
            return
        transpose_step(lowering, lowering.place(x), x.shape, self.perm, lowering.place(y))


@op("Shuffle")
class Shuffle(WritesOnly):
    """An axis taken for `groups` rows, read column by column: element k of group g goes to k * groups + g.

    x [..., groups * size, ...] -> the same shape. Source: Zhang et al. 2017, ShuffleNet, section 3.1.
    """

    axis: int
    groups: int

    def infer(self, x: Value) -> Result:
        axis = normal_axis(self.axis, x.rank)
        size = x.shape[axis]
        if not isinstance(size, int) or self.groups < 1 or size % self.groups:
            raise ShapeError(f"Shuffle of {x}: axis {axis} cannot be cut into {self.groups} groups of one size.")
        return Result(x.dtype, x.shape)

    def reference(self, x: Numbers) -> Numbers:
        split = x.reshape(numbers(self._split(x.shape)))
        axis = normal_axis(self.axis, x.ndim)
        return np.swapaxes(split, axis, axis + 1).reshape(x.shape)

    bounds = moved_from()

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (y,) = inputs, outputs
        axis, split, target = normal_axis(self.axis, x.rank), self._split(x.shape), lowering.place(y)
        if target.layout is None:
            swapped = (*range(axis), axis + 1, axis, *range(axis + 2, x.rank + 1))
            transpose_step(lowering, lowering.place(x), split, swapped, target)
            return
        images, *lines, pixels, rows, columns = split
        picture = picture_of(target, y.shape)
        steps = (picture.pixel, picture.line, picture.image)
        turned = Turned(pixels, rows, columns, steps, lines=product(lines), images=images)
        turn_step(lowering, lowering.place(x), target, turned)

    def writes_inside(
        self, lowering: Lowering, inputs: tuple[Value | None, ...], output: Value, layout: Layout
    ) -> bool:
        return output.rank in (3, 4) and normal_axis(self.axis, output.rank) == output.rank - 1

    def _split(self, shape: Shape) -> Shape:
        """The shape with the groups as an axis of their own."""
        axis = normal_axis(self.axis, len(shape))
        return (*shape[:axis], self.groups, floor_div(shape[axis], self.groups), *shape[axis + 1 :])


@op("Concat")
class Concat(Anywhere):
    """Tensors one after another along an axis; their other sizes agree."""

    axis: int

    def infer(self, *inputs: Value) -> Result:
        if not inputs:
            raise ShapeError("Concat needs at least one input.")
        first = inputs[0]
        axis = normal_axis(self.axis, first.rank)
        shape, pairs = list(first.shape), NO_PAIRS
        for value in inputs[1:]:
            if value.dtype != first.dtype or value.rank != first.rank:
                raise DTypeError(f"Concat needs one dtype and rank, not {first} and {value}.")
            shape, more = _joined(shape, value, axis)
            pairs += more
        rows = [value.elements for value in inputs]
        known = [row for row in rows if row is not None]
        # A chain of Concat nodes can double what is known again and again.
        few = len(known) == len(rows) and sum(map(len, known)) <= KNOWN_ELEMENTS
        elements = tuple(number for row in known for number in row) if few else None
        return Result(first.dtype, tuple(shape), elements, pairs)

    def reference(self, *inputs: Numbers) -> Numbers:
        return np.concatenate(inputs, self.axis)

    bounds = moved_from()

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (y,) = outputs
        axis, strides = normal_axis(self.axis, y.rank), strides_of(lowering.place(y), y.shape)
        begin: Dim = 0
        for value in inputs:
            sizes = (*y.shape[:axis], value.shape[axis], *y.shape[axis + 1 :])
            source, target = lowering.place(value), moved(lowering.place(y), begin * strides[axis])
            if (source.buffer, source.offset) != (target.buffer, target.offset):  # else it was made there
                copy_step(lowering, source, strides_of(source, sizes), target, strides, sizes)
            begin = begin + value.shape[axis]


def _joined(shape: list[Dim], value: Value, axis: int) -> tuple[list[Dim], Pairs]:
    joined, pairs = list(shape), NO_PAIRS
    for i, dim in enumerate(value.shape):
        if i == axis:
            joined[i] = shape[i] + dim
        else:
            what = f"Concat of {shape_text(shape)} and {shape_text(value.shape)} along axis {axis}"
            joined[i], more = agree(shape[i], dim, what)
            pairs += more
    return joined, pairs


@op("Slice")
class Slice(Anywhere):
    """Of each axis `sizes` elements from `starts` on, `steps` apart (which may be negative)."""

    starts: tuple[Dim, ...]
    sizes: tuple[Dim, ...]
    steps: tuple[int, ...]

    def infer(self, x: Value) -> Result:
        if not len(self.starts) == len(self.sizes) == len(self.steps) == x.rank:
            raise ShapeError(
                f"Slice of {x} needs one start, size and step an axis, not {shape_text(self.starts)}, "
                f"{shape_text(self.sizes)} and {self.steps}."
            )
        pairs = NO_PAIRS
        for dim, start, size, step in zip(x.shape, self.starts, self.sizes, self.steps, strict=True):
            self._check_axis(x, dim, start, size, step)
            # What a kernel cannot check is assumed here, and checked when sizes are known.
            last = start + (size - 1) * step
            lowest, highest = (start, last) if step > 0 else (last, start)
            pairs += at_most(highest + 1, dim) if size != 0 else ()
            pairs += at_most(-lowest, 0) if size != 0 else ()
        return Result(x.dtype, self.sizes, self._elements(x), pairs)

    def _elements(self, x: Value) -> tuple[Dim, ...] | None:
        if x.elements is None or x.rank == 0:
            return x.elements
        start, size = self.starts[0], self.sizes[0]
        if not isinstance(start, int) or not isinstance(size, int):
            return None
        return tuple(x.elements[start + k * self.steps[0]] for k in range(size))

    def _check_axis(self, x: Value, dim: Dim, start: Dim, size: Dim, step: int) -> None:
        if size == 0:
            return
        last = start + (size - 1) * step
        outside = (
            step == 0,
            *(isinstance(n, int) and n < 0 for n in (size, start, last)),
            *(isinstance(n, int) and n < 0 for n in (dim - start - 1, dim - last - 1)),
        )
        if any(outside):
            raise ShapeError(
                f"Slice of {size} elements from {start} on in steps of {step} leaves an axis of size {dim} of {x}."
            )

    def reference(self, x: Numbers) -> Numbers:
        axes = zip(numbers(self.starts), numbers(self.sizes), self.steps, strict=True)
        index = tuple(np.arange(size) * step + start for start, size, step in axes)
        return np.asarray(x[np.ix_(*index)]) if index else np.array(x)

    bounds = moved_from()

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (y,) = inputs, outputs
        strides, target = strides_of(lowering.place(x), x.shape), lowering.place(y)
        source = moved(lowering.place(x), offset_of(self.starts, strides))
        steps = tuple(stride * step for stride, step in zip(strides, self.steps, strict=True))
        copy_step(lowering, source, steps, target, strides_of(target, y.shape), y.shape)


@op("Expand")
class Expand(Anywhere):
    """x repeated along axes of size 1, so that it has the shape that it and `shape` broadcast to."""

    shape: Shape

    def infer(self, x: Value) -> Result:
        shape, pairs = broadcast(x.shape, self.shape)
        elements = None
        if x.elements is not None and len(x.elements) == 1 and len(shape) == 1 and isinstance(shape[0], int):
            elements = x.elements * shape[0] if shape[0] <= KNOWN_ELEMENTS else None
        elif x.shape == shape:
            elements = x.elements
        return Result(x.dtype, shape, elements, pairs)

    def reference(self, x: Numbers) -> Numbers:
        return np.array(np.broadcast_to(x, np.broadcast_shapes(x.shape, numbers(self.shape))))

    bounds = moved_from()

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (y,) = inputs, outputs
        source, target = lowering.place(x), lowering.place(y)
        strides = broadcast_walk(source, x.shape, y.shape)
        copy_step(lowering, source, strides, target, strides_of(target, y.shape), y.shape)


@op("Gather")
class Gather:
    """Slices of x along `axis` at `indices` (negative ones count from the end).

    x [..., N, ...], indices [*I] in -N .. N-1 -> [..., *I, ...]. Source: ONNX Gather-13.
    """

    axis: int

    def infer(self, x: Value, indices: Value) -> Result:
        if indices.dtype.kind not in ("signed", "unsigned"):
            raise DTypeError(f"Gather needs whole numbers as indices, not {indices}.")
        axis = normal_axis(self.axis, x.rank)
        shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
        size = x.shape[axis]
        for index in indices.elements or ():
            if isinstance(index, int) and isinstance(size, int) and not -size <= index < size:
                raise ShapeError(f"Gather of element {index} from axis {axis} of {x}, which has {size}.")
        # A kernel cannot raise for an index outside the axis; of known ones it is known what they need.
        pairs = NO_PAIRS
        for needed in {i + 1 if i >= 0 else -i for i in indices.elements or () if isinstance(i, int)}:
            pairs += at_most(needed, size)
        return Result(x.dtype, shape, self._elements(x, indices) if len(shape) < 2 else None, pairs)

    def _elements(self, x: Value, indices: Value) -> tuple[Dim, ...] | None:
        if x.elements is None or x.rank != 1 or indices.elements is None:
            return None
        if not all(isinstance(index, int) for index in indices.elements):
            return None
        return tuple(x.elements[index] for index in numbers(indices.elements))

    def reference(self, x: Numbers, indices: Numbers) -> Numbers:
        size = x.shape[normal_axis(self.axis, x.ndim)]
        if indices.size and (np.min(indices) < -size or np.max(indices) >= size):
            raise ShapeError(f"Gather: indices {np.min(indices)} .. {np.max(indices)} leave an axis of {size}.")
        return np.take(x, indices.astype(np.int64), self.axis)

    bounds = moved_from(0)

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x, indices), (y,) = inputs, outputs
        if indices.dtype.name not in ("i64", "i32"):
            raise UnsupportedOpError(f"Gather has kernels for indices of i64 and i32, not of {indices.dtype}.")
        axis, count = normal_axis(self.axis, x.rank), product(indices.shape)
        outer, inner = product(x.shape[:axis]), product(x.shape[axis + 1 :])
        name, lanes, place = checked(x.dtype).name, lowering.target.lanes, lowering.place(y)
        whole_words = item_width(lowering, inner, (place,)) == WORD_BYTES
        words = bytes_in_words(lowering, x) if whole_words else None
        table = words or lowering.place(x)
        buffers = {"x": table, "indices": lowering.place(indices), "y": place}
        width = WORD_BYTES if words else item_width(lowering, inner, (table, place))
        kernel = family.gather(name, indices=indices.dtype.name, lanes=lanes, width=width, words=words is not None)
        sizes = {"size": x.shape[axis], "count": count, "inner": inner}
        picked = (outer, count, inner)
        read = (outer, count, floor_div(inner, WORD_BYTES)) if words else picked
        tensors = (table, read), (buffers["indices"], indices.shape), (buffers["y"], picked)
        items = outer * count * pieces(inner, width)
        lowering.step(kernel, buffers, sizes, items, work=tensor_work((0,), *tensors))


@op("Shape")
class ShapeOf:
    """The sizes of axes start .. end of x, as int64; negative ones count from the end. Source: ONNX Shape-15."""

    start: int = 0
    end: int | None = None

    def infer(self, x: Value) -> Result:
        sizes = x.shape[self.start : self.end]
        return Result(int64, (len(sizes),), sizes)

    def reference(self, x: Numbers) -> Numbers:
        return np.asarray(x.shape[self.start : self.end], dtype=np.int64)

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (y,) = inputs, outputs
        for i, size in enumerate(x.shape[self.start : self.end]):
            size_step(lowering, moved(lowering.place(y), i), size)


def resolve_reshape(shape: Shape, elements: tuple[Dim, ...], allow_zero: bool = False) -> Shape:
    """The final shape of a reshape whose target holds 0 (copy the size, unless `allow_zero`) or one -1 (what is left).

    Raises ShapeError when a copied axis does not exist, -1 comes twice, or nothing fits. Source: ONNX Reshape-14.
    """
    what = f"Reshape of {shape_text(shape)} to {shape_text(elements)}"
    target: list[Dim] = []
    for i, dim in enumerate(elements):
        copied = dim == 0 and not allow_zero
        if copied and i >= len(shape):
            raise ShapeError(f"{what}: there is no axis {i} to copy.")
        target.append(shape[i] if copied else dim)
    unknown = [i for i, dim in enumerate(target) if dim == -1]
    if len(unknown) > 1 or any(isinstance(dim, int) and dim < -1 for dim in target):
        raise ShapeError(f"{what}: at most one size may be -1.")
    if unknown:
        target[unknown[0]] = _what_is_left(shape, target, what)
    return tuple(target)


def _what_is_left(shape: Shape, target: list[Dim], what: str) -> Dim:
    """The size that stands for -1: equal sizes on both sides are struck out, the rest divides."""
    left, divisors = list(shape), []
    for dim in target:
        if dim == -1:
            continue
        if dim in left:
            left.remove(dim)
        else:
            divisors.append(dim)
    count, divisor = product(left), product(divisors)
    if divisor == 0:
        raise ShapeError(
            f"Reshape of {shape_text(shape)} to {shape_text(target)}: -1 beside a size of 0 means nothing."
        )
    if isinstance(count, int) and isinstance(divisor, int) and count % divisor:
        raise ShapeError(
            f"Reshape of {shape_text(shape)} to {shape_text(target)}: {count} is no multiple of {divisor}."
        )
    return floor_div(count, divisor)
