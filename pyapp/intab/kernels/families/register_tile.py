"""The register tile: TILE_ROWS x TILE_COLUMNS sums of products held in registers, with an epilogue.

Matmul and convolution differ only in where the rows of the left side lie. The right side is packed in
panels: for each TILE_COLUMNS columns, all depths in order, TILE_COLUMNS numbers each, zeros past the last
column (`pack_panels`). Sizes: six rows by two vectors of four leave three of x86's sixteen vector registers
for the operands; measured best of 4x8, 6x8, 8x8 and 4x12 on WebAssembly.

Rows past the last repeat the last: the same numbers are computed and stored again, so that no tile is partial.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intab.errors import KernelError
from intab.kernels.block import Block, KernelWriter, load
from intab.kernels.families.warm import warm
from intab.kernels.ir import F32, I32, Const, Expr, Fma, Lane, Select, Splat, Var, Word
from intab.kernels.scalar import ScalarFunction, inline

TILE_ROWS = 6
TILE_COLUMNS = 8
LANES = 4
VECTORS = TILE_COLUMNS // LANES
UNROLL = 4
CHAINS = 8  # x86 starts two multiply-adds a cycle, each of which takes four
F32X4 = F32.wide(LANES)


def pack_panels(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """[depth, columns] -> [panels, depth, TILE_COLUMNS], zeros past the last column."""
    depth, columns = matrix.shape
    whole, rest = divmod(columns, TILE_COLUMNS)
    packed = np.zeros((whole + (rest > 0), depth, TILE_COLUMNS), np.float32)
    packed[:whole] = matrix[:, : columns - rest].reshape(depth, whole, TILE_COLUMNS).transpose(1, 0, 2)
    if rest:
        packed[whole, :, :rest] = matrix[:, columns - rest :]
    return packed


def pad_columns(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """[columns] with zeros up to a whole number of panels."""
    padded = np.zeros(-(-len(vector) // TILE_COLUMNS) * TILE_COLUMNS, np.float32)
    padded[: len(vector)] = vector
    return padded


@dataclass(frozen=True, slots=True)
class Epilogue:
    """What happens to a sum before it is stored: function(sum, *extras).

    `wide` says of each extra operand whether it has a value for each column (contiguous) or one for all.
    `bias`: a vector of one value a column is where the sums start (padded by `pad_columns`).
    """

    bias: bool = False
    function: ScalarFunction | None = None
    wide: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if self.function is not None and len(self.function.arguments) != 1 + len(self.wide):
            raise ValueError("An epilogue's function takes the sum and the extra operands.")


@dataclass(frozen=True, slots=True)
class Tiles:
    """Which tiles a product is made of.

    They have `rows` rows. Where `rest_rows` or fewer are left over from whole tiles, a tile of so many does them; else
    a whole one that repeats the last row. `narrow`: where half a panel or less is left over from whole panels, only
    half of it is computed.
    """

    rows: int = TILE_ROWS
    rest_rows: int = 0
    narrow: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.rest_rows < self.rows <= TILE_ROWS:
            raise KernelError(f"A tile has 1 to {TILE_ROWS} rows, not {self.rows}; {self.rest_rows} are no rest of it.")


PLAIN = Epilogue()  # the sum as it is
WHOLE_TILES = Tiles()


class ExtraOperands:
    """The extra operands of an epilogue: buffers e0, e1, ... and words e0_row, e0_batch, ... for how far rows
    and batches lie apart."""

    def __init__(self, kernel: KernelWriter, epilogue: Epilogue, *, vector: int = 1) -> None:
        """`vector`: what has a value for each column is accessed in so many lanes (see `ir.Buffer`)."""
        self.epilogue = epilogue
        count = range(len(epilogue.wide))
        self.buffers = [kernel.buffer(f"e{i}", "f32", "read", vector=vector if epilogue.wide[i] else 1) for i in count]
        self.row_strides = [kernel.word(f"e{i}_row") for i in count]
        self.batch_strides = [kernel.word(f"e{i}_batch") for i in count]

    def starts(self, block: Block, batch: Expr) -> list[Expr]:
        """Where a batch of each operand starts."""
        return [block.let(f"e{i}_start", batch * stride) for i, stride in enumerate(self.batch_strides)]

    def apply(self, block: Block, value: Expr, starts: list[Expr], row: Expr, column: Expr) -> Expr:
        """function(value, extras at row, column), as wide as value is."""
        if self.epilogue.function is None:
            return value
        operands = []
        for i, wide in enumerate(self.epilogue.wide):
            index = starts[i] + row * self.row_strides[i]
            if wide:
                operands.append(block.let("extra", load(self.buffers[i], index + column, value.type)))
            elif value.type.lanes > 1:
                operands.append(block.let("extra", Splat(load(self.buffers[i], index, F32), value.type.lanes)))
            else:
                operands.append(block.let("extra", load(self.buffers[i], index, F32)))
        return inline(block, self.epilogue.function, (value, *operands))


def start_sums(
    block: Block, epilogue: Epilogue, column: Expr, rows: int = TILE_ROWS, vectors: int = VECTORS
) -> list[list[Var]]:
    """The sums' registers, [row][vector], holding the bias or zero."""
    first: list[Expr] = [Const(0.0, F32X4)] * vectors
    if epilogue.bias:
        first = [block.let(f"bias{j}", load("bias", column, F32X4, LANES * j)) for j in range(vectors)]
    return [[block.let(f"sum{i}{j}", first[j]) for j in range(vectors)] for i in range(rows)]


