"""Which kernels a convolution becomes. Pictures are NHWC here; the layout pass sees to that."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from intab.dtypes import float32
from intab.errors import UnsupportedOpError
from intab.graph.dims import Dim, Shape, ceil_div, product
from intab.graph.ir import Value
from intab.kernels.families.convolution import convolution
from intab.kernels.families.depthwise import TILE_PIXELS, Window, depthwise, pad_lines
from intab.kernels.families.matmul import matmul
from intab.kernels.families.register_tile import pack_panels
from intab.ops.arrays import Numbers
from intab.ops.conv_geometry import FLAT, Convolution, Geometry, geometry_of, three_axes
from intab.ops.dense import (
    PANELS_NBYTES,
    Blocking,
    EpilogueOperands,
    OutputShape,
    as_matrix,
    blocking,
    dense_operands,
    dense_work,
    epilogue_operands,
    matmul_words,
    pack_computed,
    packed_batch,
    panels_shape,
    require_float32,
    tiles_for,
)
from intab.ops.grid_conv import lower_grid_conv
from intab.ops.grid_depthwise import lower_grid_depthwise
from intab.ops.items import item_width, pieces
from intab.ops.kernel_steps import moved, tensor_work
from intab.ops.layout import in_rows
from intab.ops.lowering import Layout, Lowering, Place, Work
from intab.ops.packing import Packing, packing
from intab.ops.pad import constant_border
from intab.ops.panels import filter_axes
from intab.ops.pictures import Margin, Picture, picture_of, plain_picture
from intab.ops.winograd_lowering import lower_winograd, winograd_transform


def lower_conv(conv: Convolution, lowering: Lowering, operands: Sequence[Value | None], output: Value) -> None:
    """Steps of a convolution over one to three spatial axes."""
    x, w, bias, extra = dense_operands(operands)
    require_float32("Conv", x, w, bias, *extra)
    if conv.layout != "NHWC" or x.rank > 5:
        raise UnsupportedOpError(
            f"a convolution over {x.rank - 2} axes in layout {conv.layout} has no kernel on this back end. "
            'Use backend="reference".'
        )
    geometry = geometry_of(conv, x, w, output)
    half = len(conv.pads) // 2
    begins, ends = (three_axes(pads, 0) for pads in (conv.pads[:half], conv.pads[half:]))
    shape = (x.shape[0], *three_axes(x.shape[1:-1], 1), geometry.channels)
    out = OutputShape((), output.shape[:-1], geometry.features)
    finish = epilogue_operands(lowering, out, bias, conv.epilogue, extra)
    transform = winograd_transform(conv, lowering, w, output)
    if transform is not None:  # it pads as it reads
        lower_winograd(conv, lowering, transform, x, w, begins[1:], finish, output)
        return
    source = lowering.place(x)
    margin = None
    if guards_windows(lowering):
        picture = picture_of(source, x.shape)
        if any(pad != 0 for pad in conv.pads):
            margin = Margin(three_axes(x.shape[1:-1], 1), begins, ends)
    elif source.layout is None:
        picture = plain_picture(_padded(lowering, source, geometry, shape, begins, ends), geometry.picture)
    else:
        picture = _with_border(picture_of(source, x.shape), begins)
    _lower_geometry(lowering, geometry, picture, w, finish, picture_of(lowering.place(output), output.shape), margin)


def guards_windows(lowering: Lowering) -> bool:
    """Whether kernels see to it themselves that windows reach beyond the picture, which then needs no border.

    On GPUs comparing takes less than reading and writing the picture once more (measured: as long where channels are
    many, half as long for depthwise windows of 7 x 7), and there is a step less.
    """
    return lowering.target.small_items


def reads_inside(
    conv: Convolution, lowering: Lowering, inputs: Sequence[Value | None], output: Value, position: int, layout: Layout
) -> bool:
    """Can an input be read where it lies inside a larger tensor? A picture with pads needs its border there."""
    x, w, value = inputs[0], inputs[1], inputs[position]
    assert x is not None and w is not None and value is not None
    if not _walks(conv, x):
        return False
    if position != 0:
        return position > 2 and value.shape == output.shape and in_rows(value.shape, layout)
    if winograd_transform(conv, lowering, w, output) is not None:  # it pads as it reads
        return True
    if guards_windows(lowering):
        return True
    border = _border_of(conv, x)
    return border is not None and all(have >= need for have, need in zip(layout.border, border, strict=True))


def writes_inside(conv: Convolution, inputs: Sequence[Value | None], output: Value, layout: Layout) -> bool:
    """Can the result be made inside a larger tensor?

    A matmul wants rows equally far apart: what finds a place for each pixel takes longer than a border that is added
    later (measured on pictures of 160 x 160, a fifth).
    """
    x, w = inputs[0], inputs[1]
    assert x is not None and w is not None
    pointwise = all(size == 1 for size in (*w.shape[1:-1], *conv.strides))
    return _walks(conv, x) and (not pointwise or in_rows(output.shape, layout))


def border_wanted(
    conv: Convolution, lowering: Lowering, inputs: Sequence[Value | None], output: Value
) -> tuple[int, ...] | None:
    """The zeros that should lie around the picture; None for those that pad as they read."""
    x, w = inputs[0], inputs[1]
    assert x is not None and w is not None
    if not _walks(conv, x) or winograd_transform(conv, lowering, w, output) is not None:
        return None
    if guards_windows(lowering):
        return None
    return _border_of(conv, x)


def _walks(conv: Convolution, x: Value) -> bool:
    return conv.layout == "NHWC" and x.rank <= 4 and x.dtype == float32


def _border_of(conv: Convolution, x: Value) -> tuple[int, ...] | None:
    """The pads of all axes; None where one is not known or cuts off."""
    half = x.rank - 2
    pads = tuple(pad for pad in conv.pads if isinstance(pad, int) and pad >= 0)
    return (0, *pads[:half], 0, 0, *pads[half:], 0) if len(pads) == 2 * half else None


def _with_border(picture: Picture, begins: tuple[Dim, Dim, Dim]) -> Picture:
    """The picture from the first element of the border on that a window needs."""
    _, top, left = begins
    if top == 0 and left == 0:
        return picture
    return replace(picture, place=moved(picture.place, -top * picture.line - left * picture.pixel))


def _lower_geometry(
    lowering: Lowering,
    g: Geometry,
    picture: Picture,
    w: Value,
    operands: EpilogueOperands,
    out: Picture,
    margin: Margin | None,
) -> None:
    if g.is_depthwise and lowering.constant(w) is not None:
        _lower_depthwise(lowering, g, picture, w, operands, out, margin)
        return
    finish = operands if g.group == 1 else operands.in_groups(g.features // g.group)
    if lowering.target.language == "wgsl":
        depth, columns = g.taps * (g.channels // g.group), g.features // g.group
        work = _window_work(g, finish, depth, columns, margin)
        lower_grid_conv(lowering, g, picture, w, finish, out, work, margin)
        return
    weights = _panels(lowering, g, w)
    plain = g.taps == 1 and g.strides == (1, 1) and g.depth.stride == 1
    if plain and picture.row is not None and out.row is not None:
        _lower_pointwise(lowering, g, picture, weights, finish, out)
    else:
        _lower_windows(lowering, g, picture, weights, finish, out)


def _lower_pointwise(
    lowering: Lowering, g: Geometry, picture: Picture, weights: Place, operands: EpilogueOperands, out: Picture
) -> None:
    """A window of one pixel: a matmul over all pixels, whose batches are the groups."""
    depth, columns = g.channels // g.group, g.features // g.group
    blocks = blocking(depth).for_threads(lowering.target, g.rows, columns, g.group)
    assert picture.row is not None and out.row is not None
    lowering.step(
        matmul(operands.epilogue, tiles_for(g.rows, columns, many_rows=True)),
        {"a": picture.place, "b": weights, "out": out.place, **operands.buffers},
        {
            **matmul_words(g.rows, depth, columns, blocks),
            "a_row": picture.row,
            "a_batch": depth,
            "b_batch": packed_batch(depth, columns),
            "bias_batch": columns,
            "out_row": out.row,
            "out_batch": columns,
            **operands.words,
        },
        g.group * blocks.items(g.rows, columns),
        work=_window_work(g, operands, depth, columns),
    )


def _lower_windows(
    lowering: Lowering, g: Geometry, picture: Picture, weights: Place, operands: EpilogueOperands, out: Picture
) -> None:
    (taps_y, taps_x), (dilation_y, dilation_x) = g.kernel, g.dilations
    run = g.channels // g.group
    columns = g.features // g.group
    depth = g.taps * run
    if (
        dilation_x == 1 and g.group == 1 and picture.pixel == g.channels
    ):  # neighbouring taps lie side by side: one run a line
        taps_x, run = 1, taps_x * run
    blocks = blocking(depth, tiles_down=4)
    grouped: dict[str, int] = {}
    items = blocks.items(g.rows, columns)
    if g.group > 1:
        # An item does all columns of its groups, whose panels stay in the second-level cache.
        blocks = Blocking(blocks.rows, columns)
        panels = math.prod(panels_shape(depth, columns))
        together = min(g.group, max(1, PANELS_NBYTES // (float32.itemsize * panels)))
        grouped = {"groups": g.group, "block_groups": together, "b_group": panels}
        items = ceil_div(g.group, together) * blocks.items(g.rows, columns)
    deep: dict[str, Dim] = {}
    if g.depth is not FLAT:
        deep = {
            "taps_z": g.depth.kernel,
            "tap_z_skip": g.depth.dilation * picture.plane - taps_y * dilation_y * picture.line,
            "plane_step": g.depth.stride * picture.plane,
            "out_voxels": g.depth.out * g.out_height * g.out_width,
        }
    spaced = {} if out.row is not None else {"out_line": out.line, "out_image": out.image}
    lowering.step(
        convolution(
            operands.epilogue,
            tiles_for(g.rows, columns, many_rows=True),
            volume=bool(deep),
            grouped=bool(grouped),
            spaced=bool(spaced),
        ),
        {"a": picture.place, "b": weights, "out": out.place, **operands.buffers},
        {
            "rows": g.rows,
            "out_width": g.out_width,
            "out_pixels": g.out_width * g.out_height,
            "columns": columns,
            "pixel_step": g.strides[1] * picture.pixel,
            "line_step": g.strides[0] * picture.line,
            "image_step": picture.image,
            "taps_y": taps_y,
            "taps_x": taps_x,
            "run": run,
            "tap_x_skip": dilation_x * picture.pixel - run if taps_x > 1 else 0,
            "tap_y_skip": dilation_y * picture.line - (dilation_x * picture.pixel * taps_x if taps_x > 1 else run),
            "out_row": out.pixel if out.row is None else out.row,
            "block_rows": blocks.rows,
            "block_columns": blocks.columns,
            **spaced,
            **grouped,
            **deep,
            **operands.words,
        },
        items,
        work=_window_work(g, operands, depth, columns),
    )


def _lower_depthwise(
    lowering: Lowering,
    g: Geometry,
    picture: Picture,
    w: Value,
    operands: EpilogueOperands,
    out: Picture,
    margin: Margin | None,
) -> None:
    weights = lowering.weight((w,), "taps by channels", (g.taps, g.channels), Packing("taps by channels"))
    planes = 0 if g.depth is FLAT else g.depth.kernel
    tensors = _seen(g, margin), (g.taps, g.channels), (g.rows, g.channels)
    work = dense_work((2, g.rows, g.taps, g.channels), operands, *tensors)
    if lowering.target.language == "wgsl" and not planes:
        lower_grid_depthwise(lowering, g, picture, weights, operands, out, work, margin)
        return
    window = Window(*g.kernel, g.strides[1], g.dilations[1], depth=planes, guarded=margin is not None)
    source = picture.place
    guard: dict[str, Dim] = {}
    if margin is not None:
        source = moved(source, -margin.before(picture))
        guard = {"pixels_size": margin.sizes[2], "pixels_before": margin.begins[2]}
        guard |= margin.words("lines", g.strides[0], g.dilations[0])
        guard |= margin.words("planes", g.depth.stride, g.depth.dilation) if planes else {}
    deep: dict[str, Dim] = {}
    if planes:
        deep = {
            "out_planes": g.depth.out,
            "plane_step": g.depth.stride * picture.plane,
            "plane_tap_step": g.depth.dilation * picture.plane,
        }
    steps = (picture.pixel, picture.line, picture.image, out.pixel, out.line, out.image, out.plane)
    lying, strides = operands.by_column()
    width = item_width(lowering, g.channels, (source, out.place, *lying), (*steps, *strides))
    lowering.step(
        depthwise(window, operands.epilogue, width),
        {"a": source, "w": weights, "out": out.place, **operands.buffers},
        {
            "channels": g.channels,
            "out_width": g.out_width,
            "out_height": g.out_height,
            "pixel": picture.pixel,
            "line_step": g.strides[0] * picture.line,
            "tap_step": g.dilations[0] * picture.line,
            "image_step": picture.image,
            "out_pixel": out.pixel,
            "out_line": out.line,
            "out_image": out.plane if planes else out.image,
            **deep,
            **guard,
            **operands.words,
        },
        g.images * g.depth.out * g.out_height * pieces(g.channels, width, ceil_div(g.out_width, TILE_PIXELS)),
        work=work,
    )


def _seen(g: Geometry, margin: Margin | None) -> Shape:
    """The sizes of the picture that a kernel reads."""
    return g.picture if margin is None else (g.images, *margin.sizes, g.channels)


def _window_work(
    g: Geometry, operands: EpilogueOperands, depth: int, columns: int, margin: Margin | None = None
) -> Work:
    """What a convolution must do: a multiply-add for each element of each window and output column."""
    tensors = _seen(g, margin), (g.group, depth, columns), (g.rows, g.features)
    return dense_work((2, g.rows, g.group, depth, columns), operands, *tensors)


def _panels(lowering: Lowering, g: Geometry, w: Value) -> Place:
    """Weights [O, *kernel, I/group] in panels, group after group."""
    depth, columns = g.taps * (g.channels // g.group), g.features // g.group
    if lowering.constant(w) is None:
        strides = (columns * depth, 1, depth)
        source = lowering.place(w)
        return pack_computed(lowering, source, batches=g.group, depth=depth, columns=columns, strides=strides)
    panels, *inner = panels_shape(depth, columns)
    return lowering.weight((w,), "panels", (g.group * panels, *inner), Packing("filters in panels", (g.group,)))


@packing("filters in panels", filter_axes)
def _filters_in_panels(array: Numbers, groups: int) -> Numbers:
    """Filters [O, *kernel, I/group]: the panels of each group, one group after the other."""
    filters = array.reshape(groups, array.shape[0] // groups, -1)
    return np.concatenate([pack_panels(group.T) for group in filters])


@packing("taps by channels")
def _taps_by_channels(array: Numbers) -> Numbers:
    return as_matrix(array, array.size // array.shape[0])


def _padded(
    lowering: Lowering,
    picture: Place,
    g: Geometry,
    shape: Shape,
    begins: tuple[Dim, Dim, Dim],
    ends: tuple[Dim, Dim, Dim],
) -> Place:
    """The picture of `shape` with zeros around it, or as it is when there are none."""
    if all(pad == 0 for pad in (*begins, *ends)):
        return picture
    if any(isinstance(pad, int) and pad < 0 for pad in (*begins, *ends)):
        raise UnsupportedOpError('a convolution with negative pads has no kernel here. Use backend="reference".')
    larger = lowering.scratch(float32, product(g.picture))
    if g.depth is not FLAT:
        constant_border(lowering, picture, shape, (0, *begins, 0, 0, *ends, 0), 0.0, larger)
        return larger
    images, _, height, width, channels = shape
    lowering.step(
        pad_lines(),
        {"x": picture, "out": larger},
        {
            "height": height,
            "line": width * channels,
            "out_height": g.height,
            "out_line": g.line,
            "top": begins[1],
            "left": begins[2] * channels,
        },
        images * g.height,
        work=tensor_work((0,), (picture, shape), (larger, g.picture)),
    )
    return larger
