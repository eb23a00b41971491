"""Pooling windows over pictures [N, H, W, C], every size at run time, in f32."""

from collections.abc import Callable
from functools import cache

from intab.errors import KernelError
from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.loops import check_lanes, widened
from intab.kernels.families.row import larger
from intab.kernels.ir import F32, Cast, Const, Expr, Kernel, Type, Var, Word

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
)


@cache
def pool(op: str, *, lanes: int, count_padding: bool = False) -> Kernel:
    """op "max", or "average": of the elements inside the picture, or with `count_padding` of its padding too.

    Buffers: x [N, height, width, channels], y [N, out_height, out_width, channels], contiguous. Words: WORDS, with
    `count_padding` then pad_bottom, pad_right. Items: N * out_height. A window with nothing in it gives -inf or NaN;
    max does not bother about NaN.
    """
    check_lanes(lanes)
    if op not in ("max", "average"):
        raise KernelError(f"There is no pooling kernel {op!r}.")
    kernel = KernelWriter(f"pool_{op}")
    kernel.buffer("x", "f32", "read")
    kernel.buffer("y", "f32", "write")
    words = {name: kernel.word(name) for name in WORDS}
    bottom = kernel.word("pad_bottom") if count_padding else None
    right = kernel.word("pad_right") if count_padding else None
    with kernel.tile("row"):
        picture = kernel.let("picture", kernel.item // words["out_height"])
        out_y = kernel.let("out_y", kernel.item % words["out_height"])
        y = kernel.let("y_first", out_y * words["stride_y"] - words["pad_top"])
        rows = _Taps(kernel, y, words["height"], words["window_height"], words["dilation_y"], words["pad_top"], bottom)
        row_start = kernel.let("row_start", picture * words["height"] + y)
        out = kernel.let("out", at("y", kernel.item * words["out_width"] * words["channels"]))
        with kernel.loop("out_x", 0, words["out_width"]) as out_x:
            x = kernel.let("x_first", out_x * words["stride_x"] - words["pad_left"])
            columns = _Taps(
                kernel, x, words["width"], words["window_width"], words["dilation_x"], words["pad_left"], right
            )
            count = kernel.let("count", Cast(rows.counted * columns.counted, F32))
            _one_place(kernel, op, words, rows, columns, row_start, x, out, count, lanes)
    return kernel.kernel()


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

        self.begin = kernel.let("begin", taps_below(Const(0, Type("i32"))))
        self.end = kernel.let("end", taps_below(size))
        self.counted: Expr = self.end - self.begin
        if after is not None:
            self.counted = taps_below(size + after) - taps_below(Const(0, Type("i32")) - before)


def _one_place(
    kernel: KernelWriter,
    op: str,
    words: dict[str, Word],
    rows: _Taps,
    columns: _Taps,
    row_start: Expr,
    x: Expr,
    out: Var,
    count: Expr,
    lanes: int,
) -> None:
    """All channels of one window."""
    channels = words["channels"]
    combine: Callable[[Expr, Expr], Expr] = larger if op == "max" else lambda a, b: a + b
    first = float("-inf") if op == "max" else 0.0
    x_start = kernel.let("x_start", x + columns.begin * words["dilation_x"])
    step = kernel.let("step", words["dilation_x"] * channels)

    def vectors(begin: Expr | int, end: Expr, width: int) -> None:
        with kernel.loop("channel", begin, end, width) as channel:
            result = kernel.let("result", Const(first, F32.wide(width)))
            with kernel.loop("tap_y", rows.begin, rows.end) as tap_y:
                row = (row_start + tap_y * words["dilation_y"]) * words["width"]
                tap = kernel.let("tap", at("x", (row + x_start) * channels + channel))
                with kernel.loop("tap_x", columns.begin, columns.end):
                    kernel.assign(result, combine(result, load("x", tap, F32.wide(width))))
                    kernel.advance(tap, step)
            kernel.store("y", out, result / widened(count, width) if op == "average" else result)
            kernel.advance(out, width)

    if lanes == 1:
        vectors(0, channels, 1)
        return
    main = kernel.let("main", channels & -lanes)
    vectors(0, main, lanes)
    vectors(main, channels, 1)
