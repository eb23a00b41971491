"""A few rows times panels of small whole numbers, which become floats in registers and are never stored."""

from intab.kernels.block import Block, at, load
from intab.kernels.families.narrow_panel import DEPTHS_A_LINE, numbers_of, place_of, spans
from intab.kernels.families.register_tile import F32X4, LANES, TILE_COLUMNS, VECTORS
from intab.kernels.ir import F32, Const, Expr, Fma, Splat, Var, Word

# A multiply-add takes four times as long as the next can start after it: a short tile sums depths in turns.
FEWEST_CHAINS = 8


def multiply_few(
    block: Block,
    dtype: str,
    sums: list[list[Var]],
    *,
    first_row: int,
    rows: Word,
    column: Expr,
    depth: Word,
    scale_depth: Word,
    scales: Expr,
    zero: bool,
) -> None:
    """sums[i] += a[first_row + i] @ ((q - zero) * scale) of one panel; rows past the last repeat the last.

    Each scale is applied once to the sum of the `scale_depth` products that share it; `scales` is their count.
    """
    pointers = [block.let(f"a{i}", at("a", rows.minimum(first_row + i + 1) * depth - depth)) for i in range(len(sums))]
    reading = block.let("reading", at("packed", place_of(dtype, column, depth, Const(0, depth.type))))
    turns = max(1, FEWEST_CHAINS // (VECTORS * len(sums)))
    with block.loop("scale_number", 0, scales) as number:
        place = block.let("scale_place", column * scales + number * TILE_COLUMNS)
        zeros = [block.let("zeros", load("zero", place, F32X4, LANES * j)) for j in range(VECTORS * zero)]
        parts = [[[block.let("part", Const(0.0, F32X4)) for _ in range(VECTORS)] for _ in sums] for _ in range(turns)]

        def multiply(count: int) -> None:
            lines = -(-count // DEPTHS_A_LINE[dtype]) * DEPTHS_A_LINE[dtype]
            for k, numbers in enumerate(numbers_of(block, dtype, reading, lines)[:count]):
                centred = (
                    [block.let("centred", n - z) for n, z in zip(numbers, zeros, strict=True)] if zero else numbers
                )
                for row, pointer in zip(parts[k % turns], pointers, strict=True):
                    left = block.let("left", Splat(load("a", pointer, F32, k), LANES))
                    for part, factor in zip(row, centred, strict=True):
                        block.assign(part, Fma(left, factor, part))
            for pointer in pointers:
                block.advance(pointer, count)
            block.advance(reading, lines // DEPTHS_A_LINE[dtype] * TILE_COLUMNS)

        first = block.let("first", number * scale_depth)
        last = block.let("last", depth.minimum(first + scale_depth))
        spans(block, dtype, first, last, multiply)
        for j in range(VECTORS):
            scale = block.let("scale_of_panel", load("scale", place, F32X4, LANES * j))
            for i, row in enumerate(sums):
                total: Expr = parts[0][i][j]
                for turn in parts[1:]:
                    total = total + turn[i][j]
                block.assign(row[j], Fma(total, scale, row[j]))
