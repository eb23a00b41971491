"""Bytes to pairs of 16-bit numbers of two lines, the pictures of integer depthwise convolution, among zeros."""

from functools import cache

from intab.kernels.block import at, load
from intab.kernels.families.byte_lines import HALVES, LANES, ByteLines
from intab.kernels.families.integer_matmul import pair_of
from intab.kernels.ir import I16X8, I32, Binary, Bitcast, Cast, Expr, Kernel, Pick, Splat


@cache
def pair_lines(dtype: str, *, zero: bool) -> Kernel:
    """x - zero of pictures [images, height, line] of bytes as pairs with what is `apart` lines below, among zeros.

    Buffers, words and items: see `ByteLines`; of a line says `line` how many elements it has, and then comes apart.
    """
    lines = ByteLines("pair_lines", dtype, I32, ("line",), zero=zero, reach="apart")
    kernel, (line,) = lines.kernel, lines.inner
    with lines.line() as (number, target):
        lines.before()
        zeros = lines.zeros_twice()
        write = kernel.let("write", at("out", target))
        reads, masks = [], []
        for below in (0, lines.reach):
            # A line beyond the picture is its nearest line with all bits cleared.
            wanted = lines.source_line + below
            there = kernel.let("there", wanted.maximum(0).minimum(lines.height - 1))
            reads.append(kernel.let("read", at("x", (number - lines.source_line + there) * line)))
            masks.append(kernel.let("mask", -Cast(wanted.equal(there), I32)))

        def eight(i: int) -> Expr:
            halves: Expr = load("x", reads[i], I16X8)
            halves = halves if zeros is None else Binary("sub", halves, zeros)
            return kernel.let("two_each", Bitcast(halves, I32.wide(LANES)) & wide[i])

        whole = kernel.let("whole", line & -HALVES)
        wide = [kernel.let("mask_wide", Splat(mask, LANES)) for mask in masks]
        with kernel.loop("j", 0, whole, HALVES):
            upper, lower = eight(0), eight(1)
            even = kernel.let("even", pair_of(upper, lower))
            odd = kernel.let("odd", ((upper >> 16) & 0xFFFF) | (lower & -0x10000))
            for half, lanes in enumerate(((0, 4, 1, 5), (2, 6, 3, 7))):
                kernel.store("out", write, Pick(even, odd, lanes), LANES * half)
            for read in reads:
                kernel.advance(read, HALVES)
            kernel.advance(write, HALVES)
        with kernel.loop("j_rest", whole, line):
            low, high = ((load("x", reads[i], I32) - lines.zero) & masks[i] for i in (0, 1))
            kernel.store("out", write, pair_of(low, high))
            for pointer in (*reads, write):
                kernel.advance(pointer, 1)
        lines.after(line)
    return kernel.kernel()
