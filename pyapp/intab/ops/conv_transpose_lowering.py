"""Which kernels a transposed convolution becomes. Pictures are NHWC here; the layout pass sees to that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from intab.dtypes import float32
from intab.errors import UnsupportedOpError
from intab.graph.dims import Dim, product
from intab.graph.ir import Graph, Value
from intab.kernels.families.gather_windows import gather_windows
from intab.kernels.families.matmul import matmul
from intab.kernels.families.register_tile import PLAIN, TILE_COLUMNS, Epilogue, pack_panels, pad_columns
from intab.ops.arrays import Numbers
from intab.ops.conv_lowering import Convolution
from intab.ops.dense import (
    EpilogueOperands,
    OutputShape,
    blocking,
    dense_operands,
    dense_work,
    epilogue_operands,
    matmul_words,
    panels_shape,
    require_float32,
)
from intab.ops.kernel_steps import copy_step
from intab.ops.lowering import Lowering, Place
from intab.ops.packing import Packing, packing
from intab.ops.strides import dense_strides


@dataclass(frozen=True, slots=True)
class TransposedGeometry:
    """A 2-D transposed convolution: sizes of the picture and the result, and how windows lie over it."""

    images: Dim
    height: Dim
    width: Dim
    channels: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    top: Dim
    left: Dim
    out_height: Dim
    out_width: Dim
    features: int
    apart: bool  # windows neither overlap nor leave gaps

    @property
    def products(self) -> int:
        """Numbers that one input pixel makes."""
        return self.features * math.prod(self.kernel)


class TransposedConvolution(Convolution, Protocol):
    """What lowering reads of a ConvTranspose."""

    @property
    def output_padding(self) -> tuple[int, ...]: ...


def lower_conv_transpose(
    conv: TransposedConvolution, lowering: Lowering, operands: Sequence[Value | None], output: Value
) -> None:
    """Steps of a transposed convolution: a matmul makes every window, then the windows are put in place."""
    x, w, bias, extra = dense_operands(operands)
    strides, pads, dilations = conv.strides, conv.pads, conv.dilations
    require_float32("ConvTranspose", x, w, bias, *extra)
    if conv.layout != "NHWC" or x.rank != 4 or conv.group != 1:
        raise UnsupportedOpError(
            f"a transposed convolution over {x.rank - 2} axes in layout {conv.layout} with {conv.group} groups has no "
            'kernel on this back end. Use backend="reference".'
        )
    sizes = (x.shape[3], *w.shape[1:])
    fixed = [size for size in sizes if isinstance(size, int)]
    if len(fixed) != len(sizes) or lowering.constant(w) is None:
        raise UnsupportedOpError("a transposed convolution whose weights are not constant has no kernel here.")
    channels, features, *kernel = fixed
    apart = tuple(kernel) == strides and set(dilations) == {1} and all(p == 0 for p in (*pads, *conv.output_padding))
    geometry = TransposedGeometry(
        x.shape[0],
        x.shape[1],
        x.shape[2],
        channels,
        (kernel[0], kernel[1]),
        (strides[0], strides[1]),
        (dilations[0], dilations[1]),
        pads[0],
        pads[1],
        output.shape[1],
        output.shape[2],
        features,
        apart,
    )
    if apart and not extra:
        _lower_apart(lowering, geometry, x, w, bias, conv.epilogue, output)
    else:
        _lower_gathered(lowering, geometry, x, w, bias, conv.epilogue, extra, output)


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
    buffers: dict[str, Place] = {}
    if bias is not None:
        columns = -(-g.products // TILE_COLUMNS) * TILE_COLUMNS
        repeat = Packing("bias for each tap", (math.prod(g.kernel),))
        buffers["bias"] = lowering.weight((bias,), "repeated for each tap", (columns,), repeat)
        tensors = {"bias": (bias.dtype.itemsize, *bias.shape)}
        operands = EpilogueOperands(Epilogue(True, operands.epilogue.function), buffers, operands.words, tensors)
    windows = _window_products(lowering, g, x, w, operands)
    taps_y, taps_x = g.kernel
    run = taps_x * g.features
    sizes = (g.images * g.height, g.width, taps_y, run)
    target = (taps_y * g.width * run, run, g.width * run, 1)
    copy_step(lowering, windows, dense_strides(sizes), lowering.place(output), target, sizes)


def _lower_gathered(
    lowering: Lowering,
    g: TransposedGeometry,
    x: Value,
    w: Value,
    bias: Value | None,
    epilogue: Graph | None,
    extra: tuple[Value, ...],
    output: Value,
) -> None:
    """Windows overlap: every output pixel sums up those that reach it."""
    plain = EpilogueOperands(PLAIN, {}, {})
    windows = _window_products(lowering, g, x, w, plain)
    out = OutputShape((), output.shape[:-1], g.features)
    operands = epilogue_operands(lowering, out, bias, epilogue, extra)
    lowering.step(
        gather_windows(operands.epilogue),
        {"a": windows, "out": lowering.place(output), **operands.buffers},
        {
            "channels": g.features,
            "height": g.height,
            "width": g.width,
            "out_height": g.out_height,
            "out_width": g.out_width,
            "taps_y": g.kernel[0],
            "taps_x": g.kernel[1],
            "stride_y": g.strides[0],
            "stride_x": g.strides[1],
            "dilation_y": g.dilations[0],
            "dilation_x": g.dilations[1],
            "top": g.top,
            "left": g.left,
            **operands.words,
        },
        product(output.shape[:-1]),
        work=dense_work((x.shape[0], *x.shape[1:3], g.products), operands, (*x.shape[:3], g.products), output.shape),
    )


def _window_products(
    lowering: Lowering, g: TransposedGeometry, x: Value, w: Value, operands: EpilogueOperands
) -> Place:
    """[pixels, channels] @ weights -> [pixels, taps_y, taps_x, features]."""
    pack = Packing("transposed filters in panels", (g.channels, g.features))
    rows = product(x.shape[:-1])
    weights = lowering.weight((w,), "panels by tap", panels_shape(g.channels, g.products), pack)
    made = lowering.scratch(float32, rows * g.products)
    blocks = blocking(g.channels)
    lowering.step(
        matmul(operands.epilogue),
        {"a": lowering.place(x), "b": weights, "out": made, **operands.buffers},
        {**matmul_words(rows, g.channels, g.products, blocks), **operands.words},
        blocks.items(rows, g.products),
        work=dense_work(
            (2, rows, g.channels, g.products),
            operands,
            (rows, g.channels),
            (g.channels, g.products),
            (rows, g.products),
        ),
    )
    return made


@packing("transposed filters in panels")
def _transposed_filters_in_panels(array: Numbers, channels: int, features: int) -> Numbers:
    by_tap = np.moveaxis(array.reshape(channels, features, -1), 1, 2)
    return pack_panels(by_tap.reshape(channels, -1))


@packing("bias for each tap")
def _bias_for_each_tap(array: Numbers, taps: int) -> Numbers:
    return pad_columns(np.tile(array, taps))
