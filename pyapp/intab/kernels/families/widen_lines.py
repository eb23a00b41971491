"""Bytes to pairs of 16-bit numbers, the left side of integer matmul and convolution, with a border of zeros."""

from functools import cache

from intab.kernels.block import at, load
from intab.kernels.families.byte_lines import HALVES, LANES, ByteLines
from intab.kernels.families.integer_matmul import pair_of
from intab.kernels.ir import I16X8, I32, Binary, Bitcast, Const, Expr, Kernel, Pick, Select, Splat


@cache
def widen_lines(dtype: str, *, zero: bool) -> Kernel:
    """x - zero of lines of bytes as i32 elements of two numbers each, among zeros.

    A line of x is `runs` runs of `run` numbers; each run begins a new pair, so that an odd one ends in half a pair
    of 0. Buffers, words and items: see `ByteLines`; of a line say runs and run how long it is.
    """
    lines = ByteLines("widen_lines", dtype, I32, ("runs", "run"), zero=zero)
    kernel, (runs, run) = lines.kernel, lines.inner

    def pairs_at(read: Expr, zeros: Expr | None) -> Expr:
        halves: Expr = load("x", read, I16X8)
        return Bitcast(halves if zeros is None else Binary("sub", halves, zeros), I32.wide(LANES))

    def mask_of(rest: Expr) -> Expr:
        """All bits of the first numbers of eight, in four pairs."""
        bits = [
            Select(rest.gt(2 * k + 1), Const(-1, I32), Select(rest.gt(2 * k), Const(0xFFFF, I32), Const(0, I32)))
            for k in range(LANES)
        ]
        first, second, third, fourth = (Splat(kernel.let("bits", each), LANES) for each in bits)
        left, right = (kernel.let("half", Pick(a, b, (0, 4, 0, 4))) for a, b in ((first, second), (third, fourth)))
        return kernel.let("mask", Pick(left, right, (0, 1, 4, 5)))

    def one_run(source: Expr, place: Expr, zeros: Expr | None, mask: Expr, end: Expr) -> None:
        read = kernel.let("read", at("x", source))
        write = kernel.let("write", at("out", place))
        whole = kernel.let("whole", run & -HALVES)
        with kernel.loop("j", 0, whole, HALVES):
            kernel.store("out", write, pairs_at(read, zeros))
            kernel.advance(read, HALVES)
            kernel.advance(write, LANES)
        with kernel.when((source + whole + HALVES).le(end)):
            # More is stored than is left over, into the runs that follow and are written later.
            kernel.store("out", write, pairs_at(read, zeros) & mask)
        with kernel.otherwise():
            with kernel.loop("j_rest", whole, run - 1, 2):
                first, second = (load("x", read, I32, i) - lines.zero for i in (0, 1))
                kernel.store("out", write, pair_of(first, second))
                kernel.advance(read, 2)
                kernel.advance(write, 1)
            with kernel.when((run & 1).equal(1)):
                kernel.store("out", write, pair_of(load("x", read, I32) - lines.zero, None))

    with lines.line() as (number, target):
        pairs = kernel.let("pairs", (run + 1) // 2)
        source = kernel.let("source", number * runs * run)
        end = kernel.let("end", source + runs * run)
        lines.before()
        zeros, mask = lines.zeros_twice(), mask_of(run & (HALVES - 1))
        with kernel.loop("r", 0, runs) as r:
            one_run(source + r * run, target + r * pairs, zeros, mask, end)
        lines.after(runs * pairs)
    return kernel.kernel()
