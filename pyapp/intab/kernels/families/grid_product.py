"""Products of matrices, and of windows of pictures with filters, for GPUs: every way in which invocations share them.

    out[batch, row, column] = epilogue(sum over depths of a[batch, row, depth] * b[batch, depth, column] + bias[column])

The right side lies one depth after the other, each a whole number of vectors, in floats or as small as it is in a file
(`grid_right`). What else is in the key: the `GridShape`, the epilogue, and what `Known` says of places and sizes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from intab.errors import KernelError
from intab.kernels.block import KernelWriter, from_member
from intab.kernels.families.grid_left import LeftRow, LeftSide
from intab.kernels.families.grid_right import Column, Compressed, RightSide
from intab.kernels.families.grid_shape import LANES, SHARED, SUBGROUP, GridShape
from intab.kernels.families.grid_shared import SharedBlocks, SplitSums
from intab.kernels.families.grid_tile import FIRST, Corner, Output, multiply
from intab.kernels.families.grid_turn import ZEROS, Reach, Turn, numbers_of
from intab.kernels.families.register_tile import PLAIN, Epilogue
from intab.kernels.ir import I32, Const, Expr, Kernel, Var

Right = Callable[[Turn, range], list[list[Expr]]]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a product when its kernel is chosen.

    `left_vector`: runs of the left side are whole vectors at multiples of four. `out_vector`: so are rows of the
    result and of all that has a value for each column. `whole`: runs are a multiple of the shape's depths. `pixels`,
    `taps`: levels of a picture and its windows (see `grid_left`), 0 for a matrix; `spaced`: pixels lie inside a larger
    result. `guards`: along which levels windows may reach beyond the picture (see `LeftSide`).
    `compressed`: how the right side lies where it is not of floats.
    """

    left_vector: bool = False
    out_vector: bool = False
    whole: bool = False
    pixels: int = 0
    taps: int = 0
    spaced: bool = False
    guards: tuple[tuple[int, int], ...] = ()
    compressed: Compressed | None = None


NOTHING = Known()


@cache
def grid_product(shape: GridShape, known: Known = NOTHING, epilogue: Epilogue = PLAIN) -> Kernel:
    """A product shared as `shape` says.

    Buffers: a, b, scale if it is compressed, bias when the epilogue has one, e0 ..., out. Words: rows, columns; those
    of `LeftSide`, of `RightSide` (b_batch and where b starts are multiples of four) and of `Output`.
    Items: batches * ceil(rows / tile_rows) * ceil(columns / tile_columns).
    """
    if known.taps and not known.whole:
        raise KernelError("A window's runs are walked in whole turns. Give the shape depths that divide them.")
    if known.left_vector and shape.depths % LANES:
        raise KernelError("Depths that are read in vectors are taken so many at a time.")
    if known.compressed is not None and known.compressed.block % shape.depths:
        raise KernelError("Depths that are taken together lie in one block. Give the shape depths that divide it.")
    return _Product(shape, known, epilogue).write()


