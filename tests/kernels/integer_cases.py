"""Cases of integer products: widened bytes, matmul, convolution, and what happens to their sums. All exact."""

from collections.abc import Iterator

import numpy as np

from intab.kernels import functions
from intab.kernels.families.depthwise import Window
from intab.kernels.families.integer_convolution import integer_convolution
from intab.kernels.families.integer_depthwise import integer_depthwise
from intab.kernels.families.integer_matmul import integer_matmul, pack_right_pairs
from intab.kernels.families.integer_tile import LIMITS, TILE_COLUMNS, TILE_ROWS, Finish, pack_pairs
from intab.kernels.families.pair_lines import pair_lines
from intab.kernels.families.widen_lines import widen_lines
from intab.kernels.ir import F32
from tests.kernels.case import Array, KernelCase, case, ceil_div

_random = np.random.default_rng(5)


def whole(low: int, high: int, *shape: int) -> Array:
    """Whole numbers from low to high, both among them."""
    numbers = _random.integers(low, high + 1, shape)
    numbers.reshape(-1)[:2] = low, high
    return numbers


def pairs_of(numbers: Array) -> Array:
    """[..., run] -> [..., pairs] as i32 elements of two numbers each."""
    even = np.pad(numbers, [(0, 0)] * (numbers.ndim - 1) + [(0, numbers.shape[-1] % 2)])
    return np.ascontiguousarray(even.astype(np.int16)).view(np.int32)


def pad_panels(vector: Array) -> Array:
    return np.pad(vector, (0, -len(vector) % TILE_COLUMNS))


def widenings() -> Iterator[KernelCase]:
    for dtype, zero in (("u8", 3), ("u8", 255), ("i8", -128), ("i8", None)):
        numpy_dtype = {"u8": np.uint8, "i8": np.int8}[dtype]
        for runs, run, border in (
            (1, 21, (0, 0, 0, 0)),
            (1, 16, (1, 2, 0, 3)),
            (4, 3, (2, 1, 1, 2)),
            (2, 12, (0, 5, 1, 0)),
            (9, 3, (0, 0, 0, 1)),
            (11, 1, (1, 0, 0, 0)),
            (3, 21, (0, 1, 1, 0)),
        ):
            top, left, bottom, right = border
            images, height = 2, 3
            x = whole(*LIMITS[dtype], images, height, runs, run).astype(numpy_dtype)
            moved = pairs_of(x.astype(np.int64) - (zero or 0)).reshape(images, height, -1)
            expected = np.pad(moved, ((0, 0), (top, bottom), (left, right)))
            words = {"height": height, "runs": runs, "run": run, "top": top, "left": left}
            words |= {"out_height": expected.shape[1], "out_line": expected.shape[2]}
            inputs = {"x": x} | ({} if zero is None else {"zero": np.array([zero], numpy_dtype)})
            kernel = widen_lines(dtype, zero=zero is not None)
            name = f"widen-{dtype}-{zero}-{runs}x{run}-{border}"
            yield case(name, kernel, inputs, words, images * expected.shape[1], expected, output="out")


def lines_in_pairs() -> Iterator[KernelCase]:
    for dtype, zero in (("u8", 3), ("i8", -128), ("u8", None)):
        numpy_dtype = {"u8": np.uint8, "i8": np.int8}[dtype]
        for (height, line), (top, left, bottom, right), apart in (
            ((3, 21), (0, 0, 0, 0), 1),
            ((2, 13), (1, 3, 2, 5), 1),
            ((2, 8), (2, 4, 1, 0), 3),
        ):
            x = whole(*LIMITS[dtype], 2, height, line).astype(numpy_dtype)
            framed = np.pad(x.astype(np.int64) - (zero or 0), ((0, 0), (top, bottom + apart), (left, right)))
            expected = pairs_of_lines(framed, apart)
            words = {"height": height, "line": line, "top": top, "left": left, "apart": apart}
            words |= {"out_height": expected.shape[1], "out_line": expected.shape[2]}
            inputs = {"x": x} | ({} if zero is None else {"zero": np.array([zero], numpy_dtype)})
            kernel = pair_lines(dtype, zero=zero is not None)
            name = f"lines-in-pairs-{dtype}-{zero}-{height}x{line}-{left}-{apart}"
            yield case(name, kernel, inputs, words, 2 * expected.shape[1], expected, output="out")


