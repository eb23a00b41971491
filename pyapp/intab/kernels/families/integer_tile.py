"""The register tile of integer matmul and convolution: exact 32-bit sums of products, on every machine the same.

Both sides are widened to 16 bits with their zero points taken off, and multiplied in *pairs* of neighbouring depths
(`DotPairs`). The left side is i32 elements that hold a pair each (`widen_lines`); the right side comes in panels:
for each TILE_COLUMNS columns, all pairs of depths in order, TILE_COLUMNS pairs each, zeros past the last column and
depth (`pack_pairs`). Panels of single bytes, widened as they are loaded, were measured a seventh slower.

Rows past the last repeat the last, as in the tile for floats. Four rows by two vectors leave registers for the
products: three and five rows are as fast, six rows or three vectors by four are more than there are registers. Eight
pairs at a time were measured two percent faster than four. What takes the time then are the products themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intab.errors import KernelError
from intab.kernels.block import Block, KernelWriter, load
from intab.kernels.functions import TO_WHOLE_BITS, last_bits
from intab.kernels.ir import (
    F32,
    I16X8,
    I32,
    Bitcast,
    Cast,
    Const,
    DotPairs,
    Expr,
    Lane,
    Narrow,
    Splat,
    Var,
    Word,
)
from intab.kernels.scalar import ScalarFunction, inline

TILE_ROWS = 4
TILE_COLUMNS = 8
LANES = 4
VECTORS = TILE_COLUMNS // LANES
UNROLL = 8
I32X4 = I32.wide(LANES)
LIMITS = {"u8": (0, 255), "i8": (-128, 127)}


@dataclass(frozen=True, slots=True)
class Finish:
    """What happens to a sum before it is stored in `out`, "i32", "f32", "u8" or "i8".

    An i32 bias a column is where the sums start. The sum times the scale (f32, for each column or one for all) is
    put through `function` and, for bytes, rounded half to even, moved by the zero point and saturated. `near` says that
    what is rounded is sure to lie within 2^22, where saturation comes with the narrowing.
    """

    out: str = "i32"
    bias: bool = False
    scale_a_column: bool = False
    function: ScalarFunction | None = None
    near: bool = False

    @property
    def is_scaled(self) -> bool:
        return self.out != "i32"

    @property
    def has_zero(self) -> bool:
        return self.out in LIMITS

    def __post_init__(self) -> None:
        if self.out not in ("i32", "f32", *LIMITS):
            raise KernelError(f"Integer sums end as i32, f32, u8 or i8, not as {self.out}.")
        if self.out == "i32" and (self.function is not None or self.scale_a_column):
            raise KernelError("Integer sums stored as they are take no scale and no function.")


def pack_pairs(matrix: NDArray[np.integer]) -> NDArray[np.int32]:
    """[depth, columns] of numbers of 16 bits -> [panels, pairs, TILE_COLUMNS], zeros past the last column and depth."""
    depth, columns = matrix.shape
    panels, pairs = -(-columns // TILE_COLUMNS), -(-depth // 2)
    padded = np.zeros((2 * pairs, panels * TILE_COLUMNS), np.int16)
    padded[:depth, :columns] = matrix
    order = padded.reshape(pairs, 2, panels, TILE_COLUMNS).transpose(2, 0, 3, 1)
    return np.ascontiguousarray(order).view(np.int32).reshape(panels, pairs, TILE_COLUMNS)


class Finisher:
    """The operands of a finish (buffers bias, scale, zero) and what a tile does with them.

    Bias and scales of columns are read up to a whole number of panels.
    """

    def __init__(self, kernel: KernelWriter, finish: Finish, *, vector: int = 1) -> None:
        """`vector`: what there is for each column is accessed in so many lanes (see `ir.Buffer`)."""
        self.finish = finish
        if finish.bias:
            kernel.buffer("bias", "i32", "read", vector=vector)
        if finish.is_scaled:
            kernel.buffer("scale", "f32", "read", vector=vector if finish.scale_a_column else 1)
        if finish.has_zero:
            kernel.buffer("zero", finish.out, "read")
        kernel.buffer("out", finish.out, "write", vector=vector)

    def start_sums(self, block: Block, column: Expr, rows: int = TILE_ROWS, vectors: int = VECTORS) -> list[list[Var]]:
        """The registers of sums, [row][vector]."""
        first: list[Expr] = [Const(0, I32X4)] * vectors
        if self.finish.bias:
            first = [block.let(f"bias{j}", load("bias", column, I32X4, LANES * j)) for j in range(vectors)]
        return [[block.let(f"sum{i}{j}", first[j]) for j in range(vectors)] for i in range(rows)]

    def finished(self, block: Block, sums: list[list[Var]], column: Expr) -> list[list[Expr]]:
        """The numbers to store, [vector][row]: bytes as i32 that may still be too large where the finish is near."""
        levels = self.levels(block)
        values: list[list[Expr]] = []
        for j in range(len(sums[0])):
            scale = self.scale(block, column, LANES * j)
            values.append([self.scaled(block, row[j], scale, levels) for row in sums])
        return values

    def levels(self, block: Block, lanes: int = LANES) -> list[Expr]:
        """What rounded numbers are moved by to become bytes, and the bounds of those before; empty for others."""
        if not self.finish.has_zero:
            return []
        zero = block.let("zero_point", load("zero", 0, I32))
        levels: list[Expr] = [zero - TO_WHOLE_BITS]
        if not self.finish.near:
            # Saturated while it is a float: adding the zero point to the largest integer would wrap.
            levels += [Cast(Const(limit, I32) - zero, F32) for limit in self.limits]
        return [block.let("level", level if lanes == 1 else Splat(level, lanes)) for level in levels]

    def scale(self, block: Block, column: Expr, offset: int = 0, lanes: int = LANES) -> Expr | None:
        """The scales of columns from `column` + `offset` on, if there are any."""
        if not self.finish.is_scaled:
            return None
        if self.finish.scale_a_column:
            return block.let("factor", load("scale", column, F32.wide(lanes), offset))
        single = load("scale", 0, F32)
        return block.let("factor", single if lanes == 1 else Splat(single, lanes))

    def scaled(self, block: Block, total: Expr, scale: Expr | None, levels: Sequence[Expr]) -> Expr:
        """What becomes of a sum, with the scale and levels of as many lanes."""
        if scale is None:
            return total
        value: Expr = block.let("scaled", Cast(total, scale.type) * scale)
        if self.finish.function is not None:
            value = block.let("value", inline(block, self.finish.function, (value,)))
        if not levels:
            return value
        zeros, *bounds = levels
        return block.let("rounded", last_bits(block, value, *bounds) + zeros)

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the largest byte."""
        return LIMITS[self.finish.out]

    def byte(self, value: Expr) -> Expr:
        """One of the finished numbers as it is stored."""
        if not self.finish.near or not self.finish.has_zero:
            return value
        low, high = self.limits
        return value.maximum(low).minimum(high)


