"""The best elements along an axis, in order."""

from functools import cache

from intab.errors import KernelError
from intab.kernels.block import KernelWriter, load
from intab.kernels.ir import I32, I64, Cast, Const, Expr, Kernel, Select, Type

# Halvings of a range of 32-bit numbers until nothing is left.
_HALVINGS = 31


@cache
def top(dtype: str, *, largest: bool) -> Kernel:
    """The `best` largest (or smallest) of each column of x [rows, length, columns], best first, and where they were.

    Of equal elements the earlier comes first. dtype is "f32", "i32" or "i64"; NaN is never better than another.
    Buffers: x, values [rows, best, columns], places (i64, the same). Words: length, columns, best (1 or more, and not
    above length). Items: rows * columns.

    The best so far are kept in order, and each element that belongs among them is inserted at its place: for numbers
    in no order few are, best * log(length / best) or so.
    """
    if dtype not in ("f32", "i32", "i64"):
        raise KernelError(f"There is no kernel for the best of {dtype}.")
    kernel = KernelWriter("top")
    x, values = kernel.buffer("x", dtype, "read"), kernel.buffer("values", dtype, "read_write")
    places = kernel.buffer("places", "i64", "read_write")
    length, columns, best = (kernel.word(name) for name in ("length", "columns", "best"))
    register = Type(dtype)
    row, column = kernel.let("row", kernel.item // columns), kernel.let("column", kernel.item % columns)
    source = kernel.let("source", row * length * columns + column)
    target = kernel.let("target", row * best * columns + column)

    def better(first: Expr, second: Expr) -> Expr:
        return first.gt(second) if largest else first.lt(second)

    def kept(number: Expr) -> Expr:
        return load(values, target + number * columns, register)

    def put(number: Expr, value: Expr, place: Expr) -> None:
        kernel.store(values, target + number * columns, value)
        kernel.store(places, target + number * columns, place)

    with kernel.tile("column_of_row"), kernel.loop("i", 0, length) as i:
        value = kernel.let("value", load(x, source + i * columns, register))
        slot = kernel.let("slot", i.minimum(best - 1))
        # Before `best` elements were seen, each has a place.
        with kernel.when(i.lt(best) | better(value, kept(slot))):
            # The first of those kept, 0 .. slot, that the value is better than; behind all of them if there is none.
            low, high = kernel.let("low", 0, I32), kernel.let("high", Const(0, I32) + slot)
            with kernel.loop("halving", 0, _HALVINGS), kernel.when(low.lt(high)):
                middle = kernel.let("middle", (low + high) // 2)
                ahead = kernel.let("ahead", better(value, kept(middle)))
                kernel.assign(high, Select(ahead, middle, high))
                kernel.assign(low, Select(ahead, low, middle + 1))
            with kernel.loop("moved", 0, slot - low) as moved:
                before = kernel.let("before", slot - moved - 1)
                put(before + 1, kept(before), load(places, target + before * columns, I64))
            put(low, value, Cast(i, I64))
    return kernel.kernel()