def pairs_of_lines(lines: Array, apart: int) -> Array:
    """[images, lines + apart, ...] -> each of `lines` in pairs with the one that is `apart` below."""
    both = np.stack((lines[:, :-apart], lines[:, apart:]), -1).astype(np.int16)
    return np.ascontiguousarray(both).view(np.int32)[..., 0]


def finishes() -> Iterator[Finish]:
    relu = functions.scalar_function(lambda _, v: functions.at_least(v, 0.0), F32)
    yield Finish()
    yield Finish(bias=True)
    yield Finish("f32", bias=True, scale_a_column=True, function=relu)
    yield Finish("f32")
    yield Finish("u8", bias=True, scale_a_column=True)
    yield Finish("i8", bias=True)
    yield Finish("u8", function=relu)
    yield Finish("u8", bias=True, scale_a_column=True, near=True)
    yield Finish("i8", near=True)


def finished(finish: Finish, sums: Array) -> tuple[dict[str, Array], Array]:
    """Operands of a finish for sums [..., columns], and what it makes of them."""
    columns = sums.shape[-1]
    inputs: dict[str, Array] = {}
    if finish.bias:
        bias = whole(-30000, 30000, columns).astype(np.int32)
        inputs["bias"], sums = pad_panels(bias), sums + bias
    sums = sums.astype(np.int32)
    if not finish.is_scaled:
        return inputs, sums
    # Of a power of two, so that halves occur, which are rounded to even.
    scale = (2.0 ** _random.integers(-11, -7, columns if finish.scale_a_column else 1)).astype(np.float32)
    inputs["scale"] = pad_panels(scale) if finish.scale_a_column else scale
    value = sums.astype(np.float32) * scale
    value = np.maximum(value, 0) if finish.function is not None else value
    if not finish.has_zero:
        return inputs, value
    zero, (low, high) = 100, LIMITS[finish.out]
    inputs["zero"] = np.array([zero], np.uint8 if low == 0 else np.int8)
    return inputs, np.clip(np.rint(value) + zero, low, high).astype(inputs["zero"].dtype)


def integer_matmuls() -> Iterator[KernelCase]:
    for rows, depth, columns, block_rows, block_columns in ((9, 29, 19, 4, 16), (3, 6, 40, 8, 8), (1, 1, 3, 4, 8)):
        a, b = whole(-255, 255, 2, rows, depth), whole(-255, 255, depth, columns)
        for finish in finishes():
            operands, wanted = finished(finish, a @ b)
            left, pairs = pairs_of(a), ceil_div(depth, 2)
            words = {"rows": rows, "pairs": pairs, "columns": columns, "a_row": pairs, "out_row": columns}
            words.update({"a_batch": rows * pairs, "b_batch": 0, "out_batch": rows * columns})
            words.update({"block_rows": block_rows, "block_columns": block_columns})
            items = 2 * ceil_div(rows, block_rows) * ceil_div(columns, block_columns)
            name = f"integer-matmul-{rows}x{depth}x{columns}-{finish.out}-{finish.bias}-{finish.scale_a_column}"
            name += "-relu" if finish.function else "-near" if finish.near else ""
            kernel = integer_matmul(finish, min(rows, TILE_ROWS))
            inputs = {"a": left, "b": pack_pairs(b), **operands}
            yield case(name, kernel, inputs, words, items, wanted, output="out")