def more_sums(block: Block, sums: list[list[Var]]) -> list[list[list[Var]]]:
    """Further sets of sums for a small tile: a multiply-add waits for the last one to the same sum, so that it takes
    some CHAINS of them to keep the multipliers busy. `accumulate` lets depths take turns, `add_up` ends it."""
    turns = 1
    while turns < UNROLL and turns * len(sums) * len(sums[0]) < CHAINS:
        turns *= 2
    zero = Const(0.0, F32X4)
    return [[[block.let("turn", zero) for _ in row] for row in sums] for _ in range(turns - 1)]


def add_up(block: Block, sums: list[list[Var]], more: list[list[list[Var]]]) -> None:
    """Add the further sets to the sums, pair by pair."""
    sets = [sums, *more]
    while len(sets) > 1:
        half = len(sets) // 2
        for first, second in zip(sets[:half], sets[half:], strict=True):
            for row, other in zip(first, second, strict=True):
                for total, part in zip(row, other, strict=True):
                    block.assign(total, total + part)
        sets = sets[:half]


def accumulate(
    block: Block,
    sums: list[list[Var]],
    rows: list[Var],
    panel: Var,
    depth: Expr,
    more: Sequence[list[list[Var]]] = (),
) -> None:
    """sums += rows[i][k] * panel[k] for k in 0 .. depth; the row and panel pointers move on by as much.

    Sums of one vector see the first half of the panel. `more` are sets that take turns with the sums.
    """
    sets = [sums, *more]

    def products(k: int) -> None:
        into = sets[k % len(sets)]
        right = [
            block.let(f"right{j}", load(panel.buffer, panel, F32X4, TILE_COLUMNS * k + LANES * j))
            for j in range(len(into[0]))
        ]
        for row, pointer in zip(into, rows, strict=True):
            left = block.let("left", Splat(load(pointer.buffer, pointer, F32, k), LANES))
            for total, numbers in zip(row, right, strict=True):
                block.assign(total, Fma(left, numbers, total))

    def run(name: str, begin: Expr | int, end: Expr, step: int) -> None:
        with block.loop(name, begin, end, step):
            for k in range(step):
                products(k)
            for pointer in rows:
                block.advance(pointer, step)
            block.advance(panel, TILE_COLUMNS * step)

    whole = block.let("whole", depth - depth % UNROLL)
    run("k", 0, whole, UNROLL)
    run("k_rest", whole, depth, 1)


