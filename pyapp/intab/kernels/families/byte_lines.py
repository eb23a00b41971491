"""Lines of bytes that are copied as something wider, among zeros: what kernels that do so have in common."""

from collections.abc import Iterator
from contextlib import contextmanager

from intab.kernels.block import KernelWriter, load
from intab.kernels.families.integer_matmul import pair_of
from intab.kernels.ir import I16X8, I32, Bitcast, Const, Expr, Splat, Type, Word

LANES = 4
HALVES = 8


class ByteLines:
    """A kernel whose items are the lines of framed pictures: buffers x, zero (one number, when it has one), out.

    Words: height, `inner` (what says how long a line of x is), out_height, out_line (elements of a line of the
    result), top and left (lines above, elements to the left). Items: images * out_height lines. Because the zero point
    is taken off first, a border of it is a border of zeros.
    """

    def __init__(
        self, name: str, dtype: str, out: Type, inner: tuple[str, ...], *, zero: bool, reach: str = ""
    ) -> None:
        """Numbers are of `dtype`, "i8" or "u8"; elements of the result of the type `out`.

        Where a line of the result is made of a line of x and another below it, the word `reach` says how far below.
        """
        kernel = self.kernel = KernelWriter(f"{name}_{dtype}")
        kernel.buffer("x", dtype, "read")
        if zero:
            kernel.buffer("zero", dtype, "read")
        kernel.buffer("out", out.scalar, "write")
        self.height = kernel.word("height")
        self.inner: list[Word] = [kernel.word(name) for name in inner]
        self._out_height, self._out_line, top, self._left = (
            kernel.word(name) for name in ("out_height", "out_line", "top", "left")
        )
        self.reach: Expr = kernel.word(reach) if reach else Const(0, I32)
        self._out, self._has_zero = out, zero
        self.source_line = kernel.let("source_line", kernel.item % self._out_height - top)
        self._target = kernel.let("target", kernel.item * self._out_line)
        self.zero: Expr = kernel.let("zero_point", load("zero", 0, I32)) if zero else Const(0, I32)

    def zeros_twice(self) -> Expr | None:
        """The zero point in all of eight halves; None without one."""
        if not self._has_zero:
            return None
        return self.kernel.let("zeros", Bitcast(Splat(pair_of(self.zero, self.zero), LANES), I16X8))

    @contextmanager
    def line(self) -> Iterator[tuple[Expr, Expr]]:
        """Write how a line of x is copied: its number among all lines, and where in `out` it goes.

        With a reach that is `source_line` of its picture, which may lie above the first.
        """
        kernel = self.kernel
        with kernel.tile("line"):
            with kernel.when((self.source_line + self.reach).ge(0) & self.source_line.lt(self.height)):
                yield kernel.item // self._out_height * self.height + self.source_line, self._target + self._left
            with kernel.otherwise():
                self._zeros(Const(0, I32), self._out_line)

    def before(self) -> None:
        """Zeros to the left of a line."""
        self._zeros(Const(0, I32), self._left)

    def after(self, length: Expr) -> None:
        """Zeros to the right of a line of so many elements."""
        self._zeros(self.kernel.let("right", self._left + length), self._out_line)

    def _zeros(self, begin: Expr, end: Expr) -> None:
        kernel = self.kernel
        whole = kernel.let("whole_zeros", begin + (end - begin) // LANES * LANES)
        for first, last, lanes in ((begin, whole, LANES), (whole, end, 1)):
            with kernel.loop("i", first, last, lanes) as i:
                kernel.store("out", self._target + i, Const(0, self._out.wide(lanes)))
