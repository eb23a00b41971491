"""Moving elements without computing: fill, pad, gather, transpose. Strided copies are `elementwise.copy`.

All of them take any dtype that kernels can hold; those of 32 and 8 bits are moved in vectors.
"""

from functools import cache

from intab.errors import KernelError
from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.elementwise import FLAT_BLOCK
from intab.kernels.families.loops import lanes_for, outer_indices, place, stream, turned, widened
from intab.kernels.families.share import Share
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
    Spread,
    Type,
    Unary,
    Var,
    Word,
)
from intab.kernels.verify import REGISTER_OF


def value_word(kernel: KernelWriter, dtype: str) -> Expr:
    """A word "value" as an element of a dtype. 64-bit dtypes get what fits 32 bits: i64 from i32, f64 from f32."""
    register = Type(REGISTER_OF[dtype])
    word = kernel.word("value", {I64: I32, F64: F32, U32: U32, F32: F32}.get(register, I32))
    return Cast(word, register) if word.type != register else word


BYTE_BITS = 8


@cache
def fill(dtype: str, *, lanes: int, width: int = 0) -> Kernel:
    """y[:] = value.

    Buffers: y. Words: count, value (f32 for floats, u32 for u32, else i32). Items: ceil(count / FLAT_BLOCK). With
    `width` there is no count, and an item is so many elements.
    """
    kernel = KernelWriter("fill")
    kernel.buffer("y", dtype, "write", vector=width or 1)
    if width:
        single = kernel.let("single", value_word(kernel, dtype))
        kernel.store("y", kernel.item * width, widened(single, width))
        return kernel.kernel()
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
def pad(dtype: str, rank: int, *, lanes: int, width: int = 0) -> Kernel:
    """y = x surrounded by `value`; negative borders cut. x is contiguous along the innermost axis.

    Buffers: x, y (contiguous). Words: value (see `fill`); size_0 .. size_{rank-1} of x; before_0 .. (elements of
    border before x on each axis); out_0 .. (sizes of y); stride_0 .. stride_{rank-2} of x.
    Items: rows of y, the product of all its sizes but the innermost; see `Share` for `width`, of which the border along
    the innermost axis must be a multiple, too.
    """
    if rank < 1:
        raise KernelError("Only a tensor with axes can be padded.")
    kernel = KernelWriter("pad")
    kernel.buffer("x", dtype, "read", vector=width or 1)
    kernel.buffer("y", dtype, "write", vector=width or 1)
    value = value_word(kernel, dtype)
    size, before, out = ([kernel.word(f"{n}_{axis}") for axis in range(rank)] for n in ("size", "before", "out"))
    strides = [kernel.word(f"stride_{axis}") for axis in range(rank - 1)]
    share = Share(kernel, width, out[-1])
    with kernel.tile("row"):
        indices = outer_indices(kernel, out[1:-1], share.outer) if rank > 1 else []
        inside: Expr = Const(1, BOOL)
        for axis, index in enumerate(indices):
            indices[axis] = kernel.let("inner_index", index - before[axis])
            inside = inside & indices[axis].ge(0) & indices[axis].lt(size[axis])
        start = place(indices, strides)
        if width:
            _padded_vector(kernel, dtype, inside, start, value, share.first - before[-1], size[-1], width)
        else:
            _padded_row(kernel, dtype, inside, start, value, (before[-1], size[-1], out[-1]), lanes_for(lanes, dtype))
    return kernel.kernel()


def _padded_row(
    kernel: KernelWriter,
    dtype: str,
    inside: Expr,
    start: Expr,
    value: Expr,
    row: tuple[Word, Word, Word],
    lanes: int,
) -> None:
    """A row of y: of its border before, of elements of x from `start` on where it is `inside`, and of its length."""
    before, size, out = row
    # Where the row holds elements of x: from `left`, `middle` of them, starting with number `skipped`.
    left = kernel.let("left", before.maximum(0).minimum(out))
    skipped = kernel.let("skipped", (0 - before).maximum(0))
    middle = kernel.let("middle", (size - skipped).maximum(0).minimum(out - left))
    writing = kernel.let("writing", at("y", kernel.item * out))
    with kernel.when(inside):
        reading = kernel.let("reading", at("x", start + skipped))
        _fill_row(kernel, writing, left, value, lanes)
        _copy_row(kernel, dtype, reading, writing, middle, lanes)
        _fill_row(kernel, writing, out - left - middle, value, lanes)
    with kernel.otherwise():
        _fill_row(kernel, writing, out, value, lanes)


def _padded_vector(
    kernel: KernelWriter, dtype: str, inside: Expr, start: Expr, value: Expr, at_x: Expr, size: Word, width: int
) -> None:
    """A vector of y: that of x at place `at_x` of its row, which begins at `start`, or the border's value."""
    column = kernel.let("column", at_x)
    moved = kernel.let("moved", widened(kernel.let("single", value), width))
    with kernel.when(inside & column.ge(0) & column.lt(size)):
        kernel.assign(moved, load("x", start + column, Type(REGISTER_OF[dtype], width)))
    kernel.store("y", kernel.item * width, moved)


