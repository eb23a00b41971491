"""Where slices start and end, with sizes that may be symbols.

A size that is a symbol is taken to be 1 or more where a bound next to an end needs that; the graph notes
the assumption, and it is checked when sizes are bound.
"""

from intab.formats.onnx.call import Call
from intab.graph.dims import Dim, ceil_div, maximum, minimum
from intab.ops.broadcast import not_negative

# Exporters write "to the end" as the largest int32 or int64, or a little less.
_FAR = 1 << 30

# Backwards, onnxruntime takes these ends for numpy's None, the first element, as exporters mean them.
_NONE = ((1 << 31) - 1, (1 << 63) - 1)


def slice_axis(call: Call, size: Dim, start: Dim, end: Dim, step: int) -> tuple[Dim, Dim]:
    """The first index and the count of size[start:end:step], bounds as in Python and numpy."""
    if step == 0:
        raise call.malformed("a step is 0")
    if isinstance(size, int) and isinstance(start, int) and isinstance(end, int):
        return _known_slice(size, start, end, step)
    if step < 0:
        return _reversed(call, size, start, end, step)
    first, stop = _clamped(call, size, start), _clamped(call, size, end)
    length = stop - first
    if length == size - 1:
        _assume_not_empty(call, size)
    elif not not_negative(length):
        length = maximum(length, 0)
    return first, ceil_div(length, step)


def _known_slice(size: int, start: int, end: int, step: int) -> tuple[int, int]:
    if step > 0:
        first, stop, _ = slice(start, end, step).indices(size)
        return first, max(-((first - stop) // step), 0)
    if size == 0:
        return 0, 0
    # Backwards, ONNX brings a start into the axis, where numpy would find nothing before the first element.
    first = min(max(start + size if start < 0 else start, 0), size - 1)
    stop = -1 if end in _NONE else min(max(end + size if end < 0 else end, -1), size - 1)
    return first, max(-((stop - first) // -step), 0)


def _reversed(call: Call, size: Dim, start: Dim, end: Dim, step: int) -> tuple[Dim, Dim]:
    from_end = isinstance(start, int) and (start == -1 or start >= _FAR)
    to_start = isinstance(end, int) and (end <= -_FAR or end in _NONE)
    if not (from_end and to_start):
        raise call.unsupported(f"a slice from {start} back to {end} of a size that depends on the inputs ({size})")
    _assume_not_empty(call, size)
    return size - 1, ceil_div(size, -step)


def _clamped(call: Call, size: Dim, bound: Dim) -> Dim:
    """A bound as an index within 0 .. size."""
    if isinstance(bound, int):
        if bound >= _FAR:
            return size
        if bound <= -_FAR:
            return 0
        if isinstance(size, int):
            return min(max(bound + size if bound < 0 else bound, 0), size)
        if abs(bound) == 1:
            _assume_not_empty(call, size)
            return 1 if bound == 1 else size - 1
        return _at_least_0(size + bound) if bound < 0 else _at_most(bound, size)
    if not_negative(-bound):
        return _at_least_0(size + bound)
    if not not_negative(bound):
        # A difference of sizes, such as the new part of a sequence: nobody means the end by it.
        call.assume_equal(maximum(bound, 0), bound)
    return _at_most(bound, size)


def _at_most(bound: Dim, size: Dim) -> Dim:
    if not_negative(size - bound):
        return bound
    return size if not_negative(bound - size) else minimum(bound, size)


def _at_least_0(index: Dim) -> Dim:
    return index if not_negative(index) else maximum(index, 0)


def _assume_not_empty(call: Call, size: Dim) -> None:
    if not not_negative(size - 1):
        call.assume_equal(minimum(size, 1), 1)
