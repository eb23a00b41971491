"""Matmul whose right side lies in memory as small whole numbers: out = epilogue(a @ ((q - zero) * scale) + bias), f32.

For many rows an item turns one chunk of a panel after the other into floats, in room of its own that stays in the
first-level cache, and multiplies all its rows with each: what the conversion costs is shared by the rows. For a tile
of rows or fewer, the numbers become floats in registers (`compressed_vectors`).
"""

from collections.abc import Callable
from functools import cache

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families import register_tile as tile
from intab.kernels.families.compressed_vectors import multiply_few
from intab.kernels.families.narrow_panel import DEPTHS_A_LINE, numbers_of, place_of, spans, storage_of
from intab.kernels.families.register_tile import (
    F32X4,
    LANES,
    PLAIN,
    TILE_COLUMNS,
    TILE_ROWS,
    VECTORS,
    Epilogue,
    ExtraOperands,
)
from intab.kernels.ir import I32, Const, Expr, Kernel, Var

NOTHING = Const(0, I32)


@cache
def compressed_matmul(
    dtype: str,
    epilogue: Epilogue = PLAIN,
    *,
    zero: bool = False,
    chunked: bool = False,
    few: tuple[int, ...] = (),
    rest: tuple[int, ...] | None = (TILE_ROWS,),
) -> Kernel:
    """a [rows, depth] @ right [depth, columns] -> [rows, columns], the right side stored as "i8", "u8" or "i4".

    Buffers: a, packed (panels, see `narrow_panel`), scale and, if `zero`, zero (f32 [panels, ceil(depth /
    scale_depth), TILE_COLUMNS]), b (f32, room for chunk * TILE_COLUMNS numbers an item), partial where
    `chunked` (f32 [panels, rows, TILE_COLUMNS]), bias when the epilogue has one, e0 ..., out. Words: rows, depth,
    columns; scale_depth (how many depths share a scale) and chunk, even numbers or all of the depth; block_rows,
    block_columns (whole tiles); the epilogue's.
    `few`: the heights of tiles, ascending, for few rows in all (at most block_rows), above TILE_ROWS of two tiles;
    `rest`: those of the last tile of more rows, or None where there are never so many (then without b and partial).
    Items: ceil(rows / block_rows) * ceil(columns / block_columns).
    """
    kernel = KernelWriter(f"compressed_matmul_{dtype}")
    kernel.buffer("a", "f32", "read")
    kernel.buffer("packed", storage_of(dtype), "read")
    kernel.buffer("scale", "f32", "read")
    if zero:
        kernel.buffer("zero", "f32", "read")
    if rest is not None:
        kernel.buffer("b", "f32", "read_write")
    if chunked and rest is not None:
        kernel.buffer("partial", "f32", "read_write")
    if epilogue.bias:
        kernel.buffer("bias", "f32", "read")
    extras = ExtraOperands(kernel, epilogue)
    kernel.buffer("out", "f32", "read_write")
    writer = _Writer(kernel, dtype, epilogue, extras, zero=zero, chunked=chunked, rest=rest or ())
    if few and rest is not None:
        with kernel.when(writer.rows.le(few[-1])):
            writer.few_rows(few)
        with kernel.otherwise():
            writer.many_rows()
    elif few:
        writer.few_rows(few)
    else:
        writer.many_rows()
    return kernel.kernel()