def store_sums(
    block: Block,
    sums: list[list[Var]],
    extras: ExtraOperands,
    starts: list[Expr],
    *,
    first_row: Expr,
    rows: Expr,
    column: Expr,
    columns: Expr,
    out_start: Expr,
    out_row: Word,
    row_places: list[Expr] | None = None,
) -> None:
    """Store the sums through the epilogue: whole vectors where they fit, single columns at the right edge.

    `first_row` is the tile's, `rows` and `columns` the sizes of the output; element (r, c) lies at
    out_start + r * out_row + c, or with `row_places`, one for each row of the tile, at out_start + row_places[r] + c.
    """
    row_numbers = [block.let(f"row{i}", (first_row + i).minimum(rows - 1)) for i in range(len(sums))]
    lines = row_places or [row * out_row for row in row_numbers]
    places = [block.let(f"place{i}", out_start + line + column) for i, line in enumerate(lines)]
    for j in range(len(sums[0])):
        at = LANES * j
        with block.when((column + (at + LANES)).le(columns)):
            for i in range(len(sums)):
                value = extras.apply(block, sums[i][j], starts, row_numbers[i], column + at)
                block.store("out", places[i], value, at)
        with block.otherwise():
            for lane in range(LANES):
                with block.when((column + (at + lane)).lt(columns)):
                    for i in range(len(sums)):
                        block.store("out", places[i], Lane(sums[i][j], lane), at + lane)
    if extras.epilogue.function is None:
        return
    edge = block.let("edge", columns - columns % LANES)
    last = block.let("last", columns.minimum(column + TILE_COLUMNS))

    def finish_edge(row: Expr, line: Expr) -> None:
        with block.loop("c", edge.maximum(column), last) as edge_column:
            place = block.let("edge_place", out_start + line + edge_column)
            value = block.let("edge_value", load("out", place, F32))
            block.store("out", place, extras.apply(block, value, starts, row, edge_column))

    if row_places is None:
        with block.loop("r", first_row, rows.minimum(first_row + len(sums))) as row:
            finish_edge(row, row * out_row)
        return
    for i, line in enumerate(row_places):
        with block.when((first_row + i).lt(rows)):
            finish_edge(row_numbers[i], line)


class Blocks:
    """Which part of a matrix an item computes: `block_rows` x `block_columns`, whole tiles but at the edges.

    Items that share their columns come one after the other, so that these columns' panels stay in the
    second-level cache while all rows pass by.
    """

    def __init__(self, kernel: KernelWriter, rows: Expr, columns: Expr, *, tile_rows: int = TILE_ROWS) -> None:
        self.rows, self._tile_rows = rows, tile_rows
        self.block_rows, self._block_columns = kernel.word("block_rows"), kernel.word("block_columns")
        down = kernel.let("blocks_down", (rows + self.block_rows - 1) // self.block_rows)
        across = kernel.let("blocks_across", (columns + self._block_columns - 1) // self._block_columns)
        self.batch = kernel.let("batch", kernel.item // (down * across))
        block = kernel.let("block", kernel.item % (down * across))
        self.first_row = kernel.let("block_row", block % down * self.block_rows)
        self.first_column = kernel.let("block_column", block // down * self._block_columns)
        self.row_count = kernel.let("block_rows_here", self.block_rows.minimum(rows - self.first_row))
        self.column_count = kernel.let("block_columns_here", self._block_columns.minimum(columns - self.first_column))
        self.last_row = self.first_row + self.row_count
        self.last_column = self.first_column + self.column_count

    def rows_of_tiles(self, block: Block, end: Expr | None = None) -> AbstractContextManager[Var]:
        """A loop over the first rows of the item's tiles, up to the item's last row or to `end`."""
        return block.loop("first_row", self.first_row, self.last_row if end is None else end, self._tile_rows)

    def columns_of_tiles(self, block: Block, end: Expr | None = None) -> AbstractContextManager[Var]:
        """A loop over the first columns of the item's tiles, up to the item's last column or to `end`."""
        return block.loop("column", self.first_column, self.last_column if end is None else end, TILE_COLUMNS)

    def rest_row(self, block: Block, most: int) -> Expr:
        """Where the item's rows start that are left over from whole tiles; its end if they are more than `most`."""
        return _without_rest(block, self.last_row, self.row_count % self._tile_rows, most)

    def rest_column(self, block: Block, most: int) -> Expr:
        """The same of columns and whole panels."""
        return _without_rest(block, self.last_column, self.column_count % TILE_COLUMNS, most)


def _without_rest(block: Block, end: Expr, rest: Expr, most: int) -> Expr:
    left = block.let("left_over", rest)
    return block.let("whole_tiles", end - Select(left.le(most), left, Const(0, I32)))


def warm_panels(kernel: KernelWriter, blocks: Blocks, start: Expr, depth: Expr) -> None:
    """Bring a block's panels near, which start there, where it is the first to use them and has rows to make it worth
    it: weights are seldom where they were a run ago."""
    with kernel.when(blocks.first_row.equal(0) & blocks.rows.gt(2 * TILE_ROWS)):
        panels = (blocks.column_count + (TILE_COLUMNS - 1)) // TILE_COLUMNS
        length = panels * TILE_COLUMNS * depth
        warm(kernel, "b", start + blocks.first_column * depth, rows=Const(1, I32), row_step=depth, length=length)
