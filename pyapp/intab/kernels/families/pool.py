"""Pooling windows over pictures [N, H, W, C], every size at run time, in f32; maxima of bytes too."""

from collections.abc import Callable
from functools import cache

from intab.errors import KernelError
from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.lookup import FIRST
from intab.kernels.families.loops import BYTES, EIGHT, VECTOR, check_lanes, stream, widened
from intab.kernels.families.row import larger
from intab.kernels.families.share import Share
from intab.kernels.ir import F32, I16X8, I32, Cast, Const, Expr, Kernel, Select, Type, Var, Word
from intab.kernels.verify import REGISTER_OF

WORDS = (
    "height",
    "width",
    "channels",
    "out_height",
    "out_width",
    "window_height",
    "window_width",
    "stride_y",
    "stride_x",
    "dilation_y",
    "dilation_x",
    "pad_top",
    "pad_left",
    "out_pixel",
    "out_line",
    "out_image",
)


# Windows with more taps than this are not worth writing out.
MOST_TAPS = 16


@cache
def pool(
    op: str,
    dtype: str = "f32",
    *,
    lanes: int,
    count_padding: bool = False,
    window: tuple[int, int] | None = None,
    width: int = 0,
) -> Kernel:
    """op "max", or "average": of the elements inside the picture, or with `count_padding` of its padding too.

    dtype is "f32", for "max" also "u8" or "i8".

    Buffers: x [N, height, width, channels], contiguous, y [N, out_height, out_width, channels]. Words: WORDS, the last
    of which say how far apart pixels, lines and pictures of y are; with `count_padding` then pad_bottom, pad_right.
    Items: N * out_height; for `width` see `Share`, of out_width and channels.
    A window with nothing in it gives the least number or NaN; max does not bother about NaN.
    `window` says (window_height, window_width) beforehand, which makes windows that lie inside the picture several
    times as fast; for small windows, since every tap is written out.
    """
    check_lanes(lanes)
    if op not in ("max", "average") or dtype not in ("f32", *(BYTES if op == "max" else ())):
        raise KernelError(f"There is no pooling kernel {op!r} of {dtype}.")
    kernel = KernelWriter(f"pool_{op}")
    kernel.buffer("x", dtype, "read", vector=width or 1)
    kernel.buffer("y", dtype, "write", vector=width or 1)
    words = {name: kernel.word(name) for name in WORDS}
    bottom = kernel.word("pad_bottom") if count_padding else None
    right = kernel.word("pad_right") if count_padding else None
    share = Share(kernel, width, words["out_width"], words["channels"])
    with kernel.tile("row"):
        picture = kernel.let("picture", share.outer // words["out_height"])
        out_y = kernel.let("out_y", share.outer % words["out_height"])
        y = kernel.let("y_first", out_y * words["stride_y"] - words["pad_top"])
        rows = _Taps(kernel, y, words["height"], words["window_height"], words["dilation_y"], words["pad_top"], bottom)
        row_start = kernel.let("row_start", picture * words["height"] + y)
        out_start = kernel.let("out_start", picture * words["out_image"] + out_y * words["out_line"])

        def one_place(out_x: Expr) -> None:
            x = kernel.let("x_first", out_x * words["stride_x"] - words["pad_left"])
            columns = _Taps(
                kernel, x, words["width"], words["window_width"], words["dilation_x"], words["pad_left"], right
            )
            count = kernel.let("count", Cast(rows.counted * columns.counted, F32))
            out = kernel.let("out", at("y", out_start + out_x * words["out_pixel"] + share.first))
            _one_place(kernel, op, dtype, words, rows, columns, row_start, x, out, count, share, lanes)

        def any_places(begin: Expr | int, end: Expr | Word) -> None:
            with kernel.loop("out_x", begin, end) as out_x:
                one_place(out_x)

        if width:
            one_place(share.firsts[0])
        elif window is None:
            any_places(0, words["out_width"])
        else:
            first, end = _inside(kernel, words, rows, window)
            with kernel.loop("side", 0, 2) as side:
                left = side.equal(0)
                any_places(Select(left, Const(0, I32), end), Select(left, first, words["out_width"]))
            _whole_windows(kernel, op, dtype, words, window, row_start, out_start, first, end, lanes)
    return kernel.kernel()


def _inside(kernel: KernelWriter, words: dict[str, Word], rows: "_Taps", window: tuple[int, int]) -> tuple[Expr, Expr]:
    """The places first .. end of a row whose windows lie inside the picture; 0 .. 0 where there are none."""
    stride, pad = words["stride_x"], words["pad_left"]
    whole = kernel.let("whole", (rows.end - rows.begin).equal(window[0]))
    first = kernel.let("first", (pad + stride - 1) // stride)
    # Up to here a window may begin so that its last tap is in the picture.
    room = kernel.let("room", words["width"] - words["dilation_x"] * (window[1] - 1) - 1 + pad)
    end = kernel.let("end", Select(room.lt(0), Const(0, I32), room // stride + 1).minimum(words["out_width"]))
    some = kernel.let("some", whole & first.lt(end))
    zero = Const(0, I32)
    return kernel.let("first", Select(some, first, zero)), kernel.let("end", Select(some, end, zero))


def _whole_windows(
    kernel: KernelWriter,
    op: str,
    dtype: str,
    words: dict[str, Word],
    window: tuple[int, int],
    row_start: Expr,
    out_start: Expr,
    first: Expr,
    end: Expr,
    lanes: int,
) -> None:
    """Places first .. end of a row, every tap written out.

    At stride 1, with nothing between the results, they are one run of elements.
    """
    channels, combine = words["channels"], _combine(op, dtype)
    dense = kernel.let("dense", words["stride_x"].equal(1) & words["out_pixel"].equal(channels))
    runs = kernel.let("runs", Select(dense, (end - first).minimum(1), end - first))
    length = kernel.let("length", Select(dense, (end - first) * channels, channels))
    with kernel.loop("run", 0, runs) as run:
        place = kernel.let("place", first + run)
        x = kernel.let("x", place * words["stride_x"] - words["pad_left"])
        taps = [
            kernel.let(
                "tap",
                at(
                    "x",
                    ((row_start + words["dilation_y"] * dy) * words["width"] + x + words["dilation_x"] * dx) * channels,
                ),
            )
            for dy in range(window[0])
            for dx in range(window[1])
        ]
        out = kernel.let("out", at("y", out_start + place * words["out_pixel"]))

        def body(width: int) -> None:
            elements = I16X8 if width == EIGHT else Type(REGISTER_OF[dtype], width)
            seen = [kernel.let("seen", load("x", tap, elements)) for tap in taps]
            while len(seen) > 1:
                paired = zip(seen[::2], seen[1::2], strict=False)
                merged = [kernel.let("seen", combine(a, b)) for a, b in paired]
                seen = merged + seen[len(seen) - len(seen) % 2 :]
            result = seen[0] / float(window[0] * window[1]) if op == "average" else seen[0]
            kernel.store("y", out, result)

        stream(kernel, length, EIGHT if lanes == VECTOR and dtype in BYTES else lanes, [*taps, out], body)


def _combine(op: str, dtype: str) -> Callable[[Expr, Expr], Expr]:
    if op == "average":
        return lambda a, b: a + b
    return larger if dtype == "f32" else lambda a, b: a.maximum(b)


class _Taps:
    """Along one axis: which taps of a window that starts at `first` lie in the picture, and how many count."""

    def __init__(
        self,
        kernel: KernelWriter,
        first: Var,
        size: Word,
        window: Word,
        dilation: Word,
        before: Word,
        after: Word | None,
    ) -> None:
        def taps_below(limit: Expr) -> Expr:
            """How many taps lie before `limit`."""
            return ((limit - first + dilation - 1).maximum(0) // dilation).minimum(window)

        self.begin = kernel.let("begin", taps_below(Const(0, I32)))
        self.end = kernel.let("end", taps_below(size))
        self.counted: Expr = self.end - self.begin
        if after is not None:
            self.counted = taps_below(size + after) - taps_below(Const(0, I32) - before)


def _one_place(
    kernel: KernelWriter,
    op: str,
    dtype: str,
    words: dict[str, Word],
    rows: _Taps,
    columns: _Taps,
    row_start: Expr,
    x: Expr,
    out: Var,
    count: Expr,
    share: Share,
    lanes: int,
) -> None:
    """All channels of one window that the item does."""
    channels, combine = words["channels"], _combine(op, dtype)
    least = float("-inf") if dtype == "f32" else -FIRST[dtype]
    first = least if op == "max" else 0.0
    register = Type(REGISTER_OF[dtype])
    x_start = kernel.let("x_start", x + columns.begin * words["dilation_x"])
    step = kernel.let("step", words["dilation_x"] * channels)

    def vector(channel: Expr, width: int) -> None:
        result = kernel.let("result", Const(first, register.wide(width)))
        with kernel.loop("tap_y", rows.begin, rows.end) as tap_y:
            row = (row_start + tap_y * words["dilation_y"]) * words["width"]
            tap = kernel.let("tap", at("x", (row + x_start) * channels + channel))
            with kernel.loop("tap_x", columns.begin, columns.end):
                kernel.assign(result, combine(result, load("x", tap, register.wide(width))))
                kernel.advance(tap, step)
        kernel.store("y", out, result / widened(count, width) if op == "average" else result)

    def vectors(begin: Expr | int, end: Expr, width: int) -> None:
        with kernel.loop("channel", begin, end, width) as channel:
            vector(channel, width)
            kernel.advance(out, width)

    if share.width:
        vector(share.first, share.width)
        return
    if lanes == 1:
        vectors(0, channels, 1)
        return
    main = kernel.let("main", channels & -lanes)
    vectors(0, main, lanes)
    vectors(main, channels, 1)