class _Product:
    def __init__(self, shape: GridShape, known: Known, epilogue: Epilogue) -> None:
        self._shape, self._known = shape, known
        kernel = self._kernel = KernelWriter("grid_convolution" if known.pixels else "grid_matmul")
        kernel.buffer("a", "f32", "read", vector=LANES if known.left_vector else 1)
        self._right = RightSide(kernel, known.compressed)
        rows, columns = kernel.word("rows"), kernel.word("columns")
        self._left = LeftSide(kernel, known.pixels, known.taps, known.guards)
        self._out = Output(kernel, epilogue, vector=known.out_vector, spaced=known.pixels if known.spaced else 0)
        self._corner = Corner(kernel, shape, rows, columns)
        self._left.set_batch(self._corner.batch)
        self._out.set_batch(self._corner.batch, self._left)
        self._right.set_batch(self._corner.batch)

    def write(self) -> Kernel:
        kernel, shape, corner = self._kernel, self._shape, self._corner
        columns = corner.vectors()
        starts = [ZEROS if shape.splits > 1 else kernel.let("start", self._out.bias(column)) for column in columns]
        sums = [[kernel.let("sum", start) for start in starts] for _ in range(shape.rows)]
        rows = [corner.row(number) for number in range(shape.rows)]
        if shape.via == SHARED:
            blocks = SharedBlocks(kernel, shape, corner, self._left, self._right, vector=self._known.left_vector)
            self._turns(lambda turn: blocks.multiply(turn, sums))
        else:
            left = [self._left.start(row.minimum(corner.rows - 1)) for row in rows]
            loads = self._asked_for() if shape.via == SUBGROUP else self._loaded_by_each(columns)
            self._turns(lambda turn: self._multiply(turn, sums, left, loads))
        if shape.splits > 1:
            SplitSums(kernel, shape, corner).store(sums, self._out)
        else:
            self._out.store_tile(corner, shape, sums, rows)
        return kernel.kernel()

    def _turns(self, body: Callable[[Turn], None]) -> None:
        """A loop over the invocation's depths."""
        kernel, step, splits = self._kernel, self._shape.depths, self._shape.splits
        begin: Expr = FIRST
        end: Expr = self._left.depth
        if splits > 1:
            part = kernel.let("part_depths", (end + (step * splits - 1)) // (step * splits) * step)
            begin = kernel.let("first_depth", self._corner.split * part)
            end = kernel.let("last_depth", end.minimum(begin + part))
        walk = self._left.walk(begin)
        with kernel.loop("depth", begin, end, step) as depth:
            left_over = None if self._known.whole else kernel.let("left_over", end - depth)
            offset = depth if walk is None else walk.offset
            body(Turn(kernel, depth, offset, left_over, self._left.guard(walk)))
            if walk is not None:
                walk.advance(step)

    def _multiply(self, turn: Turn, sums: list[list[Var]], left: Sequence[LeftRow], right: Right) -> None:
        """A turn's products, four depths at a time."""
        vector, depths = self._known.left_vector, self._shape.depths
        for first in range(0, depths, LANES):
            together = range(first, min(first + LANES, depths))
            lines = right(turn, together)
            reaches = [turn.reach(first, LANES)] if vector else [turn.reach(number) for number in together]
            numbers = partial(self._left_numbers, turn, left, reaches)
            multiply(self._kernel, sums, numbers, lines)

    def _left_numbers(self, turn: Turn, starts: Sequence[LeftRow], reaches: list[Reach], row: int) -> list[Expr]:
        """What a row of the tile has at these depths."""
        vector = self._known.left_vector
        return numbers_of([turn.left(starts[row], reach, vector=vector) for reach in reaches])

    def _loaded_by_each(self, starts: list[Expr]) -> Right:
        """Every invocation loads all that it multiplies by."""
        right, columns = self._right, [self._right.column(start) for start in starts]

        def load(turn: Turn, depths: range) -> list[list[Expr]]:
            lines = [right.line(turn, turn.reach(depth)) for depth in depths]
            return [[right.numbers(turn, line, column) for column in columns] for line in lines]

        return load

    def _asked_for(self) -> Right:
        """The members of a subgroup load a part each, vector after vector, and ask each other for the rest."""
        kernel, shape = self._kernel, self._shape
        full, rest = min(LANES, shape.depths), shape.depths % LANES
        parts = {depths: self._parts(depths) for depths in (full, rest) if depths}

        def load(turn: Turn, depths: range) -> list[list[Expr]]:
            loaded = []
            for depth, column in parts[len(depths)]:
                line = self._right.line(turn, turn.reach(depth + depths.start))
                loaded.append(self._right.numbers(turn, line, column))

            def asked(number: int) -> Expr:
                return kernel.let("right", from_member(loaded[number // shape.team], number % shape.team))

            return [[asked(depth * shape.vectors + q) for q in range(shape.vectors)] for depth in range(len(depths))]

        return load

    def _parts(self, depths: int) -> list[tuple[Expr, Column]]:
        """The (depth, column) of each vector that a member loads, of all those of so many depths, line by line."""
        kernel, shape, corner = self._kernel, self._shape, self._corner
        count = depths * shape.vectors
        last = kernel.let("last_asked", (corner.columns + (LANES - 1)) // LANES * LANES - LANES)
        parts: list[tuple[Expr, Column]] = []
        known: dict[int, Column] = {}
        for first in range(0, count, shape.team):
            if shape.vectors % shape.team == 0:  # a member's vectors are of one depth each, known now
                depth: Expr = Const(first // shape.vectors, I32)
                piece, number = corner.member + first % shape.vectors, first % shape.vectors
            else:
                part = kernel.let("part", (corner.member + first).minimum(count - 1))
                depth = kernel.let("part_depth", part // shape.vectors)
                piece, number = kernel.let("part_vector", part % shape.vectors), first
            if number not in known:
                start = kernel.let("asked_column", (corner.first_column + piece * LANES).minimum(last))
                known[number] = self._right.column(start)
            parts.append((depth, known[number]))
        return parts