def zero_sums(block: Block) -> list[list[Var]]:
    """Registers for sums, [row][vector], that start at zero."""
    zero = Const(0, I32X4)
    return [[block.let(f"sum{i}{j}", zero) for j in range(VECTORS)] for i in range(TILE_ROWS)]


def accumulate(block: Block, sums: list[list[Var]], rows: list[Var], panel: Var, pairs: Expr) -> None:
    """sums += rows[i][p] * panel[p] for pairs p in 0 .. pairs; the row and panel pointers move on by as much."""

    def halves(value: Expr) -> Expr:
        return Bitcast(value, I16X8)

    def products(p: int) -> None:
        places = [TILE_COLUMNS * p + LANES * j for j in range(len(sums[0]))]
        columns = [block.let(f"right{j}", halves(load("b", panel, I32X4, place))) for j, place in enumerate(places)]
        for row, pointer in enumerate(rows):
            left = block.let("left", halves(Splat(load("a", pointer, I32, p), LANES)))
            for j, column in enumerate(columns):
                block.assign(sums[row][j], sums[row][j] + DotPairs(left, column))

    def run(name: str, begin: Expr | int, end: Expr, count: int) -> None:
        with block.loop(name, begin, end, count):
            for p in range(count):
                products(p)
            for pointer in rows:
                block.advance(pointer, count)
            block.advance(panel, TILE_COLUMNS * count)

    most = block.let("most", pairs - pairs % UNROLL)
    whole = block.let("whole", pairs - pairs % (UNROLL // 2))
    run("p", 0, most, UNROLL)
    run("p_half", most, whole, UNROLL // 2)
    run("p_rest", whole, pairs, 1)


def store_sums(
    block: Block,
    finisher: Finisher,
    sums: list[list[Var]],
    *,
    first_row: Expr,
    rows: Expr,
    column: Expr,
    columns: Expr,
    out_start: Expr,
    out_row: Word,
) -> None:
    """Store the finished sums: whole vectors where they fit, single columns at the right edge.

    Element (r, c) of the output lies at out_start + r * out_row + c; `rows` and `columns` are its sizes.
    """
    last = block.let("last_row", rows - 1)
    places = [
        block.let(f"place{i}", out_start + (first_row + i).minimum(last) * out_row + column) for i in range(len(sums))
    ]
    store_rows(block, finisher, sums, places, column, columns)


def store_rows(
    block: Block, finisher: Finisher, sums: list[list[Var]], places: Sequence[Expr], column: Expr, columns: Expr
) -> None:
    """Store the finished sums in the order of rows; at places[i] lies `column` of row i, `columns` are the output's."""
    finished = finisher.finished(block, sums, column)

    def one_vector(j: int) -> None:
        with block.when((column + LANES * (j + 1)).le(columns)):
            for place, value in zip(places, finished[j], strict=True):
                block.store("out", place, finisher.byte(value), LANES * j)
        with block.otherwise():
            for lane in range(LANES):
                with block.when((column + (LANES * j + lane)).lt(columns)):
                    for place, value in zip(places, finished[j], strict=True):
                        block.store("out", place, finisher.byte(Lane(value, lane)), LANES * j + lane)

    if finisher.finish.has_zero and len(finished) == VECTORS:
        with block.when((column + TILE_COLUMNS).le(columns)):
            for i, place in enumerate(places):
                block.store("out", place, Narrow(finished[0][i], finished[1][i]))
        with block.otherwise():
            for j in range(VECTORS):
                one_vector(j)
        return
    for j in range(len(finished)):
        one_vector(j)