@cache
def border(dtype: str, rank: int, mode: str, *, width: int) -> Kernel:
    """y = x surrounded by what `mode` makes of it: "reflect" it, repeat its "edge", or x once more ("wrap").

    Buffers: x, y, contiguous. Words: size_0 .. size_{rank-1} of x; before_0 .. (elements of border before x on each
    axis); out_0 .. (sizes of y). Items: `width` neighbouring elements of y; with more than one the last axis has no
    border. A border is as wide as there are elements for it, see `ops.pad`.
    """
    kernel = KernelWriter(f"border_{mode}")
    kernel.buffer("x", dtype, "read", vector=width)
    kernel.buffer("y", dtype, "write", vector=width)
    size, before, out = ([kernel.word(f"{n}_{axis}") for axis in range(rank)] for n in ("size", "before", "out"))
    share = Share(kernel, width, *out[1:]) if rank > 1 else Share(kernel, width, out[0])
    indices = [share.outer, *share.firsts] if rank > 1 else share.firsts
    source: Expr = Const(0, I32)
    for axis, index in enumerate(indices):
        if width == 1 or axis + 1 < rank:
            index = _within(kernel, mode, kernel.let("inside", index - before[axis]), size[axis])
        source = kernel.let("source", source * size[axis] + index)
    kernel.store("y", kernel.item * width, load("x", source, Type(REGISTER_OF[dtype], width)))
    return kernel.kernel()


def _within(kernel: KernelWriter, mode: str, index: Var, size: Word) -> Expr:
    """Which element of an axis stands at an index that may lie before or behind it."""
    if mode == "edge":
        found = index.maximum(0).minimum(size - 1)
    elif mode == "reflect":
        found = (size - 1) - (Unary("abs", (size - 1) - Unary("abs", index)))
    else:
        found = (index + size) % size
    return kernel.let("index", found)


@cache
def frame(dtype: str, *, lanes: int, width: int = 0) -> Kernel:
    """Zeros around what lies inside pictures y, which is left alone.

    Buffers: y [pictures, out_0, out_1]. Words: size_0, size_1 (of what lies inside), before_0, before_1 (lines above
    and elements to the left of it), out_0, out_1. Items: pictures * out_0, the lines; `width` as of `pad`.
    """
    kernel = KernelWriter("frame")
    kernel.buffer("y", dtype, "write", vector=width or 1)
    (lines, length), (above, left), (height, across) = (
        [kernel.word(f"{name}_{axis}") for axis in (0, 1)] for name in ("size", "before", "out")
    )
    share = Share(kernel, width, across)
    if width:
        line = kernel.let("line", share.outer % height - above)
        column = kernel.let("column", share.first - left)
        with kernel.when(line.lt(0) | line.ge(lines) | column.lt(0) | column.ge(length)):
            kernel.store("y", kernel.item * width, Const(0, Type(REGISTER_OF[dtype], width)))
        return kernel.kernel()
    register, vector = Type(REGISTER_OF[dtype]), lanes_for(lanes, dtype)
    with kernel.tile("line"):
        zero = kernel.let("zero", Const(0, register))
        line = kernel.let("line", kernel.item % height - above)
        writing = kernel.let("writing", at("y", kernel.item * across))
        with kernel.when(line.ge(0) & line.lt(lines)):
            _fill_row(kernel, writing, left, zero, vector)
            kernel.advance(writing, length)
            _fill_row(kernel, writing, across - left - length, zero, vector)
        with kernel.otherwise():
            _fill_row(kernel, writing, across, zero, vector)
    return kernel.kernel()


@cache
def gather(dtype: str, *, indices: str = "i64", lanes: int, width: int = 0, words: bool = False) -> Kernel:
    """y[outer, k, :] = x[outer, indices[k], :]; an index below 0 counts from the end.

    Indices outside the axis are taken for its nearest end: a kernel cannot raise.
    Buffers: x [outer, size, inner], indices [count] ("i64" or "i32"), y [outer, count, inner], all contiguous.
    Words: size, count, inner. Items: outer * count; see `Share` for `width`.

    With `words`, which goes with a width of 4, x is u32, and holds four bytes a word.
    """
    if indices not in ("i64", "i32"):
        raise KernelError(f"Indices are i64 or i32, not {indices}.")
    kernel = KernelWriter("gather_bytes" if words else "gather")
    kernel.buffer("x", "u32" if words else dtype, "read", vector=1 if words else width or 1)
    kernel.buffer("indices", indices, "read")
    kernel.buffer("y", dtype, "write", vector=width or 1)
    size, count, inner = (kernel.word(name) for name in ("size", "count", "inner"))
    share = Share(kernel, width, inner)
    with kernel.tile("row"):
        outer = kernel.let("outer", share.outer // count)
        stored: Expr = load("indices", share.outer % count, Type(indices))
        index = kernel.let("index", Cast(stored, I32) if indices == "i64" else stored)
        index = kernel.let("index", index + size * Cast(index.lt(0), I32))
        index = kernel.let("index", index.maximum(0).minimum(size - 1))
        place = (outer * size + index) * inner + share.first
        writing = kernel.let("writing", at("y", share.outer * inner + share.first))
        if words:
            kernel.store("y", writing, Spread(load("x", place // width, U32), BYTE_BITS, dtype == "i8"))
        elif width:
            kernel.store("y", writing, load("x", place, Type(REGISTER_OF[dtype], width)))
        else:
            reading = kernel.let("reading", at("x", place))
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
