"""Depthwise convolution of bytes: the sums are floats, where so few products of bytes are exact, and end as integers.

Sums start from TO_WHOLE, around which the last bits of a float are a whole number, so that no conversion is needed.
Eight channels are stored at once, and finished in two halves, which leaves registers for the window.
"""

from functools import cache

from intab.kernels.block import KernelWriter, load
from intab.kernels.families.depthwise import Lines, Window
from intab.kernels.families.integer_tile import LANES, Finish, Finisher
from intab.kernels.functions import TO_WHOLE, TO_WHOLE_BITS
from intab.kernels.ir import F32, I32, Bitcast, Const, Expr, Kernel, Narrow

# Products of numbers of 9 bits with a sign whose sums stay within 2^22.
MOST_TAPS = (1 << 22) // (255 * 255)
EIGHT = 2 * LANES


@cache
def integer_depthwise(window: Window, finish: Finish) -> Kernel:
    """Padded picture [images, height, width, channels] of whole numbers as f32, weights [taps, channels], too.

    Numbers lie from -255 to 255, taps are at most MOST_TAPS. Buffers: a, w, those of the finish, out. Words and items:
    those of `Lines`.
    """
    kernel = KernelWriter(window.named("integer_depthwise"))
    for name in ("a", "w"):
        kernel.buffer(name, "f32", "read")
    finisher = Finisher(kernel, finish)
    lines = Lines(kernel, window)
    channels = lines.channels

    def finished(source: Expr, channel: Expr, pixels: int, levels: list[Expr], lanes: int) -> list[Expr]:
        """Of so many pixels what becomes of the channels from one on."""
        integer = I32.wide(lanes)
        start: Expr = Const(-TO_WHOLE_BITS, integer)
        if finish.bias:
            start = kernel.let("start", load("bias", channel, integer) + start)
        scale = finisher.scale(kernel, channel, lanes=lanes)
        sums = lines.sums(source, channel, pixels, Const(TO_WHOLE, F32.wide(lanes)))
        return [finisher.scaled(kernel, Bitcast(total, integer) + start, scale, levels) for total in sums]

    def sweep_channels(x: Expr, pixels: int) -> None:
        """One tile: output pixels x .. x + pixels of the line, all channels, the last eight of them whole."""
        with kernel.tile(f"tile{pixels}"):
            source, target = lines.source(x), lines.target(x)
            with kernel.when(channels.ge(EIGHT)):
                levels = finisher.levels(kernel)
                with kernel.loop("channel", 0, channels, EIGHT) as channel:
                    first = kernel.let("first", channel.minimum(channels - EIGHT))
                    halves = [finished(source, first + half, pixels, levels, LANES) for half in (0, LANES)]
                    for i in range(pixels):
                        place = kernel.let("place", target + lines.out_pixel * i + first)
                        if finish.has_zero:
                            kernel.store("out", place, Narrow(halves[0][i], halves[1][i]))
                        else:
                            for half in (0, 1):
                                kernel.store("out", place, halves[half][i], LANES * half)
            with kernel.otherwise():
                levels = finisher.levels(kernel, lanes=1)
                with kernel.loop("single", 0, channels) as channel:
                    for i, value in enumerate(finished(source, channel, pixels, levels, 1)):
                        kernel.store("out", target + lines.out_pixel * i + channel, finisher.byte(value))

    lines.tiles(sweep_channels)
    return kernel.kernel()
