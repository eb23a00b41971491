"""How much of the inner axes of its work an item does: all of them, or one small piece, as GPUs want it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from intab.kernels.block import KernelWriter
from intab.kernels.families.loops import stream
from intab.kernels.ir import I32, Const, Expr, Var


class Share:
    """What an item does of axes of these `sizes`, those inside what a family calls its items.

    With `width` 0 it does everything: `outer` is the item, and loops go over whole axes. Else it is one place of each
    axis and `width` neighbouring elements of the last, of whose size `width` must be a divisor; there are then as many
    more items as there are such pieces, those of the last axis side by side.
    """

    def __init__(self, kernel: KernelWriter, width: int, *sizes: Expr) -> None:
        """Where `width` is not 0 this writes statements: buffers and words come before."""
        self._kernel, self.width, self._sizes = kernel, width, sizes
        self.outer: Expr = kernel.item
        self.firsts: list[Expr] = [Const(0, I32)] * len(sizes)
        if width:
            for axis in reversed(range(len(sizes))):
                step = width if axis == len(sizes) - 1 else 1
                count = kernel.let("pieces", sizes[axis] // step) if step > 1 else sizes[axis]
                self.firsts[axis] = kernel.let("first", self.outer % count * step)
                self.outer = kernel.let("outer", self.outer // count)

    @property
    def first(self) -> Expr:
        """The item's first element along the last axis."""
        return self.firsts[-1]

    def offset(self, *strides: Expr) -> Expr:
        """How far into the axes the item begins, by the `strides` of all but the last."""
        total = self.first
        if self.width:
            for first, stride in zip(self.firsts, strides, strict=False):
                total = total + first * stride
        return total

    @contextmanager
    def loop(self, axis: int, name: str) -> Iterator[Expr]:
        """Every place of an axis that the item does."""
        if self.width:
            yield self.firsts[axis]
            return
        with self._kernel.loop(name, 0, self._sizes[axis]) as var:
            yield var

    def stream(self, lanes: int, pointers: Sequence[Var], body: Callable[[int], None], name: str = "i") -> None:
        """Every vector of the last axis that the item does, as `loops.stream`; pointers begin at `first`."""
        if self.width:
            body(self.width)
        else:
            stream(self._kernel, self._sizes[-1], lanes, pointers, body, name)
