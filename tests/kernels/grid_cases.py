"""Cases of products as GPUs share them: of matrices, and of windows of pictures with filters."""

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np

from intab.kernels import functions
from intab.kernels.families.depthwise import TILE_PIXELS, Window, depthwise
from intab.kernels.families.grid_left import (
    BEFORE,
    PIXEL_COUNTS,
    TAP_COUNTS,
    TAP_STEPS,
    axis_of,
    pixel_steps,
    spaced_steps,
)
from intab.kernels.families.grid_product import Known, grid_product
from intab.kernels.families.grid_shape import LANES, REGISTERS, SHARED, SUBGROUP, GridShape
from intab.kernels.families.guard import guard_words
from intab.kernels.families.register_tile import PLAIN, Epilogue, pad_columns
from intab.kernels.ir import F32
from tests.kernels.case import Array, KernelCase, case, ceil_div, normal

# Ways to share a product, in sizes that leave rows, columns and depths over.
SHAPES = (
    GridShape(REGISTERS, 3, 8),
    GridShape(REGISTERS, 2, 4, down=4, across=2, depths=8),
    GridShape(REGISTERS, 1, 4, across=2, splits=4),
    GridShape(SHARED, 2, 8, down=4, across=2, depths=8),
    GridShape(SHARED, 1, 4, down=2, across=4, depths=4),
)
# rows, depth, columns
SIZES = ((13, 16, 20), (9, 7, 19), (1, 24, 9))


def padded_lines(b: Array) -> Array:
    """[..., columns] with zeros up to whole vectors."""
    return np.pad(b, ((0, 0),) * (b.ndim - 1) + ((0, -b.shape[-1] % LANES),))


def _name(shape: GridShape) -> str:
    sizes = (shape.rows, shape.columns, shape.down, shape.across, shape.splits, shape.depths)
    return f"{shape.via}-{'-'.join(map(str, sizes))}"


def _items(shape: GridShape, rows: int, columns: int) -> int:
    return ceil_div(rows, shape.tile_rows) * ceil_div(columns, shape.tile_columns)


def _epilogues() -> Iterator[tuple[str, Epilogue]]:
    added = functions.scalar_function(lambda _, v, other: functions.at_least(v + other, 0.0), F32, F32)
    yield "residual", Epilogue(bias=True, function=added, wide=(True,))
    scaled = functions.scalar_function(lambda block, v, other: functions.sigmoid(block, v * other), F32, F32)
    yield "long", Epilogue(bias=True, function=scaled, wide=(False,))


def _finish(name: str, total: Array, extra: Array) -> Array:
    """What an epilogue makes of [batch, rows, columns] and [batch, rows, columns or 1]."""
    if name == "plain":
        return total.astype(np.float32)
    wanted: Array = np.maximum(total + extra, 0) if name == "residual" else 1 / (1 + np.exp(-total * extra))
    return wanted.astype(np.float32)


def subgroup_shapes(subgroup: int) -> tuple[GridShape, ...]:
    """The same where so many invocations run in step."""
    return GridShape(SUBGROUP, 3, 8, down=subgroup), GridShape(SUBGROUP, 2, 16, down=subgroup, depths=8)


def grid_products(shapes: tuple[GridShape, ...]) -> Iterator[KernelCase]:
    """Cases of every one of these shapes."""
    yield from _matmuls(shapes)
    yield from _convolutions(shapes)


def _matmuls(shapes: tuple[GridShape, ...]) -> Iterator[KernelCase]:
    for shape in shapes:
        for sizes in SIZES:
            yield _matmul(shape, *sizes, "plain", PLAIN)
        for name, epilogue in _epilogues():
            for sizes in ((5, 8, 12), (5, 6, 9)):
                yield _matmul(shape, *sizes, name, epilogue)


def _matmul(shape: GridShape, rows: int, depth: int, columns: int, name: str, epilogue: Epilogue) -> KernelCase:
    """Two batches, whose left sides lie in wider rows."""
    a, b, bias = normal(2, rows, depth + 4), normal(2, depth, columns), normal(columns)
    extra = normal(2, rows, columns if name == "residual" else 1)
    known = Known(left_vector=depth % LANES == 0, out_vector=columns % LANES == 0, whole=depth % shape.depths == 0)
    lines = padded_lines(b)
    words: dict[str, float] = {"rows": rows, "columns": columns, "depth": depth}
    words |= {"a_row": depth + 4, "a_batch": a[0].size, "b_row": lines.shape[-1], "b_batch": lines[0].size}
    words |= {"out_row": columns, "out_batch": rows * columns}
    inputs, total = {"a": a, "b": lines}, a[..., :depth].astype(np.float64) @ b
    if epilogue.bias:
        inputs["bias"] = pad_columns(bias)
        words["bias_batch"] = 0
        total = total + bias
    if epilogue.wide:
        inputs["e0"] = extra
        words |= {"e0_row": extra.shape[-1], "e0_batch": extra[0].size}
    wanted = _finish(name, total, extra)
    title = f"grid-matmul-{rows}x{depth}x{columns}-{name}-{_name(shape)}"
    kernel = grid_product(shape, known, epilogue)
    items = 2 * _items(shape, rows, columns)
    return case(title, kernel, inputs, words, items, wanted, tolerance=1e-5, output="out", spare=4)


