"""Operators that choose elements by their place: triangles, diagonals, one of many, the best of many."""

from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.formats.onnx.tensors import dtype_of_data_type
from intab.graph.dims import Dim
from intab.graph.ir import Value


@onnx_op("Trilu", since=14)
def trilu(call: Call, x: Value, k: Value | None = None) -> Value:
    """x where column - row is k or more (upper), or k or less, and 0 elsewhere"""
    if x.rank < 2:
        raise call.malformed(f"its input has {x.rank} axes, but two or more are expected")
    offset = _offset(call, k)
    rows, columns = _rows_and_columns(call, x.shape[-2], x.shape[-1], offset)
    sides = (rows, columns) if call.flag("upper", default=True) else (columns, rows)
    return call.result("Where", call.part("LessOrEqual", *sides), x, call.constant_like(x, 0))


@onnx_op("EyeLike", since=9)
def eye_like(call: Call, x: Value) -> Value:
    """1 where column - row is k, else 0"""
    if x.rank != 2:
        raise call.malformed(f"its input has {x.rank} axes, but two are expected")
    dtype = dtype_of_data_type(call.integer("dtype"), call.where) if call.has("dtype") else x.dtype
    rows, columns = _rows_and_columns(call, x.shape[0], x.shape[1], call.integer("k", 0))
    return call.result("Cast", call.part("Equal", rows, columns), to=dtype)


@onnx_op("OneHot", since=9)
def one_hot(call: Call, indices: Value, depth: Value, values: Value) -> Value:
    """values[1] at the place that an index names on a new axis of `depth` places, values[0] elsewhere.

    Indices below 0 count from the end; those outside name no place.
    """
    count = depth.elements[0] if depth.elements else int(call.known_scalar(depth, "the depth"))
    rank = indices.rank + 1
    axis = call.axis(call.integer("axis", -1), rank)
    places = call.part("Range", start=0, count=count)
    along = call.part("Reshape", places, shape=tuple(count if i == axis else 1 for i in range(rank)))
    whole = indices if indices.dtype == places.dtype else call.part("Cast", indices, to=places.dtype)
    wide = call.part("Reshape", whole, shape=(*indices.shape[:axis], 1, *indices.shape[axis:]))
    from_end = call.part("Sub", along, call.part("Reshape", call.part("Range", start=count, count=1), shape=()))
    here = call.part("Or", call.part("Equal", along, wide), call.part("Equal", from_end, wide))
    off, on = (
        call.part("Reshape", call.part("Slice", values, starts=(i,), sizes=(1,), steps=(1,)), shape=()) for i in (0, 1)
    )
    return call.result("Where", here, on, off)


@onnx_op("TopK", since=10)
def top_k(call: Call, x: Value, count: Value) -> tuple[Value, ...]:
    sizes = call.known_sizes(count, "the count")
    if len(sizes) != 1:
        raise call.malformed(f"its count is {list(sizes)}, but one number is expected")
    return _top(call, x, sizes[0])


@onnx_op("TopK", since=1)
def top_k_by_attribute(call: Call, x: Value) -> tuple[Value, ...]:
    return _top(call, x, call.integer("k"))


def _top(call: Call, x: Value, count: Dim) -> tuple[Value, ...]:
    call.ignore("sorted")  # any order will do where it is 0
    largest = call.flag("largest", default=True)
    axis = call.axis(call.integer("axis", -1), x.rank)
    return call.outputs(tuple(call.node.outputs[:2]), "TopK", x, axis=axis, count=count, largest=largest)


def _offset(call: Call, k: Value | None) -> int:
    if k is None:
        return 0
    known = call.known_ints(k, "the diagonal")
    if len(known) != 1:
        raise call.malformed(f"its diagonal is {list(known)}, but one number is expected")
    return known[0]


def _rows_and_columns(call: Call, rows: Dim, columns: Dim, offset: int) -> tuple[Value, Value]:
    """The number of each row, plus an offset, and of each column, as [rows, 1] and [columns]."""
    down = call.part("Reshape", call.part("Range", start=offset, count=rows), shape=(rows, 1))
    return down, call.part("Range", start=0, count=columns)
