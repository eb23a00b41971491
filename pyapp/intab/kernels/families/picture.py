"""A picture of 8-bit pixels as the numbers that a model is fed: scaled, over white, normalised."""

from functools import cache

from intab.kernels.block import KernelWriter, load
from intab.kernels.ir import F32, I32, U32, Cast, Expr, Kernel, Var, Word

CHANNELS = 3
WHITE = 255


@cache
def picture_numbers(*, reversed_channels: bool, opaque: bool) -> Kernel:
    """Each pixel of y is the mean of its four neighbours in x, weighted by nearness; or `pad` outside the picture.

    The arithmetic on bytes is OpenCV's (see `ops.bilinear_taps`), so that every byte is as `media.resize` makes it;
    what is transparent shows white, unless all is `opaque`. With `reversed_channels` the last one comes first.

    Buffers: x (u32: red in the lowest byte, then green, blue, alpha), taps (i32, for a part of `part_width` x
    `part_height` pixels of y: the first columns, the second ones, their weights and theirs, then the same of rows), y
    (f32). Words: pitch (elements of x between lines), width (of y), part_left, part_top, part_width, part_height;
    y_line, y_pixel, y_channel (strides of y in elements); factor_c, addend_c, pad_c (f32) for each channel of y, which
    is byte * factor + addend. Items: the pixels of y.
    """
    kernel = KernelWriter("picture_numbers")
    kernel.buffer("x", "u32", "read")
    kernel.buffer("taps", "i32", "read")
    kernel.buffer("y", "f32", "write")
    pitch, width = kernel.word("pitch"), kernel.word("width")
    left, top, part_width, part_height = (kernel.word(f"part_{name}") for name in ("left", "top", "width", "height"))
    y_line, y_pixel, y_channel = (kernel.word(f"y_{name}") for name in ("line", "pixel", "channel"))
    factors, addends, pads = (
        [kernel.word(f"{name}_{channel}", F32) for channel in range(CHANNELS)] for name in ("factor", "addend", "pad")
    )
    line, column = kernel.let("line", kernel.item // width), kernel.let("column", kernel.item % width)
    writing = kernel.let("writing", line * y_line + column * y_pixel)
    across, down = kernel.let("across", column - left), kernel.let("down", line - top)
    inside = across.ge(0) & across.lt(part_width) & down.ge(0) & down.lt(part_height)
    with kernel.when(inside):
        columns, x_weights = _taps(kernel, across, part_width)
        rows, y_weights = _taps(kernel, down + part_width * 4, part_height)
        pixels = [[kernel.let("pixel", load("x", row * pitch + at, U32)) for at in columns] for row in rows]
        for channel in range(CHANNELS):
            byte = CHANNELS - 1 - channel if reversed_channels else channel
            values = [[_byte(kernel, pixel, byte, opaque=opaque) for pixel in pair] for pair in pixels]
            lines = [kernel.let("stretched", (a * x_weights[0] + b * x_weights[1]) >> 4) for a, b in values]
            parts = [(value * weight) >> 16 for value, weight in zip(lines, y_weights, strict=True)]
            blended = kernel.let("blended", (parts[0] + parts[1] + 2) >> 2)
            number = Cast(blended, F32) * factors[channel] + addends[channel]
            kernel.store("y", writing + y_channel * channel, number)
    with kernel.otherwise():
        for channel in range(CHANNELS):
            kernel.store("y", writing + y_channel * channel, pads[channel])
    return kernel.kernel()


def _taps(kernel: KernelWriter, at: Expr, count: Word) -> tuple[list[Var], list[Var]]:
    """Both places that one of `count` positions lies between, and their weights."""
    first, second, first_weight, second_weight = (
        kernel.let("tap", load("taps", at + count * part, I32)) for part in range(4)
    )
    return [first, second], [first_weight, second_weight]


def _byte(kernel: KernelWriter, pixel: Var, byte: int, *, opaque: bool) -> Var:
    """A channel of a pixel, as it shows over white."""
    value = Cast((pixel >> (8 * byte)) & 0xFF, I32)
    if opaque:
        return kernel.let("byte", value)
    alpha = kernel.let("alpha", Cast(pixel >> 24, I32))
    return kernel.let("byte", (value * alpha + (WHITE - alpha) * WHITE + WHITE // 2) // WHITE)
