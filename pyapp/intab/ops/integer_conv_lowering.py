"""Which kernels an integer convolution becomes. Pictures are NHWC here; the layout pass sees to that."""

import math
from typing import Any

import numpy as np

from intab.dtypes import DType
from intab.errors import UnsupportedOpError
from intab.graph.dims import Dim
from intab.graph.ir import Value
from intab.kernels.families.integer_convolution import integer_convolution
from intab.kernels.families.integer_matmul import integer_matmul
from intab.kernels.families.integer_tile import TILE_COLUMNS, pack_pairs
from intab.ops.arrays import Numbers
from intab.ops.conv_geometry import Geometry, Windows, geometry_of, three_axes
from intab.ops.integer_dense import (
    Border,
    FinishOperands,
    Lines,
    Operands,
    finish_operands,
    integer_blocking,
    is_single,
    pack_computed_pairs,
    packed_constant,
    widened,
    without_zero_of_filters,
)
from intab.ops.integer_depthwise_lowering import lower_integer_depthwise
from intab.ops.integer_grid_lowering import lower_grid_conv
from intab.ops.integer_winograd_lowering import integer_transform, lower_integer_winograd
from intab.ops.kernel_steps import moved, tensor_work
from intab.ops.lowering import Lowering, Place
from intab.ops.packing import Packing, packing


