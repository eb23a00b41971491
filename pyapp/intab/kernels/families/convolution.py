"""Convolution as an implicit matmul over a padded NHWC picture: no patch matrix is ever written."""

from functools import cache

from intab.kernels.block import KernelWriter, at
from intab.kernels.families import register_tile as tile
from intab.kernels.families.register_tile import PLAIN, TILE_ROWS, Epilogue, ExtraOperands
from intab.kernels.ir import I32, Const, Expr, Kernel, Var


@cache
def convolution(
    epilogue: Epilogue = PLAIN, *, volume: bool = False, grouped: bool = False, spaced: bool = False
) -> Kernel:
    """Padded picture [images, height, width, channels] * weights -> [images, out_height, out_width, columns].

    A row of the matmul is an output pixel; its left side is `taps_y` x `taps_x` runs of `run` consecutive
    numbers (a run is a whole row of the window when neighbours are not dilated). Words: rows (output pixels
    in all), out_width, out_pixels (out_width * out_height), columns; pixel_step, line_step, image_step
    (elements between output pixels, lines and images in the picture); taps_y, taps_x, run; tap_x_skip and
    tap_y_skip (elements from the end of a run to the next in its line, and from the last line's end to the
    next line); out_row; block_rows, block_columns (whole tiles); the epilogue's. Buffers: a, b (panels),
    bias, e0 ..., out. Items: ceil(rows / block_rows) * ceil(columns / block_columns).

    With `volume` there is an axis before height: an image is a run of planes, and words come first for it: taps_z,
    tap_z_skip (elements from the end of a plane of the window to the next), plane_step (elements between output
    planes), out_voxels (out_pixels times output planes).

    With `grouped` channels and columns are cut into groups of `run` channels and `columns` columns, all with windows of
    their own; out_row is the columns of all. Words come first for them: groups; block_groups, which an item does one
    after the other while it knows where its pixels lie; b_group (elements between the panels of groups). Extra
    operands have groups for batches. Items: ceil(groups / block_groups) times as many.

    With `spaced` the result lies inside a larger one: out_line, out_image (elements between its lines and images)
    follow out_row, which then says how far apart the pixels of a line are. Not with `volume`.
    """
    kernel = KernelWriter("grouped_convolution" if grouped else "convolution_volume" if volume else "convolution")
    kernel.buffer("a", "f32", "read")
    kernel.buffer("b", "f32", "read")
    if epilogue.bias:
        kernel.buffer("bias", "f32", "read")
    extras = ExtraOperands(kernel, epilogue)
    kernel.buffer("out", "f32", "read_write")
    groups, block_groups, b_group = (
        [kernel.word(n) for n in ("groups", "block_groups", "b_group")]
        if grouped
        else [Const(n, I32) for n in (1, 1, 0)]
    )
    deep = [kernel.word(n) for n in ("taps_z", "tap_z_skip", "plane_step", "out_voxels")] if volume else None
    rows, out_width, out_pixels, columns = (kernel.word(n) for n in ("rows", "out_width", "out_pixels", "columns"))
    pixel_step, line_step, image_step = (kernel.word(n) for n in ("pixel_step", "line_step", "image_step"))
    taps_y, taps_x, run = (kernel.word(n) for n in ("taps_y", "taps_x", "run"))
    tap_x_skip, tap_y_skip = kernel.word("tap_x_skip"), kernel.word("tap_y_skip")
    out_row = kernel.word("out_row")
    out_line, out_image = [kernel.word(n) for n in ("out_line", "out_image")] if spaced else [Const(0, I32)] * 2
    blocks = tile.Blocks(kernel, rows, columns)
    depth = kernel.let("depth", taps_y * taps_x * run if deep is None else deep[0] * taps_y * taps_x * run)
    only_group = Const(0, I32)

    def pixel_start(row: Expr) -> tuple[Expr, Expr]:
        """Where a pixel's window starts, and with `spaced` where its result lies."""
        image = kernel.let("image", row // out_pixels)
        if deep is None:
            start = image * image_step
        else:
            _, _, plane_step, out_voxels = deep
            start = row // out_voxels * image_step + row % out_voxels // out_pixels * plane_step
        inside = kernel.let("inside", row % out_pixels)
        y, x = kernel.let("y", inside // out_width), kernel.let("x", inside % out_width)
        window = kernel.let("window", start + y * line_step + x * pixel_step)
        result = image * out_image + y * out_line + x * out_row
        return window, kernel.let("result", result) if spaced else result

    def window_plane(sums: list[list[Var]], pointers: list[Var], panel: Var) -> None:
        with kernel.loop("tap_y", 0, taps_y):
            with kernel.loop("tap_x", 0, taps_x):
                tile.accumulate(kernel, sums, pointers, panel, run)
                for pointer in pointers:
                    kernel.advance(pointer, tap_x_skip)
            for pointer in pointers:
                kernel.advance(pointer, tap_y_skip)

    def one_tile(first_row: Expr, column: Expr, pixels: list[tuple[Expr, Expr]], group: Expr) -> None:
        with kernel.tile("tile"):
            first_column = kernel.let("group_column", group * columns)
            starts = extras.starts(kernel, group)
            sums = tile.start_sums(kernel, epilogue, first_column + column)
            pointers = [kernel.let(f"a{i}", at("a", pixel + group * run)) for i, (pixel, _) in enumerate(pixels)]
            panel = kernel.let("panel", at("b", group * b_group + column * depth))
            if deep is None:
                window_plane(sums, pointers, panel)
            else:
                with kernel.loop("tap_z", 0, deep[0]):
                    window_plane(sums, pointers, panel)
                    for pointer in pointers:
                        kernel.advance(pointer, deep[1])
            tile.store_sums(
                kernel,
                sums,
                extras,
                starts,
                first_row=first_row,
                rows=rows,
                column=column,
                columns=columns,
                out_start=first_column,
                out_row=out_row,
                row_places=[place for _, place in pixels] if spaced else None,
            )

    def pixels_of(first_row: Expr) -> list[tuple[Expr, Expr]]:
        last = rows - 1
        return [pixel_start(kernel.let("row", (first_row + i).minimum(last))) for i in range(TILE_ROWS)]

    # Where pixels lie takes divisions, so they are found once for all columns of the block.
    with blocks.rows_of_tiles(kernel) as first_row:
        pixels = pixels_of(first_row)
        if grouped:
            first_group = kernel.let("first_group", blocks.batch * block_groups)
            last_group = groups.minimum(first_group + block_groups)
            with kernel.loop("group", first_group, last_group) as group, blocks.columns_of_tiles(kernel) as column:
                one_tile(first_row, column, pixels, group)
        else:
            with blocks.columns_of_tiles(kernel) as column:
                one_tile(first_row, column, pixels, only_group)
    return kernel.kernel()
