"""The second half of a transposed convolution: every output pixel gathers what windows add to it."""

from collections.abc import Callable
from functools import cache

from intab.kernels.block import KernelWriter, load
from intab.kernels.families.register_tile import PLAIN, Epilogue, ExtraOperands
from intab.kernels.ir import F32, I32, Const, Expr, Kernel, Type

LANES = 4


@cache
def gather_windows(epilogue: Epilogue = PLAIN) -> Kernel:
    """Products [images, height, width, taps_y, taps_x, channels] -> [images, out_height, out_width, channels].

    An output pixel at (y, x) is the sum over taps (ty, tx) of the product at ((y + top - ty * dilation_y) /
    stride_y, ...) where these are whole and inside the picture. Buffers: a, bias, e0 ..., out. Words: channels,
    height, width, out_height, out_width, taps_y, taps_x, stride_y, stride_x, dilation_y, dilation_x, top, left;
    the epilogue's, whose rows are output pixels. Items: images * out_height * out_width pixels.
    """
    kernel = KernelWriter("gather_windows")
    kernel.buffer("a", "f32", "read")
    if epilogue.bias:
        kernel.buffer("bias", "f32", "read")
    extras = ExtraOperands(kernel, epilogue)
    kernel.buffer("out", "f32", "read_write")
    channels, height, width = (kernel.word(n) for n in ("channels", "height", "width"))
    out_height, out_width = kernel.word("out_height"), kernel.word("out_width")
    taps_y, taps_x = kernel.word("taps_y"), kernel.word("taps_x")
    stride_y, stride_x = kernel.word("stride_y"), kernel.word("stride_x")
    dilation_y, dilation_x = kernel.word("dilation_y"), kernel.word("dilation_x")
    top, left = kernel.word("top"), kernel.word("left")
    starts = extras.starts(kernel, Const(0, I32))
    target = kernel.let("target", kernel.item * channels)
    whole = kernel.let("whole", channels - channels % LANES)

    def over_channels(each: Callable[[Expr, Type], None]) -> None:
        for begin, end, lanes in ((Const(0, I32), whole, LANES), (whole, channels, 1)):
            with kernel.loop("channel", begin, end, lanes) as channel:
                each(channel, F32.wide(lanes))

    def start(channel: Expr, type: Type) -> None:
        first: Expr = load("bias", channel, type) if epilogue.bias else Const(0.0, type)
        kernel.store("out", target + channel, first)

    def finish(channel: Expr, type: Type) -> None:
        value = kernel.let("value", load("out", target + channel, type))
        kernel.store("out", target + channel, extras.apply(kernel, value, starts, kernel.item, channel))

    with kernel.tile("pixel"):
        image = kernel.let("image", kernel.item // (out_height * out_width))
        y = kernel.let("y", kernel.item // out_width % out_height + top)
        x = kernel.let("x", kernel.item % out_width + left)
        over_channels(start)
        with kernel.loop("tap_y", 0, taps_y) as tap_y:
            reach_y = kernel.let("reach_y", y - tap_y * dilation_y)
            row = kernel.let("row", reach_y // stride_y)
            hit_y = reach_y.ge(0) & (reach_y % stride_y).equal(0) & row.lt(height)
            with kernel.when(hit_y), kernel.loop("tap_x", 0, taps_x) as tap_x:
                reach_x = kernel.let("reach_x", x - tap_x * dilation_x)
                column = kernel.let("column", reach_x // stride_x)
                with kernel.when(reach_x.ge(0) & (reach_x % stride_x).equal(0) & column.lt(width)):
                    pixel = (image * height + row) * width + column
                    tap = (pixel * taps_y + tap_y) * taps_x + tap_x
                    source = kernel.let("source", tap * channels)

                    def add(channel: Expr, type: Type, source: Expr = source) -> None:
                        value = load("a", source + channel, type)
                        so_far = load("out", target + channel, type)
                        kernel.store("out", target + channel, so_far + value)

                    over_channels(add)
        if epilogue.function is not None:
            over_channels(finish)
    return kernel.kernel()
