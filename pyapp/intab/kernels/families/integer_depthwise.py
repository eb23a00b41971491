"""Depthwise convolution of bytes: two lines of the window at a time, whose products are added in pairs, exactly.

A product of pairs (`DotPairs`) does two taps of four channels, and waits for no other but in one addition.
Eight channels are stored at once, and finished in two halves, which leaves registers for the window.
"""

from functools import cache

from intab.kernels.block import KernelWriter, load
from intab.kernels.families.depthwise import Lines, Window
from intab.kernels.families.integer_tile import LANES, Finish, Finisher
from intab.kernels.ir import I32, Const, Expr, Kernel, Narrow

EIGHT = 2 * LANES


@cache
def integer_depthwise(window: Window, finish: Finish, dtype: str = "i32", width: int = 0) -> Kernel:
    """Padded picture [images, height, width, channels] of pairs of lines (`pair_lines`), weights [taps, channels].

    `window` has pairs; its taps are [window.lines, width], where an odd last line is in pairs with 0. Buffers: a, w,
    those of the finish, out. Words and items: those of `Lines`, whose tap_step is that from one pair to the next.

    With a `width` (see `Lines`) the window has no pairs and `a` holds numbers of `dtype`, i32 or bytes.
    """
    kernel = KernelWriter(window.named("integer_depthwise"))
    for name, stored in (("a", dtype), ("w", "i32")):
        kernel.buffer(name, stored, "read", vector=width or 1)
    finisher = Finisher(kernel, finish, vector=width or 1)
    lines = Lines(kernel, window, width)
    channels = lines.channels

    def finished(source: Expr, channel: Expr, pixels: int, levels: list[Expr], lanes: int) -> list[Expr]:
        """Of so many pixels what becomes of the channels from one on."""
        integer = I32.wide(lanes)
        start: Expr = load("bias", channel, integer) if finish.bias else Const(0, integer)
        scale = finisher.scale(kernel, channel, lanes=lanes)
        return [
            finisher.scaled(kernel, total, scale, levels)
            for total in lines.sums(source, channel, pixels, kernel.let("start", start))
        ]

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

    def one_vector(x: Expr, pixels: int, begin: Expr) -> None:
        """The item's channels of one tile, of which those from `begin` on are its own."""
        source, target, channel = lines.source(x), lines.target(x), lines.share.first
        values = finished(source, channel, pixels, finisher.levels(kernel, lanes=width), width)
        for i, value in enumerate(values):
            with kernel.when((x + i).ge(begin)):
                kernel.store("out", target + lines.out_pixel * i + channel, finisher.byte(value))

    if width:
        lines.one_tile(one_vector)
        return kernel.kernel()
    lines.tiles(sweep_channels)
    return kernel.kernel()
