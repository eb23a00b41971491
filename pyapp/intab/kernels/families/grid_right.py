"""Where the right side of a product lies, for GPU kernels: floats, or whole numbers of 8 or 4 bits with scales.

Depths lie one after the other, each a whole number of vectors. Whole numbers stay as small as they are in memory, and
become floats in registers, a vector of four columns at a time.
"""

from dataclasses import dataclass

from intab.kernels.block import KernelWriter, load
from intab.kernels.families.grid_shape import LANES
from intab.kernels.families.grid_turn import Reach, Turn
from intab.kernels.families.register_tile import F32X4
from intab.kernels.ir import U32, Cast, Expr, Spread

HALF_BITS = 16


@dataclass(frozen=True, slots=True)
class Compressed:
    """Whole numbers of `bits` 8, or 4, with signs or without, that stand for (number - zero point) * scale.

    A u32 holds four columns: of a depth, or, of 4 bits, of two depths, the first in the low half. Scales lie as floats
    do, one line of them for all depths or one for each block of `block` depths; with `zero` a line of zero points
    follows each.
    """

    bits: int
    signed: bool
    zero: bool = False
    block: int = 0

    @property
    def lines(self) -> int:
        """Lines of scales and zero points of a block."""
        return 1 + self.zero


@dataclass(frozen=True, slots=True)
class Column:
    """A vector of columns: where it starts, in elements of `b`, and its (scale, zero point) where that is one for all
    depths."""

    place: Expr
    start: Expr
    levels: tuple[Expr, Expr | None] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A depth of the right side: where it lies in `b`, and by how many bits words have to be shifted for it."""

    reach: Reach
    place: Expr
    shift: Expr | None = None


class RightSide:
    """The right side of a product. Buffers: b, and scale if it is compressed.

    Words: b_row, the columns of a line, a multiple of four as is where b starts; b_batch, elements of b from batch to
    batch; scale_batch of a compressed one.
    """

    def __init__(self, kernel: KernelWriter, compressed: Compressed | None) -> None:
        self._kernel, self._how = kernel, compressed
        if compressed is None:
            kernel.buffer("b", "f32", "read", vector=LANES)
        else:
            kernel.buffer("b", "u32", "read")
            kernel.buffer("scale", "f32", "read", vector=LANES)
        self._row, self._batch = kernel.word("b_row"), kernel.word("b_batch")
        self._scale_batch = None if compressed is None else kernel.word("scale_batch")
        self._of_turn: dict[Column, tuple[Expr, Expr | None]] = {}

    def set_batch(self, batch: Expr) -> None:
        """From here on columns are those of a batch."""
        kernel = self._kernel
        self._first = kernel.let("b_first", batch * self._batch)
        if self._scale_batch is not None:
            self._scale_first = kernel.let("scale_first", batch * self._scale_batch)
            self._step: Expr = kernel.let("b_words", self._row // LANES)
        else:
            self._step = self._row

    def column(self, start: Expr) -> Column:
        """A vector of columns that starts there, told before the loop over depths."""
        if self._how is None:
            return Column(start, start)
        place = self._kernel.let("b_column", start // LANES)
        levels = None if self._how.block else self._levels(self._scale_first + start)
        return Column(place, start, levels)

    def line(self, turn: Turn, reach: Reach) -> Line:
        """A depth of a turn."""
        kernel = self._kernel
        depth = turn.depth + reach.number
        if self._how is None or self._how.bits == 8:
            return Line(reach, kernel.let("line", self._first + depth * self._step))
        number = kernel.let("line_number", depth)
        place = kernel.let("line", self._first + (number >> 1) * self._step)
        return Line(reach, place, kernel.let("half", (number & 1) * HALF_BITS))

    def numbers(self, turn: Turn, line: Line, column: Column) -> Expr:
        """A vector of columns of a depth."""
        if self._how is None:
            return turn.counted(self._kernel.let("loaded", load("b", line.place + column.place, F32X4)), line.reach)
        word: Expr = load("b", line.place + column.place, U32)
        if line.shift is not None:
            word = self._kernel.let("word", word) >> Cast(line.shift, U32)
        numbers: Expr = Cast(Spread(word, self._how.bits, self._how.signed), F32X4)
        scale, zero = column.levels or self._levels_of_turn(turn, column)
        if zero is not None:
            numbers = numbers - zero
        return turn.counted(self._kernel.let("expanded", numbers * scale), line.reach)

    def _levels(self, place: Expr) -> tuple[Expr, Expr | None]:
        """The scale and the zero point that lie there."""
        kernel, how = self._kernel, self._how
        scale = kernel.let("scales", load("scale", place, F32X4))
        zero = None
        if how is not None and how.zero:
            zero = kernel.let("zeros", load("scale", place + self._row, F32X4))
        return scale, zero

    def _levels_of_turn(self, turn: Turn, column: Column) -> tuple[Expr, Expr | None]:
        """Those of the block that a turn lies in: its depths are all of one, loaded where they are first asked for."""
        known, how = self._of_turn.get(column), self._how
        assert how is not None
        if known is None:
            line = turn.depth // how.block * how.lines * self._row
            known = self._of_turn[column] = self._levels(self._scale_first + line + column.start)
        return known
