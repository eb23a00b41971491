"""Exact convolution of bytes with windows of 3 x 3 by Winograd's algorithm: 16 products for 36, or 36 for 144.

It is exact because every number that is multiplied is whole and fits 16 bits, and because what wraps on the way comes
out right: sums of 32 bits are exact modulo 2^32. For whole numbers the points are 1, -1, 2, -2, and all rows of the
windows' matrix but that of infinity are multiplied by their common denominator, the `unit`; what the last row lacks,
outputs make up for. So they end as unit^2 times the convolution's sums. The odd part of that is undone by its inverse
modulo 2^32, the power of two by a shift, if the sums times this power fit 32 bits (`fits`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
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
    WINDOW,
    Transform,
    combination,
    filter_matrix,
    input_matrix,
    transform_filters,
    transform_inputs,
    transform_outputs,
)
from intab.kernels.ir import I16X8, I32, Bitcast, Const, Expr, Kernel, Select, Splat, Var

HALVES = 8  # of a vector
QUADS = Transform(4, (Fraction(1), Fraction(2)))


@dataclass(frozen=True, slots=True)
class Units:
    """What whole numbers of a transform end as: `unit`^2 = odd * 2^shift times too large."""

    unit: int
    shift: int
    inverse: int  # of the odd part, modulo 2^32
    growth: int  # of a window's numbers by its matrix, in one direction


@cache
def units(transform: Transform) -> Units:
    """The units of a transform."""
    matrix = filter_matrix(transform)
    unit = math.lcm(*(number.denominator for row in matrix for number in row))
    shift = (unit**2 & -(unit**2)).bit_length() - 1
    growth = max(sum(abs(int(number * unit)) for number in row) for row in matrix[:-1])
    return Units(unit, shift, pow(unit**2 >> shift, -1, 1 << 32), growth)


def fits(transform: Transform, channels: int, largest: int) -> bool:
    """Is a convolution exact whose bytes and weights, less their zero points, are at most 255 and `largest`?"""
    of = units(transform)
    inputs = 255 * max(sum(abs(int(number)) for number in row) for row in input_matrix(transform)) ** 2
    sums = WINDOW**2 * channels * 255 * largest
    return max(inputs, of.growth**2 * largest) < 1 << 15 and sums << of.shift < 1 << 31


def pack_filter_pairs(transform: Transform, filters: NDArray[np.float64]) -> NDArray[np.int32]:
    """[count, 3, 3, depth] of whole numbers, in units transformed, in panels [positions, panels, pairs, TILE_COLUMNS].

    Pairs are of neighbouring depths, of which there is an even number.
    """
    lines = _in_units(transform, filters.transpose(1, 2, 3, 0))
    matrices = [matrix for line in lines for matrix in _in_units(transform, line)]
    return np.stack([tile.pack_pairs(matrix.astype(np.int16)) for matrix in matrices])


def _in_units(transform: Transform, taps: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """G times the first axis, in units but for the last. Fractions of the matrix are rounded, products are whole."""
    *finite, last = transform_filters(transform, taps)
    return [*(np.rint(values * units(transform).unit) for values in finite), last]


@cache
def integer_winograd(transform: Transform, dtype: str, finish: Finish, *, zero: bool) -> Kernel:
    """Picture x of bytes [images, height, width, channels] * weights -> [images, out_height, out_width, columns].

    `channels` is a multiple of HALVES. Words and items are those of `winograd.winograd`, without those of an
    epilogue; of one group, and group_depth counts pairs. Buffers: x ("i8" or "u8"), x_zero (of that dtype, one number,
    for `zero`), b (`pack_filter_pairs`), those of the finish, out; a and products (i32, room as there, a's for
    channels / 2 elements a tile).
    """
    kernel = KernelWriter(f"integer_winograd_{transform.outputs}_{dtype}")
    kernel.buffer("x", dtype, "read")
    if zero:
        kernel.buffer("x_zero", dtype, "read")
    kernel.buffer("b", "i32", "read")
    finisher = Finisher(kernel, finish)
    kernel.buffer("a", "i32", "read_write")
    kernel.buffer("products", "i32", "read_write")
    sizes = declare_sizes(kernel)
    pairs = kernel.let("pairs", sizes.channels // 2)
    through_stages(kernel, transform, sizes, pairs, partial(_Stages, kernel, transform, sizes, finisher, pairs, zero))
    return kernel.kernel()


@dataclass(frozen=True, slots=True)
class _Stages:
    """Writes the three stages; all of a tile stays in registers."""

    kernel: KernelWriter
    transform: Transform
    sizes: Sizes
    finisher: Finisher
    pairs: Var
    has_zero: bool
    a_start: Var
    product_start: Var

    def enter(self, source: Expr, target: Expr, step: Expr, inside: Inside | None) -> None:
        """All channels of a tile, a vector at a time."""
        kernel, sizes, inputs = self.kernel, self.sizes, self.transform.inputs
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
                lines.append(transform_inputs(kernel, self.transform, pixels))
            for column in zip(*lines, strict=True):
                for value in transform_inputs(kernel, self.transform, column):
                    kernel.store("a", writing, Bitcast(value, I32X4))
                    kernel.advance(writing, step * inputs)
                kernel.advance(writing, step - step * self.transform.positions)
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
            kernel.let("column_inside", is_inside(x + sizes.dilation_x * j, sizes.width))
            for j in range(self.transform.inputs)
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
        """Transform one tile's products, and store them finished: outputs are the rows of register tiles."""
        kernel, sizes = self.kernel, self.sizes
        with kernel.tile("leave"):
            image, y, x = place_of_tile(kernel, self.transform, sizes, number)
            y, x = kernel.let("y", y), kernel.let("x", x)
            reading = kernel.let("reading", at("products", source))
            with kernel.when(y.lt(sizes.out_height) & x.lt(sizes.out_width)):
                places = self._places(image * sizes.out_image, y, x)
                with kernel.loop("column", first_column, last_column, TILE_COLUMNS) as column:
                    vectors = [self._outputs(reading, step, LANES * j) for j in range(VECTORS)]
                    kernel.advance(reading, TILE_COLUMNS)
                    # Outputs past an edge lie where the last before it does, which is stored after them.
                    rows = list(zip(*vectors, places, strict=True))[::-1]
                    for first in range(0, len(rows), TILE_ROWS):
                        self._store(rows[first : first + TILE_ROWS], column, last_column)

    def _store(self, rows: Sequence[tuple[Expr, ...]], column: Expr, last_column: Expr) -> None:
        """Store a register tile, finished: of each row its vectors in units, and its place."""
        kernel, of = self.kernel, units(self.transform)
        sums = self.finisher.start_sums(kernel, column)
        for row, values in zip(sums, rows, strict=True):
            for total, value in zip(row, values[:-1], strict=True):
                even = value * of.inverse if of.inverse != 1 else value
                kernel.assign(total, total + (even >> of.shift))
        targets = [kernel.let("target", values[-1] + column) for values in rows]
        tile.store_rows(kernel, self.finisher, sums, targets, column, last_column)

    def _outputs(self, reading: Var, step: Expr, offset: int) -> list[Expr]:
        """A vector of each of the outputs in units, line by line."""
        kernel, inputs = self.kernel, self.transform.inputs
        lines = []
        for _ in range(inputs):
            values = []
            for _ in range(inputs):
                values.append(kernel.let("product", load("products", reading, I32X4, offset)))
                kernel.advance(reading, step)
            lines.append(self._line(values))
        kernel.advance(reading, -step * self.transform.positions)
        columns = [self._line(column) for column in zip(*lines, strict=True)]
        return [column[i] for i in range(self.transform.outputs) for column in columns]

    def _line(self, values: Sequence[Expr]) -> list[Expr]:
        """Outputs of a line in units, of which its last product has none."""
        last = combination(self.kernel, [Fraction(units(self.transform).unit)], values[-1:])
        return transform_outputs(self.kernel, self.transform, [*values[:-1], last])

    def _places(self, image: Expr, y: Expr, x: Expr) -> list[Var]:
        """Where the outputs lie, line by line."""
        kernel, sizes = self.kernel, self.sizes

        def along(first: Expr, dilation: Expr, size: Expr) -> list[Expr]:
            places = [first]
            for i in range(1, self.transform.outputs):
                further = kernel.let("further", first + dilation * i)
                places.append(kernel.let("within", Select(further.lt(size), further, places[-1])))
            return places

        return [
            kernel.let("output", image + line * sizes.out_line + column * sizes.out_pixel)
            for line in along(y, sizes.dilation_y, sizes.out_height)
            for column in along(x, sizes.dilation_x, sizes.out_width)
        ]
