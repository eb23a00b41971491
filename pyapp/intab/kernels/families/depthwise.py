"""Depthwise convolution over an NHWC picture, padded or guarded: every channel has its own window.

The window is part of the kernel, not of its words: unrolled taps are about twice as fast (measured). A tile
is TILE_PIXELS neighbouring output pixels; it sweeps over the channels, LANES at a time, so that whole cache
lines are read, and keeps one sum a pixel in registers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.guard import GuardedAxis
from intab.kernels.families.register_tile import PLAIN, Epilogue, ExtraOperands
from intab.kernels.families.share import Share
from intab.kernels.ir import F32, I16X8, I32, Bitcast, Const, DotPairs, Expr, Fma, Kernel, Select, Splat, Type, Var

TILE_PIXELS = 4
LANES = 4


@dataclass(frozen=True, slots=True)
class Window:
    """What of a window is part of the kernel. `stride` and `dilation` are along a line; `depth` counts the planes of
    a window over volumes, and is 0 for one over pictures. With `pairs` picture and taps hold pairs of 16-bit numbers
    of two window lines in each i32 element, so that two of the `height` lines are one of pairs. With `guarded` the
    picture has no border, and what the window sees beyond it counts as zeros."""

    height: int
    width: int
    stride: int = 1
    dilation: int = 1
    depth: int = 0
    pairs: bool = False
    guarded: bool = False

    @property
    def lines(self) -> int:
        """Lines of the picture that the window reads, in each plane."""
        return -(-self.height // 2) if self.pairs else self.height

    def named(self, name: str) -> str:
        """A kernel's name with the window."""
        planes = f"{self.depth}x" if self.depth else ""
        return f"{name}_{planes}{self.height}x{self.width}s{self.stride}d{self.dilation}"

    def columns(self, pixels: int) -> int:
        """How many columns of the picture the windows of so many neighbouring pixels span."""
        return (pixels - 1) * self.stride + (self.width - 1) * self.dilation + 1

    def uses(self, column: int, pixels: int) -> list[tuple[int, int]]:
        """Which (output pixel, tap) of so many neighbouring pixels read a column of the picture."""
        offsets = [(i, column - i * self.stride) for i in range(pixels)]
        return [
            (i, offset // self.dilation)
            for i, offset in offsets
            if offset >= 0 and offset % self.dilation == 0 and offset // self.dilation < self.width
        ]


# Of a column of a picture: how far it lies from where a window starts, or a near one that is there, and is it there.
Column = tuple[Expr, Expr]


class Lines:
    """What kernels of depthwise windows have in common: an item is a line of output pixels, a tile some of them.

    Words: channels, out_width, out_height; pixel, line_step, tap_step, image_step (elements of the picture between
    pixels, output lines, window lines and images); out_pixel, out_line, out_image (of the result).
    Items: images * out_height lines. A window over volumes, whose images are runs of planes, takes words for them
    first: out_planes, plane_step, plane_tap_step (elements between output planes and between the window's). Items:
    images * out_planes * out_height lines. With `width` an item is a tile of a line and so many channels, see `Share`.
    A guarded window takes further words: those of `GuardedAxis` for "planes" if there are any and "lines", then
    pixels_size and pixels_before. Its picture starts where the border would.
    """

    def __init__(self, kernel: KernelWriter, window: Window, width: int = 0) -> None:
        """Declares the words: buffers come before."""
        self._kernel, self._window = kernel, window
        deep = [kernel.word(n) for n in ("out_planes", "plane_step", "plane_tap_step")] if window.depth else None
        self.channels, self._out_width, out_height = (kernel.word(n) for n in ("channels", "out_width", "out_height"))
        self._pixel, line_step, self._tap_step, image_step = (
            kernel.word(n) for n in ("pixel", "line_step", "tap_step", "image_step")
        )
        self.out_pixel, out_line, out_image = (kernel.word(n) for n in ("out_pixel", "out_line", "out_image"))
        names = [*(("planes",) if window.depth else ()), "lines"] if window.guarded else []
        guards = [GuardedAxis(kernel, name) for name in names]
        if guards:
            self._pixels, self._before = kernel.word("pixels_size"), kernel.word("pixels_before")
        tiles = (self._out_width + (TILE_PIXELS - 1)) // TILE_PIXELS
        self.share = share = Share(kernel, width, kernel.let("tiles", tiles) if width else tiles, self.channels)
        image = kernel.let("image", share.outer // out_height)
        line = kernel.let("line", share.outer % out_height)
        start = image * image_step if deep is None else image // deep[0] * image_step + image % deep[0] * deep[1]
        self._planes = deep
        self._seen: list[tuple[Var, Var]] = []
        if guards:
            places = [line] if deep is None else [kernel.let("plane", image % deep[0]), line]
            counts = (window.depth, window.lines)[-len(places) :]
            self._seen = [axis.taps(at, count) for axis, at, count in zip(guards, places, counts, strict=True)]
        self._line_start = kernel.let("line_start", start + line * line_step)
        self.first_pixel = kernel.let("first_pixel", share.outer * self._out_width)
        self._out_start = kernel.let("out_start", image * out_image + line * out_line)

    def tiles(self, tile: Callable[[Expr, int], None]) -> None:
        """Cover the line with tiles (first pixel, how many), the last starting early enough to be whole; shorter
        lines go pixel by pixel."""
        kernel, width = self._kernel, self._out_width
        with kernel.when(width.ge(TILE_PIXELS)):
            with kernel.loop("x", 0, width, TILE_PIXELS) as x:
                tile(kernel.let("tile_x", x.minimum(width - TILE_PIXELS)), TILE_PIXELS)
        with kernel.otherwise(), kernel.loop("single_x", 0, width) as x:
            tile(x, 1)

    def one_tile(self, tile: Callable[[Expr, int, Expr], None]) -> None:
        """The item's tile of the line, as (first pixel, how many, the first that no other item does)."""
        kernel, width = self._kernel, self._out_width
        with kernel.when(width.ge(TILE_PIXELS)):
            begin = kernel.let("begin", self.share.firsts[0] * TILE_PIXELS)
            tile(kernel.let("tile_x", begin.minimum(width - TILE_PIXELS)), TILE_PIXELS, begin)
        with kernel.otherwise(), kernel.loop("single_x", 0, width) as x:
            tile(x, 1, x)

    def source(self, x: Expr) -> Var:
        """Where the window of output pixel x begins."""
        return self._kernel.let("source", self._line_start + x * (self._pixel * self._window.stride))

    def target(self, x: Expr) -> Var:
        """Where output pixel x lies."""
        return self._kernel.let("target", self._out_start + x * self.out_pixel)

    def columns(self, x: Expr, pixels: int) -> list[Column]:
        """The columns that the windows of so many pixels from output pixel x on see, where they are guarded."""
        kernel, window = self._kernel, self._window
        first = kernel.let("first_column", x * window.stride - self._before)
        made: list[Column] = []
        for number in range(window.columns(pixels)):
            place = kernel.let("column", first + number)
            near = kernel.let("near", place.maximum(0).minimum(self._pixels - 1))
            made.append((kernel.let("apart", (near - first) * self._pixel), kernel.let("seen", near.equal(place))))
        return made

    def sums(self, source: Expr, channel: Expr, pixels: int, first: Expr, columns: Sequence[Column] = ()) -> list[Var]:
        """Sums of so many pixels' windows, from `first` on, of as many channels as that has lanes."""
        kernel, window, type = self._kernel, self._window, first.type
        sums = [kernel.let(f"sum{i}", first) for i in range(pixels)]
        if window.guarded:
            self._add_seen(sums, source, channel, columns, type)
            return sums
        taps = kernel.let("taps", at("w", channel))
        for tap_z, tap_y in product(range(max(window.depth, 1)), range(window.lines)):
            plane = source if self._planes is None else source + tap_z * self._planes[2]
            pointer = kernel.let("a_pointer", at("a", plane + tap_y * self._tap_step + channel))
            weights = self._weights(taps, type)
            count = window.columns(pixels)
            for column in range(count):
                uses = window.uses(column, pixels)
                if uses:
                    self._add(sums, kernel.let("value", load("a", pointer, type)), weights, uses)
                if column + 1 < count:
                    kernel.advance(pointer, self._pixel)
        return sums

    def _add_seen(self, sums: list[Var], source: Expr, channel: Expr, columns: Sequence[Column], type: Type) -> None:
        """Add what the windows see of the picture: line by line in a loop, since not all lines are there."""
        kernel, window = self._kernel, self._window
        if self._planes is None:
            self._add_seen_lines(sums, source + channel, channel, columns, type)
            return
        plane_taps = window.lines * window.width
        with kernel.loop("tap_z", *self._seen[0]) as tap_z:
            plane = kernel.let("plane_start", source + tap_z * self._planes[2] + channel)
            weights = kernel.let("plane_taps", tap_z * plane_taps * self.channels + channel)
            self._add_seen_lines(sums, plane, weights, columns, type)

    def _add_seen_lines(
        self, sums: list[Var], plane: Expr, first_weight: Expr, columns: Sequence[Column], type: Type
    ) -> None:
        """The same of one plane, whose first weight lies there."""
        kernel, window = self._kernel, self._window
        zero, lanes = Const(0, type), type.lanes
        with kernel.loop("tap_y", *self._seen[-1]) as tap_y:
            line = kernel.let("line_place", plane + tap_y * self._tap_step)
            taps = kernel.let("taps", at("w", first_weight + tap_y * (window.width * self.channels)))
            weights = self._weights(taps, type)
            for number, (apart, seen) in enumerate(columns):
                uses = window.uses(number, len(sums))
                if uses:
                    value = kernel.let("value", load("a", line + apart, type))
                    inside = Splat(seen, lanes) if lanes > 1 else seen
                    self._add(sums, kernel.let("counted", Select(inside, value, zero)), weights, uses)

    def _weights(self, taps: Var, type: Type) -> list[Var]:
        """The weights of a line of the window, past which `taps` moves on."""
        weights = []
        for _ in range(self._window.width):
            weights.append(self._kernel.let("weight", load("w", taps, type)))
            self._kernel.advance(taps, self.channels)
        return weights

    def _add(self, sums: list[Var], value: Expr, weights: list[Var], uses: list[tuple[int, int]]) -> None:
        """Add a number of the picture to all sums that use it."""
        for i, tap in uses:
            self._kernel.assign(sums[i], _multiplied(value, weights[tap], sums[i], pairs=self._window.pairs))


def _multiplied(value: Expr, weight: Expr, total: Expr, *, pairs: bool) -> Expr:
    """total + value * weight, of numbers or of pairs."""
    if value.type.scalar == "f32":
        return Fma(value, weight, total)
    if not pairs:
        return total + value * weight
    if value.type.lanes > 1:
        return total + DotPairs(Bitcast(value, I16X8), Bitcast(weight, I16X8))
    (first, second), (other, another) = (((side << 16) >> 16, side >> 16) for side in (value, weight))
    return total + (first * other + second * another)


@cache
def depthwise(window: Window, epilogue: Epilogue = PLAIN, width: int = 0) -> Kernel:
    """Picture [images, height, width, channels], weights [taps, channels] -> the same channels.

    The picture has its border unless the window is guarded, as it may be where items have a width.

    Buffers: a, w, bias when the epilogue has one (bias is not padded here), e0 ..., out. Words: those of the
    epilogue, whose rows are output pixels, then those of `Lines`, which says what items are.
    """
    kernel = KernelWriter(window.named("depthwise"))
    for name in ("a", "w", "bias") if epilogue.bias else ("a", "w"):
        kernel.buffer(name, "f32", "read", vector=width or 1)
    extras = ExtraOperands(kernel, epilogue, vector=width or 1)
    kernel.buffer("out", "f32", "write", vector=width or 1)
    lines = Lines(kernel, window, width)
    channels = lines.channels
    starts = extras.starts(kernel, Const(0, I32))

    def one_vector(x: Expr, pixels: int, begin: Expr) -> None:
        """The item's channels of one tile, of which those from `begin` on are its own."""
        source, target, channel, type = lines.source(x), lines.target(x), lines.share.first, F32.wide(width)
        row = kernel.let("row", lines.first_pixel + x)
        first = load("bias", channel, type) if epilogue.bias else Const(0.0, type)
        columns = lines.columns(x, pixels) if window.guarded else ()
        for i, value in enumerate(lines.sums(source, channel, pixels, first, columns)):
            with kernel.when((x + i).ge(begin)):
                done = extras.apply(kernel, value, starts, row + i, channel)
                kernel.store("out", target + lines.out_pixel * i + channel, done)

    if width:
        lines.one_tile(one_vector)
        return kernel.kernel()

    def sweep_channels(x: Expr, pixels: int) -> None:
        """One tile: output pixels x .. x + pixels of the line, all channels."""
        with kernel.tile(f"tile{pixels}"):
            source, target = lines.source(x), lines.target(x)
            row = kernel.let("row", lines.first_pixel + x)
            whole = kernel.let("whole", channels - channels % LANES)
            for begin, end, lanes in ((Const(0, I32), whole, LANES), (whole, channels, 1)):
                with kernel.loop("channel", begin, end, lanes) as channel:
                    type = F32.wide(lanes)
                    first = load("bias", channel, type) if epilogue.bias else Const(0.0, type)
                    for i, value in enumerate(lines.sums(source, channel, pixels, first)):
                        done = extras.apply(kernel, value, starts, row + i, channel)
                        kernel.store("out", target + lines.out_pixel * i + channel, done)

    lines.tiles(sweep_channels)
    return kernel.kernel()


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
