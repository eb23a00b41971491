"""Integer convolution as an implicit matmul over a padded NHWC picture of pairs of channels."""

from functools import cache

from intab.kernels.block import KernelWriter, at
from intab.kernels.families import integer_tile as tile
from intab.kernels.families.integer_tile import TILE_ROWS, Finish, Finisher
from intab.kernels.families.register_tile import Blocks
from intab.kernels.ir import I32, Const, Expr, Kernel


@cache
def integer_convolution(finish: Finish) -> Kernel:
    """Padded picture [images, height, width, pairs] * weights -> [images, out_height, out_width, columns].

    As `convolution.convolution` for floats, with pairs of channels in the place of channels: words rows, out_width,
    out_pixels, columns; pixel_step, line_step, image_step; taps_y, taps_x, run; tap_x_skip, tap_y_skip; out_row;
    block_rows, block_columns. Buffers: a (pairs), b (panels), those of the finish, out.
    Items: ceil(rows / block_rows) * ceil(columns / block_columns).
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

    def pixel_start(row: Expr) -> Expr:
        image = kernel.let("image", row // out_pixels)
        inside = kernel.let("inside", row % out_pixels)
        return image * image_step + inside // out_width * line_step + inside % out_width * pixel_step

    def one_tile(first_row: Expr, column: Expr, pixels: list[Expr]) -> None:
        with kernel.tile("tile"):
            sums = finisher.start_sums(kernel, column)
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

    def pixels_of(first_row: Expr) -> list[Expr]:
        last = rows - 1
        return [kernel.let(f"pixel{i}", pixel_start((first_row + i).minimum(last))) for i in range(TILE_ROWS)]

    # Where pixels lie takes divisions, so they are found once for all columns of the block.
    with blocks.rows_of_tiles(kernel) as first_row:
        pixels = pixels_of(first_row)
        with blocks.columns_of_tiles(kernel) as column:
            one_tile(first_row, column, pixels)
    return kernel.kernel()
