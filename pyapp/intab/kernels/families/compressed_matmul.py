"""Matmul whose right side lies in memory as bytes: out = epilogue(a @ (bytes * scale) + bias), in f32.

An item turns one panel of bytes after the other into floats, in room of its own that stays in the first-level cache,
and multiplies all its rows with each: what the conversion costs is shared by the rows.
"""

from functools import cache

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families import register_tile as tile
from intab.kernels.families.register_tile import (
    F32X4,
    LANES,
    PLAIN,
    TILE_COLUMNS,
    TILE_ROWS,
    UNROLL,
    VECTORS,
    Epilogue,
    ExtraOperands,
)
from intab.kernels.ir import I32, Cast, Expr, Kernel, Var


@cache
def compressed_matmul(dtype: str, epilogue: Epilogue = PLAIN) -> Kernel:
    """a [rows, depth] @ right [depth, columns] -> [rows, columns], the right side stored as "i8" or "u8".

    Buffers: a, packed (panels of bytes), scale (f32, one a column, up to a whole panel), b (f32, room for
    depth * TILE_COLUMNS numbers an item), bias when the epilogue has one, e0 ..., out. Words: rows, depth, columns;
    block_rows, block_columns (whole tiles); the epilogue's.
    Items: ceil(rows / block_rows) * ceil(columns / block_columns).
    """
    kernel = KernelWriter(f"compressed_matmul_{dtype}")
    kernel.buffer("a", "f32", "read")
    kernel.buffer("packed", dtype, "read")
    kernel.buffer("scale", "f32", "read")
    kernel.buffer("b", "f32", "read_write")
    if epilogue.bias:
        kernel.buffer("bias", "f32", "read")
    extras = ExtraOperands(kernel, epilogue)
    kernel.buffer("out", "f32", "read_write")
    rows, depth, columns = (kernel.word(n) for n in ("rows", "depth", "columns"))
    blocks = tile.Blocks(kernel, rows, columns)
    room = kernel.let("room", kernel.item * (depth * TILE_COLUMNS))
    starts = extras.starts(kernel, blocks.batch)
    with blocks.columns_of_tiles(kernel) as column:
        _unpack(kernel, room, column, depth)
        with blocks.rows_of_tiles(kernel) as first_row, kernel.tile("tile"):
            sums = tile.start_sums(kernel, epilogue, column)
            pointers = [
                kernel.let(f"a{i}", at("a", (first_row + i).minimum(rows - 1) * depth)) for i in range(TILE_ROWS)
            ]
            panel = kernel.let("panel", at("b", room))
            tile.accumulate(kernel, sums, pointers, panel, depth)
            tile.store_sums(
                kernel,
                sums,
                extras,
                starts,
                first_row=first_row,
                rows=rows,
                column=column,
                columns=columns,
                out_start=blocks.batch,
                out_row=columns,
            )
    return kernel.kernel()


def _unpack(kernel: KernelWriter, room: Var, column: Expr, depth: Expr) -> None:
    """The panel of bytes that starts at a column, as floats times their columns' scales."""
    with kernel.tile("unpack"):
        scales = [kernel.let("scales", load("scale", column, F32X4, LANES * j)) for j in range(VECTORS)]
        reading = kernel.let("reading", at("packed", column * depth))
        writing = kernel.let("writing", at("b", room))

        def rows(begin: Expr | int, end: Expr, count: int) -> None:
            with kernel.loop("k", begin, end, count):
                for k in range(count):
                    for j, scale in enumerate(scales):
                        offset = k * TILE_COLUMNS + LANES * j
                        value = load("packed", reading, I32.wide(LANES), offset)
                        kernel.store("b", writing, Cast(value, F32X4) * scale, offset)
                kernel.advance(reading, count * TILE_COLUMNS)
                kernel.advance(writing, count * TILE_COLUMNS)

        whole = kernel.let("whole", depth - depth % UNROLL)
        rows(0, whole, UNROLL)
        rows(whole, depth, 1)