def integer_convolutions() -> Iterator[KernelCase]:
    images, height, width, channels = 2, 6, 5, 6
    for (taps_y, taps_x), stride, dilation, features in (((3, 2), 1, 1, 11), ((2, 2), 2, 1, 12), ((2, 2), 1, 2, 6)):
        x = whole(-255, 255, images, height, width, channels)
        w = whole(-127, 127, taps_y, taps_x, channels, features)
        out = [(size - dilation * (taps - 1) - 1) // stride + 1 for size, taps in ((height, taps_y), (width, taps_x))]
        sums = np.zeros((images, *out, features), np.int64)
        for dy in range(taps_y):
            for dx in range(taps_x):
                seen = x[:, dy * dilation :: stride, dx * dilation :: stride][:, : out[0], : out[1]]
                sums += seen @ w[dy, dx]
        pixel, rows = channels // 2, images * out[0] * out[1]
        line = width * pixel
        words = {"rows": rows, "out_width": out[1], "out_pixels": out[0] * out[1], "columns": features}
        words |= {"pixel_step": stride * pixel, "line_step": stride * line, "image_step": height * line}
        words |= {"taps_y": taps_y, "taps_x": taps_x, "run": pixel, "tap_x_skip": (dilation - 1) * pixel}
        words |= {"tap_y_skip": dilation * (line - taps_x * pixel), "out_row": features}
        words |= {"block_rows": 8, "block_columns": 8}
        items = ceil_div(rows, 8) * ceil_div(features, 8)
        for finish in (Finish(), Finish("u8", bias=True, scale_a_column=True), Finish("i8", near=True)):
            operands, wanted = finished(finish, sums)
            inputs = {"a": pairs_of(x), "b": pack_pairs(w.reshape(-1, features)), **operands}
            for narrow in (False, True):
                kernel = integer_convolution(finish, narrow=narrow)
                name = f"integer-convolution-{taps_y}x{taps_x}-{stride}-{dilation}-{finish.out}-{narrow}"
                yield case(name, kernel, inputs, words, items, wanted, output="out")


def integer_depthwises() -> Iterator[KernelCase]:
    images, height = 2, 6
    for (taps_y, taps_x), stride, dilation, width, channels in (
        ((3, 3), 1, 1, 9, 21),
        ((3, 3), 2, 1, 6, 8),
        ((8, 8), 1, 1, 11, 16),
        ((2, 3), 1, 2, 5, 7),
        ((1, 2), 1, 1, 7, 9),
    ):
        tall = height + dilation * (taps_y - 1)
        x = whole(-255, 255, images, tall + dilation, width, channels)
        w = whole(-255, 255, taps_y, taps_x, channels)
        out = (height - 1) // stride + 1, (width - dilation * (taps_x - 1) - 1) // stride + 1
        sums = np.zeros((images, *out, channels), np.int64)
        for dy, dx in np.ndindex(taps_y, taps_x):
            sums += x[:, dy * dilation :: stride, dx * dilation :: stride][:, : out[0], : out[1]] * w[dy, dx]
        line, out_line = width * channels, out[1] * channels
        words = {"channels": channels, "out_width": out[1], "out_height": out[0], "pixel": channels}
        words |= {"line_step": stride * line, "tap_step": 2 * dilation * line, "image_step": tall * line}
        words |= {"out_pixel": channels, "out_line": out_line, "out_image": out[0] * out_line}
        even = np.pad(w, ((0, taps_y % 2), (0, 0), (0, 0))).reshape(-1, 2, taps_x, channels)
        taps = pairs_of_lines(even, 1).reshape(-1, channels)
        for finish in finishes():
            operands, wanted = finished(finish, sums)
            inputs = {"a": pairs_of_lines(x, dilation), "w": taps, **operands}
            kernel = integer_depthwise(Window(taps_y, taps_x, stride, dilation, pairs=True), finish)
            name = f"integer-depthwise-{taps_y}x{taps_x}-{stride}-{dilation}-{channels}"
            name += f"-{finish.out}-{finish.bias}-{finish.scale_a_column}"
            name += "-relu" if finish.function else "-near" if finish.near else ""
            yield case(name, kernel, inputs, words, images * out[0], wanted, output="out")


def pair_packings() -> Iterator[KernelCase]:
    for dtype, zeros in (("u8", 1), ("i8", 19), ("i8", 0)):
        for depth in (4, 7):
            numpy_dtype, columns = {"u8": np.uint8, "i8": np.int8}[dtype], 19
            b = whole(*LIMITS[dtype], 2, depth, columns).astype(numpy_dtype)
            zero = whole(*LIMITS[dtype], max(zeros, 2)).astype(numpy_dtype)[:zeros]
            moved = b.astype(np.int64) - (zero if zeros else 0)
            # What stands past the last column is the last one.
            wide = np.pad(moved, ((0, 0), (0, 0), (0, -columns % TILE_COLUMNS)), mode="edge")
            expected = np.stack([pack_pairs(matrix) for matrix in wide])
            words = {"depth": depth, "columns": columns, "b_batch": depth * columns, "b_row": columns, "b_column": 1}
            words["out_batch"] = expected[0].size
            kernel = pack_right_pairs(dtype, zero_a_column=zeros > 1 if zeros else None)
            inputs = {"b": b} | ({"zero": zero} if zeros else {})
            items = 2 * ceil_div(columns, TILE_COLUMNS)
            yield case(f"pack-pairs-{dtype}-{zeros}-{depth}", kernel, inputs, words, items, expected, output="out")
