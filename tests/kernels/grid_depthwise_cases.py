"""Cases of depthwise convolutions as GPUs do them, in blocks that leave lines and pixels over."""

from collections.abc import Iterator

import numpy as np

from intab.kernels import functions
from intab.kernels.families.grid_depthwise import WindowAxis, grid_depthwise
from intab.kernels.families.register_tile import PLAIN, Epilogue
from intab.kernels.ir import F32
from tests.kernels.case import Array, KernelCase, case, ceil_div, normal

IMAGES = 2
# lines and pixels of windows and blocks, and of the picture
BLOCKS = (
    (WindowAxis(3, 4), WindowAxis(3, 4), (9, 7)),
    (WindowAxis(3, 2, stride=2), WindowAxis(2, 4, stride=3), (8, 13)),
    (WindowAxis(2, 4, dilation=3), WindowAxis(3, 2, dilation=2), (8, 9)),
    (WindowAxis(1, 1), WindowAxis(5, 4, stride=2), (3, 9)),
    (WindowAxis(7, 2), WindowAxis(7, 4), (8, 8)),
)


def grid_depthwises() -> Iterator[KernelCase]:
    """Windows inside their pictures, and windows that reach one element or two beyond them on all sides."""
    for lines, pixels, sizes in BLOCKS:
        for width, channels in ((4, 8), (1, 3)):
            for before in (0, 1, 2):
                yield _depthwise(lines, pixels, sizes, channels, width, before)


def _depthwise(
    lines: WindowAxis, pixels: WindowAxis, sizes: tuple[int, int], channels: int, width: int, before: int
) -> KernelCase:
    x, w = normal(IMAGES, *sizes, channels), normal(lines.taps, pixels.taps, channels)
    padded = np.pad(x, ((0, 0), (before, before), (before, before), (0, 0)))
    height, across = (
        (size - (axis.taps - 1) * axis.dilation - 1) // axis.stride + 1
        for size, axis in zip(padded.shape[1:], (lines, pixels), strict=False)
    )
    wanted = _sums(padded, w, lines, pixels, (height, across))
    inputs, epilogue = {"a": x, "w": w.reshape(-1, channels)}, PLAIN
    words: dict[str, float] = {"channels": channels, "out_height": height, "out_width": across}
    words |= {"lines_size": sizes[0], "lines_before": before, "pixels_size": sizes[1], "pixels_before": before}
    words |= {"line": sizes[1] * channels, "pixel": channels, "image": x[0].size}
    words |= {"out_line": across * channels, "out_pixel": channels, "out_image": wanted[0].size}
    if before == 1:  # with a bias, and one more operand
        added = functions.scalar_function(lambda _, v, other: functions.at_least(v + other, 0.0), F32, F32)
        epilogue = Epilogue(bias=True, function=added, wide=(True,))
        inputs |= {"bias": normal(channels), "e0": normal(*wanted.shape)}
        words |= {"e0_row": channels, "e0_batch": 0}
        wanted = np.maximum(wanted + inputs["bias"] + inputs["e0"], 0)
    kernel = grid_depthwise(lines, pixels, epilogue, guarded=before > 0, width=width)
    items = IMAGES * ceil_div(height, lines.places) * ceil_div(across, pixels.places) * (channels // width)
    title = f"{kernel.name}-{lines.places}x{pixels.places}-{before}-{channels}"
    return case(title, kernel, inputs, words, items, wanted.astype(np.float32), tolerance=1e-5, output="out", spare=4)


def _sums(x: Array, w: Array, lines: WindowAxis, pixels: WindowAxis, out: tuple[int, int]) -> Array:
    """The sums of all windows inside x, tap by tap."""
    total = np.zeros((len(x), *out, x.shape[-1]))
    for y, column in np.ndindex(lines.taps, pixels.taps):
        seen = x[:, y * lines.dilation :: lines.stride][:, : out[0]]
        total += seen[:, :, column * pixels.dilation :: pixels.stride][:, :, : out[1]] * w[y, column]
    return total
