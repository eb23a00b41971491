"""Integer convolution as an implicit matmul over a padded NHWC picture of pairs of channels."""

from functools import cache

from intab.kernels.block import KernelWriter, at
from intab.kernels.families import integer_tile as tile
from intab.kernels.families.integer_tile import LANES, TILE_ROWS, VECTORS, Finish, Finisher
from intab.kernels.families.pixel_walk import PixelWalk
from intab.kernels.families.register_tile import Blocks
from intab.kernels.ir import I32, Const, Expr, Kernel, Var


@cache
def integer_convolution(finish: Finish, *, narrow: bool = False) -> Kernel:
    """Padded picture [images, height, width, pairs] * weights -> [images, out_height, out_width, columns].

    As `convolution.convolution` for floats, with pairs of channels in the place of channels: words rows, out_width,
    out_pixels, columns; pixel_step, line_step, image_step; taps_y, taps_x, run; tap_x_skip, tap_y_skip; out_row;
    block_rows, block_columns. Buffers: a (pairs), b (panels), those of the finish, out.
    Items: ceil(rows / block_rows) * ceil(columns / block_columns). With `narrow` half a panel is computed where no more
    columns are left over from whole ones.
    """
    kernel = KernelWriter("integer_convolution")
    kernel.buffer("a", "i32", "read")
    kernel.buffer("b", "i32", "read")
    finisher = Finisher(kernel, finish)
    rows, out_width, out_pixels, columns = (kernel.word(n) for n in ("rows", "out_width", "out_pixels", "columns"))
    pixel_step, line_step, image_step = (kernel.word(n) for n in ("pixel_step", "line_step", "image_step"))
    taps_y, taps_x, run = (kernel.word(n) for n in ("taps_y", "taps_x", "run"))
    tap_x_skip, tap_y_skip = kernel.word("tap_x_skip"), kernel.word("tap_y_skip")
    out_row = kernel.word("out_row")
    blocks = Blocks(kernel, rows, columns, tile_rows=TILE_ROWS)
    pairs = kernel.let("pairs", taps_y * taps_x * run)

    def one_tile(first_row: Expr, column: Expr, pixels: list[Var], vectors: int) -> None:
        with kernel.tile("tile"):
            sums = finisher.start_sums(kernel, column, vectors=vectors)
            pointers = [kernel.let(f"a{i}", at("a", pixel)) for i, pixel in enumerate(pixels)]
            panel = kernel.let("panel", at("b", column * pairs))
            with kernel.loop("tap_y", 0, taps_y):
                with kernel.loop("tap_x", 0, taps_x):
                    tile.accumulate(kernel, sums, pointers, panel, run)
                    for pointer in pointers:
                        kernel.advance(pointer, tap_x_skip)
                for pointer in pointers:
                    kernel.advance(pointer, tap_y_skip)
            tile.store_sums(
                kernel,
                finisher,
                sums,
                first_row=first_row,
                rows=rows,
                column=column,
                columns=columns,
                out_start=Const(0, I32),
                out_row=out_row,
            )

    walk = PixelWalk(kernel, blocks.first_row, rows - 1, [out_width, out_pixels], [[pixel_step, line_step, image_step]])
    rest_column = blocks.rest_column(kernel, LANES) if narrow else None
    with blocks.rows_of_tiles(kernel) as first_row:
        pixels = [pixel for (pixel,) in walk.take(TILE_ROWS)]  # found once for all columns of the block
        with blocks.columns_of_tiles(kernel, rest_column) as column:
            one_tile(first_row, column, pixels, VECTORS)
        if rest_column is not None:
            with kernel.when(rest_column.lt(blocks.last_column)):
                one_tile(first_row, rest_column, pixels, 1)
    return kernel.kernel()
