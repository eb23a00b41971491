"""Bytes to pairs of 16-bit numbers, the left side of integer matmul and convolution, with a border of zeros."""

from functools import cache

from intab.kernels.block import at, load
from intab.kernels.families.byte_lines import HALVES, LANES, ByteLines
from intab.kernels.families.integer_matmul import pair_of
from intab.kernels.ir import I16X8, I32, Bitcast, Expr, Kernel


@cache
def widen_lines(dtype: str, *, zero: bool) -> Kernel:
    """x - zero of lines of bytes as i32 elements of two numbers each, among zeros.

    A line of x is `runs` runs of `run` numbers; each run begins a new pair, so that an odd one ends in half a pair
    of 0. Buffers, words and items: see `ByteLines`; of a line say runs and run how long it is.
    """
    lines = ByteLines("widen_lines", dtype, I32, ("runs", "run"), zero=zero)
    kernel, (runs, run) = lines.kernel, lines.inner

    def one_run(source: Expr, place: Expr) -> None:
        zeros = lines.zeros_twice()
        read = kernel.let("read", at("x", source))
        write = kernel.let("write", at("out", place))
        whole = kernel.let("whole", run & -HALVES)
        with kernel.loop("j", 0, whole, HALVES):
            halves: Expr = load("x", read, I16X8)
            halves = halves if zeros is None else halves - zeros
            kernel.store("out", write, Bitcast(halves, I32.wide(LANES)))
            kernel.advance(read, HALVES)
            kernel.advance(write, LANES)
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
        lines.before()
        with kernel.loop("r", 0, runs) as r:
            one_run(source + r * run, target + r * pairs)
        lines.after(runs * pairs)
    return kernel.kernel()