# kernel, strides, dilations, groups, channels of a group, filters of a group; three axes: a volume
WINDOWS = (
    ((3, 3), (1, 1), (1, 1), 1, 8, 12),
    ((2, 3), (2, 1), (1, 2), 1, 5, 9),
    ((3, 1), (1, 2), (1, 1), 3, 4, 8),
    ((2, 3, 2), (1, 2, 1), (1, 1, 2), 1, 4, 5),
)


def _convolutions(shapes: tuple[GridShape, ...]) -> Iterator[KernelCase]:
    for window in WINDOWS:
        for shape in shapes:
            yield _convolution(shape, *window)
            yield _convolution(shape, *window, guarded=True)
        yield _convolution(shapes[0], *window, spaced=True)


def _convolution(
    shape: GridShape,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    groups: int,
    run: int,
    columns: int,
    *,
    spaced: bool = False,
    guarded: bool = False,
) -> KernelCase:
    """Two pictures, padded already; where runs do not suit the shape's depths, it takes as many as do.

    With `spaced` the result lies within a border of ones. With `guarded` the picture that is given has no border.
    """
    out = (2, 3, 1)[: len(kernel)]
    extents = zip(out, strides, kernel, dilations, strict=True)
    sizes = tuple((n - 1) * s + (k - 1) * d + 1 for n, s, k, d in extents)
    images = 2 if len(kernel) == 2 else 1
    x, w = normal(images, *sizes, groups * run), normal(groups, *kernel, run, columns)
    depths = next(d for d in (shape.depths, 4, run) if run % d == 0)
    taken = GridShape(shape.via, shape.rows, shape.columns, shape.down, shape.across, shape.splits, depths)
    levels = len(kernel)
    known = Known(
        left_vector=run % LANES == 0 and depths % LANES == 0,
        out_vector=columns % LANES == 0,
        whole=True,
        pixels=levels,
        taps=levels,
        spaced=spaced,
    )
    lines = padded_lines(w)
    rows, depth = images * prod(out), prod(kernel) * run
    words: dict[str, float] = {"rows": rows, "columns": columns, "depth": depth, "a_batch": run}
    words |= {"b_row": lines.shape[-1], "b_batch": depth * lines.shape[-1]}
    words |= {"out_row": groups * columns, "out_batch": columns}
    given = x
    if guarded:
        x, given = _bordered(x, sizes)
    steps = _distances(given.shape)
    moves = [step * stride for step, stride in zip(steps, strides[::-1], strict=False)]
    words |= dict(zip(pixel_steps(levels), (*moves, steps[-1]), strict=True))
    words |= dict(zip(PIXEL_COUNTS, np.cumprod(out[::-1]).tolist(), strict=False))
    words |= dict(zip(TAP_COUNTS[:levels], (run, *kernel[:0:-1]), strict=True))
    taps = [step * dilation for step, dilation in zip(steps, dilations[::-1], strict=False)]
    words |= dict(zip(TAP_STEPS, taps, strict=False))
    wanted = np.concatenate([_correlate(x, w, group, out, strides, dilations) for group in range(groups)], axis=-1)
    title = f"grid-convolution-{'x'.join(map(str, kernel))}-{run}-{columns}-{_name(taken)}"
    if guarded:
        guards = tuple((level, level) for level in range(levels))
        for level in range(levels):
            numbers = given.shape[levels - level], 1, strides[-1 - level], dilations[-1 - level]
            words |= dict(zip(guard_words(axis_of(level)), numbers, strict=True))
        words[BEFORE] = sum(steps[:-1])
        title, known = f"{title}-guarded", replace(known, guards=guards)
    first = 0
    if spaced:
        wanted = np.pad(wanted, ((0, 0), *((1, 1),) * levels, (0, 0)), constant_values=1)
        apart = _distances(wanted.shape)
        words |= dict(zip(spaced_steps(levels), apart, strict=True))
        title, first = f"{title}-spaced", sum(apart[:-1])
    inputs = {"a": given, "b": lines}
    items = groups * _items(taken, rows, columns)
    product = grid_product(taken, known)
    made = case(title, product, inputs, words, items, wanted, tolerance=1e-5, output="out", spare=4)
    return replace(made, offsets={"out": made.offsets["out"] + first})


