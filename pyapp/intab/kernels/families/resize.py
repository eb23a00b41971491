"""Resizing pictures [N, H, W, C]: the nearest element, or linear between neighbours; C is not resized."""

from functools import cache

from intab.errors import KernelError
from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.loops import BYTES, EIGHT, VECTOR, lanes_for, stream, widened
from intab.kernels.families.share import Share
from intab.kernels.ir import F32, I16X8, I32, Cast, Const, Expr, Fma, Kernel, Select, Type, Unary, Var, Word
from intab.kernels.verify import REGISTER_OF

COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


@cache
def resize_nearest(
    dtype: str, coordinates: str, rounding: str, *, given_scales: bool, lanes: int, width: int = 0
) -> Kernel:
    """Each place of y gets the element of x nearest to it. The modes are ONNX's.

    Buffers: x [N, height, width, channels], contiguous, y [N, out_height, out_width, channels].
    Words: height, width, channels, out_height, out_width; out_pixel, out_line, out_image (elements of y between pixels,
    lines and pictures); with `given_scales` scale_y, scale_x (f32, output over input; without them the ratio of the
    sizes counts). Items: N * out_height; for `width` see `Share`, of out_width and channels.
    """
    if rounding not in ROUNDINGS:
        raise KernelError(f"Resizing rounds by one of {', '.join(ROUNDINGS)}, not {rounding}.")
    kernel = KernelWriter("resize_nearest")
    sizes = _Sizes(kernel, dtype, coordinates, given_scales, width)
    register, vector = Type(REGISTER_OF[dtype]), lanes_for(lanes, dtype)
    if vector == VECTOR and dtype in BYTES:
        vector = EIGHT

    def index(at_x: Expr, size: Word) -> Expr:
        whole = {
            "round_prefer_floor": Unary("ceil", at_x - 0.5),
            "round_prefer_ceil": Unary("floor", at_x + 0.5),
            "floor": Unary("floor", at_x),
            "ceil": Unary("ceil", at_x),
        }[rounding]
        return kernel.let("index", Cast(whole, I32).maximum(0).minimum(size - 1))

    share = Share(kernel, width, sizes.out_width, sizes.channels)
    with kernel.tile("row"):
        picture = kernel.let("picture", share.outer // sizes.out_height)
        y = index(sizes.source_y(kernel, share.outer % sizes.out_height), sizes.height)
        row = kernel.let("row", (picture * sizes.height + y) * sizes.width)
        writing = kernel.let("writing", at("y", sizes.line_of_result(picture, share)))
        with share.loop(0, "out_x") as out_x:
            x = index(sizes.source_x(kernel, out_x), sizes.width)
            reading = kernel.let("reading", at("x", (row + x) * sizes.channels + share.first))

            def body(width: int) -> None:
                kernel.store("y", writing, load("x", reading, I16X8 if width == EIGHT else register.wide(width)))

            share.stream(vector, [reading, writing], body)
            sizes.next_pixel(kernel, writing, share)
    return kernel.kernel()


@cache
def resize_linear(coordinates: str, *, given_scales: bool, lanes: int, width: int = 0) -> Kernel:
    """Each place of y gets the mean of its four neighbours in x, weighted by nearness; f32.

    Buffers, words and items as of `resize_nearest`.
    """
    kernel = KernelWriter("resize_linear")
    sizes = _Sizes(kernel, "f32", coordinates, given_scales, width)
    share = Share(kernel, width, sizes.out_width, sizes.channels)
    with kernel.tile("row"):
        picture = kernel.let("picture", share.outer // sizes.out_height)
        top, bottom, down = _neighbours(kernel, sizes.source_y(kernel, share.outer % sizes.out_height), sizes.height)
        rows = [kernel.let("row", (picture * sizes.height + y) * sizes.width) for y in (top, bottom)]
        writing = kernel.let("writing", at("y", sizes.line_of_result(picture, share)))
        with share.loop(0, "out_x") as out_x:
            left, right, along = _neighbours(kernel, sizes.source_x(kernel, out_x), sizes.width)
            corners = [
                kernel.let("corner", at("x", (row + x) * sizes.channels + share.first))
                for row in rows
                for x in (left, right)
            ]

            def body(width: int) -> None:
                a, b, c, d = (load("x", corner, F32.wide(width)) for corner in corners)
                upper = _between(kernel, a, b, widened(along, width))
                lower = _between(kernel, c, d, widened(along, width))
                kernel.store("y", writing, _between(kernel, upper, lower, widened(down, width)))

            share.stream(lanes_for(lanes, "f32"), [*corners, writing], body)
            sizes.next_pixel(kernel, writing, share)
    return kernel.kernel()


@cache
def resize_cubic(
    coordinates: str,
    coefficient: float,
    *,
    exclude_outside: bool,
    given_scales: bool,
    lanes: int,
    width: int = 0,
) -> Kernel:
    """Each line of y is the sum of four neighbouring lines of x by Keys' cubic weights with a coefficient; f32.

    Lines are resized along the height only: out_width is width. With `exclude_outside` the weights of lines outside
    the picture are 0, and what is left sums up to 1; otherwise the nearest line counts in their place. Buffers, words
    and items as of `resize_nearest`, but pixels and channels are one axis for `width`.
    """
    kernel = KernelWriter("resize_cubic")
    sizes = _Sizes(kernel, "f32", coordinates, given_scales, width)
    share = Share(kernel, width, sizes.out_width, sizes.channels)
    with kernel.tile("line"):
        picture = kernel.let("picture", share.outer // sizes.out_height)
        source = sizes.source_y(kernel, share.outer % sizes.out_height)
        below = kernel.let("below", Unary("floor", source))
        first = kernel.let("first", Cast(below, I32))
        weights = _cubic_weights(kernel, kernel.let("fraction", source - below), coefficient)
        places: list[Expr] = [first + offset for offset in range(-1, 3)]
        if exclude_outside:
            zero = Const(0.0, F32)
            inside = zip(places, weights, strict=True)
            kept = [kernel.let("kept", Select(p.ge(0) & p.lt(sizes.height), w, zero)) for p, w in inside]
            total = kernel.let("total", kept[0] + kept[1] + kept[2] + kept[3])
            weights = [kernel.let("weight", weight / total) for weight in kept]
        length = kernel.let("length", sizes.width * sizes.channels)
        lines = [kernel.let("place", place.maximum(0).minimum(sizes.height - 1)) for place in places]
        within = share.offset(sizes.channels)
        readings = [kernel.let("line", at("x", (picture * sizes.height + line) * length + within)) for line in lines]
        writing = kernel.let("writing", at("y", sizes.line_of_result(picture, share)))

        def body(width: int) -> None:
            result: Expr = Const(0.0, F32.wide(width))
            for reading, weight in zip(readings, weights, strict=True):
                result = Fma(load("x", reading, F32.wide(width)), widened(weight, width), result)
            kernel.store("y", writing, result)

        if width:
            body(width)
        else:
            stream(kernel, length, lanes_for(lanes, "f32"), [*readings, writing], body)
    return kernel.kernel()


def _cubic_weights(kernel: KernelWriter, fraction: Var, a: float) -> list[Var]:
    """What the lines at -1, 0, 1 and 2 from the place below count for a place `fraction` behind it.

    Source: Keys, IEEE Transactions on Acoustics, Speech and Signal Processing 29, 1981.
    """

    def near(distance: Var) -> Expr:
        return (distance * (a + 2) - (a + 3)) * distance * distance + 1.0

    def far(distance: Var) -> Expr:
        return ((distance * a - 5 * a) * distance + 8 * a) * distance - 4 * a

    rest = kernel.let("rest", Const(1.0, F32) - fraction)
    distances = (kernel.let("far_before", fraction + 1.0), fraction, rest, kernel.let("far_behind", rest + 1.0))
    return [kernel.let("weight", f(d)) for f, d in zip((far, near, near, far), distances, strict=True)]


def _between(kernel: KernelWriter, first: Expr, second: Expr, fraction: Expr) -> Expr:
    start = kernel.let("start", first)
    return kernel.let("between", Fma(second - start, fraction, start))


def _neighbours(kernel: KernelWriter, source: Expr, size: Word) -> tuple[Expr, Expr, Expr]:
    """The elements before and behind a place, and how far it lies from the first to the second."""
    below = kernel.let("below", Unary("floor", source))
    fraction = kernel.let("fraction", source - below)
    first = kernel.let("first", Cast(below, I32))
    before, behind = (kernel.let("inside", (first + step).maximum(0).minimum(size - 1)) for step in (0, 1))
    return before, behind, fraction


class _Sizes:
    """The words of a resize, and the way from a place in the output to one in the input."""

    def __init__(self, kernel: KernelWriter, dtype: str, coordinates: str, given_scales: bool, width: int) -> None:
        if coordinates not in COORDINATES:
            raise KernelError(f"Resizing has coordinates {', '.join(COORDINATES)}, not {coordinates}.")
        kernel.buffer("x", dtype, "read", vector=width or 1)
        kernel.buffer("y", dtype, "write", vector=width or 1)
        self._coordinates = coordinates
        self.height, self.width, self.channels, self.out_height, self.out_width = (
            kernel.word(name) for name in ("height", "width", "channels", "out_height", "out_width")
        )
        self._out_pixel, self._out_line, self._out_image = (
            kernel.word(name) for name in ("out_pixel", "out_line", "out_image")
        )
        self._scale_y = kernel.word("scale_y", F32) if given_scales else None
        self._scale_x = kernel.word("scale_x", F32) if given_scales else None

    def line_of_result(self, picture: Expr, share: Share) -> Expr:
        """Where the item's line of the result starts, or its part of that."""
        line = picture * self._out_image + share.outer % self.out_height * self._out_line
        return line + share.offset(self._out_pixel)

    def next_pixel(self, kernel: KernelWriter, writing: Var, share: Share) -> None:
        """Move a pointer from the end of a pixel to the next one, where an item does lines of them."""
        if not share.width:
            kernel.advance(writing, self._out_pixel - self.channels)

    def source_y(self, kernel: KernelWriter, place: Expr) -> Var:
        return self._source(kernel, place, self.height, self.out_height, self._scale_y)

    def source_x(self, kernel: KernelWriter, place: Expr) -> Var:
        return self._source(kernel, place, self.width, self.out_width, self._scale_x)

    def _source(self, kernel: KernelWriter, place: Expr, size: Word, out: Word, given: Word | None) -> Var:
        """Where a place of the output lies in the input, as ONNX's Resize computes it in f32."""
        here, zero = Cast(place, F32), Const(0.0, F32)
        scale = given if given is not None else Cast(out, F32) / Cast(size, F32)
        many = out.gt(1)
        match self._coordinates:
            case "asymmetric":
                found: Expr = here / scale
            case "align_corners":
                found = Select(many, here * Cast(size - 1, F32) / Cast(out - 1, F32), zero)
            case "pytorch_half_pixel":
                found = Select(many, (here + 0.5) / scale - 0.5, zero)
            case "half_pixel_symmetric":
                covered = Cast(out, F32) / (scale * Cast(size, F32))
                lost = Cast(size, F32) * 0.5 * (Const(1.0, F32) - covered)
                found = lost + (here + 0.5) / scale - 0.5
            case _:
                found = (here + 0.5) / scale - 0.5
        return kernel.let("source", found)
