"""Which kernels a transposed convolution becomes. Pictures are NHWC here; the layout pass sees to that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from intab.dtypes import float32
from intab.errors import UnsupportedOpError
from intab.graph.dims import Dim, Shape, dense_strides, product
from intab.graph.ir import Graph, Value
from intab.kernels.families.gather_windows import gather_windows
from intab.kernels.families.matmul import matmul
from intab.kernels.families.register_tile import PLAIN, TILE_COLUMNS, Epilogue, pack_panels, pad_columns
from intab.ops.arrays import Numbers
from intab.ops.conv_geometry import Convolution, three_axes
from intab.ops.dense import (
    EpilogueOperands,
    OutputShape,
    blocking,
    dense_operands,
    dense_work,
    epilogue_operands,
    matmul_words,
    pack_computed,
    panels_shape,
    require_float32,
)
from intab.ops.grid_dense import LeftRows, OutRows, RightLines, computed_lines, in_lines, padded_count, product_step
from intab.ops.items import item_width, pieces
from intab.ops.kernel_steps import copy_step, moved, transpose_step
from intab.ops.lowering import Lowering, Place
from intab.ops.packing import Packing, packing

_NO_EPILOGUE = EpilogueOperands(PLAIN, {}, {})


@dataclass(frozen=True, slots=True)
class TransposedGeometry:
    """A transposed convolution: sizes of the picture and the result along its axes, and how windows lie over it.

    Each of `size`, `out`, `taps`, `strides`, `dilations` and `before` (what is cut off at the begin) has one entry
    for each letter of `axes`. `features` are those of one group.
    """

    axes: str
    images: Dim
    channels: int
    features: int
    group: int
    size: Shape
    out: Shape
    taps: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: Shape

    @property
    def pixels(self) -> Dim:
        return self.images * product(self.size)

    @property
    def inputs(self) -> int:
        """Channels of one group."""
        return self.channels // self.group

    @property
    def products(self) -> int:
        """Numbers that the channels of one group make of one input pixel."""
        return self.features * math.prod(self.taps)

    @property
    def is_depthwise(self) -> bool:
        return self.group == self.channels and self.features == 1 and self.group > 1


class TransposedConvolution(Convolution, Protocol):
    """What lowering reads of a ConvTranspose."""

    @property
    def output_padding(self) -> tuple[int, ...]: ...


def lower_conv_transpose(
    conv: TransposedConvolution, lowering: Lowering, operands: Sequence[Value | None], output: Value
) -> None:
    """Steps of a transposed convolution: a matmul makes every window, then the windows are put in place."""
    x, w, bias, extra = dense_operands(operands)
    require_float32("ConvTranspose", x, w, bias, *extra)
    if conv.layout != "NHWC" or x.rank > 5:
        raise UnsupportedOpError(
            f"a transposed convolution over {x.rank - 2} axes in layout {conv.layout} has no kernel on this back end. "
            'Use backend="reference".'
        )
    g = _geometry(conv, x, w, output)
    # Windows that neither overlap nor leave gaps.
    apart = g.taps == g.strides and set(g.dilations) == {1} and not any(p != 0 for p in (*conv.pads, *g.before))
    apart = apart and g.group == 1 and not any(conv.output_padding) and not extra
    if apart and (bias is None or lowering.constant(bias) is not None):
        _lower_apart(lowering, g, x, w, bias, conv.epilogue, output)
        return
    out = OutputShape((), output.shape[:-1], g.features * g.group)
    finish = epilogue_operands(lowering, out, bias, conv.epilogue, extra)
    if g.is_depthwise:
        buffers = {"a": lowering.place(x), "w": _taps_by_channels(lowering, g, w)}
        _gather(lowering, g, buffers, finish, lowering.place(output), (2, g.pixels, math.prod(g.taps), g.channels))
        return
    for group in range(g.group):
        windows = _window_products(lowering, g, x, w, group, _NO_EPILOGUE)
        first = group * g.features
        part = finish.shifted(first, g.features)
        _gather(lowering, g, {"a": windows}, part, moved(lowering.place(output), first), (g.pixels, g.products))


def _geometry(conv: TransposedConvolution, x: Value, w: Value, output: Value) -> TransposedGeometry:
    """One or two axes count as those of a picture, three as those of a volume."""
    fixed = [size for size in w.shape if isinstance(size, int)]
    if len(fixed) != w.rank:
        raise UnsupportedOpError(
            f"a transposed convolution with weights {w}, whose sizes are not numbers, has no kernel."
        )
    channels, features, *window = fixed
    half = len(window)
    first = 0 if half == 3 else 1
    return TransposedGeometry(
        "zyx"[first:],
        x.shape[0],
        channels,
        features,
        conv.group,
        three_axes(x.shape[1:-1], 1)[first:],
        three_axes(output.shape[1:-1], 1)[first:],
        three_axes(window, 1)[first:],
        three_axes(conv.strides, 1)[first:],
        three_axes(conv.dilations, 1)[first:],
        three_axes(conv.pads[:half], 0)[first:],
    )


def _lower_apart(
    lowering: Lowering,
    g: TransposedGeometry,
    x: Value,
    w: Value,
    bias: Value | None,
    epilogue: Graph | None,
    output: Value,
) -> None:
    """Every output pixel has one window: the matmul finishes it, a copy puts it in place."""
    out = OutputShape((), x.shape[:-1], g.products)
    operands = epilogue_operands(lowering, out, None, epilogue, ())
    if bias is not None:
        columns = -(-g.products // TILE_COLUMNS) * TILE_COLUMNS
        repeat = Packing("bias for each tap", (math.prod(g.taps),))
        buffers = {"bias": lowering.weight((bias,), "repeated for each tap", (columns,), repeat)}
        tensors = {"bias": (bias.dtype.itemsize, *bias.shape)}
        operands = EpilogueOperands(Epilogue(True, operands.epilogue.function), buffers, operands.words, tensors)
    windows = _window_products(lowering, g, x, w, 0, operands)
    sizes = (g.images, *g.size, *g.taps, g.features)
    # The result as [images, size, taps of one axis, size, taps of the next, ..., features].
    image, *spread, feature = dense_strides(
        (g.images, *(n for pair in zip(g.size, g.taps, strict=True) for n in pair), g.features)
    )
    target = (image, *spread[::2], *spread[1::2], feature)
    copy_step(lowering, windows, dense_strides(sizes), lowering.place(output), target, sizes)


def _gather(
    lowering: Lowering,
    g: TransposedGeometry,
    buffers: dict[str, Place],
    operands: EpilogueOperands,
    output: Place,
    flops: Shape,
) -> None:
    """Windows overlap: every output pixel sums up those that reach it."""
    channels = g.channels if g.is_depthwise else g.features
    words: dict[str, Dim] = {"channels": channels, "out_row": g.features * g.group, **operands.words}
    told = {"size": g.size, "out": g.out, "taps": g.taps, "stride": g.strides, "dilation": g.dilations}
    for name, values in {**told, "before": g.before}.items():
        words |= {f"{name}_{axis}": value for axis, value in zip(g.axes, values, strict=True)}
    rows = g.images * product(g.out)
    read = (g.pixels, g.channels) if g.is_depthwise else (g.pixels, g.products)
    lying, strides = operands.by_column()
    width = item_width(lowering, channels, (*buffers.values(), output, *lying), (words["out_row"], *strides))
    lowering.step(
        gather_windows(g.axes, operands.epilogue, depthwise=g.is_depthwise, width=width),
        {**buffers, "out": output, **operands.buffers},
        words,
        rows * pieces(channels, width),
        work=dense_work(flops, operands, read, (rows, channels)),
    )


def _window_products(
    lowering: Lowering, g: TransposedGeometry, x: Value, w: Value, group: int, operands: EpilogueOperands
) -> Place:
    """[pixels, channels of a group] @ weights -> [pixels, taps, features]."""
    made = lowering.scratch(float32, g.pixels * g.products)
    source = moved(lowering.place(x), group * g.inputs)
    work = dense_work(
        (2, g.pixels, g.inputs, g.products),
        operands,
        (g.pixels, g.inputs),
        (g.inputs, g.products),
        (g.pixels, g.products),
    )
    if lowering.target.language == "wgsl":
        product_step(
            lowering,
            LeftRows(source, g.inputs, {"a_row": g.channels, "a_batch": 0}),
            _group_lines(lowering, g, w, group),
            OutRows(made, {"out_row": g.products, "out_batch": 0}),
            operands,
            sizes=(1, g.pixels, g.inputs, g.products),
            likely_rows=product(g.size),  # of one picture
            work=work,
        )
        return made
    blocks = blocking(g.inputs).for_threads(lowering.target, g.pixels, g.products)
    lowering.step(
        matmul(operands.epilogue),
        {"a": source, "b": _group_weights(lowering, g, w, group), "out": made, **operands.buffers},
        {**matmul_words(g.pixels, g.inputs, g.products, blocks), "a_row": g.channels, **operands.words},
        blocks.items(g.pixels, g.products),
        work=work,
    )
    return made


def _group_weights(lowering: Lowering, g: TransposedGeometry, w: Value, group: int) -> Place:
    """Weights [C, features, *taps] of one group, in panels of taps by features."""
    if lowering.constant(w) is not None:
        pack = Packing("transposed filters in panels", (group * g.inputs, g.inputs))
        shape = panels_shape(g.inputs, g.products)
        return lowering.weight((w,), f"panels by tap of group {group} of {g.group}", shape, pack)
    by_tap, strides = _computed_by_tap(lowering, g, w, group)
    return pack_computed(lowering, by_tap, batches=1, depth=g.inputs, columns=g.products, strides=strides)


def _group_lines(lowering: Lowering, g: TransposedGeometry, w: Value, group: int) -> RightLines:
    """The same as GPUs read it."""
    if lowering.constant(w) is not None:
        pack = Packing("transposed filters in lines", (group * g.inputs, g.inputs))
        columns = padded_count(g.products)
        name = f"lines by tap of group {group} of {g.group}"
        return RightLines(lowering.weight((w,), name, (g.inputs, columns), pack), columns)
    by_tap, strides = _computed_by_tap(lowering, g, w, group)
    return computed_lines(lowering, by_tap, batches=1, depth=g.inputs, columns=g.products, strides=strides)


def _computed_by_tap(
    lowering: Lowering, g: TransposedGeometry, w: Value, group: int
) -> tuple[Place, tuple[Dim, Dim, Dim]]:
    """Weights of a group that are known at run time only, as [inputs, taps, features], and their distances."""
    by_tap = lowering.scratch(float32, g.inputs * g.products)
    source = moved(lowering.place(w), group * g.inputs * g.products)
    transpose_step(lowering, source, (g.inputs, g.features, math.prod(g.taps)), (0, 2, 1), by_tap)
    return by_tap, (0, g.products, 1)


def _taps_by_channels(lowering: Lowering, g: TransposedGeometry, w: Value) -> Place:
    """Weights [C, 1, *taps] of a depthwise convolution as [taps, C]."""
    taps = math.prod(g.taps)
    if lowering.constant(w) is not None:
        return lowering.weight((w,), "taps by channels", (taps, g.channels), Packing("taps by channels"))
    turned = lowering.scratch(float32, taps * g.channels)
    transpose_step(lowering, lowering.place(w), (g.channels, taps), (1, 0), turned)
    return turned


@packing("transposed filters in panels")
def _transposed_filters_in_panels(array: Numbers, first: int, count: int) -> Numbers:
    """Channels first .. first + count of [C, O/group, *kernel]."""
    return pack_panels(_by_tap(array[first : first + count]))


@packing("transposed filters in lines")
def _transposed_filters_in_lines(array: Numbers, first: int, count: int) -> Numbers:
    return in_lines(_by_tap(array[first : first + count]))


def _by_tap(filters: Numbers) -> Numbers:
    """[C, O, *kernel] -> [C, kernel * O]"""
    return np.moveaxis(filters.reshape(*filters.shape[:2], -1), 1, 2).reshape(len(filters), -1)


@packing("bias for each tap")
def _bias_for_each_tap(array: Numbers, taps: int) -> Numbers:
    return pad_columns(np.tile(array, taps))
