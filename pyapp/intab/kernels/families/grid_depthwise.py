"""Depthwise convolution for GPUs: an item is a block of output pixels of a few channels.

A load costs a GPU as much as several multiply-adds, and one that a CPU plays dozens: each number of the picture is read
once for all windows of the block that see it, and each weight once a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from intab.kernels.block import KernelWriter, load
from intab.kernels.families.register_tile import PLAIN, Epilogue, ExtraOperands
from intab.kernels.families.share import Share
from intab.kernels.ir import F32, I32, Const, Expr, Fma, Kernel, Select, Splat, Type, Var


@dataclass(frozen=True, slots=True)
class WindowAxis:
    """An axis of windows: `taps` lie `dilation` apart, windows `stride`; a block has `places` of them."""

    taps: int
    places: int
    stride: int = 1
    dilation: int = 1

    @property
    def reach(self) -> int:
        """Elements of the picture from the first that a block sees to the last."""
        return (self.places - 1) * self.stride + (self.taps - 1) * self.dilation + 1

    def uses(self, element: int) -> list[tuple[int, int]]:
        """Which (place, tap) see the element of that number."""
        offsets = ((place, element - place * self.stride) for place in range(self.places))
        return [
            (place, offset // self.dilation)
            for place, offset in offsets
            if 0 <= offset < self.taps * self.dilation and offset % self.dilation == 0
        ]


@cache
def grid_depthwise(
    lines: WindowAxis, pixels: WindowAxis, epilogue: Epilogue = PLAIN, *, guarded: bool = False, width: int
) -> Kernel:
    """Picture [images, lines_size, pixels_size, channels], weights [taps, channels] -> the same channels.

    Buffers: a, w, bias when the epilogue has one, e0 ..., out. Words: those of the epilogue, whose rows are output
    pixels; channels, a multiple of `width`; out_height, out_width; lines_size, lines_before, pixels_size, pixels_before
    (elements of each axis, and how many the first window begins before them); line, pixel, image (how far apart they
    lie in the picture); out_line, out_pixel, out_image (in the result). Without `guarded` no window sees anything
    outside the picture. Items: images * ceil(out_height / lines.places) * ceil(out_width / pixels.places) *
    channels / width.
    """
    kernel = KernelWriter(f"grid_depthwise_{lines.taps}x{pixels.taps}s{pixels.stride}d{pixels.dilation}")
    for name in ("a", "w", "bias") if epilogue.bias else ("a", "w"):
        kernel.buffer(name, "f32", "read", vector=width)
    extras = ExtraOperands(kernel, epilogue, vector=width)
    kernel.buffer("out", "f32", "write", vector=width)
    channels, out_height, out_width = (kernel.word(name) for name in ("channels", "out_height", "out_width"))
    sizes = [(kernel.word(f"{axis}_size"), kernel.word(f"{axis}_before")) for axis in ("lines", "pixels")]
    steps = [kernel.word(name) for name in ("line", "pixel", "image")]
    out_steps = [kernel.word(name) for name in ("out_line", "out_pixel", "out_image")]
    down = kernel.let("down", (out_height + (lines.places - 1)) // lines.places)
    across = kernel.let("across", (out_width + (pixels.places - 1)) // pixels.places)
    share = Share(kernel, width, down, across, channels)
    image, channel, type = share.outer, share.first, F32.wide(width)
    y = kernel.let("y", share.firsts[0] * lines.places)
    x = kernel.let("x", share.firsts[1] * pixels.places)
    picture = _Picture(kernel, image * steps[2] + channel, guarded=guarded)
    picture.see(lines, y, *sizes[0], steps[0])
    picture.see(pixels, x, *sizes[1], steps[1])
    first = kernel.let("first", load("bias", channel, type) if epilogue.bias else Const(0.0, type))
    sums = [[kernel.let("sum", first) for _ in range(pixels.places)] for _ in range(lines.places)]
    _add_windows(kernel, lines, pixels, picture, _Weights(kernel, channels, channel, pixels.taps, type), sums)
    starts = extras.starts(kernel, Const(0, I32))
    for i, values in enumerate(sums):
        line = kernel.let("out_y", y + i)
        with kernel.when(line.lt(out_height)):
            target = kernel.let("target", image * out_steps[2] + line * out_steps[0] + channel)
            row = kernel.let("row", (image * out_height + line) * out_width)
            for j, value in enumerate(values):
                column = kernel.let("out_x", x + j)
                with kernel.when(column.lt(out_width)):
                    done = extras.apply(kernel, value, starts, row + column, channel)
                    kernel.store("out", target + column * out_steps[1], done)
    return kernel.kernel()


class _Picture:
    """The part of the picture that a block's windows see, first its lines, then their pixels."""

    def __init__(self, kernel: KernelWriter, start: Expr, *, guarded: bool) -> None:
        self._kernel, self._guarded = kernel, guarded
        self._start = kernel.let("picture", start)
        self._axes: list[list[tuple[Var, Var | None]]] = []

    def see(self, axis: WindowAxis, place: Expr, size: Expr, before: Expr, step: Expr) -> None:
        """An axis from the window at `place` on: how far each element, or the one that is next to it, lies from the
        picture's first, and whether it is there. Those that only windows beyond the result see are not."""
        kernel = self._kernel
        first, last = kernel.let("begin", place * axis.stride - before), kernel.let("last_seen", size - 1)
        found: list[tuple[Var, Var | None]] = []
        for number in range(axis.reach):
            element = kernel.let("element", first + number)
            near = element.maximum(0).minimum(last) if self._guarded else element.minimum(last)
            near = kernel.let("near", near)
            there = kernel.let("there", near.equal(element)) if self._guarded else None
            found.append((kernel.let("apart", near * step), there))
        self._axes.append(found)

    def value(self, line: int, pixel: int, type: Type) -> Expr:
        """What stands there: zero where nothing does."""
        (down, in_height), (across, in_width) = self._axes[0][line], self._axes[1][pixel]
        value = self._kernel.let("value", load("a", self._start + down + across, type))
        if in_height is None or in_width is None:
            return value
        seen = in_height & in_width
        return self._kernel.let(
            "seen", Select(Splat(seen, type.lanes) if type.lanes > 1 else seen, value, Const(0.0, type))
        )


class _Weights:
    """The weights of the channels, line by line, each read where it is first asked for."""

    def __init__(self, kernel: KernelWriter, channels: Expr, channel: Expr, taps: int, type: Type) -> None:
        self._kernel, self._channels, self._channel, self._taps, self._type = kernel, channels, channel, taps, type
        self._lines: dict[int, list[Var]] = {}

    def line(self, number: int) -> Sequence[Var]:
        if number not in self._lines:
            taps = range(number * self._taps, (number + 1) * self._taps)
            self._lines[number] = [
                self._kernel.let("weight", load("w", self._channels * tap + self._channel, self._type)) for tap in taps
            ]
        return self._lines[number]


def _add_windows(
    kernel: KernelWriter,
    lines: WindowAxis,
    pixels: WindowAxis,
    picture: _Picture,
    weights: _Weights,
    sums: list[list[Var]],
) -> None:
    """Line by line of the picture, so that few lines of weights live at a time."""
    for line in range(lines.reach):
        rows = [(sums[place], weights.line(tap)) for place, tap in lines.uses(line)]
        for pixel in range(pixels.reach):
            uses = pixels.uses(pixel)
            if not (rows and uses):
                continue
            value = picture.value(line, pixel, sums[0][0].type)
            for row, taps in rows:
                for place, tap in uses:
                    kernel.assign(row[place], Fma(value, taps[tap], row[place]))