def _bordered(x: Array, sizes: tuple[int, ...]) -> tuple[Array, Array]:
    """A padded picture whose border, of one element before and if there is room behind, is zeros; and its inside."""
    inside = (slice(None), *(slice(1, size - 1 if size > 2 else size) for size in sizes))
    around = np.zeros_like(x)
    around[inside] = x[inside]
    return around, np.ascontiguousarray(x[inside])


def guarded_depthwises() -> Iterator[KernelCase]:
    """Depthwise windows that reach beyond their picture on all sides, one vector or one element an item."""
    problems = [
        (Window(3, 3, guarded=True), (1, 1), (5, 6)),
        (Window(3, 3, stride=2, guarded=True), (2, 1), (5, 7)),
        (Window(2, 3, dilation=2, guarded=True), (1, 3), (6, 4)),
        (Window(3, 2, depth=2, guarded=True), (1, 1), (4, 4)),
    ]
    for window, (stride, dilation), (height, width) in problems:
        for lanes, channels in ((4, 8), (1, 3)):
            yield _guarded_depthwise(window, stride, dilation, (height, width), channels, lanes)


def _guarded_depthwise(
    window: Window, stride: int, dilation: int, sizes: tuple[int, int], channels: int, lanes: int
) -> KernelCase:
    """Two pictures, or one volume of two planes, with one element of zeros around; `stride`, `dilation`: of lines."""
    planes = 2 if window.depth else 1
    images = 1 if window.depth else 2
    kernel = (max(window.depth, 1), window.height, window.width)
    strides, dilations = (1, stride, window.stride), (1, dilation, window.dilation)
    x, w = normal(images, planes, *sizes, channels), normal(channels, *kernel, 1, 1)
    before = (int(planes > 1), 1, 1)
    padded = np.pad(x, ((0, 0), *((n, n) for n in before), (0, 0)))
    extents = zip(padded.shape[1:], kernel, strides, dilations, strict=False)
    out = tuple((size - (k - 1) * d - 1) // s + 1 for size, k, s, d in extents)
    wanted = np.concatenate(
        [_correlate(padded, w, channel, out, strides, dilations) for channel in range(channels)], axis=-1
    )
    pixel, line, plane, image = _distances(x.shape)
    out_pixel, out_line, out_plane, out_image = _distances(wanted.shape)
    words: dict[str, float] = {"channels": channels, "out_width": out[2], "out_height": out[1]}
    words |= {"pixel": pixel, "line_step": line * stride, "tap_step": line * dilation, "image_step": image}
    words |= {"out_pixel": out_pixel, "out_line": out_line, "out_image": out_plane if window.depth else out_image}
    words |= dict(zip(guard_words("lines"), (sizes[0], 1, stride, dilation), strict=True))
    words |= {"pixels_size": sizes[1], "pixels_before": 1}
    if window.depth:
        words |= {"out_planes": out[0], "plane_step": plane, "plane_tap_step": plane}
        words |= dict(zip(guard_words("planes"), (planes, 1, 1, 1), strict=True))
    taps = w.reshape(channels, -1).T
    items = images * out[0] * out[1] * ceil_div(out[2], TILE_PIXELS) * (channels // lanes)
    title = f"{window.named('guarded-depthwise')}-{stride}-{dilation}-{channels}"
    made = case(
        title,
        depthwise(window, PLAIN, lanes),
        {"a": x, "w": taps},
        words,
        items,
        wanted,
        tolerance=1e-5,
        output="out",
        spare=4,
    )
    start = sum(step * n for step, n in zip((plane, line, pixel), before, strict=True))
    return replace(made, offsets={**made.offsets, "a": -start})


def _distances(shape: tuple[int, ...]) -> list[int]:
    """Elements between pixels, lines and so on up to images of [images, ..., pixels, channels]."""
    return [prod(shape[axis + 1 :]) for axis in range(len(shape) - 2, -1, -1)]


def _correlate(
    x: Array, w: Array, group: int, out: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> Array:
    """The filters of one group over its channels, tap by tap."""
    run, columns = w.shape[-2:]
    total = np.zeros((len(x), *out, columns))
    for tap in np.ndindex(*w.shape[1:-2]):
        places = zip(tap, out, strides, dilations, strict=True)
        seen = x[(slice(None), *(slice(t * d, t * d + (n - 1) * s + 1, s) for t, n, s, d in places))]
        total += seen[..., group * run : (group + 1) * run].astype(np.float64) @ w[(group, *tap)]
    return total.astype(np.float32)
