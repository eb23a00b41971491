"""The tile of sums that an invocation of a GPU holds in registers: where it lies, how it grows, how it is stored.

Tiles at the edges are whole: rows past the last repeat the last and are not stored; columns past the last are loaded
where the last vector lies, and stored, from the last to the first, to where the last column lies, which thus gets its
own number in the end.
"""

from collections.abc import Callable, Sequence

from intab.kernels.block import KernelWriter, load
from intab.kernels.families.grid_left import LeftSide, spaced_steps
from intab.kernels.families.grid_shape import LANES, SUBGROUP, GridShape
from intab.kernels.families.grid_turn import ZEROS
from intab.kernels.families.pixel_walk import place_of
from intab.kernels.families.register_tile import F32X4, Epilogue, ExtraOperands
from intab.kernels.ir import F32, I32, Const, Expr, Fma, Lane, Splat, Var
from intab.kernels.scalar import operations_of

# Functions of more operations are written once, in a loop over what is stored, not for every vector of the tile.
MOST_OPERATIONS = 8
# Numbers whose loads and stores are written down where each store comes with a load: larger tiles are stored by a
# loop, through which their rows move up. A load takes a CPU's compiler as long as two dozen multiply-adds (measured:
# tiles of 128 vectors compile in half the time and run as fast; without loads they would run 5 to 10 % slower).
MOST_STORED = 128
FIRST = Const(0, I32)


