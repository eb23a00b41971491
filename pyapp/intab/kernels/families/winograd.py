"""Convolution with windows of 3 x 3 by Winograd's algorithm: tiles of outputs with fewer products.

An item takes blocks of tiles, one after the other, through three stages in room of its own that stays in the
second-level cache: it transforms the tiles' inputs, multiplies them with the transformed weights (a matmul for each
of the transform's positions), and transforms the products into outputs.
"""

from dataclasses import dataclass
from functools import cache, partial

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families import register_tile as tile
from intab.kernels.families.register_tile import (
    F32X4,
    LANES,
    PLAIN,
    TILE_COLUMNS,
    TILE_ROWS,
    VECTORS,
    Epilogue,
    ExtraOperands,
)
from intab.kernels.families.winograd_tiles import (
    Inside,
    Sizes,
    declare_sizes,
    is_inside,
    place_of_tile,
    through_stages,
)
from intab.kernels.families.winograd_transform import Transform, transform_inputs, transform_outputs
from intab.kernels.ir import F32, I32, Const, Expr, Kernel, Type, Var


@cache
def winograd(transform: Transform, epilogue: Epilogue = PLAIN) -> Kernel:
    """Picture x [images, height, width, channels] * weights -> [images, out_height, out_width, columns], stride 1.

    `channels` is a multiple of LANES. Pixels outside the picture are zeros: no border is needed. Channels and columns
    are cut into `groups` of group_depth channels and group_columns columns. Buffers: x; b (transformed weights: for
    each position and group the panels of group_depth x group_columns); bias, e0 ..., out; a (f32, room an item for
    positions * (block_tiles * channels + APART) numbers) and products (the same with block_columns).
    Words: height, width, channels, top, left (lines and columns of zeros before the picture), dilation_y, dilation_x
    (the pixels of a tile lie so far apart), out_height, out_width, columns; groups, group_depth, group_columns;
    pixel_step, line_step, image_step and out_pixel, out_line, out_image (elements between pixels, lines and images of
    x and of the result); tiles_down, tiles_across (of an image), tiles (in all); block_tiles, block_columns (up to the
    end of the last panel, so whole panels of one group; all columns of several), item_tiles (whole blocks); the
    epilogue's, whose rows are output pixels. Items: ceil(tiles / item_tiles) * ceil(columns / block_columns).
    """
    kernel = KernelWriter(f"winograd_{transform.outputs}")
    kernel.buffer("x", "f32", "read")
    kernel.buffer("b", "f32", "read")
    if epilogue.bias:
        kernel.buffer("bias", "f32", "read")
    extras = ExtraOperands(kernel, epilogue)
    kernel.buffer("out", "f32", "read_write")
    kernel.buffer("a", "f32", "read_write")
    kernel.buffer("products", "f32", "read_write")
    sizes = declare_sizes(kernel)
    through_stages(kernel, transform, sizes, sizes.channels, partial(_Stages, kernel, transform, sizes, extras))
    return kernel.kernel()


