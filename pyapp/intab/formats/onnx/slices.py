"""Operators that take parts of a tensor."""

from collections.abc import Sequence

from intab.formats.onnx.bounds import slice_axis
from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.graph.dims import Dim, floor_div
from intab.graph.ir import Value


@onnx_op("Slice", since=10)
def slice_(
    call: Call, x: Value, starts: Value, ends: Value, axes: Value | None = None, steps: Value | None = None
) -> Value:
    first, last = call.known_sizes(starts, "the starts"), call.known_sizes(ends, "the ends")
    chosen = tuple(range(len(first))) if axes is None else call.known_ints(axes, "the axes")
    stride = (1,) * len(first) if steps is None else call.known_ints(steps, "the steps")
    return _sliced(call, x, chosen, first, last, stride)


@onnx_op("Slice", since=1)
def slice_by_attributes(call: Call, x: Value) -> Value:
    starts, ends = call.integers("starts"), call.integers("ends")
    axes = call.integers("axes", tuple(range(len(starts))))
    return _sliced(call, x, axes, starts, ends, (1,) * len(starts))


def _sliced(
    call: Call, x: Value, axes: Sequence[int], starts: Sequence[Dim], ends: Sequence[Dim], steps: Sequence[int]
) -> Value:
    if not len(axes) == len(starts) == len(ends) == len(steps):
        raise call.malformed(
            f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes and {len(steps)} steps are given"
        )
    all_starts: list[Dim] = [0] * x.rank
    sizes: list[Dim] = list(x.shape)
    all_steps = [1] * x.rank
    for axis, start, end, step in zip(call.axes(axes, x.rank), starts, ends, steps, strict=True):
        all_starts[axis], sizes[axis] = slice_axis(call, x.shape[axis], start, end, step)
        all_steps[axis] = step
    return call.result("Slice", x, starts=tuple(all_starts), sizes=tuple(sizes), steps=tuple(all_steps))


@onnx_op("Split", since=13)
def split(call: Call, x: Value, lengths: Value | None = None) -> tuple[Value, ...]:
    """Parts of the lengths given, else equal parts; from opset 18 the last equal part may be shorter."""
    axis = call.axis(call.integer("axis", 0), x.rank)
    count = len(call.node.outputs)
    if call.opset >= 18 and lengths is None and call.integer("num_outputs", count) != count:
        raise call.malformed(f"attribute 'num_outputs' is {call.integer('num_outputs')}, but it has {count} outputs")
    known = None if lengths is None else call.known_sizes(lengths, "the lengths")
    return _parts(call, x, axis, known)


@onnx_op("Split", since=1)
def split_by_attribute(call: Call, x: Value, lengths: Value | None = None) -> tuple[Value, ...]:
    axis = call.axis(call.integer("axis", 0), x.rank)
    known: tuple[Dim, ...] | None = call.integers("split") if call.has("split") else None
    if lengths is not None:  # opset 1 allowed an input too
        known = call.known_sizes(lengths, "the lengths")
    return _parts(call, x, axis, known)


def _parts(call: Call, x: Value, axis: int, lengths: tuple[Dim, ...] | None) -> tuple[Value, ...]:
    names = call.node.outputs
    size = x.shape[axis]
    known = _equal_lengths(call, size, len(names)) if lengths is None else lengths
    if len(known) != len(names) or any(isinstance(length, int) and length < 0 for length in known):
        raise call.malformed(f"the lengths {list(known)} do not make {len(names)} parts")
    parts: list[Value] = []
    start: Dim = 0
    for name, length in zip(names, known, strict=True):
        parts.append(_part(call, x, axis, start, length, name))
        start = start + length
    call.assume_equal(start, size)
    return tuple(parts)


def _part(call: Call, x: Value, axis: int, start: Dim, length: Dim, name: str) -> Value:
    starts: tuple[Dim, ...] = tuple(start if i == axis else 0 for i in range(x.rank))
    sizes = tuple(length if i == axis else size for i, size in enumerate(x.shape))
    return call.output(name, "Slice", x, starts=starts, sizes=sizes, steps=(1,) * x.rank)


def _equal_lengths(call: Call, size: Dim, count: int) -> tuple[Dim, ...]:
    if isinstance(size, int) and size % count:
        if call.opset < 18:
            raise call.malformed(f"an axis of size {size} does not split into {count} equal parts")
        length = -(-size // count)
        return (*(length,) * (count - 1), size - length * (count - 1))
    return (floor_div(size, count),) * count
