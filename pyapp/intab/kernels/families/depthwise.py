"""Depthwise convolution over a padded NHWC picture: every channel has its own window.

The window is part of the kernel, not of its words: unrolled taps are about twice as fast (measured). A tile
is TILE_PIXELS neighbouring output pixels; it sweeps over the channels, LANES at a time, so that whole cache
lines are read, and keeps one sum a pixel in registers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.register_tile import PLAIN, Epilogue, ExtraOperands
from intab.kernels.ir import F32, I32, Const, Expr, Fma, Kernel, Type, Var

TILE_PIXELS = 4
LANES = 4


@dataclass(frozen=True, slots=True)
class Window:
    """What of a window is part of the kernel. `stride` and `dilation` are along a line; `depth` counts the planes of
    a window over volumes, and is 0 for one over pictures."""

    height: int
    width: int
    stride: int = 1
    dilation: int = 1
    depth: int = 0


@cache
def depthwise(window: Window, epilogue: Epilogue = PLAIN, out: str = "f32") -> Kernel:
    """Padded picture [images, height, width, channels], weights [taps, channels] -> the same channels.

    `out` is the dtype of the result, what the epilogue makes.

    Buffers: a, w, bias when the epilogue has one (bias is not padded here), e0 ..., out. Words: channels,
    out_width, out_height; pixel, line_step, tap_step, image_step (elements of the picture between pixels, output
    lines, window lines and images); out_pixel, out_line, out_image (of the result); the epilogue's, whose rows are
    output pixels. Items: images * out_height lines.

    A window over volumes, whose images are runs of planes, takes words for them first:
    out_planes, plane_step, plane_tap_step (elements between output planes and between the window's). Items:
    images * out_planes * out_height lines.
    """
    planes = f"{window.depth}x" if window.depth else ""
    kernel = KernelWriter(f"depthwise_{planes}{window.height}x{window.width}s{window.stride}d{window.dilation}")
    kernel.buffer("a", "f32", "read")
    kernel.buffer("w", "f32", "read")
    if epilogue.bias:
        kernel.buffer("bias", "f32", "read")
    extras = ExtraOperands(kernel, epilogue)
    kernel.buffer("out", out, "write")
    deep = [kernel.word(n) for n in ("out_planes", "plane_step", "plane_tap_step")] if window.depth else None
    channels, out_width, out_height = (kernel.word(n) for n in ("channels", "out_width", "out_height"))
    pixel, line_step, tap_step, image_step = (kernel.word(n) for n in ("pixel", "line_step", "tap_step", "image_step"))
    out_pixel, out_line, out_image = (kernel.word(n) for n in ("out_pixel", "out_line", "out_image"))
    starts = extras.starts(kernel, Const(0, I32))
    image = kernel.let("image", kernel.item // out_height)
    line = kernel.let("line", kernel.item % out_height)
    start = image * image_step if deep is None else image // deep[0] * image_step + image % deep[0] * deep[1]
    line_start = kernel.let("line_start", start + line * line_step)
    first_pixel = kernel.let("first_pixel", kernel.item * out_width)
    out_start = kernel.let("out_start", image * out_image + line * out_line)

    def sweep_channels(x: Expr, pixels: int) -> None:
        """One tile: output pixels x .. x + pixels of the line, all channels."""
        with kernel.tile(f"tile{pixels}"):
            source = kernel.let("source", line_start + x * (pixel * window.stride))
            row = kernel.let("row", first_pixel + x)
            target = kernel.let("target", out_start + x * out_pixel)
            whole = kernel.let("whole", channels - channels % LANES)
            for begin, end, lanes in ((Const(0, I32), whole, LANES), (whole, channels, 1)):
                with kernel.loop("channel", begin, end, lanes) as channel:
                    sums = window_sums(source, channel, pixels, F32.wide(lanes))
                    for i, value in enumerate(sums):
                        done = extras.apply(kernel, value, starts, row + i, channel)
                        kernel.store("out", target + out_pixel * i + channel, done)

    def window_sums(source: Expr, channel: Var, pixels: int, type: Type) -> list[Var]:
        first: Expr = load("bias", channel, type) if epilogue.bias else Const(0.0, type)
        sums = [kernel.let(f"sum{i}", first) for i in range(pixels)]
        taps = kernel.let("taps", at("w", channel))
        for tap_z, tap_y in product(range(max(window.depth, 1)), range(window.height)):
            plane = source if deep is None else source + tap_z * deep[2]
            pointer = kernel.let("a_pointer", at("a", plane + tap_y * tap_step + channel))
            weights = []
            for _ in range(window.width):
                weights.append(kernel.let("weight", load("w", taps, type)))
                kernel.advance(taps, channels)
            columns = (pixels - 1) * window.stride + (window.width - 1) * window.dilation + 1
            for column in range(columns):
                uses = list(column_uses(column, pixels))
                if uses:
                    value = kernel.let("value", load("a", pointer, type))
                    for i, tap_x in uses:
                        kernel.assign(sums[i], Fma(value, weights[tap_x], sums[i]))
                if column + 1 < columns:
                    kernel.advance(pointer, pixel)
        return sums

    def column_uses(column: int, pixels: int) -> list[tuple[int, int]]:
        """Which (output pixel, tap) read a column of the picture."""
        offsets = [(i, column - i * window.stride) for i in range(pixels)]
        return [
            (i, offset // window.dilation)
            for i, offset in offsets
            if offset >= 0 and offset % window.dilation == 0 and offset // window.dilation < window.width
        ]

    _tiles_of_line(kernel, out_width, sweep_channels)
    return kernel.kernel()


def _tiles_of_line(kernel: KernelWriter, width: Expr, tile: Callable[[Expr, int], None]) -> None:
    """Cover a line with tiles, the last starting early enough to be whole; shorter lines go pixel by pixel."""
    with kernel.when(width.ge(TILE_PIXELS)):
        with kernel.loop("x", 0, width, TILE_PIXELS) as x:
            tile(kernel.let("tile_x", x.minimum(width - TILE_PIXELS)), TILE_PIXELS)
    with kernel.otherwise(), kernel.loop("single_x", 0, width) as x:
        tile(x, 1)


@cache
def pad_lines() -> Kernel:
    """Copy a picture [images, height, width * channels] into a larger one with zeros around.

    Buffers: x, out. Words: height, line (elements of a line of x), out_height, out_line; top and left (lines
    above, elements to the left). Items: images * out_height lines.
    """
    kernel = KernelWriter("pad_lines")
    kernel.buffer("x", "f32", "read")
    kernel.buffer("out", "f32", "write")
    height, line = kernel.word("height"), kernel.word("line")
    out_height, out_line = kernel.word("out_height"), kernel.word("out_line")
    top, left = kernel.word("top"), kernel.word("left")
    image = kernel.let("image", kernel.item // out_height)
    source_line = kernel.let("source_line", kernel.item % out_height - top)
    target = kernel.let("target", kernel.item * out_line)

    def fill(begin: Expr, end: Expr, value: Callable[[Expr, Type], Expr]) -> None:
        whole = kernel.let("whole", begin + (end - begin) // LANES * LANES)
        for first, last, lanes in ((begin, whole, LANES), (whole, end, 1)):
            with kernel.loop("i", first, last, lanes) as i:
                kernel.store("out", target + i, value(i, F32.wide(lanes)))

    def zeros(_: Expr, type: Type) -> Expr:
        return Const(0.0, type)

    start, end = Const(0, I32), out_line
    with kernel.tile("line_copy"):
        with kernel.when(source_line.ge(0) & source_line.lt(height)):
            source = kernel.let("source", (image * height + source_line) * line - left)
            right = kernel.let("right", left + line)
            fill(start, left, zeros)
            fill(left, right, lambda i, type: load("x", source + i, type))
            fill(right, end, zeros)
        with kernel.otherwise():
            fill(start, end, zeros)
    return kernel.kernel()
