"""Local response normalisation: each channel over the squares of its neighbours among the channels."""

from functools import cache

from intab.kernels import functions
from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.loops import check_lanes, widened
from intab.kernels.families.share import Share
from intab.kernels.ir import F32, Const, Fma, Kernel


@cache
def local_response(*, lanes: int, width: int = 0) -> Kernel:
    """y = x * (bias + scale * sum of squares of channels c - before .. c + after) ** -beta, with bias > 0.

    Buffers: x, y [outer, channels, inner], contiguous, y not x. Words: channels, inner, before, after;
    scale, beta, bias (f32). Items: outer * channels; see `Share` for `width`.
    """
    check_lanes(lanes)
    kernel = KernelWriter("local_response")
    kernel.buffer("x", "f32", "read", vector=width or 1)
    kernel.buffer("y", "f32", "write", vector=width or 1)
    channels, inner, before, after = (kernel.word(name) for name in ("channels", "inner", "before", "after"))
    scale, beta, bias = (kernel.word(name, F32) for name in ("scale", "beta", "bias"))
    share = Share(kernel, width, inner)
    with kernel.tile("row"):
        channel = kernel.let("channel", share.outer % channels)
        low = kernel.let("low", (channel - before).maximum(0))
        high = kernel.let("high", (channel + after + 1).minimum(channels))
        first = kernel.let("first", at("x", (share.outer - channel + low) * inner + share.first))
        reading = kernel.let("reading", at("x", share.outer * inner + share.first))
        writing = kernel.let("writing", at("y", share.outer * inner + share.first))

        def body(width: int) -> None:
            neighbour = kernel.let("neighbour", first)
            total = kernel.let("total", Const(0.0, F32.wide(width)))
            with kernel.loop("c", low, high):
                value = kernel.let("value", load("x", neighbour, F32.wide(width)))
                kernel.assign(total, Fma(value, value, total))
                kernel.advance(neighbour, inner)
            base = kernel.let("base", Fma(total, widened(scale, width), widened(bias, width)))
            power = functions.exp(kernel, -widened(beta, width) * functions.log(kernel, base))
            kernel.store("y", writing, load("x", reading, F32.wide(width)) * power)

        share.stream(lanes, [first, reading, writing], body)
    return kernel.kernel()
