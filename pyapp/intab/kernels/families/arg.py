"""The place of the largest or least element of a row."""

from functools import cache

from intab.errors import KernelError
from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.loops import lanes_for
from intab.kernels.families.reduce import LEAST, MOST
from intab.kernels.ir import I32, I64, Cast, Const, Expr, Kernel, Lane, Select, Splat, Type, Var


@cache
def arg_last(
    *, lanes: int, dtype: str = "f32", output: str = "i64", largest: bool = True, last: bool = False
) -> Kernel:
    """y[row] = the place of the largest (or least) element of x[row, :]; of equal ones the first, or the last.

    dtype is "f32" or "i32", output "i64" or "i32". NaN counts for nothing; a row of nothing else gives 0.
    Buffers: x [rows, length], contiguous, y. Words: length. Items: rows.
    """
    if dtype not in ("f32", "i32") or output not in ("i64", "i32"):
        raise KernelError(f"There is no arg kernel from {dtype} to {output}.")
    kernel = KernelWriter("arg_max" if largest else "arg_min")
    kernel.buffer("x", dtype, "read")
    kernel.buffer("y", output, "write")
    length = kernel.word("length")
    search = _Search(kernel, largest=largest, last=last)
    width = lanes_for(lanes, dtype)
    with kernel.tile("row"):
        pointer = kernel.let("pointer", at("x", kernel.item * length))
        best = kernel.let("best", Const((LEAST if largest else MOST)[dtype], Type(dtype)))
        where = kernel.let("where", Const(0, I32))
        main = kernel.let("main", length & -width) if width > 1 else Const(0, I32)
        if width > 1:
            with kernel.when(main.gt(0)):
                search.vectors(pointer, best, where, main, width)
        with kernel.loop("i", main, length) as i:
            search.meet(kernel.let("value", load("x", pointer, Type(dtype))), i, best, where)
            kernel.advance(pointer, 1)
        kernel.store("y", kernel.item, Cast(where, I64) if output == "i64" else where)
    return kernel.kernel()


class _Search:
    """Writes the comparisons of one kernel."""

    def __init__(self, kernel: KernelWriter, *, largest: bool, last: bool) -> None:
        self._kernel = kernel
        self._largest = largest
        self._last = last

    def _better(self, value: Expr, best: Expr) -> Expr:
        if self._last:
            return value.ge(best) if self._largest else value.le(best)
        return value.gt(best) if self._largest else value.lt(best)

    def meet(self, value: Expr, index: Expr, best: Var, where: Var) -> None:
        """Take a value that lies at `index`, behind all met so far, if it is better."""
        better = self._kernel.let("better", self._better(value, best))
        self._kernel.assign(best, Select(better, value, best))
        self._kernel.assign(where, Select(better, index, where))

    def vectors(self, pointer: Var, best: Var, where: Var, main: Expr, width: int) -> None:
        """Search elements 0 .. main, each lane for itself, then take the best lane."""
        kernel = self._kernel
        wide = best.type.wide(width)
        bests = kernel.let("bests", Splat(best, width))
        # Lane k holds the place of its element less k, since a vector of different constants cannot be written.
        wheres = kernel.let("wheres", Splat(where, width))
        with kernel.loop("i", 0, main, width) as i:
            self.meet(kernel.let("values", load("x", pointer, wide)), Splat(i, width), bests, wheres)
            kernel.advance(pointer, width)
        kernel.assign(best, Lane(bests, 0))
        kernel.assign(where, Lane(wheres, 0))
        for k in range(1, width):
            value, index = Lane(bests, k), kernel.let("index", Lane(wheres, k) + k)
            behind = index.gt(where) if self._last else index.lt(where)
            better = kernel.let("better", value.gt(best) if self._largest else value.lt(best))
            better = kernel.let("better", better | (value.equal(best) & behind))
            kernel.assign(best, Select(better, value, best))
            kernel.assign(where, Select(better, index, where))
