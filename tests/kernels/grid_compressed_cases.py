"""Cases of products as GPUs share them whose right side is of numbers of 8 or 4 bits with scales."""

from collections.abc import Iterator

import numpy as np

from intab.kernels.families.grid_product import Known, grid_product
from intab.kernels.families.grid_right import Compressed
from intab.kernels.families.grid_shape import LANES, GridShape
from tests.kernels.case import Array, KernelCase, case, ceil_div, normal

# How numbers lie, and rows, depth, columns: whole vectors and turns, some left over, next to none.
HOW = (
    (Compressed(8, True), (5, 16, 20)),
    (Compressed(8, False, zero=True), (9, 7, 19)),
    (Compressed(4, True), (1, 23, 9)),
    (Compressed(4, False, zero=True, block=8), (5, 24, 12)),
    (Compressed(8, True, block=16), (3, 40, 10)),
)


def compressed_products(shapes: tuple[GridShape, ...]) -> Iterator[KernelCase]:
    """Cases of every one of these shapes."""
    for how, sizes in HOW:
        for number, shape in enumerate(shapes):
            yield _product(f"{number}-{shape.via}", shape, how, *sizes)


def in_words(numbers: Array, bits: int) -> Array:
    """[batch, depth, columns] as words of four columns, and of two depths where they have 4 bits."""
    depths = numbers.shape[1] % 2 if bits == 4 else 0
    padded = np.pad(numbers, ((0, 0), (0, depths), (0, -numbers.shape[2] % LANES))).astype(np.uint32)
    padded &= (1 << bits) - 1
    lanes = [padded[:, :, lane::LANES] << np.uint32(bits * lane) for lane in range(LANES)]
    words: Array = np.bitwise_or.reduce(np.stack(lanes))
    return np.asarray(words if bits == 8 else words[:, 0::2] | words[:, 1::2] << np.uint32(16))


def _product(name: str, shape: GridShape, how: Compressed, rows: int, depth: int, columns: int) -> KernelCase:
    """Two batches."""
    low = -(1 << (how.bits - 1)) if how.signed else 0
    random = np.random.default_rng(7)
    numbers = random.integers(low, low + (1 << how.bits), (2, depth, columns))
    blocks = ceil_div(depth, how.block) if how.block else 1
    scale, zero = np.abs(normal(2, blocks, columns)) + 0.1, random.integers(low, -low + 9, (2, blocks, columns))
    levels = np.stack([scale, zero] if how.zero else [scale], axis=2).astype(np.float32)
    a = normal(2, rows, depth)
    row = ceil_div(columns, LANES) * LANES
    words: dict[str, float] = {
        "rows": rows,
        "columns": columns,
        "depth": depth,
        "a_row": depth,
        "a_batch": rows * depth,
    }
    words |= {"b_row": row, "b_batch": in_words(numbers[:1], how.bits).size, "scale_batch": blocks * how.lines * row}
    words |= {"out_row": columns, "out_batch": rows * columns}
    across = np.repeat(levels, how.block or depth, axis=1)[:, :depth]
    right = (numbers - (across[:, :, 1] if how.zero else 0)) * across[:, :, 0]
    inputs = {
        "a": a,
        "b": in_words(numbers, how.bits),
        "scale": np.pad(levels, ((0, 0), (0, 0), (0, 0), (0, row - columns))),
    }
    known = Known(
        left_vector=depth % LANES == 0,
        out_vector=columns % LANES == 0,
        whole=depth % shape.depths == 0,
        compressed=how,
    )
    items = 2 * ceil_div(rows, shape.tile_rows) * ceil_div(columns, shape.tile_columns)
    title = f"grid-{how.bits}-bits-{'by-block' if how.block else 'by-column'}-{rows}x{depth}x{columns}-{name}"
    wanted = (a.astype(np.float64) @ right).astype(np.float32)
    return case(title, grid_product(shape, known), inputs, words, items, wanted, tolerance=1e-5, output="out", spare=4)
