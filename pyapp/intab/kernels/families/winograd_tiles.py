"""What Winograd's convolutions of floats and of integers share: tiles of pictures, and the way through their stages."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from intab.kernels.block import KernelWriter
from intab.kernels.families.register_tile import TILE_COLUMNS
from intab.kernels.families.winograd_transform import Transform
from intab.kernels.ir import I32, Const, Expr, Var, Word

# Elements between the matrices of neighbouring positions beyond their own: matrices whose sizes are powers of two
# would else lie in the same lines of the first-level cache.
APART = 16

# Whether each line of a tile lies inside the picture, and the tile's first column.
Inside = tuple[list[Var], Expr]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The words that describe the problem, in their order; `winograd.winograd` says what they are."""

    height: Word
    width: Word
    channels: Word
    top: Word
    left: Word
    dilation_y: Word
    dilation_x: Word
    out_height: Word
    out_width: Word
    columns: Word
    groups: Word
    group_depth: Word
    group_columns: Word
    pixel_step: Word
    line_step: Word
    image_step: Word
    out_pixel: Word
    out_line: Word
    out_image: Word
    tiles_down: Word
    tiles_across: Word
    tiles: Word


def declare_sizes(kernel: KernelWriter) -> Sizes:
    """Declare the words."""
    return Sizes(*(kernel.word(name) for name in Sizes.__dataclass_fields__))


class Stages(Protocol):
    """Writes what is done to a tile, or to a panel's columns of a block of tiles."""

    def enter(self, source: Expr, target: Expr, step: Expr, inside: Inside | None) -> None:
        """Transform a tile's inputs from `source` on: to element `target` of each position in `a`, `step` apart.

        It is written twice: for tiles inside the picture (None) and for those at its border.
        """
        ...

    def multiply(self, left: Expr, matrix: Expr, column: Expr, count: Expr, target: Expr, target_row: Expr) -> None:
        """A panel's columns of the products with one matrix of the weights, for all tiles of the block."""
        ...

    def leave(self, number: Expr, source: Expr, step: Expr, first_column: Expr, last_column: Expr) -> None:
        """Transform one tile's products, from `source` of each position, `step` apart, and store what they end as."""
        ...


def through_stages(
    kernel: KernelWriter, transform: Transform, sizes: Sizes, row: Expr, stages: Callable[[Var, Var], Stages]
) -> None:
    """Take an item's blocks of tiles through the stages; the words block_tiles, block_columns, item_tiles.

    `row` is how many elements of `a` a tile takes in each position. `stages` makes them of where the item's rooms in
    `a` and `products` start.
    """
    block_tiles, block_columns, item_tiles = (kernel.word(n) for n in ("block_tiles", "block_columns", "item_tiles"))
    runs = kernel.let("runs", (sizes.tiles + item_tiles - 1) // item_tiles)
    begin = kernel.let("begin", kernel.item % runs * item_tiles)
    end = kernel.let("end", sizes.tiles.minimum(begin + item_tiles))
    first_column = kernel.let("first_column", kernel.item // runs * block_columns)
    last_column = kernel.let("last_column", sizes.columns.minimum(first_column + block_columns))
    a_step = kernel.let("a_step", block_tiles * row + APART)
    product_step = kernel.let("product_step", block_tiles * block_columns + APART)
    a_start = kernel.let("a_start", kernel.item * a_step * transform.positions)
    product_start = kernel.let("product_start", kernel.item * product_step * transform.positions)
    writer = stages(a_start, product_start)
    # A loop steps by a constant, so it counts blocks.
    with kernel.loop("block", 0, (end - begin + block_tiles - 1) // block_tiles) as block:
        first_tile = kernel.let("first_tile", begin + block * block_tiles)
        count = kernel.let("count", block_tiles.minimum(end - first_tile))
        with kernel.loop("entering", 0, count) as entering:
            entered = kernel.let("entered", a_start + entering * row)
            _enter(kernel, transform, sizes, first_tile + entering, partial(writer.enter, target=entered, step=a_step))
        with (
            kernel.loop("position", 0, Const(transform.positions, I32)) as position,
            kernel.loop("group", 0, sizes.groups) as group,
            kernel.loop("column", first_column, last_column.minimum(sizes.group_columns), TILE_COLUMNS) as column,
        ):
            left = a_start + position * a_step + group * sizes.group_depth
            place = group * sizes.group_columns + column - first_column
            # What a panel has too many lies where the next group's columns will.
            target = product_start + position * product_step + place
            writer.multiply(left, position * sizes.groups + group, column, count, target, block_columns)
        with kernel.loop("leaving", 0, count) as leaving:
            writer.leave(
                first_tile + leaving, product_start + leaving * block_columns, product_step, first_column, last_column
            )


class _Enter(Protocol):
    def __call__(self, source: Expr, *, inside: Inside | None) -> None: ...


def _enter(kernel: KernelWriter, transform: Transform, sizes: Sizes, number: Expr, enter: _Enter) -> None:
    """Write `enter` for tile `number`."""
    inputs = transform.inputs
    image, out_y, out_x = place_of_tile(kernel, transform, sizes, number)
    y, x = kernel.let("y", out_y - sizes.top), kernel.let("x", out_x - sizes.left)
    source = kernel.let("source", image * sizes.image_step + y * sizes.line_step + x * sizes.pixel_step)
    last_y, last_x = y + sizes.dilation_y * (inputs - 1), x + sizes.dilation_x * (inputs - 1)
    whole = y.ge(0) & x.ge(0) & last_y.lt(sizes.height) & last_x.lt(sizes.width)
    with kernel.when(whole), kernel.tile("enter"):
        enter(source, inside=None)
    with kernel.otherwise(), kernel.tile("enter_border"):
        lines = [kernel.let("line_inside", is_inside(y + sizes.dilation_y * i, sizes.height)) for i in range(inputs)]
        enter(source, inside=(lines, x))


def place_of_tile(kernel: KernelWriter, transform: Transform, sizes: Sizes, number: Expr) -> tuple[Expr, Expr, Expr]:
    """Image, line and column of a tile's first output; its others lie `dilation` apart."""
    tiles = kernel.let("image_tiles", sizes.tiles_down * sizes.tiles_across)
    image = kernel.let("image", number // tiles)
    inside = kernel.let("inside", number % tiles)

    def first(place: Expr, dilation: Expr) -> Expr:
        return place % dilation + place // dilation * (dilation * transform.outputs)

    line, column = inside // sizes.tiles_across, inside % sizes.tiles_across
    return image, first(line, sizes.dilation_y), first(column, sizes.dilation_x)


def is_inside(index: Expr, size: Expr) -> Expr:
    """0 <= index < size"""
    return index.ge(0) & index.lt(size)