class _Writer:
    """The parts of one kernel."""

    def __init__(
        self,
        kernel: KernelWriter,
        dtype: str,
        epilogue: Epilogue,
        extras: ExtraOperands,
        *,
        zero: bool,
        chunked: bool,
        rest: tuple[int, ...],
    ) -> None:
        self.kernel, self.dtype, self.epilogue, self.extras = kernel, dtype, epilogue, extras
        self.zero, self.chunked, self.rest = zero, chunked, rest
        self.rows, self.depth, self.columns = (kernel.word(n) for n in ("rows", "depth", "columns"))
        self.scale_depth, self.chunk = kernel.word("scale_depth"), kernel.word("chunk")
        self.blocks = tile.Blocks(kernel, self.rows, self.columns)
        self.scales = kernel.let("scales_a_panel", (self.depth + self.scale_depth - 1) // self.scale_depth)
        self.starts = extras.starts(kernel, self.blocks.batch)

    def few_rows(self, heights: tuple[int, ...]) -> None:
        """All rows in one tile of the first height that is enough, or in two halves of it."""
        kernel = self.kernel

        def write(column: Expr, height: int) -> None:
            tiles = -(-height // TILE_ROWS)
            for number in range(tiles):
                self._few(column, height // tiles, number * height // tiles)

        with self.blocks.columns_of_tiles(kernel) as column:
            _first_that_fits(kernel, self.rows, heights, lambda height: write(column, height))

    def _few(self, column: Expr, height: int, first_row: int) -> None:
        kernel = self.kernel
        with kernel.tile("few_rows"):
            sums = tile.start_sums(kernel, self.epilogue, column, height)
            multiply_few(
                kernel,
                self.dtype,
                sums,
                first_row=first_row,
                rows=self.rows,
                column=column,
                depth=self.depth,
                scale_depth=self.scale_depth,
                scales=self.scales,
                zero=self.zero,
            )
            self._store(sums, Const(first_row, I32), column)

    def many_rows(self) -> None:
        """Chunk by chunk of the depth, panel by panel, all rows of the block."""
        kernel = self.kernel
        room = kernel.let("room", kernel.item * (self.chunk * TILE_COLUMNS))
        if not self.chunked:
            with self.blocks.columns_of_tiles(kernel) as column:
                self._panel(room, column, NOTHING, self.depth)
            return
        chunks = kernel.let("chunks", (self.depth + self.chunk - 1) // self.chunk)
        with kernel.loop("chunk_number", 0, chunks) as number:
            begin = kernel.let("chunk_begin", number * self.chunk)
            end = kernel.let("chunk_end", (begin + self.chunk).minimum(self.depth))
            with self.blocks.columns_of_tiles(kernel) as column:
                self._panel(room, column, begin, end)

    def _panel(self, room: Var, column: Expr, begin: Expr, end: Expr) -> None:
        """A panel's depths from begin to end as floats, then all rows of the block with it."""
        kernel = self.kernel
        with kernel.tile("unpack"):
            self._unpack(room, column, begin, end)
        last = kernel.let("last_row", self.rows.minimum(self.blocks.first_row + self.blocks.block_rows))
        whole = kernel.let("whole_rows", last - (last - self.blocks.first_row) % TILE_ROWS)
        with kernel.loop("first_row", self.blocks.first_row, whole, TILE_ROWS) as first_row:
            self._tile(room, column, begin, end, first_row, TILE_ROWS)
        if self.rest:
            with kernel.when(whole.lt(last)):
                left = kernel.let("left_rows", last - whole)
                _first_that_fits(
                    kernel, left, self.rest, lambda height: self._tile(room, column, begin, end, whole, height)
                )

    def _unpack(self, room: Var, column: Expr, begin: Expr, end: Expr) -> None:
        kernel = self.kernel
        writing = kernel.let("writing", at("b", room))
        first = kernel.let("first_scale", begin // self.scale_depth)
        with kernel.loop("scale_number", first, (end + self.scale_depth - 1) // self.scale_depth) as number:
            place = kernel.let("scale_place", column * self.scales + number * TILE_COLUMNS)
            scales = [kernel.let("scales", load("scale", place, F32X4, LANES * j)) for j in range(VECTORS)]
            zeros = [kernel.let("zeros", load("zero", place, F32X4, LANES * j)) for j in range(VECTORS * self.zero)]
            low = kernel.let("low", begin.maximum(number * self.scale_depth))
            high = kernel.let("high", end.minimum((number + 1) * self.scale_depth))
            reading = kernel.let("reading", at("packed", place_of(self.dtype, column, self.depth, low)))

            def unpack(count: int) -> None:
                lines = -(-count // DEPTHS_A_LINE[self.dtype])
                numbers = numbers_of(kernel, self.dtype, reading, lines * DEPTHS_A_LINE[self.dtype])
                for k, vectors in enumerate(numbers[:count]):
                    for j, number in enumerate(vectors):
                        centred = number - zeros[j] if zeros else number
                        kernel.store("b", writing, centred * scales[j], k * TILE_COLUMNS + LANES * j)
                kernel.advance(reading, lines * TILE_COLUMNS)
                kernel.advance(writing, count * TILE_COLUMNS)

            spans(kernel, self.dtype, low, high, unpack)

    def _tile(self, room: Var, column: Expr, begin: Expr, end: Expr, first_row: Expr, height: int) -> None:
        kernel = self.kernel
        with kernel.tile("tile"):
            sums = tile.start_sums(kernel, self.epilogue, column, height)
            lines = [kernel.let(f"line{i}", (first_row + i).minimum(self.rows - 1)) for i in range(height)]
            if self.chunked:
                parts = [
                    kernel.let(f"part{i}", (column * self.rows) + line * TILE_COLUMNS) for i, line in enumerate(lines)
                ]
                with kernel.when(begin.gt(0)):
                    for part, row in zip(parts, sums, strict=True):
                        for j, total in enumerate(row):
                            kernel.assign(total, load("partial", part, F32X4, LANES * j))
            pointers = [kernel.let(f"a{i}", at("a", line * self.depth + begin)) for i, line in enumerate(lines)]
            panel = kernel.let("panel", at("b", room))
            tile.accumulate(kernel, sums, pointers, panel, end - begin)
            if not self.chunked:
                self._store(sums, first_row, column)
                return
            with kernel.when(end.lt(self.depth)):
                for part, row in zip(parts, sums, strict=True):
                    for j, total in enumerate(row):
                        kernel.store("partial", part, total, LANES * j)
            with kernel.otherwise():
                self._store(sums, first_row, column)

    def _store(self, sums: list[list[Var]], first_row: Expr, column: Expr) -> None:
        tile.store_sums(
            self.kernel,
            sums,
            self.extras,
            self.starts,
            first_row=first_row,
            rows=self.rows,
            column=column,
            columns=self.columns,
            out_start=self.blocks.batch,
            out_row=self.columns,
        )


def _first_that_fits(kernel: KernelWriter, rows: Expr, heights: tuple[int, ...], write: Callable[[int], None]) -> None:
    """write(the first of the heights that is `rows` or more); the last one if none is."""
    height, *higher = heights
    if not higher:
        write(height)
        return
    with kernel.when(rows.le(height)):
        write(height)
    with kernel.otherwise():
        _first_that_fits(kernel, rows, tuple(higher), write)