@dataclass(frozen=True, slots=True)
class _Stages:
    """Writes the three stages. While one of the item's rooms is being filled, the other's start is spare."""

    kernel: KernelWriter
    transform: Transform
    sizes: Sizes
    extras: ExtraOperands
    spare_a: Var
    spare_products: Var

    def enter(self, source: Expr, target: Expr, step: Expr, inside: Inside | None) -> None:
        """Columns of the tile, then its lines: loops, since unrolled they are code that takes long to compile."""
        kernel, channels, inputs = self.kernel, self.sizes.channels, self.transform.inputs
        line = kernel.let("line", self.sizes.dilation_y * self.sizes.line_step)
        pixel_gap = kernel.let("pixel_gap", self.sizes.dilation_x * self.sizes.pixel_step)
        reading = [kernel.let(f"reading{i}", at("x", source + line * i)) for i in range(inputs)]
        writing = kernel.let("writing", at("a", target))

        def pixel(i: int, j: Expr) -> Expr:
            if inside is None:
                return kernel.let("pixel", load("x", reading[i], F32X4))
            lines, x = inside
            value = kernel.let("pixel", Const(0.0, F32X4))
            with kernel.when(lines[i] & is_inside(x + j * self.sizes.dilation_x, self.sizes.width)):
                kernel.assign(value, load("x", reading[i], F32X4))
            return value

        def advance(elements: Expr) -> None:
            for pointer in reading:
                kernel.advance(pointer, elements)

        with kernel.loop("channel", 0, channels, LANES):
            half = kernel.let("half", at("products", self.spare_products))
            with kernel.loop("across", 0, Const(inputs, I32)) as j:
                values = transform_inputs(kernel, self.transform, [pixel(i, j) for i in range(inputs)])
                for i, value in enumerate(values):
                    kernel.store("products", half, value, i * inputs * LANES)
                kernel.advance(half, LANES)
                advance(pixel_gap)
            kernel.advance(half, -inputs * LANES)
            with kernel.loop("down", 0, Const(inputs, I32)):
                values = [kernel.let("value", load("products", half, F32X4, j * LANES)) for j in range(inputs)]
                for value in transform_inputs(kernel, self.transform, values):
                    kernel.store("a", writing, value)
                    kernel.advance(writing, step)
                kernel.advance(half, inputs * LANES)
            advance(LANES - pixel_gap * inputs)
            kernel.advance(writing, LANES - step * self.transform.positions)

    def multiply(self, left: Expr, matrix: Expr, column: Expr, count: Expr, target: Expr, target_row: Expr) -> None:
        """A panel's columns of the products with one matrix of the weights, for all tiles of the block."""
        kernel, depth, channels = self.kernel, self.sizes.group_depth, self.sizes.channels
        with kernel.tile("multiply"):
            panels = (self.sizes.group_columns + (TILE_COLUMNS - 1)) // TILE_COLUMNS
            right = kernel.let("right", (matrix * (panels * TILE_COLUMNS) + column) * depth)
            with kernel.loop("row", 0, count, TILE_ROWS) as row:
                rows = [kernel.let(f"row{i}", (row + i).minimum(count - 1)) for i in range(TILE_ROWS)]
                sums = tile.start_sums(kernel, PLAIN, column)
                pointers = [kernel.let(f"a{i}", at("a", left + number * channels)) for i, number in enumerate(rows)]
                tile.accumulate(kernel, sums, pointers, kernel.let("panel", at("b", right)), depth)
                for i, number in enumerate(rows):
                    place = kernel.let("place", target + number * target_row)
                    for j in range(VECTORS):
                        kernel.store("products", place, sums[i][j], LANES * j)

    def leave(self, number: Expr, source: Expr, step: Expr, first_column: Expr, last_column: Expr) -> None:
        """Transform one tile's products, and store them through the epilogue."""
        kernel, sizes, outputs = self.kernel, self.sizes, self.transform.outputs
        source = kernel.let("left_from", source)

        def outputs_within(rest: Expr, dilation: Expr) -> Expr:
            return ((rest + dilation - 1) // dilation).minimum(outputs)

        with kernel.tile("leave"):
            self._leave(source, step, last_column - first_column)
            image, y, x = place_of_tile(kernel, self.transform, sizes, number)
            lines = outputs_within(sizes.out_height - y, sizes.dilation_y)
            pixels = outputs_within(sizes.out_width - x, sizes.dilation_x)
            starts = self.extras.starts(kernel, Const(0, I32))
            with kernel.loop("out_y", 0, lines) as out_y:
                line = kernel.let("line", y + out_y * sizes.dilation_y)
                with kernel.loop("out_x", 0, pixels) as out_x:
                    column = kernel.let("column", x + out_x * sizes.dilation_x)
                    values = kernel.let("values", source + (out_y * outputs + out_x) * step - first_column)
                    row = kernel.let("row", (image * sizes.out_height + line) * sizes.out_width + column)
                    target = image * sizes.out_image + line * sizes.out_line + column * sizes.out_pixel
                    self._finish(row, values, kernel.let("target", target), starts, first_column, last_column)

    def _leave(self, source: Expr, step: Expr, columns: Expr) -> None:
        """Columns of the tile, then its lines, whose outputs take the place of the first products."""
        kernel, inputs, outputs = self.kernel, self.transform.inputs, self.transform.outputs
        reading, writing = kernel.let("reading", at("products", source)), kernel.let("writing", at("products", source))
        with kernel.loop("vector", 0, columns, LANES):
            half = kernel.let("half", at("a", self.spare_a))
            with kernel.loop("across", 0, Const(inputs, I32)):
                values = []
                for _ in range(inputs):
                    values.append(kernel.let("product", load("products", reading, F32X4)))
                    kernel.advance(reading, step * inputs)
                for i, value in enumerate(transform_outputs(kernel, self.transform, values)):
                    kernel.store("a", half, value, i * inputs * LANES)
                kernel.advance(half, LANES)
                kernel.advance(reading, step - step * self.transform.positions)
            kernel.advance(half, -inputs * LANES)
            with kernel.loop("down", 0, Const(outputs, I32)):
                values = [kernel.let("value", load("a", half, F32X4, j * LANES)) for j in range(inputs)]
                for value in transform_outputs(kernel, self.transform, values):
                    kernel.store("products", writing, value)
                    kernel.advance(writing, step)
                kernel.advance(half, inputs * LANES)
            kernel.advance(reading, LANES - step * inputs)
            kernel.advance(writing, LANES - step * outputs**2)

    def _finish(
        self, row: Expr, values: Expr, target: Expr, starts: list[Expr], first_column: Expr, last_column: Expr
    ) -> None:
        """Bias and epilogue of output pixel `row`; at `values` and `target` its column 0 would lie and lies."""
        kernel = self.kernel
        whole = kernel.let("whole", last_column - last_column % LANES)

        def run(begin: Expr, end: Expr, type: Type) -> None:
            with kernel.loop("column", begin, end, type.lanes) as column:
                value: Expr = load("products", values + column, type)
                if self.extras.epilogue.bias:
                    value = value + load("bias", column, type)
                value = self.extras.apply(kernel, kernel.let("value", value), starts, row, column)
                kernel.store("out", target + column, value)

        run(first_column, whole, F32X4)
        run(whole, last_column, F32)