def lower_integer_conv(conv: Windows, lowering: Lowering, operands: Operands, output: Value, to: DType) -> None:
    """Steps of an integer convolution over one or two spatial axes."""
    g = geometry_of(conv, operands.left, operands.right, output)
    half = len(conv.pads) // 2
    (_, top, left), (_, bottom, right) = (three_axes(pads, 0) for pads in (conv.pads[:half], conv.pads[half:]))
    if any(isinstance(pad, int) and pad < 0 for pad in (top, left, bottom, right)):
        raise UnsupportedOpError('a convolution with negative pads has no kernel here. Use backend="reference".')
    if lowering.target.small_items:
        pads, fixed = (top, left, bottom, right), _are_constant(lowering, operands)
        lower_grid_conv(lowering, g, operands, pads, lowering.place(output), to, fixed=fixed)
        return
    if g.is_depthwise and _are_constant(lowering, operands):
        lower_integer_depthwise(lowering, g, operands, (top, left, bottom, right), lowering.place(output), to)
        return
    pictures = len(operands.left.shape) == 4 and _are_constant(lowering, operands)
    transform = integer_transform(conv, lowering, operands, output) if pictures else None
    if transform is not None:
        lower_integer_winograd(conv, lowering, transform, operands, (top, left), output, to)
        return
    inputs, columns = g.channels // g.group, g.features // g.group
    pixel = g.group * -(-inputs // 2)
    width = g.width - left - right
    # Runs of whole pixels where no pair would reach over the end of a group of channels.
    runs, run = (width * g.group, inputs) if inputs % 2 else (1, width * g.channels)
    lines = Lines(g.images, g.height - top - bottom, runs, run)
    border = Border(g.height, g.width * pixel, top, left * pixel)
    picture = widened(lowering, lowering.place(operands.left), operands.left_zero, lines, border)
    finish = finish_operands(lowering, operands, to, math.prod(g.kernel) * inputs)
    out = lowering.place(output)
    for group in range(g.group):
        _lower_group(
            lowering,
            g,
            moved(picture, group * (pixel // g.group)),
            _group_weights(lowering, g, operands, group),
            finish.shifted(group * columns),
            moved(out, group * columns),
        )


def _are_constant(lowering: Lowering, operands: Operands) -> bool:
    """Are the weights and their zero point known at load?"""
    sides = (operands.right, operands.right_zero)
    return all(value is None or lowering.constant(value) is not None for value in sides)


def _lower_group(
    lowering: Lowering, g: Geometry, picture: Place, weights: Place, finish: FinishOperands, out: Place
) -> None:
    """One group as an implicit matmul; a window of one pixel is a plain one."""
    (taps_y, taps_x), (dilation_y, dilation_x) = g.kernel, g.dilations
    run, columns = -(-(g.channels // g.group) // 2), g.features // g.group
    pixel = run * g.group
    line = g.width * pixel
    depth = taps_y * taps_x * 2 * run
    words: dict[str, Dim | float] = {"rows": g.rows, "columns": columns, "out_row": g.features}
    inputs, taps = g.channels // g.group, math.prod(g.kernel)
    tensors = (picture, (g.images, g.height, g.width, run)), (weights, (taps, run, columns)), (out, (g.rows, columns))
    work = tensor_work((2, g.rows, taps, inputs, columns), *tensors)
    buffers = {"a": picture, "b": weights, "out": out, **finish.buffers}
    if taps_y == taps_x == 1 and g.strides == (1, 1):
        blocks = integer_blocking(depth)
        words |= {"pairs": run, "a_row": pixel, "a_batch": 0, "b_batch": 0, "out_batch": 0}
        words |= {"block_rows": blocks.rows, "block_columns": blocks.columns}
        lowering.step(integer_matmul(finish.finish), buffers, words, blocks.items(g.rows, columns), work=work)
        return
    if dilation_x == 1 and g.group == 1:  # neighbouring taps lie side by side: one run a line
        taps_x, run = 1, taps_x * run
    blocks = integer_blocking(depth, tiles_down=1)
    words |= {"out_width": g.out_width, "out_pixels": g.out_width * g.out_height}
    words |= {"pixel_step": g.strides[1] * pixel, "line_step": g.strides[0] * line, "image_step": g.height * line}
    words |= {"taps_y": taps_y, "taps_x": taps_x, "run": run}
    words |= {
        "tap_x_skip": dilation_x * pixel - run if taps_x > 1 else 0,
        "tap_y_skip": dilation_y * line - (dilation_x * pixel * taps_x if taps_x > 1 else run),
        "block_rows": blocks.rows,
        "block_columns": blocks.columns,
    }
    narrow = 0 < columns % TILE_COLUMNS <= TILE_COLUMNS // 2
    kernel = integer_convolution(finish.finish, narrow=narrow)
    lowering.step(kernel, buffers, words, blocks.items(g.rows, columns), work=work)


def _group_weights(lowering: Lowering, g: Geometry, operands: Operands, group: int) -> Place:
    """Weights [O, *kernel, I/group] of one group, in panels of pairs of channels."""
    taps, inputs, columns = math.prod(g.kernel), g.channels // g.group, g.features // g.group
    first, odd = group * columns, inputs % 2
    w, zero = operands.right, operands.right_zero
    if _are_constant(lowering, operands):
        constants = (w,) if zero is None else (w, zero)
        name = f"panels of pairs of group {group} of {g.group}"
        pack = Packing("filters in pairs", (first, columns))
        return packed_constant(lowering, constants, name, taps * (inputs + odd), columns, pack)
    if odd and taps > 1:
        raise UnsupportedOpError(
            f"an integer convolution of {inputs} channels with weights that are computed has no kernel here. "
            'Use backend="reference", or weights that are constant.'
        )
    depth = taps * inputs
    zero_place = None if zero is None else lowering.place(zero)
    a_column = zero is not None and not is_single(zero)
    return pack_computed_pairs(
        lowering,
        moved(lowering.place(w), first * depth),
        moved(zero_place, first) if zero_place is not None and a_column else zero_place,
        zero_a_column=a_column,
        batches=1,
        depth=depth,
        columns=columns,
        strides=(0, 1, depth),
    )


@packing("filters in pairs")
def _filters_in_pairs(weights: Numbers, *others: Any) -> Numbers:
    """Filters first .. first + count of [O, *kernel, I/group], an odd channel with 0; a zero point comes first."""
    *zero, first, count = others
    filters = without_zero_of_filters(weights, *zero)[first : first + count].reshape(count, -1, weights.shape[-1])
    even = np.pad(filters, ((0, 0), (0, 0), (0, weights.shape[-1] % 2)))
    return pack_pairs(even.reshape(count, -1).T.astype(np.int16))
