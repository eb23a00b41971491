"""Cases of Winograd's convolution of bytes. All exact."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from intab.kernels.families.integer_tile import LIMITS, Finish
from intab.kernels.families.integer_winograd import QUADS, integer_winograd, pack_filter_pairs
from intab.kernels.families.winograd_tiles import APART
from intab.kernels.families.winograd_transform import SMALL, Transform
from tests.kernels.case import Array, KernelCase, case
from tests.kernels.integer_cases import finished, whole
from tests.kernels.winograd_cases import items_of, sizes_of, windows


def integer_winograd_case(
    name: str,
    transform: Transform,
    x: Array,
    zero: int | None,
    filters: Array,
    pads: tuple[int, ...],
    blocks: tuple[int, int, int],
    finish: Finish,
    dilation: tuple[int, int] = (1, 1),
) -> KernelCase:
    """One case; `blocks` are block_tiles, block_columns and the blocks of an item."""
    moved = x.astype(np.int64) - (zero or 0)
    sums = windows(moved, filters, pads, dilation).astype(np.int64)
    operands, expected = finished(finish, sums)
    block_tiles, block_columns, _ = blocks
    pairs, columns = x.shape[-1] // 2, len(filters)
    items = items_of(sums, dilation, transform, blocks)
    inputs = {"x": x, "b": pack_filter_pairs(transform, filters.astype(np.float64)), **operands}
    inputs |= {} if zero is None else {"x_zero": np.array([zero], x.dtype)}
    rooms = {
        "a": np.full(items * transform.positions * (block_tiles * pairs + APART), -1, np.int32),
        "products": np.full(items * transform.positions * (block_tiles * block_columns + APART), -1, np.int32),
    }
    words = sizes_of(x, columns, pads, dilation, transform, blocks) | {"group_depth": pairs}
    dtype = {np.dtype(np.uint8): "u8", np.dtype(np.int8): "i8"}[x.dtype]
    kernel = integer_winograd(transform, dtype, finish, zero=zero is not None)
    made = case(f"{kernel.name}-{name}", kernel, inputs | rooms, words, items, expected, output="out")
    return replace(made, scratch=frozenset(rooms))


def integer_winograds() -> Iterator[KernelCase]:
    border = (1, 1, 1, 1)
    finishes = (
        Finish(),
        Finish("u8", bias=True, scale_a_column=True),
        Finish("i8", near=True),
        Finish("f32", bias=True),
        Finish("u8", bias=True, near=True),
    )
    for number, (shape, columns, pads, blocks, dilation) in enumerate(
        (
            ((1, 9, 11, 8), 8, border, (6, 8, 1), (1, 1)),
            ((2, 7, 5, 16), 13, border, (3, 8, 2), (1, 1)),
            ((1, 1, 1, 8), 3, border, (12, 8, 1), (1, 1)),
            ((1, 3, 3, 8), 17, (0, 0, 0, 0), (7, 16, 1), (1, 1)),
            ((2, 6, 13, 24), 8, (2, 0, 1, 3), (4, 8, 3), (1, 1)),
            ((1, 4, 6, 8), 9, (0, 2, 0, 0), (1, 8, 1), (1, 1)),
            ((1, 3, 2, 8), 8, (5, 5, 5, 5), (6, 8, 2), (1, 1)),
            ((2, 11, 9, 8), 8, (2, 3, 2, 3), (6, 8, 1), (2, 3)),
            ((1, 9, 17, 8), 5, (0, 4, 1, 4), (5, 8, 2), (1, 4)),
            ((1, 8, 8, 8), 8, (3, 3, 3, 3), (5, 8, 2), (3, 3)),
        )
    ):
        for (dtype, zero), finish in zip(
            (("u8", 3), ("u8", 255), ("i8", -128), ("i8", None), ("u8", None)),
            finishes[number % 5 :] + finishes[: number % 5],
            strict=True,
        ):
            x = whole(*LIMITS[dtype], *shape).astype({"u8": np.uint8, "i8": np.int8}[dtype])
            filters = whole(-255, 255, columns, 3, 3, shape[-1])
            name = f"{dtype}-{zero}-{shape}-{columns}-{pads}-{blocks}-{dilation}-{finish.out}"
            yield integer_winograd_case(name, SMALL, x, zero, filters, pads, blocks, finish, dilation)
            filters = whole(-128, 128, columns, 3, 3, shape[-1])
            yield integer_winograd_case(name, QUADS, x, zero, filters, pads, blocks, finish, dilation)


def largest() -> Iterator[KernelCase]:
    """Every number as large as it gets: sums of products wrap on the way and end within a few of 2^31."""
    for transform, channels, most in ((SMALL, 912, 255), (QUADS, 112, 128)):
        for zero, filled, sign in ((0, 255, 1), (0, 255, -1), (255, 0, 1)):
            x = np.full((1, 3, 4, channels), filled, np.uint8)
            filters = np.full((3, 3, 3, channels), most * sign, np.int64)
            name = f"largest-{zero}-{sign}"
            yield integer_winograd_case(name, transform, x, zero, filters, (1, 0, 2, 1), (2, 8, 1), Finish())
