"""Moving elements without computing: fill, pad, gather, transpose. Strided copies are `elementwise.copy`.

All of them take any dtype that kernels can hold; those of 32 and 8 bits are moved in vectors.
"""

from functools import cache

from intab.errors import KernelError
from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.elementwise import FLAT_BLOCK
from intab.kernels.families.loops import lanes_for, outer_indices, place, stream, turned, widened
from intab.kernels.ir import (
    BOOL,
    F32,
    F64,
    I32,
    I64,
    U32,
    Cast,
    Const,
    Expr,
    Kernel,
    Lane,
    Moved,
    Type,
    Var,
    Word,
)
from intab.kernels.verify import REGISTER_OF


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
def frame(dtype: str, *, lanes: int) -> Kernel:
    """Zeros around what lies inside pictures y, which is left alone.

    Buffers: y [pictures, out_0, out_1]. Words: size_0, size_1 (of what lies inside), before_0, before_1 (lines above
    and elements to the left of it), out_0, out_1. Items: pictures * out_0, the lines.
    """
    kernel = KernelWriter("frame")
    kernel.buffer("y", dtype, "write")
    (lines, length), (above, left), (height, width) = (
        [kernel.word(f"{name}_{axis}") for axis in (0, 1)] for name in ("size", "before", "out")
    )
    register, vector = Type(REGISTER_OF[dtype]), lanes_for(lanes, dtype)
    with kernel.tile("line"):
        zero = kernel.let("zero", Const(0, register))
        line = kernel.let("line", kernel.item % height - above)
        writing = kernel.let("writing", at("y", kernel.item * width))
        with kernel.when(line.ge(0) & line.lt(lines)):
            _fill_row(kernel, writing, left, zero, vector)
            kernel.advance(writing, length)
            _fill_row(kernel, writing, width - left - length, zero, vector)
        with kernel.otherwise():
            _fill_row(kernel, writing, width, zero, vector)
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
    """y[image, line, batch, column, row] = x[image, line, batch, row, column], block by block.

    Buffers: x, contiguous, and y, of which matrices are contiguous. Words: batches (of a line), lines (of an image),
    rows, columns; y_batch, y_line, y_image (elements of y between batches, lines and images); block_rows,
    block_columns; together (how many batches an item does one after the other).
    Items: images * lines * ceil(batches / together) * ceil(rows / block_rows) * ceil(columns / block_columns).
    """
    kernel = KernelWriter("transpose")
    kernel.buffer("x", dtype, "read")
    kernel.buffer("y", dtype, "write")
    batches, lines, rows, columns = (kernel.word(name) for name in ("batches", "lines", "rows", "columns"))
    y_batch, y_line, y_image = (kernel.word(name) for name in ("y_batch", "y_line", "y_image"))
    block_rows, block_columns, together = (kernel.word(n) for n in ("block_rows", "block_columns", "together"))
    down = kernel.let("down", (rows + block_rows - 1) // block_rows)
    across = kernel.let("across", (columns + block_columns - 1) // block_columns)
    runs = kernel.let("runs", (batches + together - 1) // together)
    run = kernel.let("run", kernel.item // (down * across))
    line = kernel.let("line", run // runs)
    first_batch = kernel.let("first_batch", run % runs * together)
    block = kernel.let("block", kernel.item % (down * across))
    row = kernel.let("row", block // across * block_rows)
    column = kernel.let("column", block % across * block_columns)
    sizes = (
        kernel.let("height", block_rows.minimum(rows - row)),
        kernel.let("width", block_columns.minimum(columns - column)),
    )
    with kernel.tile("blocks"), kernel.loop("batch", first_batch, batches.minimum(first_batch + together)) as batch:
        source = kernel.let("source", (line * batches + batch) * rows * columns)
        target = kernel.let("target", line // lines * y_image + line % lines * y_line + batch * y_batch)
        reading = kernel.let("reading", at("x", source + row * columns + column))
        writing = kernel.let("writing", at("y", target + column * rows + row))
        _turn_block(kernel, dtype, (reading, writing), sizes, (rows, columns), lanes_for(lanes, dtype))
    return kernel.kernel()


def _turn_block(
    kernel: KernelWriter,
    dtype: str,
    places: tuple[Var, Var],
    sizes: tuple[Expr, Expr],
    matrix: tuple[Word, Word],
    lanes: int,
) -> None:
    """A block of `sizes` rows and columns: squares of `lanes` in registers, columns left over one by one.

    `places` are the block's first elements in x and y, `matrix` the rows and columns of all of x.
    """
    register, (rows, columns), (height, width) = Type(REGISTER_OF[dtype]), matrix, sizes
    reading, writing = places
    whole_rows, whole_columns = ((size & -lanes if lanes > 1 else Const(0, I32)) for size in (height, width))
    whole_rows, whole_columns = kernel.let("whole_rows", whole_rows), kernel.let("whole_columns", whole_columns)
    if lanes > 1:
        with kernel.loop("c", 0, whole_columns, lanes):
            source = [kernel.let(f"source{i}", Moved(reading, columns * i)) for i in range(lanes)]
            target = [kernel.let(f"target{i}", Moved(writing, rows * i)) for i in range(lanes)]
            with kernel.loop("r", 0, whole_rows, lanes):
                lines = [kernel.let("line", load("x", pointer, register.wide(lanes))) for pointer in source]
                for pointer, line in zip(target, turned(kernel, lines), strict=True):
                    kernel.store("y", pointer, line)
                    kernel.advance(pointer, lanes)
                for pointer in source:
                    kernel.advance(pointer, columns * lanes)
            with kernel.loop("r", whole_rows, height):
                line = kernel.let("line", load("x", source[0], register.wide(lanes)))
                kernel.advance(source[0], columns)
                for lane, pointer in enumerate(target):
                    kernel.store("y", pointer, Lane(line, lane))
                    kernel.advance(pointer, 1)
            kernel.advance(reading, lanes)
            kernel.advance(writing, rows * lanes)
    with kernel.loop("c", whole_columns, width):
        single, out = kernel.let("single", reading), kernel.let("out", writing)
        with kernel.loop("r", 0, height):
            kernel.store("y", out, load("x", single, register))
            kernel.advance(single, columns)
            kernel.advance(out, 1)
        kernel.advance(reading, 1)
        kernel.advance(writing, rows)
