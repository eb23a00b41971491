"""Which convolutions become Winograd's, with which transform, and the step that they become."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from intab.dtypes import float32
from intab.graph.derived import View
from intab.graph.dims import Dim, Shape, ceil_div, evaluate, maximum, minimum, product
from intab.graph.ir import Value
from intab.kernels.families.register_tile import LANES, TILE_COLUMNS, TILE_ROWS
from intab.kernels.families.winograd import winograd
from intab.kernels.families.winograd_tiles import APART
from intab.kernels.families.winograd_transform import LARGE, SMALL, WINDOW, Transform, pack_filters
from intab.ops.arrays import Numbers
from intab.ops.conv_geometry import Windows
from intab.ops.dense import EpilogueOperands, dense_work
from intab.ops.lowering import Lowering, Place
from intab.ops.packing import Packing, packing
from intab.ops.panels import Axis, Panels
from intab.ops.pictures import picture_of

_TRANSFORMS = {transform.outputs: transform for transform in (SMALL, LARGE)}
# Outputs of a block, were they side by side: 12 large tiles or 24 small ones. More share each panel of weights, fewer
# leave the block in the second-level cache.
BLOCK_LINES = 48
BLOCK_COLUMNS = 128
# Items that share their tiles but not their columns transform the inputs anew, which fewer columns do not pay for.
FEWEST_COLUMNS = 16
FEWEST_ITEMS_OF_SMALL = 4
# Each item has room of its own for a block. Threads share the items; more than they need is room for nothing.
ROOM_NBYTES = 4 * 1024 * 1024
FEWEST_ITEMS, MOST_ITEMS = 8, 16
# Transformed weights are 4 times as large for the large transform, 1.8 times for the small one. Filters (channels in
# times channels out) that this is worth it for: so many, or so many for each output pixel of a picture; and pixels
# below which many filters had better be read as they are, and few are not worth the large transform's memory.
FEW_FILTERS = 128 * 256
FILTERS_A_PIXEL = 160
FEW_PIXELS = 100
# Channels and columns of a group below which the transforms eat up what is won.
LEAST_GROUP = 16
# A dilation parts a picture into as many small ones each way: larger ones only where their sizes are known.
MOST_DILATION = 4
# Of the products of the convolution as it is, at most this share may be left, or the transforms eat up what is won.
WORTHWHILE = 0.7


def winograd_transform(conv: Windows, lowering: Lowering, w: Value, output: Value) -> Transform | None:
    """The transform that suits a convolution by w [O, 3, 3, C] to output [N, H, W, O], None where there is none.

    Sizes that are not known are taken for large. Weights must be fixed at load, since that is when they are packed.
    The kernels are for threads with a cache of their own each, not for GPUs.
    """
    if lowering.target.language == "wgsl":
        return None
    if lowering.constant(w) is None or w.shape[1:-1] != (WINDOW, WINDOW):
        return None
    if any(step != 1 for step in conv.strides):
        return None
    features, channels = w.shape[0], w.shape[-1]
    assert isinstance(features, int) and isinstance(channels, int)
    if channels * conv.group % LANES or (conv.group > 1 and min(channels, features // conv.group) < LEAST_GROUP):
        return None
    _, height, width, _ = output.shape
    filters = channels * features
    if not isinstance(height, int) or not isinstance(width, int):
        small_parts = max(conv.dilations) > MOST_DILATION
        return None if small_parts else LARGE if filters <= FEW_FILTERS else SMALL
    pixels = height * width
    few = filters <= max(FEW_FILTERS, FILTERS_A_PIXEL * pixels)
    if not few and pixels < FEW_PIXELS:
        return None
    transform = LARGE if few and pixels >= FEW_PIXELS else SMALL
    return transform if leaves_few_products(conv, transform, output, TILE_ROWS) else None


def leaves_few_products(conv: Windows, transform: Transform, output: Value, rows: int) -> bool:
    """Is what is left of the products few enough, in tiles of so many `rows`? Sizes must be known but for images."""
    whole = -(-_count(output.shape[:-1]) // rows)
    return products_left(conv, transform, output, rows) <= WORTHWHILE * WINDOW * WINDOW * whole


def products_left(conv: Windows, transform: Transform, output: Value, rows: int) -> int:
    """The products of a register tile's `rows` that are left, for each channel and feature."""
    return transform.positions * -(-_count((output.shape[0], *_tiles(conv, transform, output))) // rows)


def _count(sizes: Shape) -> int:
    """Their product; images of which the number is not known are one."""
    images, *others = sizes
    return evaluate(product((images if isinstance(images, int) else 1, *others)), {})


def _tiles(conv: Windows, transform: Transform, output: Value) -> tuple[Dim, Dim]:
    """How many tiles cover a picture down and across: each of the pictures that a dilation parts it into."""
    _, height, width, _ = output.shape
    step_y, step_x = conv.dilations
    down, across = ceil_div(height, step_y), ceil_div(width, step_x)
    return step_y * ceil_div(down, transform.outputs), step_x * ceil_div(across, transform.outputs)


def lower_winograd(
    conv: Windows,
    lowering: Lowering,
    transform: Transform,
    x: Value,
    w: Value,
    begins: Sequence[Dim],
    operands: EpilogueOperands,
    output: Value,
) -> None:
    """The step of a convolution; `begins` are the lines and columns of zeros before the picture."""
    channels, features, depth = x.shape[-1], output.shape[-1], w.shape[-1]
    # As winograd_transform has seen.
    assert isinstance(channels, int) and isinstance(features, int) and isinstance(depth, int)
    cut = cut_into_tiles(conv, lowering, transform, x, output, begins, room=channels, depth=depth)
    panels = conv.group * -(-(features // conv.group) // TILE_COLUMNS)
    shape = (transform.positions, panels, depth, TILE_COLUMNS)
    name = f"winograd of {transform.outputs} outputs"
    lowering.step(
        winograd(transform, operands.epilogue),
        {
            "b": lowering.weight((w,), name, shape, Packing("winograd filters", (transform.outputs, conv.group))),
            "a": lowering.scratch(float32, cut.room),
            "products": lowering.scratch(float32, cut.products_room),
            **cut.pictures,
            **operands.buffers,
        },
        {**cut.words, **operands.words},
        cut.items,
        # What the convolution is, not what is left of it: products that are saved are speed.
        work=dense_work(
            (2, *output.shape[:-1], WINDOW * WINDOW * depth, features), operands, x.shape, shape, output.shape
        ),
    )


@dataclass(frozen=True, slots=True)
class Cut:
    """Pictures cut into items: the buffers x and out, words, and elements of the rooms `a` and `products`."""

    pictures: dict[str, Place]
    words: dict[str, Dim | float]
    room: Dim
    products_room: Dim
    items: Dim


def cut_into_tiles(
    conv: Windows,
    lowering: Lowering,
    transform: Transform,
    x: Value,
    output: Value,
    begins: Sequence[Dim],
    *,
    room: int,
    depth: int,
) -> Cut:
    """What the step of a convolution says of sizes: a tile takes `room` elements of each position, a panel `depth`."""
    images, height, width, channels = x.shape
    _, out_height, out_width, features = output.shape
    assert isinstance(features, int)
    down, across = _tiles(conv, transform, output)
    tiles = images * down * across
    blocks = _blocks(lowering, transform, tiles, room, features, conv.group)
    picture, out = picture_of(lowering.place(x), x.shape), picture_of(lowering.place(output), output.shape)
    words: dict[str, Dim | float] = {
        "height": height,
        "width": width,
        "channels": channels,
        "top": begins[0],
        "left": begins[1],
        "dilation_y": conv.dilations[0],
        "dilation_x": conv.dilations[1],
        "out_height": out_height,
        "out_width": out_width,
        "columns": features,
        "groups": conv.group,
        "group_depth": depth,
        "group_columns": features // conv.group,
        "pixel_step": picture.pixel,
        "line_step": picture.line,
        "image_step": picture.image,
        "out_pixel": out.pixel,
        "out_line": out.line,
        "out_image": out.image,
        "tiles_down": down,
        "tiles_across": across,
        "tiles": tiles,
        "block_tiles": blocks.tiles,
        "block_columns": blocks.columns,
        "item_tiles": blocks.item_tiles,
    }
    return Cut(
        {"x": picture.place, "out": out.place},
        words,
        blocks.room(transform, room),
        blocks.room(transform, blocks.columns),
        blocks.items,
    )


@dataclass(frozen=True, slots=True)
class _Blocks:
    """How tiles and columns are cut into items."""

    tiles: int
    columns: int
    item_tiles: Dim
    items: Dim

    def room(self, transform: Transform, of_tile: int) -> Dim:
        """Elements for `of_tile` numbers of each position of each tile of a block, for all items."""
        return self.items * (transform.positions * (self.tiles * of_tile + APART))


def _blocks(lowering: Lowering, transform: Transform, tiles: Dim, room: int, features: int, groups: int) -> _Blocks:
    threads = lowering.target.has("threads")
    block_tiles = BLOCK_LINES // transform.outputs
    if isinstance(tiles, int):
        block_tiles = min(block_tiles, max(1, tiles))
    columns = min(BLOCK_COLUMNS, _whole_panels(features))
    if threads and isinstance(tiles, int):  # of a small picture there are too few blocks to share
        shares = -(-FEWEST_ITEMS_OF_SMALL // max(1, -(-tiles // block_tiles)))
        columns = min(columns, max(FEWEST_COLUMNS, _whole_panels(-(-features // shares))))
    across = -(-features // columns)
    if groups > 1:  # all at once: which channels count differs from group to group
        of_group = features // groups
        columns, across = _whole_panels(features - of_group + _whole_panels(of_group)), 1
    nbytes = float32.itemsize * transform.positions * block_tiles * (room + columns)
    most = min(MOST_ITEMS, max(FEWEST_ITEMS, ROOM_NBYTES // nbytes)) if threads else 1
    runs = max(1, most // across)
    # At least one block, of which an empty batch has none.
    item_tiles = block_tiles * maximum(1, ceil_div(ceil_div(tiles, block_tiles), runs))
    return _Blocks(block_tiles, columns, item_tiles, across * minimum(runs, ceil_div(tiles, item_tiles)))


def _whole_panels(columns: int) -> int:
    return -(-columns // TILE_COLUMNS) * TILE_COLUMNS


def _window_axes(view: View, outputs: int, groups: int = 1) -> Panels | None:
    """Windows [groups * count, 3, 3, depth], of which taps lie evenly and windows furthest apart."""
    count, depth = view.shape[0] // groups, view.shape[3]
    far, line, tap, near = view.strides
    if line != WINDOW * tap or count == 1 or far <= max(line, near) or (view.factor and view.factor_axis != 0):
        return None
    taps = Axis(WINDOW**2, tap)
    return Panels(Axis(groups, count * far), Axis(count, far), taps, Axis(depth, near), outputs=outputs)


@packing("winograd filters", _window_axes)
def _winograd_filters(array: Numbers, outputs: int, groups: int) -> Numbers:
    parts = [pack_filters(_TRANSFORMS[outputs], part) for part in np.split(array, groups)]
    return parts[0] if groups == 1 else np.concatenate(parts, axis=1)
