"""Matmul: out[b] = epilogue(a[b] @ right[b] + bias), with the right side packed in panels."""

from functools import cache

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families import register_tile as tile
from intab.kernels.families.loops import turned
from intab.kernels.families.register_tile import (
    F32X4,
    LANES,
    PLAIN,
    TILE_COLUMNS,
    VECTORS,
    WHOLE_TILES,
    Epilogue,
    ExtraOperands,
    Tiles,
)
from intab.kernels.families.warm import warm
from intab.kernels.ir import F32, At, Const, Expr, Kernel, Select, Var


@cache
def matmul(epilogue: Epilogue = PLAIN, tiles: Tiles = WHOLE_TILES) -> Kernel:
    """[batches, rows, depth] @ [batches, depth, columns] -> [batches, rows, columns] in f32.

    Buffers: a, b (panels), bias when the epilogue has one, e0 ..., out. Words: rows, depth, columns; a_row,
    out_row (elements between rows); a_batch, b_batch, bias_batch, out_batch (between batches; 0 repeats one);
    block_rows, block_columns (whole tiles; all rows where tiles are smaller than TILE_ROWS); the epilogue's.
    Items: batches * ceil(rows / block_rows) * ceil(columns / block_columns).
    """
    kernel = KernelWriter("matmul" if tiles.rows > 1 else "vector_matmul")
    kernel.buffer("a", "f32", "read")
    kernel.buffer("b", "f32", "read")
    if epilogue.bias:
        kernel.buffer("bias", "f32", "read")
    extras = ExtraOperands(kernel, epilogue)
    kernel.buffer("out", "f32", "read_write")
    rows, depth, columns = (kernel.word(n) for n in ("rows", "depth", "columns"))
    a_row, out_row = kernel.word("a_row"), kernel.word("out_row")
    a_batch, b_batch, bias_batch, out_batch = (
        kernel.word(n) for n in ("a_batch", "b_batch", "bias_batch", "out_batch")
    )

    blocks = tile.Blocks(kernel, rows, columns, tile_rows=tiles.rows)
    batch = blocks.batch
    a_start = kernel.let("a_start", batch * a_batch)
    b_start = kernel.let("b_start", batch * b_batch)
    bias_start = kernel.let("bias_start", batch * bias_batch)
    out_start = kernel.let("out_start", batch * out_batch)
    starts = extras.starts(kernel, batch)

    def one_tile(first_row: Expr, column: Expr, height: int, vectors: int) -> None:
        with kernel.tile("tile"):
            sums = tile.start_sums(kernel, epilogue, bias_start + column, height, vectors)
            more = tile.more_sums(kernel, sums)
            pointers = [
                kernel.let(f"a{i}", at("a", a_start + (first_row + i).minimum(rows - 1) * a_row)) for i in range(height)
            ]
            panel = kernel.let("panel", at("b", b_start + column * depth))
            tile.accumulate(kernel, sums, pointers, panel, depth, more)
            tile.add_up(kernel, sums, more)
            tile.store_sums(
                kernel,
                sums,
                extras,
                starts,
                first_row=first_row,
                rows=rows,
                column=column,
                columns=columns,
                out_start=out_start,
                out_row=out_row,
            )

    if tiles.rows > 1:
        _warm_block(kernel, blocks, extras, a_start=a_start, a_row=a_row, depth=depth, starts=starts)
        tile.warm_panels(kernel, blocks, b_start, depth)

    rest_row = blocks.rest_row(kernel, tiles.rest_rows) if tiles.rest_rows else None
    rest_column = blocks.rest_column(kernel, LANES) if tiles.narrow else None

    def one_panel(column: Expr, vectors: int) -> None:
        with blocks.rows_of_tiles(kernel, rest_row) as first_row:
            one_tile(first_row, column, tiles.rows, vectors)
        if rest_row is not None:
            with kernel.when(rest_row.lt(blocks.last_row)):
                one_tile(rest_row, column, tiles.rest_rows, vectors)

    # A panel serves all rows of the block before the next: it stays in the first-level cache.
    with blocks.columns_of_tiles(kernel, rest_column) as column:
        one_panel(column, VECTORS)
    if rest_column is not None:
        with kernel.when(rest_column.lt(blocks.last_column)):
            one_panel(rest_column, 1)
    return kernel.kernel()


