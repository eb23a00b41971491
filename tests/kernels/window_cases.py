"""Cases of windows over pictures, of resizing and of matrix products."""

from collections.abc import Iterator

import numpy as np

from intab.kernels import functions
from intab.kernels.families import matmul, pool, resize
from intab.kernels.families.register_tile import Epilogue, Tiles, pack_panels, pad_columns
from intab.kernels.ir import F32
from intab.ops.resize import COORDINATES, ROUNDINGS
from tests.kernels.case import (
    LANES,
    Array,
    KernelCase,
    case,
    ceil_div,
    integers,
    normal,
)


def pooled(
    x: Array, window: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], pads: tuple[int, ...]
) -> Array:
    """What each tap sees, NaN outside the picture: [taps, N, out_y, out_x, C]."""
    top, left, bottom, right = pads
    wide = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=np.nan)
    out = [(wide.shape[axis + 1] - dilation[axis] * (window[axis] - 1) - 1) // stride[axis] + 1 for axis in (0, 1)]
    return np.stack(
        [
            wide[:, dy * dilation[0] :: stride[0]][:, : out[0]][:, :, dx * dilation[1] :: stride[1]][:, :, : out[1]]
            for dy in range(window[0])
            for dx in range(window[1])
        ]
    )


def pools() -> Iterator[KernelCase]:
    problems = [
        ((2, 2), (2, 2), (1, 1), (0, 0, 0, 0)),
        ((3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        ((3, 2), (2, 1), (2, 3), (2, 0, 1, 3)),
        ((2, 2), (1, 1), (1, 1), (0, 0, 1, 1)),
        ((3, 3), (3, 2), (1, 1), (2, 2, 2, 2)),
        ((1, 6), (1, 5), (1, 1), (0, 4, 0, 4)),
    ]
    for window, stride, dilation, pads in problems:
        x = normal(2, 6, 7, 5)
        seen = pooled(x, window, stride, dilation, pads)
        _, n, out_height, out_width, channels = seen.shape
        line = out_width * channels
        steps = channels, line, out_height * line
        values = (6, 7, channels, out_height, out_width, *window, *stride, *dilation, *pads[:2], *steps)
        words: dict[str, float] = dict(zip(pool.WORDS, values, strict=True))
        items = n * out_height
        maximum = np.nanmax(seen, axis=0)
        mean = np.nanmean(seen, axis=0).astype(np.float32)
        padded = np.nan_to_num(seen).mean(axis=0).astype(np.float32)
        for known in (None, window):
            name = f"{window}-{stride}-{dilation}-{pads}{'-unrolled' if known else ''}"
            kernel = pool.pool("max", lanes=LANES, window=known)
            yield case(f"max-pool-{name}", kernel, {"x": x}, words, items, maximum)
            for dtype, offset in (("u8", 100), ("i8", 0)):
                octets, least = np.rint(x * 25 + offset), -128 if dtype == "i8" else 0
                largest = np.where(np.isnan(maximum), least, np.rint(maximum * 25 + offset))
                kernel = pool.pool("max", dtype, lanes=LANES, window=known)
                kind = {"u8": np.uint8, "i8": np.int8}[dtype]
                inputs, wanted = {"x": octets.astype(kind)}, largest.astype(kind)
                yield case(f"max-pool-{dtype}-{name}", kernel, inputs, words, items, wanted)
            kernel = pool.pool("average", lanes=LANES, window=known)
            yield case(f"mean-pool-{name}", kernel, {"x": x}, words, items, mean, tolerance=1e-5)
            kernel = pool.pool("average", lanes=LANES, count_padding=True, window=known)
            wide = {**words, "pad_bottom": pads[2], "pad_right": pads[3]}
            yield case(f"mean-pool-padded-{name}", kernel, {"x": x}, wide, items, padded, tolerance=1e-5)


def resizes() -> Iterator[KernelCase]:
    x = normal(2, 4, 5, 6)
    for coordinates in resize.COORDINATES:
        for out in ((8, 10), (3, 7), (1, 1)):
            for given in (False, True):
                scales = (out[0] / 4 * 1.01, out[1] / 5 * 0.99) if given else (out[0] / 4, out[1] / 5)
                words: dict[str, float] = dict(
                    zip(("height", "width", "channels", "out_height", "out_width"), (4, 5, 6, *out), strict=True)
                )
                words |= {"out_pixel": 6, "out_line": out[1] * 6, "out_image": out[0] * out[1] * 6}
                if given:
                    words.update({"scale_y": scales[0], "scale_x": scales[1]})
                at = [
                    COORDINATES[coordinates](np.arange(o, dtype=np.float32), s, size, o).astype(np.float64)
                    for o, s, size in zip(out, scales, (4, 5), strict=True)
                ]
                name = f"{coordinates}-{out[0]}x{out[1]}{'-scaled' if given else ''}"
                for rounding in resize.ROUNDINGS:
                    if rounding in ("floor", "ceil") and coordinates == "half_pixel_symmetric" and given:
                        continue  # places fall on whole numbers but for the last bit, so either side is right
                    y, z = (
                        np.clip(ROUNDINGS[rounding](a), 0, s - 1).astype(int) for a, s in zip(at, (4, 5), strict=True)
                    )
                    kernel = resize.resize_nearest("f32", coordinates, rounding, given_scales=given, lanes=LANES)
                    items = 2 * out[0]
                    yield case(f"nearest-{rounding}-{name}", kernel, {"x": x}, words, items, x[:, y][:, :, z])
                kernel = resize.resize_linear(coordinates, given_scales=given, lanes=LANES)
                wanted = _linear(_linear(x.astype(np.float64), at[0], 1), at[1], 2).astype(np.float32)
                yield case(f"linear-{name}", kernel, {"x": x}, words, 2 * out[0], wanted, tolerance=1e-4)
    for channels in (3, 14):
        m = integers("uint8", 1, 2, 2, channels)
        kernel = resize.resize_nearest("u8", "asymmetric", "floor", given_scales=False, lanes=LANES)
        words = {"height": 2, "width": 2, "channels": channels, "out_height": 4, "out_width": 4}
        words |= {"out_pixel": channels, "out_line": 4 * channels, "out_image": 16 * channels}
        wanted = m.repeat(2, axis=1).repeat(2, axis=2)
        yield case(f"nearest-u8-{channels}", kernel, {"x": m}, words, 4, wanted)


def _linear(x: Array, at: Array, axis: int) -> Array:
    below = np.floor(at)
    last = x.shape[axis] - 1
    first, second = (np.take(x, np.clip(below + step, 0, last).astype(int), axis) for step in (0, 1))
    fraction = (at - below).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.asarray(first + (second - first) * fraction)


def matmuls() -> Iterator[KernelCase]:
    relu = functions.scalar_function(lambda _, v: functions.at_least(v, 0.0), F32)
    epilogue = Epilogue(bias=True, function=relu)
    problems = [
        # rows, depth, columns, rows and columns of a block, tiles
        (13, 29, 19, 6, 16, Tiles()),
        (5, 7, 40, 12, 8, Tiles()),
        (13, 29, 19, 6, 16, Tiles(rest_rows=1, narrow=True)),
        (14, 9, 28, 6, 8, Tiles(rest_rows=1, narrow=True)),
        (15, 9, 33, 12, 24, Tiles(rest_rows=3, narrow=True)),
        (12, 5, 31, 6, 16, Tiles(rest_rows=4, narrow=True)),
        (1, 30, 4, 6, 8, Tiles(rest_rows=1, narrow=True)),
        *((rows, 4 * rows + 3, 21, 6, 16, Tiles(rows=rows)) for rows in range(1, 6)),
        *((rows, 4 * rows + 3, 11, 6, 16, Tiles(rows=rows, narrow=True)) for rows in range(1, 6)),
    ]
    for rows, depth, columns, block_rows, block_columns, tiles in problems:
        a, b, bias = normal(2, rows, depth), normal(depth, columns), normal(columns)
        kernel = matmul.matmul(epilogue, tiles)
        inputs = {"a": a, "b": pack_panels(b), "bias": pad_columns(bias)}
        words = {"rows": rows, "depth": depth, "columns": columns, "a_row": depth, "out_row": columns}
        words.update({"a_batch": rows * depth, "b_batch": 0, "bias_batch": 0, "out_batch": rows * columns})
        words.update({"block_rows": block_rows, "block_columns": block_columns})
        items = 2 * ceil_div(rows, block_rows) * ceil_div(columns, block_columns)
        wanted = np.maximum(a.astype(np.float64) @ b + bias, 0).astype(np.float32)
        name = f"matmul-{rows}x{depth}x{columns}-by-{tiles.rows}-{tiles.rest_rows}{'-narrow' * tiles.narrow}"
        yield case(name, kernel, inputs, words, items, wanted, tolerance=1e-5, output="out")


def right_sides() -> Iterator[KernelCase]:
    """Right sides known at run time: columns side by side, depths side by side, neither."""
    for depth, columns in ((7, 19), (8, 16), (3, 5)):
        b = normal(2, depth, columns)
        wanted = np.stack([pack_panels(matrix) for matrix in b])
        spread = np.zeros((2, depth, columns, 3), np.float32)
        spread[..., 0] = b
        for name, stored, row, column in (
            ("lines", b, columns, 1),
            ("turned", b.swapaxes(1, 2).copy(), 1, depth),
            ("spread", spread, 3 * columns, 3),
        ):
            words = {"depth": depth, "columns": columns, "b_batch": stored[0].size, "b_row": row, "b_column": column}
            words["out_batch"] = wanted[0].size
            items = 2 * ceil_div(columns, 8)
            name = f"pack-right-{depth}x{columns}-{name}"
            yield case(name, matmul.pack_right(), {"b": stored}, words, items, wanted, output="out")
