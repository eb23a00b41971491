"""Which kernels a convolution becomes. Pictures are NHWC here; the layout pass sees to that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from intab.dtypes import float32
from intab.errors import UnsupportedOpError
from intab.graph.dims import Dim
from intab.graph.ir import Graph, Value
from intab.kernels.families.convolution import convolution
from intab.kernels.families.depthwise import Window, depthwise, pad_lines
from intab.kernels.families.matmul import matmul
from intab.kernels.families.register_tile import pack_panels
from intab.ops.arrays import Numbers
from intab.ops.dense import (
    EpilogueOperands,
    OutputShape,
    as_matrix,
    blocking,
    dense_operands,
    dense_work,
    epilogue_operands,
    matmul_words,
    pack_computed,
    panels_shape,
    require_float32,
)
from intab.ops.lowering import Lowering, Place, Work
from intab.ops.packing import Packing, packing

# Unrolled windows larger than this make kernels that are slow to compile.
MAXIMUM_UNROLLED_TAPS = 49


@dataclass(frozen=True, slots=True)
class Geometry:
    """A 2-D convolution in numbers and dims: sizes of the padded picture, the window and the result."""

    images: Dim
    height: Dim
    width: Dim
    channels: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    out_height: Dim
    out_width: Dim
    features: int
    group: int

    @property
    def line(self) -> Dim:
        """Elements of a line of the padded picture."""
        return self.width * self.channels

    @property
    def rows(self) -> Dim:
        """Output pixels in all."""
        return self.images * self.out_height * self.out_width


class Convolution(Protocol):
    """What lowering reads of a Conv."""

    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def pads(self) -> tuple[Dim, ...]: ...
    @property
    def dilations(self) -> tuple[int, ...]: ...
    @property
    def group(self) -> int: ...
    @property
    def layout(self) -> str: ...
    @property
    def epilogue(self) -> Graph | None: ...


def lower_conv(conv: Convolution, lowering: Lowering, operands: Sequence[Value | None], output: Value) -> None:
    """Steps of a convolution over one or two spatial axes."""
    x, w, bias, extra = dense_operands(operands)
    strides, pads, dilations = conv.strides, conv.pads, conv.dilations
    require_float32("Conv", x, w, bias, *extra)
    spatial = x.rank - 2
    if conv.layout != "NHWC" or spatial > 2:
        raise UnsupportedOpError(
            f"a convolution over {spatial} axes in layout {conv.layout} has no kernel on this back end. "
            'Use backend="reference".'
        )
    line_only = spatial == 1  # one axis: a picture of one line
    top, left, bottom, right = (0, pads[0], 0, pads[1]) if line_only else pads
    height, width = (1, x.shape[1]) if line_only else x.shape[1:3]
    out_height, out_width = (1, output.shape[1]) if line_only else output.shape[1:3]
    kernel = w.shape[1:-1]
    channels, features = x.shape[-1], w.shape[0]
    sizes = (*kernel, channels, features)
    fixed = [size for size in sizes if isinstance(size, int)]
    if len(fixed) != len(sizes):
        raise UnsupportedOpError(f"a convolution with window and channels {list(sizes)} that are not numbers.")
    geometry = Geometry(
        x.shape[0],
        height + top + bottom,
        width + left + right,
        fixed[-2],
        (1, fixed[0]) if line_only else (fixed[0], fixed[1]),
        (1, strides[0]) if line_only else (strides[0], strides[1]),
        (1, dilations[0]) if line_only else (dilations[0], dilations[1]),
        out_height,
        out_width,
        fixed[-1],
        conv.group,
    )
    picture = _padded(lowering, lowering.place(x), geometry, height, width, (top, left, bottom, right))
    out = OutputShape((), output.shape[:-1], geometry.features)
    finish = epilogue_operands(lowering, out, bias, conv.epilogue, extra)
    _lower_geometry(lowering, geometry, picture, w, finish, lowering.place(output))


def _lower_geometry(
    lowering: Lowering, g: Geometry, picture: Place, w: Value, operands: EpilogueOperands, out: Place
) -> None:
    taps = math.prod(g.kernel)
    constant = lowering.constant(w)
    if g.group == g.channels == g.features and g.group > 1 and taps <= MAXIMUM_UNROLLED_TAPS and constant is not None:
        _lower_depthwise(lowering, g, picture, w, operands, out)
        return
    for group in range(g.group):
        weights = _group_weights(lowering, g, w, group)
        inputs = g.channels // g.group
        columns = g.features // g.group
        source = Place(picture.buffer, picture.dtype, picture.offset + group * inputs)
        target = Place(out.buffer, out.dtype, out.offset + group * columns)
        part = operands.shifted(group * columns, columns)
        if taps == 1 and g.strides == (1, 1):
            _lower_pointwise(lowering, g, source, weights, part, target)
        else:
            _lower_windows(lowering, g, source, weights, part, target)


def _lower_pointwise(
    lowering: Lowering, g: Geometry, picture: Place, weights: Place, operands: EpilogueOperands, out: Place
) -> None:
    """A window of one pixel: a matmul over all pixels."""
    depth, columns = g.channels // g.group, g.features // g.group
    blocks = blocking(depth)
    lowering.step(
        matmul(operands.epilogue),
        {"a": picture, "b": weights, "out": out, **operands.buffers},
        {
            **matmul_words(g.rows, depth, columns, blocks),
            "a_row": g.channels,
            "out_row": g.features,
            **operands.words,
        },
        blocks.items(g.rows, columns),
        work=_window_work(g, operands, depth, columns),
    )


def _lower_windows(
    lowering: Lowering, g: Geometry, picture: Place, weights: Place, operands: EpilogueOperands, out: Place
) -> None:
    (taps_y, taps_x), (dilation_y, dilation_x) = g.kernel, g.dilations
    run = g.channels // g.group
    columns = g.features // g.group
    depth = taps_y * taps_x * run
    if dilation_x == 1 and g.group == 1:  # neighbouring taps lie side by side: one run a line
        taps_x, run = 1, taps_x * run
    blocks = blocking(depth, tiles_down=1)
    lowering.step(
        convolution(operands.epilogue),
        {"a": picture, "b": weights, "out": out, **operands.buffers},
        {
            "rows": g.rows,
            "out_width": g.out_width,
            "out_pixels": g.out_width * g.out_height,
            "columns": columns,
            "pixel_step": g.strides[1] * g.channels,
            "line_step": g.strides[0] * g.line,
            "image_step": g.height * g.line,
            "taps_y": taps_y,
            "taps_x": taps_x,
            "run": run,
            "tap_x_skip": dilation_x * g.channels - run if taps_x > 1 else 0,
            "tap_y_skip": dilation_y * g.line - (dilation_x * g.channels * taps_x if taps_x > 1 else run),
            "out_row": g.features,
            "block_rows": blocks.rows,
            "block_columns": blocks.columns,
            **operands.words,
        },
        blocks.items(g.rows, columns),
        work=_window_work(g, operands, depth, columns),
    )


def _lower_depthwise(
    lowering: Lowering, g: Geometry, picture: Place, w: Value, operands: EpilogueOperands, out: Place
) -> None:
    taps = math.prod(g.kernel)
    weights = lowering.weight((w,), "taps by channels", (taps, g.channels), Packing("taps by channels"))
    window = Window(*g.kernel, stride=g.strides[1], dilation=g.dilations[1])
    lowering.step(
        depthwise(window, operands.epilogue),
        {"a": picture, "w": weights, "out": out, **operands.buffers},
        {
            "channels": g.channels,
            "out_width": g.out_width,
            "out_height": g.out_height,
            "line_step": g.strides[0] * g.line,
            "tap_step": g.dilations[0] * g.line,
            "image_step": g.height * g.line,
            **operands.words,
        },
        g.images * g.out_height,
        work=dense_work(
            (2, g.rows, taps, g.channels),
            operands,
            (g.images, g.height, g.line),
            (taps, g.channels),
            (g.rows, g.channels),
        ),
    )


def _window_work(g: Geometry, operands: EpilogueOperands, depth: int, columns: int) -> Work:
    """What a group of a convolution must do: a multiply-add for each element of each window and output column."""
    picture = (g.images, g.height, g.width, g.channels // g.group)
    return dense_work((2, g.rows, depth, columns), operands, picture, (depth, columns), (g.rows, columns))


def _group_weights(lowering: Lowering, g: Geometry, w: Value, group: int) -> Place:
    """Weights [O, *kernel, I/group] of one group, in panels."""
    taps = math.prod(g.kernel)
    depth, columns = taps * (g.channels // g.group), g.features // g.group
    first = group * columns
    if lowering.constant(w) is None:
        source = lowering.place(w)
        source = Place(source.buffer, source.dtype, source.offset + first * depth)
        return pack_computed(lowering, source, batches=1, depth=depth, columns=columns, strides=(0, 1, depth))
    pack = Packing("filters in panels", (first, columns))
    return lowering.weight((w,), f"panels of group {group} of {g.group}", panels_shape(depth, columns), pack)


@packing("filters in panels")
def _filters_in_panels(array: Numbers, first: int, count: int) -> Numbers:
    """Filters first .. first + count of [O, *kernel, I/group]."""
    return pack_panels(array[first : first + count].reshape(count, -1).T)


@packing("taps by channels")
def _taps_by_channels(array: Numbers) -> Numbers:
    return as_matrix(array, array.size // array.shape[0])


def _padded(
    lowering: Lowering, picture: Place, g: Geometry, height: Dim, width: Dim, pads: tuple[Dim, Dim, Dim, Dim]
) -> Place:
    """The picture with zeros around it, or as it is when there are none."""
    if all(pad == 0 for pad in pads):
        return picture
    if any(isinstance(pad, int) and pad < 0 for pad in pads):
        raise UnsupportedOpError('a convolution with negative pads has no kernel here. Use backend="reference".')
    top, left, _, _ = pads
    larger = lowering.scratch(float32, g.images * g.height * g.line)
    lowering.step(
        pad_lines(),
        {"x": picture, "out": larger},
        {
            "height": height,
            "line": width * g.channels,
            "out_height": g.height,
            "out_line": g.line,
            "top": top,
            "left": left * g.channels,
        },
        g.images * g.height,
        work=Work(
            (0,),
            tuple((float32.itemsize, g.images, *sizes) for sizes in ((height, width, g.channels), (g.height, g.line))),
        ),
    )
    return larger
