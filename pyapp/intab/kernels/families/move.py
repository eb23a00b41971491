"""Moving elements without computing: fill, pad, gather, transpose. Strided copies are `elementwise.copy`.

All of them take any dtype that kernels can hold; those of 32 and 8 bits are moved in vectors.
"""

from functools import cache

from intab.errors import KernelError
from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.elementwise import FLAT_BLOCK
from intab.kernels.families.loops import lanes_for, outer_indices, place, stream, widened
from intab.kernels.ir import BOOL, F32, F64, I32, I64, U32, Cast, Const, Expr, Kernel, Lane, Type, Var, Word
from intab.kernels.verify import REGISTER_OF

# Rows and columns of a block that one item of `transpose` moves: whole cache lines on both sides.
TRANSPOSE_BLOCK = 16


def value_word(kernel: KernelWriter, dtype: str) -> Expr:
    """A word "value" as an element of a dtype. 64-bit dtypes get what fits 32 bits: i64 from i32, f64 from f32."""
    register = Type(REGISTER_OF[dtype])
    word = kernel.word("value", {I64: I32, F64: F32, U32: U32, F32: F32}.get(register, I32))
    return Cast(word, register) if word.type != register else word


@cache
def fill(dtype: str, *, lanes: int) -> Kernel:
    """y[:] = value.

    Buffers: y. Words: count, value (f32 for floats, u32 for u32, else i32). Items: ceil(count / FLAT_BLOCK).
    """
    kernel = KernelWriter("fill")
    kernel.buffer("y", dtype, "write")
    count = kernel.word("count")
    value = value_word(kernel, dtype)
    width = lanes_for(lanes, dtype)
    with kernel.tile("body"):
        first = kernel.let("first", kernel.item * FLAT_BLOCK)
        writing = kernel.let("writing", at("y", first))
        _fill_row(kernel, writing, (count - first).minimum(FLAT_BLOCK), value, width)
    return kernel.kernel()


def _fill_row(kernel: KernelWriter, writing: Var, length: Expr, value: Expr, lanes: int) -> None:
    single = kernel.let("single", value)
    wide = {lanes: kernel.let("wide", widened(single, lanes)), 1: single}
    stream(kernel, kernel.let("length", length), lanes, [writing], lambda w: kernel.store("y", writing, wide[w]))


def _copy_row(kernel: KernelWriter, dtype: str, reading: Var, writing: Var, length: Expr, lanes: int) -> None:
    register = Type(REGISTER_OF[dtype])

    def body(width: int) -> None:
        kernel.store("y", writing, load("x", reading, register.wide(width)))

    stream(kernel, kernel.let("length", length), lanes, [reading, writing], body)


@cache
def pad(dtype: str, rank: int, *, lanes: int) -> Kernel:
    """y = x surrounded by `value`; negative borders cut. x is contiguous along the innermost axis.

    Buffers: x, y (contiguous). Words: value (see `fill`); size_0 .. size_{rank-1} of x; before_0 .. (elements of
    border before x on each axis); out_0 .. (sizes of y); stride_0 .. stride_{rank-2} of x.
    Items: rows of y, the product of all its sizes but the innermost.
    """
    if rank < 1:
        raise KernelError("Only a tensor with axes can be padded.")
    kernel = KernelWriter("pad")
    kernel.buffer("x", dtype, "read")
    kernel.buffer("y", dtype, "write")
    value = value_word(kernel, dtype)
    size, before, out = ([kernel.word(f"{n}_{axis}") for axis in range(rank)] for n in ("size", "before", "out"))
    strides = [kernel.word(f"stride_{axis}") for axis in range(rank - 1)]
    width = lanes_for(lanes, dtype)
    with kernel.tile("row"):
        indices = outer_indices(kernel, out[1:-1]) if rank > 1 else []
        inside: Expr = Const(1, BOOL)
        for axis, index in enumerate(indices):
            indices[axis] = kernel.let("inner_index", index - before[axis])
            inside = inside & indices[axis].ge(0) & indices[axis].lt(size[axis])
        # Where the row holds elements of x: from `left`, `middle` of them, starting with number `skipped`.
        left = kernel.let("left", before[-1].maximum(0).minimum(out[-1]))
        skipped = kernel.let("skipped", (0 - before[-1]).maximum(0))
        middle = kernel.let("middle", (size[-1] - skipped).maximum(0).minimum(out[-1] - left))
        writing = kernel.let("writing", at("y", kernel.item * out[-1]))
        with kernel.when(inside):
            reading = kernel.let("reading", at("x", place(indices, strides) + skipped))
            _fill_row(kernel, writing, left, value, width)
            _copy_row(kernel, dtype, reading, writing, middle, width)
            _fill_row(kernel, writing, out[-1] - left - middle, value, width)
        with kernel.otherwise():
            _fill_row(kernel, writing, out[-1], value, width)
    return kernel.kernel()


