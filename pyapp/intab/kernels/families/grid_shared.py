"""What the members of a GPU's team share of a product: blocks of both sides, or the sums of parts of the depths."""

from intab.kernels.block import KernelWriter, load
from intab.kernels.families.grid_left import LeftSide
from intab.kernels.families.grid_right import RightSide
from intab.kernels.families.grid_shape import LANES, GridShape
from intab.kernels.families.grid_tile import Corner, Output, multiply
from intab.kernels.families.grid_turn import Turn, numbers_of
from intab.kernels.families.register_tile import F32X4
from intab.kernels.ir import F32, I32, Const, Expr, Var


class SharedBlocks:
    """Blocks of both sides that a team loads together, turn by turn, and that its members multiply from."""

    def __init__(
        self,
        kernel: KernelWriter,
        shape: GridShape,
        corner: Corner,
        left: LeftSide,
        right: RightSide,
        *,
        vector: bool,
    ) -> None:
        self._kernel, self._shape, self._corner, self._right, self._vector = kernel, shape, corner, right, vector
        self._width = LANES if vector else 1
        kernel.shared("left_block", "f32", shape.tile_rows * shape.pitch, vector=self._width)
        kernel.shared("right_block", "f32", shape.depths * shape.tile_columns, vector=LANES)
        self._left_units = self._units(shape.tile_rows, -(-shape.depths // self._width))
        self._right_units = self._units(shape.depths, shape.tile_columns // LANES)
        last_row = kernel.let("last_row", corner.rows - 1)
        self._starts = [left.start((corner.team_row + row).minimum(last_row)) for row, _, _ in self._left_units]
        last = kernel.let("last_shared", (corner.columns + (LANES - 1)) // LANES * LANES - LANES)
        self._columns = [
            right.column(kernel.let("shared_column", (corner.team_column + column * LANES).minimum(last)))
            for _, column, _ in self._right_units
        ]

    def _units(self, lines: int, pieces: int) -> list[tuple[Expr, Expr, Expr | None]]:
        """The (line, piece, is it one) of what a member loads of a block of so many lines of so many pieces."""
        kernel, team, count = self._kernel, self._shape.team, lines * pieces
        units: list[tuple[Expr, Expr, Expr | None]] = []
        for first in range(0, count, team):
            unit: Expr = kernel.let("unit", self._corner.member + first)
            inside = None
            if first + team > count:
                inside = kernel.let("is_unit", unit.lt(count))
                unit = kernel.let("near_unit", unit.minimum(count - 1))
            units.append((kernel.let("unit_line", unit // pieces), kernel.let("unit_piece", unit % pieces), inside))
        return units

    def multiply(self, turn: Turn, sums: list[list[Var]]) -> None:
        """sums += the products of a turn's depths."""
        self._kernel.barrier()  # until all are done with the last turn's blocks
        self._load(turn)
        self._kernel.barrier()
        for first in range(0, self._shape.depths, LANES):
            self._multiply(sums, first, min(LANES, self._shape.depths - first))

    def _load(self, turn: Turn) -> None:
        shape, width = self._shape, self._width
        for (row, piece, inside), start in zip(self._left_units, self._starts, strict=True):
            value = turn.left(start, turn.reach(piece * width, width), vector=self._vector)
            self._store("left_block", row * shape.pitch + piece * width, value, inside)
        for (depth, piece, inside), column in zip(self._right_units, self._columns, strict=True):
            value = self._right.numbers(turn, self._right.line(turn, turn.reach(depth)), column)
            self._store("right_block", depth * shape.tile_columns + piece * LANES, value, inside)

    def _store(self, block: str, index: Expr, value: Expr, inside: Expr | None) -> None:
        if inside is None:
            self._kernel.store(block, index, value)
            return
        with self._kernel.when(inside):
            self._kernel.store(block, index, value)

    def _multiply(self, sums: list[list[Var]], first: int, count: int) -> None:
        kernel, shape, corner = self._kernel, self._shape, self._corner
        column = corner.across * shape.columns

        def line(depth: int) -> list[Expr]:
            places = range(depth * shape.tile_columns, depth * shape.tile_columns + shape.columns, LANES)
            return [kernel.let("right", load("right_block", column, F32X4, place)) for place in places]

        def left(number: int) -> list[Expr]:
            row = kernel.let("block_row", (corner.down + number * shape.down) * shape.pitch)
            if self._vector:
                return numbers_of([kernel.let("left", load("left_block", row, F32X4, first))])
            return [kernel.let("left", load("left_block", row, F32, first + k)) for k in range(count)]

        multiply(kernel, sums, left, [line(first + k) for k in range(count)])


class SplitSums:
    """The sums of members that have taken each a part of the depths, added up and stored by all of them."""

    def __init__(self, kernel: KernelWriter, shape: GridShape, corner: Corner) -> None:
        self._kernel, self._shape, self._corner = kernel, shape, corner
        self._units = shape.tile_rows * shape.tile_columns // LANES
        self._line = shape.tile_columns // LANES
        kernel.shared("parts", "f32", shape.splits * self._units * LANES, vector=LANES)

    def store(self, sums: list[list[Var]], out: Output) -> None:
        """Add up and store through the epilogue."""
        kernel, shape, corner = self._kernel, self._shape, self._corner
        for number, values in enumerate(sums):
            line = (corner.down + number * shape.down) * self._line + corner.across * shape.vectors
            place = kernel.let("part", (corner.split * self._units + line) * LANES)
            for q, value in enumerate(values):
                kernel.store("parts", place, value, LANES * q)
        kernel.barrier()
        with kernel.loop("unit", corner.member, Const(self._units, I32), shape.team) as unit:
            row = kernel.let("unit_row", corner.team_row + unit // self._line)
            column = kernel.let("unit_column", corner.team_column + unit % self._line * LANES)
            with kernel.when(row.lt(corner.rows) & column.lt(corner.columns)):
                total = kernel.let("total", out.bias(column))
                with kernel.loop("split_number", 0, Const(shape.splits, I32)) as split:
                    part = load("parts", (split * self._units + unit) * LANES, F32X4)
                    kernel.assign(total, total + part)
                out.store_vector(corner, row, column, total)
