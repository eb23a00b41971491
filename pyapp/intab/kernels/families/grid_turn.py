"""One turn of the loop over a product's depths, and what a GPU's invocations load in it."""

from dataclasses import dataclass

from intab.kernels.block import KernelWriter, load
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
    """

    kernel: KernelWriter
    depth: Expr
    offset: Expr
    left_over: Expr | None

    def reach(self, number: Expr | int, lanes: int = 1) -> Reach:
        """Depth `number` of the turn, or a vector that starts there."""
        place = as_expr(number, I32)
        if self.left_over is None:
            return Reach(place)
        nearest = self.kernel.let("reached", place.minimum(self.left_over - lanes))
        return Reach(nearest, self.kernel.let("valid", place.lt(self.left_over)))

    def left(self, start: Expr, reach: Reach, *, vector: bool) -> Expr:
        """A depth, or a vector of them, of the row of the left side that starts there."""
        index, kind = start + self.offset, F32X4 if vector else F32
        if isinstance(reach.number, Const):
            return self._loaded(load("a", index, kind, int(reach.number.value)), reach)
        return self._loaded(load("a", index + reach.number, kind), reach)

    def right(self, line: Expr, column: Expr, reach: Reach) -> Expr:
        """A vector of columns of the right side, of the depth that lies at `line`."""
        return self._loaded(load("b", line + column, F32X4), reach)

    def line(self, reach: Reach, first: Expr, step: Expr) -> Expr:
        """Where a depth of the right side lies, whose first lies there and whose depths lie `step` apart."""
        return self.kernel.let("line", first + (self.depth + reach.number) * step)

    def _loaded(self, value: Load, reach: Reach) -> Expr:
        loaded = self.kernel.let("loaded", value)
        if reach.valid is None:
            return loaded
        if value.type.lanes == 1:
            return self.kernel.let("counted", Select(reach.valid, loaded, ZERO))
        return self.kernel.let("counted", Select(Splat(reach.valid, LANES), loaded, ZEROS))


def numbers_of(loaded: list[Expr]) -> list[Expr]:
    """The single depths of what was loaded: all lanes of vectors."""
    return [Lane(value, lane) for value in loaded for lane in range(LANES)] if loaded[0].type.lanes > 1 else loaded