@cache
def gather(dtype: str, *, indices: str = "i64", lanes: int) -> Kernel:
    """y[outer, k, :] = x[outer, indices[k], :]; an index below 0 counts from the end.

    Indices outside the axis are taken for its nearest end: a kernel cannot raise.
    Buffers: x [outer, size, inner], indices [count] ("i64" or "i32"), y [outer, count, inner], all contiguous.
    Words: size, count, inner. Items: outer * count.
    """
    if indices not in ("i64", "i32"):
        raise KernelError(f"Indices are i64 or i32, not {indices}.")
    kernel = KernelWriter("gather")
    kernel.buffer("x", dtype, "read")
    kernel.buffer("indices", indices, "read")
    kernel.buffer("y", dtype, "write")
    size, count, inner = (kernel.word(name) for name in ("size", "count", "inner"))
    with kernel.tile("row"):
        outer = kernel.let("outer", kernel.item // count)
        stored: Expr = load("indices", kernel.item % count, Type(indices))
        index = kernel.let("index", Cast(stored, I32) if indices == "i64" else stored)
        index = kernel.let("index", index + size * Cast(index.lt(0), I32))
        index = kernel.let("index", index.maximum(0).minimum(size - 1))
        reading = kernel.let("reading", at("x", (outer * size + index) * inner))
        writing = kernel.let("writing", at("y", kernel.item * inner))
        _copy_row(kernel, dtype, reading, writing, inner, lanes_for(lanes, dtype))
    return kernel.kernel()


@cache
def transpose(dtype: str, *, lanes: int) -> Kernel:
    """y[batch, column, row] = x[batch, row, column], block by block.

    Buffers: x [batch, rows, columns], y [batch, columns, rows], contiguous. Words: rows, columns.
    Items: batch * ceil(rows / TRANSPOSE_BLOCK) * ceil(columns / TRANSPOSE_BLOCK).
    """
    kernel = KernelWriter("transpose")
    kernel.buffer("x", dtype, "read")
    kernel.buffer("y", dtype, "write")
    rows, columns = kernel.word("rows"), kernel.word("columns")
    width = lanes_for(lanes, dtype)
    with kernel.tile("block"):
        down = kernel.let("down", _blocks(rows))
        across = kernel.let("across", _blocks(columns))
        batch = kernel.let("batch", kernel.item // (down * across))
        block = kernel.let("block", kernel.item % (down * across))
        row = kernel.let("row", block // across * TRANSPOSE_BLOCK)
        column = kernel.let("column", block % across * TRANSPOSE_BLOCK)
        row_end = kernel.let("row_end", (row + TRANSPOSE_BLOCK).minimum(rows))
        column_end = kernel.let("column_end", (column + TRANSPOSE_BLOCK).minimum(columns))
        start = kernel.let("start", batch * rows * columns)
        whole = kernel.let("whole", column + ((column_end - column) & -width))
        with kernel.loop("r", row, row_end) as r:
            reading = kernel.let("reading", at("x", start + r * columns + column))
            writing = kernel.let("writing", at("y", start + column * rows + r))
            _scatter(kernel, dtype, reading, writing, column, whole, rows, width)
            if width > 1:
                _scatter(kernel, dtype, reading, writing, whole, column_end, rows, 1)
    return kernel.kernel()


def _blocks(size: Expr) -> Expr:
    return (size + (TRANSPOSE_BLOCK - 1)) // TRANSPOSE_BLOCK


def _scatter(
    kernel: KernelWriter, dtype: str, reading: Var, writing: Var, begin: Expr, end: Expr, rows: Word, width: int
) -> None:
    """Read elements begin .. end of a row of x, `width` at once, and write each into the next row of y."""
    with kernel.loop("c", begin, end, width):
        value = kernel.let("value", load("x", reading, Type(REGISTER_OF[dtype], width)))
        kernel.advance(reading, width)
        for lane in range(width):
            kernel.store("y", writing, Lane(value, lane) if width > 1 else value)
            kernel.advance(writing, rows)
