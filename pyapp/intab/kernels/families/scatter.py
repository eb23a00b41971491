"""Elements taken from, or put at, places along one axis that indices name; slices put where several indices say.

An index below 0 counts from the end; outside its axis it is taken for the nearest end: a kernel cannot raise.
"""

from functools import cache

from intab.errors import KernelError
from intab.kernels.block import KernelWriter, load
from intab.kernels.families.loops import register_type
from intab.kernels.families.share import Share
from intab.kernels.ir import I32, Binary, Cast, Const, Expr, Kernel, Type
from intab.kernels.verify import REGISTER_OF

# What is done with the element that is there and the one that comes.
REDUCTIONS = {"none": None, "add": "add", "mul": "mul", "max": "max", "min": "min"}


@cache
def gather_elements(dtype: str, indices: str, width: int = 0) -> Kernel:
    """y[row, k, column] = x[row, indices[row, k, column], column].

    Buffers: x [rows, size, columns], indices ("i64" or "i32") and y [rows, count, columns]. Words: size, count,
    columns. Items: rows * count; see `Share` for `width`, 0 or 1.
    """
    kernel = KernelWriter("gather_elements")
    kernel.buffer("x", dtype, "read")
    kernel.buffer("indices", _checked(indices), "read")
    kernel.buffer("y", dtype, "write")
    size, count, columns = (kernel.word(name) for name in ("size", "count", "columns"))
    share = Share(kernel, width, columns)
    with kernel.tile("line"):
        start = kernel.let("start", share.outer // count * size * columns)
        line = kernel.let("line", share.outer * columns)
        with share.loop(0, "column") as column:
            index = _index(kernel, indices, line + column, size)
            kernel.store("y", line + column, load("x", start + index * columns + column, Type(REGISTER_OF[dtype])))
    return kernel.kernel()


@cache
def scatter_elements(dtype: str, indices: str, reduction: str, width: int = 0) -> Kernel:
    """y[row, indices[row, k, column], column] becomes updates[row, k, column], or what a reduction makes of both.

    Buffers: indices ("i64" or "i32") and updates [rows, count, columns], y [rows, size, columns]. Words: size, count,
    columns. Items: rows; see `Share` for `width`, 0 or 1. Later updates of one element win.
    """
    kernel = KernelWriter(f"scatter_elements_{reduction}")
    kernel.buffer("indices", _checked(indices), "read")
    kernel.buffer("updates", dtype, "read")
    kernel.buffer("y", dtype, "read_write")
    size, count, columns = (kernel.word(name) for name in ("size", "count", "columns"))
    share = Share(kernel, width, columns)
    with kernel.tile("row"):
        first = kernel.let("first", share.outer * count * columns)
        start = kernel.let("start", share.outer * size * columns)
        with kernel.loop("k", 0, count) as k, share.loop(0, "column") as column:
            source = kernel.let("source", first + k * columns + column)
            index = _index(kernel, indices, source, size)
            _put(kernel, dtype, reduction, start + index * columns + column, source)
    return kernel.kernel()


@cache
def scatter_nd(dtype: str, depth: int, indices: str, reduction: str, width: int = 0) -> Kernel:
    """y[i_0, ..., i_{depth-1}, :] becomes updates[k, :], or what a reduction makes of both.

    Buffers: indices [count, depth] ("i64" or "i32"), updates [count, inner], y [size_0, ..., inner]. Words: size_0 ..
    size_{depth-1}, count, inner. Items: 1, since two updates may meet: the later wins; see `Share` for `width`, 0 or 1.
    """
    kernel = KernelWriter(f"scatter_nd_{reduction}")
    kernel.buffer("indices", _checked(indices), "read")
    kernel.buffer("updates", dtype, "read")
    kernel.buffer("y", dtype, "read_write")
    sizes = [kernel.word(f"size_{axis}") for axis in range(depth)]
    count, inner = kernel.word("count"), kernel.word("inner")
    share = Share(kernel, width, inner)
    with kernel.loop("k", 0, count) as k, kernel.tile("slice"):
        place: Expr = Const(0, I32)
        for axis, size in enumerate(sizes):
            place = kernel.let("place", place * size + _index(kernel, indices, k * depth + axis, size))
        target, source = kernel.let("target", place * inner), kernel.let("source", k * inner)
        with share.loop(0, "i") as i:
            _put(kernel, dtype, reduction, target + i, source + i)
    return kernel.kernel()


def _checked(indices: str) -> str:
    if indices not in ("i64", "i32"):
        raise KernelError(f"Indices are i64 or i32, not {indices}.")
    return indices


def _index(kernel: KernelWriter, indices: str, place: Expr, size: Expr) -> Expr:
    """The index stored at a place, counted from the front."""
    stored: Expr = load("indices", place, Type(indices))
    index = kernel.let("index", Cast(stored, I32) if indices == "i64" else stored)
    index = kernel.let("index", index + size * Cast(index.lt(0), I32))
    return kernel.let("index", index.maximum(0).minimum(size - 1))


def _put(kernel: KernelWriter, dtype: str, reduction: str, target: Expr, source: Expr) -> None:
    operation = REDUCTIONS[reduction]
    register = Type(REGISTER_OF[dtype])
    if operation is not None and register_type(dtype) != register:
        raise KernelError(f"There is no reduction {reduction} of {dtype}.")
    value: Expr = load("updates", source, register)
    place = kernel.let("at", target)
    kernel.store("y", place, value if operation is None else Binary(operation, load("y", place, register), value))