class Corner:
    """Where an invocation's tile lies: `batch`, the first row and column of its team's tile, its place in there.

    Tiles of a row lie side by side among the items. A team's rows take turns among its members, so that neighbours read
    and write neighbouring rows; columns of a member lie together.
    """

    def __init__(self, kernel: KernelWriter, shape: GridShape, rows: Expr, columns: Expr) -> None:
        self._kernel, self._shape = kernel, shape
        self.rows, self.columns = rows, columns
        self.member: Expr = kernel.team(shape.team, in_subgroup=shape.via == SUBGROUP) if shape.team > 1 else FIRST
        down = kernel.let("tiles_down", (rows + (shape.tile_rows - 1)) // shape.tile_rows)
        across = kernel.let("tiles_across", (columns + (shape.tile_columns - 1)) // shape.tile_columns)
        tile = kernel.let("tile", kernel.item % (down * across))
        self.batch: Expr = kernel.let("batch", kernel.item // (down * across))
        self.team_row = kernel.let("team_row", tile // across * shape.tile_rows)
        self.team_column = kernel.let("team_column", tile % across * shape.tile_columns)
        together = shape.down * shape.across
        place = kernel.let("place", self.member % together) if shape.splits > 1 else self.member
        self.split: Expr = kernel.let("split", self.member // together) if shape.splits > 1 else FIRST
        self.down: Expr = kernel.let("down", place // shape.across) if shape.across > 1 else place
        self.across: Expr = kernel.let("across", place % shape.across) if shape.across > 1 else FIRST
        self.first_column = kernel.let("first_column", self.team_column + self.across * shape.columns)

    def row(self, number: Expr | int) -> Expr:
        """A row of the tile, which may lie past the last."""
        return self._kernel.let("row", self.team_row + self.down + number * self._shape.down)

    def vectors(self) -> list[Expr]:
        """Where the vectors of a row of the tile start; those past the last are where it is."""
        last = self._kernel.let("last_vector", (self.columns + (LANES - 1)) // LANES * LANES - LANES)
        starts = (self.first_column + LANES * number for number in range(self._shape.vectors))
        return [self._kernel.let("vector", start.minimum(last)) for start in starts]

    def singles(self) -> list[Expr]:
        """The columns of a row of the tile; those past the last are the last."""
        last = self._kernel.let("last_column", self.columns - 1)
        columns = (self.first_column + number for number in range(self._shape.columns))
        return [self._kernel.let("column", column.minimum(last)) for column in columns]


class Output:
    """Where sums go, and what becomes of them there.

    With `vector` columns, rows and places are multiples of four. With `spaced` levels pixels lie inside a larger
    result. Words: bias_batch, the epilogue's, out_batch, and out_row or those of `spaced_steps`.
    """

    def __init__(self, kernel: KernelWriter, epilogue: Epilogue, *, vector: bool, spaced: int = 0) -> None:
        self._kernel, self.epilogue, self._vector = kernel, epilogue, vector
        width = LANES if vector else 1
        if epilogue.bias:
            kernel.buffer("bias", "f32", "read", vector=width)
            self._bias_step = kernel.word("bias_batch")
        self.extras = ExtraOperands(kernel, epilogue, vector=width)
        kernel.buffer("out", "f32", "read_write", vector=width)
        self._batch_step = kernel.word("out_batch")
        self._steps = [kernel.word(name) for name in (spaced_steps(spaced) if spaced else ("out_row",))]

    def set_batch(self, batch: Expr, left: LeftSide) -> None:
        """From here on sums are those of a batch of the left side."""
        kernel = self._kernel
        self._starts = self.extras.starts(kernel, batch)
        self._first = kernel.let("out_first", batch * self._batch_step)
        self._counts = left.counts
        if self.epilogue.bias:
            self._bias_first = kernel.let("bias_first", batch * self._bias_step)

    def bias(self, column: Expr) -> Expr:
        """Where the sums of a vector of columns start: the bias, or zero."""
        return load("bias", self._bias_first + column, F32X4) if self.epilogue.bias else ZEROS

    def store_tile(self, corner: Corner, shape: GridShape, sums: list[list[Var]], rows: Sequence[Expr]) -> None:
        """Store a tile through the epilogue."""
        kernel, function = self._kernel, self.epilogue.function
        late = function is not None and (not self._vector or operations_of(function).floats > MOST_OPERATIONS)
        columns = corner.vectors() if self._vector else corner.singles()
        inside = kernel.let("inside", corner.first_column.lt(corner.columns))

        def store_row(row: Expr, numbers: Sequence[Var]) -> None:
            with kernel.when(row.lt(corner.rows) & inside):
                place = self._place(row)
                for number in reversed(range(len(columns))):
                    value = numbers[number] if self._vector else Lane(numbers[number // LANES], number % LANES)
                    made = value if late else self._finished(value, row, columns[number])
                    kernel.store("out", place + columns[number], made)

        together = max(n for n in range(1, shape.rows + 1) if shape.rows % n == 0 and self._are_few(n, shape))
        if together == shape.rows:
            for row, numbers in zip(rows, sums, strict=True):
                store_row(row, numbers)
        else:
            with kernel.loop("first_stored", 0, Const(shape.rows, I32), together) as first:
                for number in range(together):
                    store_row(corner.row(first + number), sums[number])
                for numbers, following in zip(sums, sums[together:], strict=False):
                    for total, next_total in zip(numbers, following, strict=True):
                        kernel.assign(total, next_total)
        if late:
            self._finish_tile(corner, shape)

    def store_vector(self, corner: Corner, row: Expr, column: Expr, value: Expr) -> None:
        """Store a vector of a row through the epilogue; of its columns those that there are."""
        kernel, place = self._kernel, self._place(row)
        if self._vector:
            kernel.store("out", place + column, self._finished(value, row, column))
            return
        for lane in range(LANES):
            with kernel.when((column + lane).lt(corner.columns)):
                kernel.store("out", place + column, self._finished(Lane(value, lane), row, column + lane), lane)

    def _are_few(self, rows: int, shape: GridShape) -> bool:
        """Whether the stores of so many rows of a tile may be written down."""
        return rows == 1 or not any(self.epilogue.wide) or rows * shape.columns <= MOST_STORED

    def _place(self, row: Expr) -> Expr:
        """Where a row of the result starts."""
        if len(self._steps) == 1:
            return self._kernel.let("out_place", self._first + row * self._steps[0])
        return self._kernel.let("out_place", self._first + place_of(row, self._counts, self._steps))

    def _finished(self, value: Expr, row: Expr, column: Expr) -> Expr:
        """What the epilogue makes of a sum, or of a vector of them."""
        return self.extras.apply(self._kernel, value, self._starts, row, column)

    def _finish_tile(self, corner: Corner, shape: GridShape) -> None:
        """Put what is stored of a tile through the epilogue's function."""
        kernel, kind = self._kernel, F32X4 if self._vector else F32
        end = kernel.let("last", corner.columns.minimum(corner.first_column + shape.columns))
        with kernel.loop("r", 0, Const(shape.rows, I32)) as number:
            row = corner.row(number)
            with kernel.when(row.lt(corner.rows)):
                place = self._place(row)
                with kernel.loop("c", corner.first_column, end, kind.lanes) as column:
                    value = kernel.let("value", load("out", place + column, kind))
                    kernel.store("out", place + column, self._finished(value, row, column))


def multiply(
    kernel: KernelWriter, sums: list[list[Var]], left: Callable[[int], Sequence[Expr]], right: Sequence[Sequence[Expr]]
) -> None:
    """sums[m][q] += left(m)[k] * right[k][q].

    Rows come one after the other, each loaded where it is used: few numbers then live at a time.
    """
    for number, row in enumerate(sums):
        numbers = left(number)
        for q, total in enumerate(row):
            for k, value in enumerate(numbers):
                kernel.assign(total, Fma(Splat(value, LANES), right[k][q], total))
