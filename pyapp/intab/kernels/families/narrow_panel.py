"""Panels of small whole numbers, and how they become floats in registers.

A line of a panel holds one depth of bytes, or two of numbers of four bits (the first in the low halves), of
TILE_COLUMNS columns. Columns of the first and second vector take turns: a line is widened to eight i16 in one
instruction, and an i32 of two neighbours then holds a number of each vector, which shifts take apart.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from intab.errors import KernelError
from intab.kernels.block import Block, load
from intab.kernels.families.register_tile import F32X4, LANES, TILE_COLUMNS, UNROLL
from intab.kernels.ir import I16X8, I32, Bitcast, Cast, Expr

I32X4 = I32.wide(LANES)
DEPTHS_A_LINE = {"i8": 1, "u8": 1, "i4": 2}
TURNS = (0, 4, 1, 5, 2, 6, 3, 7)


def storage_of(dtype: str) -> str:
    """The dtype of the buffer that holds panels of "i8", "u8" or "i4"."""
    if dtype not in DEPTHS_A_LINE:
        raise KernelError(f"Panels hold {', '.join(DEPTHS_A_LINE)}, not {dtype}.")
    return "i8" if dtype == "i4" else dtype


def pack_narrow(matrix: NDArray[np.int8] | NDArray[np.uint8], dtype: str) -> NDArray[np.int8] | NDArray[np.uint8]:
    """[depth, columns], for "i4" from -8 to 7 -> [panels, lines, TILE_COLUMNS], padded with 0."""
    depth, columns = matrix.shape
    padded = np.pad(matrix, ((0, -depth % DEPTHS_A_LINE[dtype]), (0, -columns % TILE_COLUMNS)))
    lines = padded if dtype != "i4" else (padded[0::2] & 15) | (padded[1::2] << 4)
    panels = lines.reshape(len(lines), -1, TILE_COLUMNS)[:, :, TURNS]
    return np.ascontiguousarray(panels.transpose(1, 0, 2))


def narrow_shape(dtype: str, depth: int, columns: int) -> tuple[int, int, int]:
    """The shape of `pack_narrow`'s panels."""
    return -(-columns // TILE_COLUMNS), -(-depth // DEPTHS_A_LINE[dtype]), TILE_COLUMNS


def place_of(dtype: str, column: Expr, depth: Expr, first: Expr) -> Expr:
    """Where depth `first` of the panel starts that `column` starts; for "i4" an even one."""
    if DEPTHS_A_LINE[dtype] == 1:
        return column * depth + first * TILE_COLUMNS
    return column * ((depth + 1) // 2) + first // 2 * TILE_COLUMNS


def numbers_of(block: Block, dtype: str, reading: Expr, depths: int) -> list[list[Expr]]:
    """[depth][vector] of the numbers at a pointer, as floats; for "i4" of an even count of depths."""
    numbers: list[list[Expr]] = []
    for line in range(depths // DEPTHS_A_LINE[dtype]):
        loaded = load("packed", reading, I16X8, line * TILE_COLUMNS)
        pairs = block.let("pairs", Bitcast(loaded, I32X4))
        if dtype == "u8":
            parts = [[pairs & 0xFFFF, pairs >> 16]]
        elif dtype == "i8":
            parts = [[(pairs << 16) >> 16, pairs >> 16]]
        else:
            parts = [[(pairs << 28) >> 28, (pairs << 12) >> 28], [(pairs << 24) >> 28, pairs >> 20]]
        numbers += [[block.let("number", Cast(part, F32X4)) for part in depth] for depth in parts]
    return numbers


def spans(block: Block, dtype: str, first: Expr, last: Expr, body: Callable[[int], None]) -> None:
    """body(count) for all depths from first to last: most of them UNROLL at a time."""
    whole = block.let("whole", last - (last - first) % UNROLL)
    with block.loop("k", first, whole, UNROLL):
        body(UNROLL)
    lines = DEPTHS_A_LINE[dtype]
    even = block.let("even", last - (last - first) % lines) if lines > 1 else last
    with block.loop("k_rest", whole, even, lines):
        body(lines)
    if lines > 1:
        with block.when(even.lt(last)):
            body(1)
