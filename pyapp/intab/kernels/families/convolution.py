"""Convolution as an implicit matmul over a padded NHWC picture: no patch matrix is ever written."""

from functools import cache

from intab.kernels.block import KernelWriter, at
from intab.kernels.families import register_tile as tile
from intab.kernels.families.pixel_walk import PixelWalk, place_of
from intab.kernels.families.register_tile import (
    LANES,
    PLAIN,
    VECTORS,
    WHOLE_TILES,
    Epilogue,
    ExtraOperands,
    Tiles,
)
from intab.kernels.families.warm import warm
from intab.kernels.ir import I32, Const, Expr, Kernel, Var


@cache
def convolution(
    epilogue: Epilogue = PLAIN,
    tiles: Tiles = WHOLE_TILES,
    *,
    volume: bool = False,
    grouped: bool = False,
    spaced: bool = False,
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
    blocks = tile.Blocks(kernel, rows, columns, tile_rows=tiles.rows)
    depth = kernel.let("depth", taps_y * taps_x * run if deep is None else deep[0] * taps_y * taps_x * run)
    only_group = Const(0, I32)

    counts: list[Expr] = [out_width, out_pixels]
    steps: list[Expr] = [pixel_step, line_step, image_step]
    if deep is not None:
        counts, steps = [*counts, deep[3]], [pixel_step, line_step, deep[2], image_step]
    buffers: list[list[Expr]] = [steps, [out_row, out_line, out_image]] if spaced else [steps]

    def window_plane(sums: list[list[Var]], more: list[list[list[Var]]], pointers: list[Var], panel: Var) -> None:
        with kernel.loop("tap_y", 0, taps_y):
            with kernel.loop("tap_x", 0, taps_x):
                tile.accumulate(kernel, sums, pointers, panel, run, more)
                for pointer in pointers:
                    kernel.advance(pointer, tap_x_skip)
            for pointer in pointers:
                kernel.advance(pointer, tap_y_skip)

    def one_tile(first_row: Expr, column: Expr, pixels: list[list[Var]], group: Expr, vectors: int) -> None:
        with kernel.tile("tile"):
            first_column = kernel.let("group_column", group * columns)
            starts = extras.starts(kernel, group)
            sums = tile.start_sums(kernel, epilogue, first_column + column, len(pixels), vectors)
            more = tile.more_sums(kernel, sums)
            pointers = [kernel.let(f"a{i}", at("a", places[0] + group * run)) for i, places in enumerate(pixels)]
            panel = kernel.let("panel", at("b", group * b_group + column * depth))
            if deep is None:
                window_plane(sums, more, pointers, panel)
            else:
                with kernel.loop("tap_z", 0, deep[0]):
                    window_plane(sums, more, pointers, panel)
                    for pointer in pointers:
                        kernel.advance(pointer, deep[1])
            tile.add_up(kernel, sums, more)
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
                row_places=[places[1] for places in pixels] if spaced else None,
            )

    walk = PixelWalk(kernel, blocks.first_row, rows - 1, counts, buffers)
    if deep is None:
        last = kernel.let("last_pixel", place_of(blocks.last_row - 1, counts, steps))
        _warm_lines(kernel, walk.places[0], last, taps_y, taps_x, run, tap_x_skip, tap_y_skip)
    if not grouped:
        tile.warm_panels(kernel, blocks, Const(0, I32), depth)
    rest_column = blocks.rest_column(kernel, LANES) if tiles.narrow else None

    def all_columns(first_row: Expr, pixels: list[list[Var]], group: Expr) -> None:
        with blocks.columns_of_tiles(kernel, rest_column) as column:
            one_tile(first_row, column, pixels, group, VECTORS)
        if rest_column is not None:
            with kernel.when(rest_column.lt(blocks.last_column)):
                one_tile(first_row, rest_column, pixels, group, 1)

    def all_groups(first_row: Expr, height: int) -> None:
        pixels = walk.take(height)  # found once for all columns of the block
        if not grouped:
            all_columns(first_row, pixels, only_group)
            return
        first_group = kernel.let("first_group", blocks.batch * block_groups)
        last_group = groups.minimum(first_group + block_groups)
        with kernel.loop("group", first_group, last_group) as group:
            all_columns(first_row, pixels, group)

    rest_row = blocks.rest_row(kernel, tiles.rest_rows) if tiles.rest_rows else None
    with blocks.rows_of_tiles(kernel, rest_row) as first_row:
        all_groups(first_row, tiles.rows)
    if rest_row is not None:
        with kernel.when(rest_row.lt(blocks.last_row)):
            all_groups(rest_row, tiles.rest_rows)
    return kernel.kernel()


def _warm_lines(
    kernel: KernelWriter, first: Expr, last: Expr, taps_y: Expr, taps_x: Expr, run: Expr, x_skip: Expr, y_skip: Expr
) -> None:
    """Bring the lines near that lie under the windows of a block, whose first and last pixels' windows start there."""
    line = kernel.let("window_line", taps_x * (run + x_skip))
    warm(kernel, "a", first, rows=taps_y, row_step=line + y_skip, length=last - first + line - x_skip)
