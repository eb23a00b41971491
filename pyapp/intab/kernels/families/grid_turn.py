"""One turn of the loop over a product's depths, and what a GPU's invocations load in it."""

from dataclasses import dataclass

from intab.kernels.block import KernelWriter, load
from intab.kernels.families.grid_left import LeftRow, TapGuard
from intab.kernels.families.grid_shape import LANES
from intab.kernels.families.register_tile import F32X4
from intab.kernels.ir import F32, I32, Const, Expr, Lane, Load, Select, Splat, as_expr

ZERO, ZEROS = Const(0.0, F32), Const(0.0, F32X4)


@dataclass(frozen=True, slots=True)
class Reach:
    """A depth of a turn, counted from its first; `valid` says whether there is one, and is None where there always is.

    Where there is none, `number` is one that there is.
    """

    number: Expr
    valid: Expr | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """Depths from `depth` on. In a row of the left side they lie `offset` from its start.

    `left_over`: so many depths there are from here on, where the last turn may have fewer than others; else None.
    Depths that are not there count as zeros on both sides, so that infinities where they would lie do no harm.
    `guard`: which rows see the picture; what others see counts as zeros, too.
    """

    kernel: KernelWriter
    depth: Expr
    offset: Expr
    left_over: Expr | None
    guard: TapGuard | None = None

    def reach(self, number: Expr | int, lanes: int = 1) -> Reach:
        """Depth `number` of the turn, or a vector that starts there."""
        place = as_expr(number, I32)
        if self.left_over is None:
            return Reach(place)
        nearest = self.kernel.let("reached", place.minimum(self.left_over - lanes))
        return Reach(nearest, self.kernel.let("valid", place.lt(self.left_over)))

    def left(self, row: LeftRow, reach: Reach, *, vector: bool) -> Expr:
        """A depth, or a vector of them, of a row of the left side."""
        index, kind = row.place + self.offset, F32X4 if vector else F32
        sees = None if self.guard is None else self.guard.sees(row)
        if sees is not None:  # else the first depths of all, which there are
            index = self.kernel.let("seen", Select(sees, index, Const(0, I32)))
        if isinstance(reach.number, Const):
            value = self._loaded(load("a", index, kind, int(reach.number.value)), reach)
        else:
            value = self._loaded(load("a", index + reach.number, kind), reach)
        return value if sees is None else self._counted(sees, value)

    def counted(self, value: Expr, reach: Reach) -> Expr:
        """What was loaded of a depth that is there, else zeros."""
        if reach.valid is None:
            return value
        return self._counted(reach.valid, value)

    def _loaded(self, value: Load, reach: Reach) -> Expr:
        return self.counted(self.kernel.let("loaded", value), reach)

    def _counted(self, valid: Expr, value: Expr) -> Expr:
        """The value where it is valid, else zeros."""
        if value.type.lanes == 1:
            return self.kernel.let("counted", Select(valid, value, ZERO))
        return self.kernel.let("counted", Select(Splat(valid, LANES), value, ZEROS))


def numbers_of(loaded: list[Expr]) -> list[Expr]:
    """The single depths of what was loaded: all lanes of vectors."""
    return [Lane(value, lane) for value in loaded for lane in range(LANES)] if loaded[0].type.lanes > 1 else loaded
