"""Bytes to pairs of 16-bit numbers, the left side of integer matmul and convolution, with a border of zeros."""

from functools import cache

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.integer_matmul import pair_of
from intab.kernels.ir import I16X8, I32, Bitcast, Const, Expr, Kernel, Splat

LANES = 4


@cache
def widen_lines(dtype: str, *, zero: bool) -> Kernel:
    """x - zero of lines of bytes ("i8" or "u8") as i32 elements of two numbers each, among zeros.

    A line of x is `runs` runs of `run` numbers; each run begins a new pair, so that an odd one ends in half a pair
    of 0. Because the zero point is taken off first, a border of it is a border of zeros. Buffers: x, zero (one
    number), out. Words: height, runs, run; out_height, out_line (elements of a line of the result), top and left
    (lines above, elements to the left). Items: images * out_height lines.
    """
    kernel = KernelWriter(f"widen_lines_{dtype}")
    kernel.buffer("x", dtype, "read")
    if zero:
        kernel.buffer("zero", dtype, "read")
    kernel.buffer("out", "i32", "write")
    height, runs, run = (kernel.word(n) for n in ("height", "runs", "run"))
    out_height, out_line, top, left = (kernel.word(n) for n in ("out_height", "out_line", "top", "left"))
    source_line = kernel.let("source_line", kernel.item % out_height - top)
    target = kernel.let("target", kernel.item * out_line)
    zero_point: Expr = kernel.let("zero_point", load("zero", 0, I32)) if zero else Const(0, I32)

    def zeros(begin: Expr, end: Expr) -> None:
        whole = kernel.let("whole_zeros", begin + (end - begin) // LANES * LANES)
        for first, last, lanes in ((begin, whole, LANES), (whole, end, 1)):
            with kernel.loop("i", first, last, lanes) as i:
                kernel.store("out", target + i, Const(0, I32.wide(lanes)))

    def one_run(source: Expr, place: Expr) -> None:
        zero_pair = Bitcast(Splat(pair_of(zero_point, zero_point), LANES), I16X8)
        zero_pairs = kernel.let("zero_pairs", zero_pair) if zero else None
        read = kernel.let("read", at("x", source))
        write = kernel.let("write", at("out", place))
        whole = kernel.let("whole", run & -8)
        with kernel.loop("j", 0, whole, 8):
            halves: Expr = load("x", read, I16X8)
            halves = halves if zero_pairs is None else halves - zero_pairs
            kernel.store("out", write, Bitcast(halves, I32.wide(LANES)))
            kernel.advance(read, 8)
            kernel.advance(write, LANES)
        with kernel.loop("j_rest", whole, run - 1, 2):
            first, second = (load("x", read, I32, i) - zero_point for i in (0, 1))
            kernel.store("out", write, pair_of(first, second))
            kernel.advance(read, 2)
            kernel.advance(write, 1)
        with kernel.when((run & 1).equal(1)):
            kernel.store("out", write, pair_of(load("x", read, I32) - zero_point, None))

    with kernel.tile("line"):
        with kernel.when(source_line.ge(0) & source_line.lt(height)):
            pairs = kernel.let("pairs", (run + 1) // 2)
            source = kernel.let("source", (kernel.item // out_height * height + source_line) * runs * run)
            zeros(Const(0, I32), left)
            with kernel.loop("r", 0, runs) as r:
                one_run(source + r * run, target + left + r * pairs)
            zeros(kernel.let("right", left + runs * pairs), out_line)
        with kernel.otherwise():
            zeros(Const(0, I32), out_line)
    return kernel.kernel()
