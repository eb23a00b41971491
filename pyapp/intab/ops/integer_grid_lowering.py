"""Which kernels integer products become on GPUs: plain products of 32-bit numbers, exact as everywhere."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from intab.dtypes import DType, int32
from intab.graph.dims import Dim, Shape, ceil_div, dense_strides, product
from intab.graph.ir import Value
from intab.kernels.block import Block
from intab.kernels.families.depthwise import TILE_PIXELS, Window
from intab.kernels.families.integer_depthwise import integer_depthwise
from intab.kernels.families.integer_grid import ROWS, WORDS, integer_grid
from intab.kernels.families.integer_tile import LANES
from intab.kernels.functions import scalar_function
from intab.kernels.ir import I32, Expr
from intab.kernels.scalar import identity
from intab.ops.arrays import Numbers
from intab.ops.conv_geometry import Geometry
from intab.ops.integer_dense import (
    FinishOperands,
    Operands,
    finish_operands,
    is_single,
    without_zero,
    without_zero_of_filters,
)
from intab.ops.items import item_width, pieces
from intab.ops.kernel_steps import compute_step, moved, tensor_work
from intab.ops.lowering import Lowering, Place
from intab.ops.packing import Packing, packing
from intab.ops.pad import constant_border
from intab.ops.strides import collapse

Pads = tuple[Dim, Dim, Dim, Dim]


def lower_grid_matmul(
    lowering: Lowering, operands: Operands, a: Place, b: Place, sizes: tuple[Shape, Shape, Shape], out: Place, to: DType
) -> None:
    """`sizes` are those of a [..., rows, depth], of b [..., depth, columns] and the batches of the result: both sides
    have as many, or a single one; a side that is computed lies dense."""
    left, right, batch = sizes
    depth, columns = right[-2:]
    rows: Dim = left[-2] if batch else product(left[:-1])
    numbers = _without_zero(lowering, a, operands.left_zero, left)
    weights = _matrix(lowering, operands, b, right)
    repeats = bool(batch) and all(dim == 1 for dim in left[:-2])
    words: dict[str, Dim] = {"rows": rows, "columns": columns, "out_width": rows, "out_pixels": rows}
    words |= {"pixel_step": depth, "line_step": 0, "image_step": 0, "taps_y": 1, "taps_x": 1, "run": depth}
    words |= {"tap_y_step": 0, "tap_x_step": 0, "a_batch": 0 if repeats else left[-2] * depth}
    words |= {"b_batch": depth * _whole(columns), "b_row": _whole(columns)}
    words |= {"out_batch": rows * columns, "out_row": columns}
    finish = finish_operands(lowering, operands, to, depth)
    _grid_step(lowering, numbers, weights, finish, out, words, product(batch), depth)


def lower_grid_conv(
    lowering: Lowering, g: Geometry, operands: Operands, pads: Pads, out: Place, to: DType, *, fixed: bool
) -> None:
    """A convolution over one or two axes, whose weights are constant if they are `fixed`."""
    picture = _bordered(lowering, g, operands, pads)
    if g.is_depthwise and fixed:
        _lower_depthwise(lowering, g, operands, picture, out, to)
        return
    inputs, columns = g.channels // g.group, g.features // g.group
    (taps_y, taps_x), (dilation_y, dilation_x) = g.kernel, g.dilations
    words: dict[str, Dim] = {"rows": g.rows, "columns": columns}
    words |= {"out_width": g.out_width, "out_pixels": g.out_width * g.out_height}
    words |= {"pixel_step": g.strides[1] * g.channels, "line_step": g.strides[0] * g.line}
    words |= {"image_step": g.height * g.line, "taps_y": taps_y, "taps_x": taps_x, "run": inputs}
    words |= {"tap_y_step": dilation_y * g.line, "tap_x_step": dilation_x * g.channels, "a_batch": 0, "b_batch": 0}
    words |= {"b_row": _whole(columns), "out_batch": 0, "out_row": g.features}
    finish = finish_operands(lowering, operands, to, math.prod(g.kernel) * inputs)
    for group in range(g.group):
        weights = _filters(lowering, g, operands, group, fixed=fixed)
        first = group * columns
        left, place = moved(picture, group * inputs), moved(out, first)
        _grid_step(lowering, left, weights, finish.shifted(first), place, words, 1, math.prod(g.kernel) * inputs)


def _grid_step(
    lowering: Lowering,
    left: Place,
    right: Place,
    finish: FinishOperands,
    out: Place,
    words: Mapping[str, Dim],
    batches: Dim,
    depth: Dim,
) -> None:
    rows, columns = words["rows"], words["columns"]
    width = _width(lowering, columns, finish, out, (words["out_row"], words["out_batch"]))
    buffers = {"a": left, "b": right, "out": out, **finish.buffers}
    shape = (batches, rows, columns)
    work = tensor_work((2, depth, *shape), (left, (batches, rows, depth)), (right, (depth, columns)), (out, shape))
    items = batches * ceil_div(rows, ROWS) * ceil_div(columns, LANES)
    kernel = integer_grid(finish.finish, left.dtype.name, width=width)
    lowering.step(kernel, buffers, {name: words[name] for name in WORDS}, items, work=work)


def _lower_depthwise(
    lowering: Lowering, g: Geometry, operands: Operands, picture: Place, out: Place, to: DType
) -> None:
    taps = math.prod(g.kernel)
    weights = _constant(lowering, operands, "taps by channels in i32", (taps, g.channels), Packing("integer taps"))
    finish = finish_operands(lowering, operands, to, taps)
    line = g.out_width * g.channels
    words: dict[str, Dim] = {"channels": g.channels, "out_width": g.out_width, "out_height": g.out_height}
    words |= {"line_step": g.strides[0] * g.line, "image_step": g.height * g.line, "tap_step": g.dilations[0] * g.line}
    words |= {"pixel": g.channels, "out_pixel": g.channels, "out_line": line, "out_image": g.out_height * line}
    width = _width(lowering, g.channels, finish, out, (g.line,))
    window = Window(*g.kernel, stride=g.strides[1], dilation=g.dilations[1])
    kernel = integer_depthwise(window, finish.finish, picture.dtype.name, width)
    shape = (g.rows, g.channels)
    work = tensor_work((2, *shape, taps), (picture, g.picture), (weights, (taps, g.channels)), (out, shape))
    buffers = {"a": picture, "w": weights, **finish.buffers, "out": out}
    items = g.images * g.out_height * pieces(g.channels, width, ceil_div(g.out_width, TILE_PIXELS))
    lowering.step(kernel, buffers, words, items, work=work)


def _width(lowering: Lowering, columns: Dim, finish: FinishOperands, out: Place, strides: tuple[Dim, ...]) -> int:
    """How many columns of the result are stored at once, and read of what is there for each column."""
    a_column = [place for name, place in finish.buffers.items() if name == "bias" or name == "scale"]
    if not finish.finish.scale_a_column:
        a_column = [place for place in a_column if place.dtype == int32]
    return item_width(lowering, columns, (out, *a_column), strides)


def _bordered(lowering: Lowering, g: Geometry, operands: Operands, pads: Pads) -> Place:
    """The picture without its zero point, with zeros around it."""
    x, (top, left, bottom, right) = operands.left, pads
    plain = all(pad == 0 for pad in pads)
    height, width = g.height - top - bottom, g.width - left - right
    shape = (g.images, height, width, g.channels)
    numbers = _without_zero(lowering, lowering.place(x), operands.left_zero, shape)
    if plain:
        return numbers
    larger = lowering.scratch(numbers.dtype, g.images * g.height * g.line)
    constant_border(lowering, numbers, shape, (0, top, left, 0, 0, bottom, right, 0), 0, larger)
    return larger


def _without_zero(lowering: Lowering, x: Place, zero: Value | None, shape: Shape) -> Place:
    """A dense tensor of bytes less its zero point; as it is where it has none."""
    if zero is None:
        return x
    made = lowering.scratch(int32, product(shape))
    dense = dense_strides(shape)
    path = collapse(shape, (dense, (0,) * len(shape), dense))
    compute_step(lowering, scalar_function(_difference, I32, I32), (x, lowering.place(zero)), made, path)
    return made


def _difference(_block: Block, x: Expr, zero: Expr) -> Expr:
    return x - zero


def _whole(columns: Dim) -> Dim:
    return ceil_div(columns, LANES) * LANES


def _matrix(lowering: Lowering, operands: Operands, b: Place, right: Shape) -> Place:
    """The right side [..., depth, columns] in i32, rows padded to whole vectors."""
    depth, columns = right[-2:]
    constants = (operands.right, operands.right_zero)
    fixed = all(value is None or lowering.constant(value) is not None for value in constants)
    if fixed and product(right[:-2]) == 1 and isinstance(depth, int) and isinstance(columns, int):
        pack = Packing("integer matrix", (depth, columns))
        return _constant(lowering, operands, "matrix in i32", (depth, _padded(columns)), pack)
    return _computed(lowering, operands, b, (product(right[:-2]), depth, columns), (depth * columns, columns, 1))


def _filters(lowering: Lowering, g: Geometry, operands: Operands, group: int, *, fixed: bool) -> Place:
    """Weights [O, *kernel, I/group] of one group as [depth, columns]."""
    depth, columns = math.prod(g.kernel) * (g.channels // g.group), g.features // g.group
    first = group * columns
    if fixed:
        name = f"filters of group {group} of {g.group} in i32"
        pack = Packing("integer filters", (first, columns))
        return _constant(lowering, operands, name, (depth, _padded(columns)), pack)
    zero = operands.right_zero
    shifted = moved(lowering.place(operands.right), first * depth)
    a_column = first if zero is not None and not is_single(zero) else 0
    return _computed(lowering, operands, shifted, (1, depth, columns), (0, 1, depth), a_column)


def _padded(columns: int) -> int:
    return -(-columns // LANES) * LANES


def _constant(lowering: Lowering, operands: Operands, name: str, shape: tuple[int, ...], pack: Packing) -> Place:
    values = (operands.right, operands.right_zero)
    return lowering.weight(tuple(v for v in values if v is not None), name, shape, pack, int32)


def _computed(
    lowering: Lowering,
    operands: Operands,
    source: Place,
    sizes: tuple[Dim, Dim, Dim],
    strides: tuple[Dim, Dim, Dim],
    first: Dim = 0,
) -> Place:
    """Batches of [depth, columns] that a step makes; what lies behind the last column of a row is not used."""
    batches, depth, columns = sizes
    row = _whole(columns)
    made = lowering.scratch(int32, batches * depth * row)
    target = (depth * row, row, 1)
    zero = operands.right_zero
    if zero is None:
        compute_step(lowering, identity(I32), (source,), made, collapse(sizes, (strides, target)))
        return made
    zeros = replace(lowering.place(zero), offset=lowering.place(zero).offset + first)
    path = collapse(sizes, (strides, (0, 0, 0 if is_single(zero) else 1), target))
    compute_step(lowering, scalar_function(_difference, I32, I32), (source, zeros), made, path)
    return made


@packing("integer matrix")
def _integer_matrix(array: Numbers, *others: Numbers | int) -> Numbers:
    """The array [depth, columns], whose zero point, if it has one, comes before depth and columns."""
    *zero, depth, columns = others
    return _in_vectors(without_zero(array.reshape(int(depth), int(columns)), *_arrays(zero)))


@packing("integer filters")
def _integer_filters(array: Numbers, *others: Numbers | int) -> Numbers:
    """Filters first .. first + count of [O, *kernel, I/group]; a zero point comes first."""
    *zero, first, count = others
    filters = without_zero_of_filters(array, *_arrays(zero))[int(first) : int(first) + int(count)]
    return _in_vectors(filters.reshape(int(count), -1).T)


@packing("integer taps")
def _integer_taps(array: Numbers, *zero: Numbers) -> Numbers:
    return np.ascontiguousarray(without_zero_of_filters(array, *zero).reshape(len(array), -1).T.astype(np.int32))


def _arrays(values: list[Numbers | int]) -> list[Numbers]:
    return [value for value in values if isinstance(value, np.ndarray)]


def _in_vectors(matrix: Numbers) -> Numbers:
    """A matrix in i32 whose rows are padded with 0 to whole vectors."""
    return np.pad(matrix.astype(np.int32), ((0, 0), (0, -matrix.shape[1] % LANES)))
