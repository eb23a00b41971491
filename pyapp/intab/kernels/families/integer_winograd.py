"""Exact convolution of bytes with windows of 3 x 3 by Winograd's algorithm, four outputs with 16 products each for 36.

It is exact because every number on the way is whole and fits: bytes less their zero point lie within +-255, sums of
four of them within 16 bits; the windows are transformed by twice the matrix in either direction, which leaves
9 * 255 at most; and the sums of products, which may wrap on the way, end as four times the convolution's, which fit
32 bits up to MOST_CHANNELS. So a shift gives the numbers of `integer_convolution`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families import integer_tile as tile
from intab.kernels.families.integer_matmul import pair_of
from intab.kernels.families.integer_tile import I32X4, LANES, TILE_COLUMNS, TILE_ROWS, VECTORS, Finish, Finisher
from intab.kernels.families.winograd_tiles import (
    Inside,
    Sizes,
    declare_sizes,
    is_inside,
    place_of_tile,
    through_stages,
)
from intab.kernels.families.winograd_transform import (
    SMALL,
    WINDOW,
    transform_filters,
    transform_inputs,
    transform_outputs,
)
from intab.kernels.ir import I16X8, I32, Bitcast, Const, Expr, Kernel, Select, Splat, Var

HALVES = 8  # of a vector
# Twice the matrix for the windows in either direction: four times the sums.
SCALE = 4
SHIFT = 2
MOST_CHANNELS = (2**31 - 1) // (SCALE * WINDOW**2 * 255 * 255)


def pack_filter_pairs(filters: NDArray[np.float64]) -> NDArray[np.int32]:
    """[count, 3, 3, depth] of whole numbers -> SCALE * G filter Gt in panels [positions, panels, pairs, TILE_COLUMNS].

    Pairs are of neighbouring depths, of which there is an even number.
    """
    taps = np.ascontiguousarray(filters.transpose(1, 2, 3, 0))
    lines = transform_filters(SMALL, taps)
    matrices = [matrix * SCALE for line in lines for matrix in transform_filters(SMALL, line)]
    return np.stack([tile.pack_pairs(matrix.astype(np.int16)) for matrix in matrices])


@cache
def integer_winograd(dtype: str, finish: Finish, *, zero: bool) -> Kernel:
    """Picture x of bytes [images, height, width, channels] * weights -> [images, out_height, out_width, columns].

    `channels` is a multiple of HALVES. Words and items are those of `winograd.winograd` for SMALL, without those of an
    epilogue; of one group, and group_depth counts pairs. Buffers: x ("i8" or "u8"), x_zero (of that dtype, one number,
    for `zero`), b (`pack_filter_pairs`), those of the finish, out; a and products (i32, room as there, a's for
    channels / 2 elements a tile).
    """
    kernel = KernelWriter(f"integer_winograd_{dtype}")
    kernel.buffer("x", dtype, "read")
    if zero:
        kernel.buffer("x_zero", dtype, "read")
    kernel.buffer("b", "i32", "read")
    finisher = Finisher(kernel, finish)
    kernel.buffer("a", "i32", "read_write")
    kernel.buffer("products", "i32", "read_write")
    sizes = declare_sizes(kernel)
    pairs = kernel.let("pairs", sizes.channels // 2)
    through_stages(kernel, SMALL, sizes, pairs, partial(_Stages, kernel, sizes, finisher, pairs, zero))
    return kernel.kernel()


@dataclass(frozen=True, slots=True)
class _Stages:
    """Writes the three stages; all of a tile stays in registers."""

    kernel: KernelWriter
    sizes: Sizes
    finisher: Finisher
    pairs: Var
    has_zero: bool
    a_start: Var
    product_start: Var

    def enter(self, source: Expr, target: Expr, step: Expr, inside: Inside | None) -> None:
        """All channels of a tile, a vector at a time; unlike floats, so few numbers are unrolled."""
        kernel, sizes, inputs = self.kernel, self.sizes, SMALL.inputs
        line = kernel.let("line", sizes.dilation_y * sizes.line_step)
        gap = kernel.let("pixel_gap", sizes.dilation_x * sizes.pixel_step)
        reading = [kernel.let(f"reading{i}", at("x", source + line * i)) for i in range(inputs)]
        writing = kernel.let("writing", at("a", target))
        pixel = self._reader(reading, inside)
        with kernel.loop("channel", 0, sizes.channels, HALVES):
            lines = []
            for i, pointer in enumerate(reading):
                pixels = []
                for j in range(inputs):
                    pixels.append(pixel(i, j))
                    kernel.advance(pointer, gap)
                kernel.advance(pointer, HALVES - gap * inputs)
                lines.append(transform_inputs(kernel, SMALL, pixels))
            for column in zip(*lines, strict=True):
                for value in transform_inputs(kernel, SMALL, column):
                    kernel.store("a", writing, Bitcast(value, I32X4))
                    kernel.advance(writing, step * inputs)
                kernel.advance(writing, step - step * SMALL.positions)
            kernel.advance(writing, HALVES // 2 - step * inputs)

    def _reader(self, reading: list[Var], inside: Inside | None) -> Callable[[int, int], Expr]:
        """What reads pixel (line, column) of a tile without its zero point; those outside the picture are zeros."""
        kernel, sizes = self.kernel, self.sizes
        zero_pairs: Expr | None = None
        if self.has_zero:
            zero = kernel.let("zero", load("x_zero", 0, I32))
            zero_pairs = kernel.let("zero_pairs", Bitcast(Splat(pair_of(zero, zero), LANES), I16X8))

        def read(i: int) -> Expr:
            value = load("x", reading[i], I16X8)
            return value if zero_pairs is None else value - zero_pairs

        if inside is None:
            return lambda i, j: kernel.let("pixel", read(i))
        lines, x = inside
        columns = [
            kernel.let("column_inside", is_inside(x + sizes.dilation_x * j, sizes.width)) for j in range(SMALL.inputs)
        ]

        def read_inside(i: int, j: int) -> Expr:
            value = kernel.let("pixel", Bitcast(Const(0, I32X4), I16X8))
            with kernel.when(lines[i] & columns[j]):
                kernel.assign(value, read(i))
            return value

        return read_inside

    def multiply(self, left: Expr, matrix: Expr, column: Expr, count: Expr, target: Expr, target_row: Expr) -> None:
        """A panel's columns of the products with one matrix of the weights, for all tiles of the block."""
        kernel, pairs = self.kernel, self.pairs
        with kernel.tile("multiply"):
            panels = (self.sizes.columns + (TILE_COLUMNS - 1)) // TILE_COLUMNS
            right = kernel.let("right", (matrix * (panels * TILE_COLUMNS) + column) * pairs)
            with kernel.loop("row", 0, count, TILE_ROWS) as row:
                rows = [kernel.let(f"row{i}", (row + i).minimum(count - 1)) for i in range(TILE_ROWS)]
                sums = tile.zero_sums(kernel)
                pointers = [kernel.let(f"a{i}", at("a", left + number * pairs)) for i, number in enumerate(rows)]
                tile.accumulate(kernel, sums, pointers, kernel.let("panel", at("b", right)), pairs)
                for i, number in enumerate(rows):
                    place = kernel.let("place", target + number * target_row)
                    for j in range(VECTORS):
                        kernel.store("products", place, sums[i][j], LANES * j)

    def leave(self, number: Expr, source: Expr, step: Expr, first_column: Expr, last_column: Expr) -> None:
        """Transform one tile's products, and store them finished: its four outputs are the rows of a register tile."""
        kernel, sizes = self.kernel, self.sizes
        with kernel.tile("leave"):
            image, y, x = place_of_tile(kernel, SMALL, sizes, number)
            y, x = kernel.let("y", y), kernel.let("x", x)
            reading = kernel.let("reading", at("products", source))
            with kernel.when(y.lt(sizes.out_height) & x.lt(sizes.out_width)):
                places = self._places(image * sizes.out_image, y, x)
                with kernel.loop("column", first_column, last_column, TILE_COLUMNS) as column:
                    sums = self.finisher.start_sums(kernel, column)
                    for j in range(VECTORS):
                        for row, value in zip(sums, self._outputs(reading, step, LANES * j), strict=True):
                            kernel.assign(row[j], row[j] + (value >> SHIFT))
                    kernel.advance(reading, TILE_COLUMNS)
                    targets = [kernel.let("target", place + column) for place in places]
                    # Outputs past an edge lie where those before it do, which are stored after them.
                    tile.store_rows(kernel, self.finisher, sums[::-1], targets[::-1], column, last_column)

    def _outputs(self, reading: Var, step: Expr, offset: int) -> list[Expr]:
        """SCALE times a vector of each of the four outputs, line by line."""
        kernel, inputs = self.kernel, SMALL.inputs
        lines = []
        for _ in range(inputs):
            values = []
            for _ in range(inputs):
                values.append(kernel.let("product", load("products", reading, I32X4, offset)))
                kernel.advance(reading, step)
            lines.append(transform_outputs(kernel, SMALL, values))
        kernel.advance(reading, -step * SMALL.positions)
        columns = [transform_outputs(kernel, SMALL, column) for column in zip(*lines, strict=True)]
        return [column[i] for i in range(SMALL.outputs) for column in columns]

    def _places(self, image: Expr, y: Expr, x: Expr) -> list[Var]:
        """Where the four outputs lie."""
        kernel, sizes = self.kernel, self.sizes

        def both(first: Expr, dilation: Expr, size: Expr) -> tuple[Expr, Expr]:
            second = kernel.let("second", first + dilation)
            return first, kernel.let("within", Select(second.lt(size), second, first))

        return [
            kernel.let("output", image + line * sizes.out_line + column * sizes.out_pixel)
            for line in both(y, sizes.dilation_y, sizes.out_height)
            for column in both(x, sizes.dilation_x, sizes.out_width)
        ]
