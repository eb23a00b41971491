"""Bytes to floats, the pictures of integer depthwise convolution, with a border of zeros."""

from functools import cache

from intab.kernels.block import at, load
from intab.kernels.families.byte_lines import HALVES, LANES, ByteLines
from intab.kernels.ir import F32, I16X8, I32, Cast, Expr, Kernel, Widen


@cache
def float_lines(dtype: str, *, zero: bool) -> Kernel:
    """x - zero of pictures [images, height, line] of bytes as f32, among zeros.

    Buffers, words and items: see `ByteLines`; of a line says `line` how many elements it has.
    """
    lines = ByteLines("float_lines", dtype, F32, ("line",), zero=zero)
    kernel, (line,) = lines.kernel, lines.inner
    with lines.line() as (number, target):
        lines.before()
        zeros = lines.zeros_twice()
        read = kernel.let("read", at("x", number * line))
        write = kernel.let("write", at("out", target))
        whole = kernel.let("whole", line & -HALVES)
        with kernel.loop("j", 0, whole, HALVES):
            halves: Expr = load("x", read, I16X8)
            halves = kernel.let("halves", halves if zeros is None else halves - zeros)
            for last in (False, True):
                kernel.store("out", write, Cast(Widen(halves, last), F32.wide(LANES)), LANES * last)
            kernel.advance(read, HALVES)
            kernel.advance(write, HALVES)
        with kernel.loop("j_rest", whole, line):
            kernel.store("out", write, Cast(load("x", read, I32) - lines.zero, F32))
            kernel.advance(read, 1)
            kernel.advance(write, 1)
        lines.after(line)
    return kernel.kernel()
