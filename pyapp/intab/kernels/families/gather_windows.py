"""The second half of a transposed convolution: every output pixel gathers what windows add to it."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache

from intab.kernels.block import KernelWriter, load
from intab.kernels.families.register_tile import PLAIN, Epilogue, ExtraOperands
from intab.kernels.families.share import Share
from intab.kernels.ir import F32, I32, Const, Expr, Fma, Kernel, Type, Var

LANES = 4
# What is said of each axis: sizes of picture, result and window, how windows lie, and what is cut off before.
AXIS_WORDS = ("size", "out", "taps", "stride", "dilation", "before")


@cache
def gather_windows(axes: str = "yx", epilogue: Epilogue = PLAIN, *, depthwise: bool = False, width: int = 0) -> Kernel:
    """Products [images, *size, *taps, channels] -> [images, *out, channels], with an axis for each letter of `axes`.

    An output pixel is the sum over taps of the product at (pixel + before - tap * dilation) / stride where these
    are whole and inside the picture. With `depthwise`, "a" is the picture [images, *size, channels] itself, and "w"
    [*taps, channels] holds what to multiply it by. Buffers: a, w, bias, e0 ..., out. Words: channels; out_row
    (elements between output pixels); each of AXIS_WORDS for each axis, such as size_y; the epilogue's, whose rows
    are output pixels. Items: images * out pixels; see `Share` for `width`.
    """
    kernel = KernelWriter(f"gather_windows{'_depthwise' if depthwise else ''}_{axes}")
    kernel.buffer("a", "f32", "read", vector=width or 1)
    if depthwise:
        kernel.buffer("w", "f32", "read", vector=width or 1)
    if epilogue.bias:
        kernel.buffer("bias", "f32", "read", vector=width or 1)
    extras = ExtraOperands(kernel, epilogue, vector=width or 1)
    kernel.buffer("out", "f32", "write" if width else "read_write", vector=width or 1)
    channels, out_row = kernel.word("channels"), kernel.word("out_row")
    words = {axis: {name: kernel.word(f"{name}_{axis}") for name in AXIS_WORDS} for axis in axes}
    starts = extras.starts(kernel, Const(0, I32))
    share = Share(kernel, width, channels)
    target = kernel.let("target", share.outer * out_row)
    whole = kernel.let("whole", channels - channels % LANES)
    window: Expr = Const(1, I32)
    for axis in axes:
        window = kernel.let("window", window * words[axis]["taps"])

    # Where an item does few channels their sums are in a register, else in the result.
    register: Var | None = None
    if width:
        bias = load("bias", share.first, F32.wide(width)) if epilogue.bias else Const(0.0, F32.wide(width))
        register = kernel.let("register", bias)

    def over_channels(each: Callable[[Expr, Type], None]) -> None:
        if width:
            each(share.first, F32.wide(width))
            return
        for begin, end, lanes in ((Const(0, I32), whole, LANES), (whole, channels, 1)):
            with kernel.loop("channel", begin, end, lanes) as channel:
                each(channel, F32.wide(lanes))

    def start(channel: Expr, type: Type) -> None:
        first: Expr = load("bias", channel, type) if epilogue.bias else Const(0.0, type)
        kernel.store("out", target + channel, first)

    def finish(channel: Expr, type: Type) -> None:
        value = kernel.let("value", load("out", target + channel, type))
        kernel.store("out", target + channel, extras.apply(kernel, value, starts, kernel.item, channel))

    def add_tap(pixel: Expr, tap: Expr) -> None:
        """What the window of an input pixel adds by one of its taps."""
        source = kernel.let("source", pixel * channels if depthwise else (pixel * window + tap) * channels)
        weights = kernel.let("weights", tap * channels) if depthwise else None

        def add(channel: Expr, type: Type) -> None:
            so_far: Expr = load("out", target + channel, type) if register is None else register
            value = load("a", source + channel, type)
            total = so_far + value if weights is None else Fma(value, load("w", weights + channel, type), so_far)
            if register is None:
                kernel.store("out", target + channel, total)
            else:
                kernel.assign(register, total)

        over_channels(add)

    def along(rest: str, pixel: Expr, tap: Expr, places: dict[str, Expr]) -> None:
        """All taps along the axes that are left; `pixel` and `tap` count those of the axes before."""
        if not rest:
            add_tap(pixel, tap)
            return
        axis = rest[0]
        size, taps, stride = (words[axis][name] for name in ("size", "taps", "stride"))
        with kernel.loop(f"tap_{axis}", 0, taps) as number:
            reach = kernel.let(f"reach_{axis}", places[axis] - number * words[axis]["dilation"])
            at = kernel.let(f"at_{axis}", reach // stride)
            with kernel.when(reach.ge(0) & (reach % stride).equal(0) & at.lt(size)):
                along(rest[1:], kernel.let("pixel", pixel * size + at), kernel.let("tap", tap * taps + number), places)

    with kernel.tile("pixel") if register is None else nullcontext():
        places: dict[str, Expr] = {}
        image: Expr = share.outer
        for axis in reversed(axes):
            out = words[axis]["out"]
            places[axis] = kernel.let(f"place_{axis}", image % out + words[axis]["before"])
            image = kernel.let("image", image // out)
        if register is None:
            over_channels(start)
        along(axes, image, Const(0, I32), places)
        if register is not None:
            done = extras.apply(kernel, register, starts, share.outer, share.first)
            kernel.store("out", target + share.first, done)
        elif epilogue.function is not None:
            over_channels(finish)
    return kernel.kernel()