def _warm_block(
    kernel: KernelWriter,
    blocks: tile.Blocks,
    extras: ExtraOperands,
    *,
    a_start: Expr,
    a_row: Expr,
    depth: Expr,
    starts: list[Expr],
) -> None:
    """Bring a block's rows of the left side and of the extra operands near, where several panels make it worth it."""
    with kernel.when(blocks.column_count.gt(2 * TILE_COLUMNS)):
        warm(kernel, "a", a_start + blocks.first_row * a_row, rows=blocks.row_count, row_step=a_row, length=depth)
        for buffer, start, row_step, wide in zip(
            extras.buffers, starts, extras.row_strides, extras.epilogue.wide, strict=True
        ):
            if wide:
                first = start + blocks.first_row * row_step + blocks.first_column
                warm(kernel, buffer, first, rows=blocks.row_count, row_step=row_step, length=blocks.column_count)


@cache
def pack_right() -> Kernel:
    """Pack a right side that is known only at run time into panels.

    Buffers: b, out. Words: depth, columns; b_batch, b_row, b_column (elements between batches, depths and
    columns: a transposed matrix swaps the last two); out_batch. Items: batches * ceil(columns / TILE_COLUMNS).
    """
    kernel = KernelWriter("pack_right")
    kernel.buffer("b", "f32", "read")
    kernel.buffer("out", "f32", "write")
    depth, columns = kernel.word("depth"), kernel.word("columns")
    b_batch, b_row, b_column = (kernel.word(n) for n in ("b_batch", "b_row", "b_column"))
    out_batch = kernel.word("out_batch")
    panels = kernel.let("panels", (columns + (TILE_COLUMNS - 1)) // TILE_COLUMNS)
    batch = kernel.let("batch", kernel.item // panels)
    panel = kernel.let("panel", kernel.item % panels)
    source = kernel.let("source", batch * b_batch)
    place = kernel.let("place", batch * out_batch + panel * depth * TILE_COLUMNS)
    first = kernel.let("first", panel * TILE_COLUMNS)
    whole = kernel.let("whole", (first + TILE_COLUMNS).le(columns))
    with kernel.tile("panel_copy"):
        corner, writing = source + first * b_column, kernel.let("writing", at("out", place))
        with kernel.when(whole & b_column.equal(1)):
            _copy_lines(kernel, kernel.let("line", at("b", corner)), writing, depth, b_row)
        with kernel.otherwise():
            with kernel.when(whole & b_row.equal(1)):
                _turn_lines(kernel, [at("b", corner + c * b_column) for c in range(TILE_COLUMNS)], writing, depth)
            with kernel.otherwise(), kernel.loop("k", 0, depth) as k:
                for c in range(TILE_COLUMNS):
                    inside = kernel.let("inside", (first + c).lt(columns))
                    column = kernel.let("column", (first + c).minimum(columns - 1))
                    value = load("b", source + k * b_row + column * b_column, F32)
                    kernel.store("out", place + k * TILE_COLUMNS, Select(inside, value, Const(0.0, F32)), c)
    return kernel.kernel()


def _copy_lines(kernel: KernelWriter, line: Var, writing: Var, depth: Expr, b_row: Expr) -> None:
    """A whole panel whose depths have their columns side by side."""
    with kernel.loop("k", 0, depth):
        for j in range(VECTORS):
            kernel.store("out", writing, load("b", line, F32X4, LANES * j), LANES * j)
        kernel.advance(line, b_row)
        kernel.advance(writing, TILE_COLUMNS)


def _turn_lines(kernel: KernelWriter, lines: list[At], writing: Var, depth: Expr) -> None:
    """A whole panel whose columns have their depths side by side: squares of four are turned in registers."""
    readings = [kernel.let("reading", line) for line in lines]
    whole = kernel.let("whole_depth", depth - depth % LANES)
    with kernel.loop("k", 0, whole, LANES):
        for j in range(VECTORS):
            square = [
                kernel.let("numbers", load("b", reading, F32X4)) for reading in readings[LANES * j : LANES * (j + 1)]
            ]
            for k, numbers in enumerate(turned(kernel, square)):
                kernel.store("out", writing, numbers, TILE_COLUMNS * k + LANES * j)
        for reading in readings:
            kernel.advance(reading, LANES)
        kernel.advance(writing, TILE_COLUMNS * LANES)
    with kernel.loop("k", whole, depth):
        for c, reading in enumerate(readings):
            kernel.store("out", writing, load("b", reading, F32), c)
            kernel.advance(reading, 1)
        kernel.advance(writing, TILE_COLUMNS)
