"""Cases of Winograd's convolution."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from intab.kernels.families.register_tile import Epilogue, pad_columns
from intab.kernels.families.winograd import winograd
from intab.kernels.families.winograd_tiles import APART
from intab.kernels.families.winograd_transform import LARGE, SMALL, Transform, pack_filters
from tests.kernels.case import Array, KernelCase, case, ceil_div, normal
from tests.kernels.elementwise_cases import ADD


def windows(x: Array, filters: Array, pads: tuple[int, ...], dilation: tuple[int, int]) -> Array:
    """The convolution itself, in float64: x [N, H, W, C], filters [O, 3, 3, C], pads top, left, bottom, right."""
    step_y, step_x = dilation
    top, left, bottom, right = pads
    wide = np.pad(x.astype(np.float64), ((0, 0), (top, bottom), (left, right), (0, 0)))
    height, width = wide.shape[1] - 2 * step_y, wide.shape[2] - 2 * step_x
    places = [(i * step_y, j * step_x) for i in range(3) for j in range(3)]
    seen = np.stack([wide[:, i : i + height, j : j + width] for i, j in places], axis=3)
    result: Array = np.einsum("nhwtc,otc->nhwo", seen, filters.reshape(len(filters), 9, -1).astype(np.float64))
    return result


def tiles_of(size: int, dilation: int, transform: Transform) -> int:
    """How many tiles cover so many lines or columns."""
    return dilation * ceil_div(ceil_div(size, dilation), transform.outputs)


def items_of(output: Array, dilation: tuple[int, int], transform: Transform, blocks: tuple[int, int, int]) -> int:
    images, height, width, columns = output.shape
    block_tiles, block_columns, item_blocks = blocks
    down, across = tiles_of(height, dilation[0], transform), tiles_of(width, dilation[1], transform)
    return ceil_div(images * down * across, block_tiles * item_blocks) * ceil_div(columns, block_columns)


def sizes_of(
    x: Array,
    columns: int,
    pads: tuple[int, ...],
    dilation: tuple[int, int],
    transform: Transform,
    blocks: tuple[int, int, int],
) -> dict[str, float]:
    """The words of a convolution of x by one group of filters, but for those of an epilogue."""
    images, height, width, channels = x.shape
    top, left, bottom, right = pads
    out_height, out_width = height + top + bottom - 2 * dilation[0], width + left + right - 2 * dilation[1]
    down, across = tiles_of(out_height, dilation[0], transform), tiles_of(out_width, dilation[1], transform)
    block_tiles, block_columns, item_blocks = blocks
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "top": top,
        "left": left,
        "dilation_y": dilation[0],
        "dilation_x": dilation[1],
        "out_height": out_height,
        "out_width": out_width,
        "columns": columns,
        "groups": 1,
        "group_depth": channels,
        "group_columns": columns,
        "pixel_step": channels,
        "line_step": width * channels,
        "image_step": height * width * channels,
        "out_pixel": columns,
        "out_line": out_width * columns,
        "out_image": out_height * out_width * columns,
        "tiles_down": down,
        "tiles_across": across,
        "tiles": images * down * across,
        "block_tiles": block_tiles,
        "block_columns": block_columns,
        "item_tiles": block_tiles * item_blocks,
    }


def winograd_case(
    name: str,
    transform: Transform,
    x: Array,
    filters: Array,
    pads: tuple[int, ...],
    blocks: tuple[int, int, int],
    *,
    finish: bool = False,
    dilation: tuple[int, int] = (1, 1),
    tolerance: float = 1e-4,
) -> KernelCase:
    """One case; `blocks` are block_tiles, block_columns and the blocks of an item."""
    expected = windows(x, filters, pads, dilation)
    columns = expected.shape[-1]
    block_tiles, block_columns, _ = blocks
    items = items_of(expected, dilation, transform, blocks)
    room = items * transform.positions
    inputs = {"x": x, "b": pack_filters(transform, filters)}
    epilogue = Epilogue()
    words: dict[str, float] = {}
    if finish:
        bias, residual = normal(columns), normal(*expected.shape)
        epilogue = Epilogue(True, ADD, (True,))
        inputs |= {"bias": pad_columns(bias), "e0": residual}
        words = {"e0_row": columns, "e0_batch": 0}
        expected = expected + bias + residual
    words |= sizes_of(x, columns, pads, dilation, transform, blocks)
    rooms = {
        "a": np.full(room * (block_tiles * x.shape[3] + APART), np.nan, np.float32),
        "products": np.full(room * (block_tiles * block_columns + APART), np.nan, np.float32),
    }
    kernel = winograd(transform, epilogue)
    made = case(
        f"{kernel.name}-{name}",
        kernel,
        inputs | rooms,
        words,
        items,
        expected.astype(np.float32),
        tolerance=tolerance,
        output="out",
    )
    return replace(made, scratch=frozenset(rooms))


def winograds() -> Iterator[KernelCase]:
    border = (1, 1, 1, 1)
    for transform in (SMALL, LARGE):
        for shape, columns, pads, blocks, finish, dilation in (
            ((1, 9, 11, 8), 8, border, (6, 8, 1), False, (1, 1)),
            ((2, 7, 5, 12), 13, border, (3, 8, 2), True, (1, 1)),
            ((1, 1, 1, 4), 3, border, (12, 8, 1), True, (1, 1)),
            ((1, 3, 3, 4), 17, (0, 0, 0, 0), (7, 16, 1), False, (1, 1)),
            ((2, 6, 13, 20), 8, (2, 0, 1, 3), (4, 8, 3), False, (1, 1)),
            ((1, 4, 6, 4), 9, (0, 2, 0, 0), (1, 8, 1), True, (1, 1)),
            ((1, 3, 2, 4), 8, (5, 5, 5, 5), (6, 8, 2), False, (1, 1)),
            ((2, 11, 9, 4), 8, (2, 3, 2, 3), (6, 8, 1), True, (2, 3)),
            ((1, 9, 17, 8), 5, (0, 4, 1, 4), (5, 8, 2), False, (1, 4)),
        ):
            filters = normal(columns, 3, 3, shape[-1])
            name = f"{shape}-{columns}-{pads}-{blocks}-{dilation}"
            yield winograd_case(
                name, transform, normal(*shape), filters, pads, blocks, finish=finish, dilation=dilation
            )
