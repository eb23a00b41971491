"""Bytes to floats, the pictures of integer depthwise convolution, with a border of zeros."""

from functools import cache

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.ir import F32, I16X8, I32, Bitcast, Cast, Const, Expr, Kernel, Splat, Widen

LANES = 4


@cache
def float_lines(dtype: str, *, zero: bool) -> Kernel:
    """x - zero of pictures [images, height, line] of bytes ("i8" or "u8") as f32, among zeros.

    Because the zero point is taken off first, a border of it is a border of zeros. Buffers: x, zero (one number), out.
    Words: height, line (elements of a line of x); out_height, out_line; top and left (lines above, elements to the
    left). Items: images * out_height lines.
    """
    kernel = KernelWriter(f"float_lines_{dtype}")
    kernel.buffer("x", dtype, "read")
    if zero:
        kernel.buffer("zero", dtype, "read")
    kernel.buffer("out", "f32", "write")
    height, line = kernel.word("height"), kernel.word("line")
    out_height, out_line, top, left = (kernel.word(n) for n in ("out_height", "out_line", "top", "left"))
    source_line = kernel.let("source_line", kernel.item % out_height - top)
    target = kernel.let("target", kernel.item * out_line)
    zero_point: Expr = kernel.let("zero_point", load("zero", 0, I32)) if zero else Const(0, I32)

    def zeros(begin: Expr, end: Expr) -> None:
        whole = kernel.let("whole_zeros", begin + (end - begin) // LANES * LANES)
        for first, last, lanes in ((begin, whole, LANES), (whole, end, 1)):
            with kernel.loop("i", first, last, lanes) as i:
                kernel.store("out", target + i, Const(0.0, F32.wide(lanes)))

    with kernel.tile("line"):
        with kernel.when(source_line.ge(0) & source_line.lt(height)):
            zeros(Const(0, I32), left)
            taken = Bitcast(Splat((zero_point & 0xFFFF) | (zero_point << 16), LANES), I16X8)
            taken_halves = kernel.let("taken", taken) if zero else None
            read = kernel.let("read", at("x", (kernel.item // out_height * height + source_line) * line))
            write = kernel.let("write", at("out", target + left))
            whole = kernel.let("whole", line & -8)
            with kernel.loop("j", 0, whole, 8):
                halves: Expr = load("x", read, I16X8)
                halves = kernel.let("halves", halves if taken_halves is None else halves - taken_halves)
                for last in (False, True):
                    kernel.store("out", write, Cast(Widen(halves, last), F32.wide(LANES)), LANES * last)
                kernel.advance(read, 8)
                kernel.advance(write, 8)
            with kernel.loop("j_rest", whole, line):
                kernel.store("out", write, Cast(load("x", read, I32) - zero_point, F32))
                kernel.advance(read, 1)
                kernel.advance(write, 1)
            zeros(kernel.let("right", left + line), out_line)
        with kernel.otherwise():
            zeros(Const(0, I32), out_line)
    return kernel.kernel()
