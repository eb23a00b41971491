"""Convolutions over any number of spatial axes."""

import itertools

import numpy as np

from intab.errors import DTypeError, ShapeError
from intab.graph.dims import Dim, Shape, floor_div
from intab.graph.ir import Graph, Value
from intab.ops.arrays import Numbers, accumulator, channels_last, in_layout, pad_constant
from intab.ops.broadcast import (
    Pairs,
    agree,
    channel_axis,
    need_rank,
    numbers,
    picture_shape,
    shape_text,
    spatial_axes,
)
from intab.ops.conv_lowering import border_wanted, lower_conv, reads_inside, writes_inside
from intab.ops.conv_transpose_lowering import lower_conv_transpose
from intab.ops.epilogue import apply_epilogue, infer_epilogue
from intab.ops.lowering import Layout, Lowering
from intab.ops.registry import Result, op


@op("Conv")
class Conv:
    """Cross-correlation of x with w, plus bias, then the epilogue.

    NCHW: x [N, C, *in], w [O, C/group, *kernel] -> [N, O, *out]. NHWC: x [N, *in, C], w [O, *kernel, C/group]
    -> [N, *out, O]. bias [O]. `pads` holds all begins, then all ends, in elements of zero.
    out = (in + pads - dilation * (kernel - 1) - 1) // stride + 1. Source: ONNX Conv-11.
    """

    strides: tuple[int, ...]
    pads: tuple[Dim, ...]
    dilations: tuple[int, ...]
    group: int = 1
    layout: str = "NCHW"
    epilogue: Graph | None = None

    def infer(self, x: Value, w: Value, bias: Value | None = None, *extra: Value) -> Result:
        _check_operands("Conv", x, w, bias, (self.strides, self.dilations), self.pads)
        channel = channel_axis(x.rank, self.layout)
        features, kernel = w.shape[0], self.kernel(w.shape)
        inputs = w.shape[channel_axis(w.rank, self.layout)]
        what = f"Channels of Conv of {shape_text(x.shape)} with {shape_text(w.shape)} in {self.group} groups"
        _, pairs = agree(x.shape[channel], inputs * self.group, what)
        _check_groups("Conv", features, self.group)
        pairs += _bias_pairs("Conv", bias, features)
        spatial = tuple(x.shape[axis] for axis in spatial_axes(x.rank, self.layout))
        out = window_sizes(spatial, kernel, self.strides, self.pads, self.dilations)
        shape = picture_shape(x.shape[0], out, features, self.layout)
        return infer_epilogue(x.dtype, shape, self.epilogue, extra, pairs)

    def kernel(self, weight_shape: Shape) -> Shape:
        """The sizes of the window."""
        return tuple(weight_shape[axis] for axis in spatial_axes(len(weight_shape), self.layout))

    def reference(self, x: Numbers, w: Numbers, bias: Numbers | None = None, *extra: Numbers) -> Numbers:
        pads, spatial_rank = numbers(self.pads), x.ndim - 2
        wide = accumulator(x.dtype)
        picture = channels_last(x, self.layout).astype(wide, copy=False)
        weights = channels_last(w, self.layout).astype(wide, copy=False)
        padded = pad_constant(picture, (0, *pads[:spatial_rank], 0, 0, *pads[spatial_rank:], 0), 0)
        kernel = weights.shape[1:-1]
        out = numbers(window_sizes(picture.shape[1:-1], kernel, self.strides, pads, self.dilations))
        result = np.zeros((x.shape[0], *out, w.shape[0]), wide)
        with np.errstate(all="ignore"):
            for tap in itertools.product(*map(range, kernel)):
                seen = padded[tap_slices(tap, out, self.strides, self.dilations)]
                result += _grouped_product(seen, weights[_tap_index(tap)], self.group)
            if bias is not None:
                result += bias
            result = in_layout(result.astype(x.dtype, copy=False), self.layout)
            return apply_epilogue(result, self.epilogue, extra)

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        lower_conv(self, lowering, inputs, outputs[0])

    def reads_inside(
        self, lowering: Lowering, inputs: tuple[Value | None, ...], output: Value, position: int, layout: Layout
    ) -> bool:
        return reads_inside(self, lowering, inputs, output, position, layout)

    def writes_inside(
        self, lowering: Lowering, inputs: tuple[Value | None, ...], output: Value, layout: Layout
    ) -> bool:
        return writes_inside(self, inputs, output, layout)

    def border(self, lowering: Lowering, inputs: tuple[Value | None, ...], output: Value) -> tuple[int, ...] | None:
        return border_wanted(self, lowering, inputs, output)


@op("ConvTranspose")
class ConvTranspose:
    """The transpose of Conv as a linear map: every input element adds a scaled window to the output.

    x as in Conv, w [C, O/group, *kernel] in both layouts, bias [O].
    out = (in - 1) * stride + dilation * (kernel - 1) + 1 - pads + output_padding. Source: ONNX ConvTranspose-11.
    """

    strides: tuple[int, ...]
    pads: tuple[Dim, ...]
    dilations: tuple[int, ...]
    output_padding: tuple[int, ...]
    group: int = 1
    layout: str = "NCHW"
    epilogue: Graph | None = None

    def infer(self, x: Value, w: Value, bias: Value | None = None, *extra: Value) -> Result:
        _check_operands("ConvTranspose", x, w, bias, (self.strides, self.dilations, self.output_padding), self.pads)
        channel = channel_axis(x.rank, self.layout)
        _, pairs = agree(x.shape[channel], w.shape[0], "Channels and weights of ConvTranspose")
        _check_groups("ConvTranspose", w.shape[0], self.group)
        features = w.shape[1] * self.group
        pairs += _bias_pairs("ConvTranspose", bias, features)
        spatial = tuple(x.shape[axis] for axis in spatial_axes(x.rank, self.layout))
        shape = picture_shape(x.shape[0], self.out_sizes(spatial, w.shape[2:]), features, self.layout)
        return infer_epilogue(x.dtype, shape, self.epilogue, extra, pairs)

    def out_sizes(self, spatial: Shape, kernel: Shape) -> Shape:
        """The result's spatial sizes. Raises ShapeError when the pads are known to leave less than nothing."""
        half = len(spatial)
        sizes = tuple(
            (spatial[i] - 1) * self.strides[i]
            + (kernel[i] - 1) * self.dilations[i]
            + (1 + self.output_padding[i])
            - self.pads[i]
            - self.pads[half + i]
            for i in range(half)
        )
        if any(isinstance(size, int) and size < 0 for size in sizes):
            raise ShapeError(
                f"ConvTranspose of sizes {shape_text(spatial)} with kernel {shape_text(kernel)} and pads "
                f"{shape_text(self.pads)} gives sizes {shape_text(sizes)}."
            )
        return sizes

    def reference(self, x: Numbers, w: Numbers, bias: Numbers | None = None, *extra: Numbers) -> Numbers:
        wide, half = accumulator(x.dtype), x.ndim - 2
        picture = channels_last(x, self.layout).astype(wide, copy=False)
        spatial, kernel = picture.shape[1:-1], w.shape[2:]
        # Weights as Conv has them: [O, *kernel, C/group].
        grouped = w.astype(wide, copy=False).reshape(self.group, w.shape[0] // self.group, *w.shape[1:])
        weights = np.moveaxis(grouped, 1, -1).reshape(self.group * w.shape[1], *kernel, -1)
        full = [
            (spatial[i] - 1) * self.strides[i] + (kernel[i] - 1) * self.dilations[i] + 1 + self.output_padding[i]
            for i in range(half)
        ]
        result = np.zeros((x.shape[0], *(max(n, 0) for n in full), weights.shape[0]), wide)
        pads = tuple(-n for n in numbers(self.pads))
        with np.errstate(all="ignore"):
            if picture.size:
                for tap in itertools.product(*map(range, kernel)):
                    place = tap_slices(tap, spatial, self.strides, self.dilations)
                    result[place] += _grouped_product(picture, weights[_tap_index(tap)], self.group)
            cut = pad_constant(result, (0, *pads[:half], 0, 0, *pads[half:], 0), 0)
            if bias is not None:
                cut = cut + bias
            made = in_layout(cut.astype(x.dtype, copy=False), self.layout)
            return apply_epilogue(made, self.epilogue, extra)

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        lower_conv_transpose(self, lowering, inputs, outputs[0])


def window_sizes(
    spatial: Shape, kernel: Shape, strides: tuple[int, ...], pads: tuple[Dim, ...], dilations: tuple[int, ...]
) -> Shape:
    """How many places a window has along each axis. Raises ShapeError when it cannot fit."""
    half = len(spatial)
    sizes: list[Dim] = []
    for i in range(half):
        room = spatial[i] + pads[i] + pads[half + i] - (kernel[i] - 1) * dilations[i] - 1
        if isinstance(room, int) and room < 0 and spatial[i] != 0:
            raise ShapeError(
                f"A window of {shape_text(kernel)} with dilations {shape_text(dilations)} and pads {shape_text(pads)} "
                f"is larger than the picture of {shape_text(spatial)}."
            )
        size = floor_div(room, strides[i]) + 1
        sizes.append(max(size, 0) if isinstance(size, int) else size)
    return tuple(sizes)


Index = tuple[slice | int, ...]


def tap_slices(
    tap: tuple[int, ...], counts: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> Index:
    """What one tap of a window sees (or adds to) in [N, *spatial, C] while the window takes `counts` places."""
    places = zip(tap, counts, strides, dilations, strict=True)
    return (slice(None), *(slice(t * d, t * d + max((n - 1) * s + 1, 0), s) for t, n, s, d in places))


def _tap_index(tap: tuple[int, ...]) -> Index:
    """Where a tap's matrix lies in weights [O, *kernel, C/group]."""
    return (slice(None), *tap)


def _grouped_product(x: Numbers, w: Numbers, group: int) -> Numbers:
    """x [..., C] times w [O, C/group], group by group -> [..., O]."""
    if group == 1:
        # One product of two matrices: numpy would make one of each row of the picture.
        return np.asarray(x.reshape(-1, x.shape[-1]) @ w.T).reshape(*x.shape[:-1], len(w))
    features, depth = w.shape
    if depth == 1:
        repeated = np.repeat(x, features // group, axis=-1)
        return np.asarray(repeated * w[:, 0])
    split = x.reshape(-1, group, depth).swapaxes(0, 1)
    product: Numbers = np.matmul(split, w.reshape(group, features // group, depth).swapaxes(1, 2))
    return product.swapaxes(0, 1).reshape(*x.shape[:-1], features)


def _check_operands(
    name: str,
    x: Value,
    w: Value,
    bias: Value | None,
    per_axis: tuple[tuple[int, ...], ...],
    pads: tuple[Dim, ...],
) -> None:
    if x.dtype != w.dtype or (bias is not None and bias.dtype != x.dtype):
        raise DTypeError(f"{name} needs one dtype for all operands; given are {x}, {w} and {bias}.")
    if x.dtype.kind in ("bool", "string"):
        raise DTypeError(f"{name} needs numbers, not {x.dtype}.")
    need_rank(x, 3, name)
    spatial_rank = x.rank - 2
    if w.rank != x.rank:
        raise ShapeError(f"{name}'s picture {x} and weights {w} have different ranks.")
    if any(len(values) != spatial_rank for values in per_axis) or len(pads) != 2 * spatial_rank:
        raise ShapeError(
            f"{name} over {spatial_rank} spatial axes takes as many strides, dilations and output paddings and twice "
            f"as many pads; given are {per_axis} and {shape_text(pads)}."
        )
    if any(value < 1 for values in per_axis[:2] for value in values):
        raise ShapeError(f"{name}'s strides and dilations are at least 1; given are {per_axis[:2]}.")


def _check_groups(name: str, features: Dim, group: int) -> None:
    if group < 1 or (isinstance(features, int) and features % group):
        raise ShapeError(f"{name}: {features} filters cannot be split into {group} groups.")


def _bias_pairs(name: str, bias: Value | None, features: Dim) -> Pairs:
    if bias is None:
        return ()
    if bias.rank != 1:
        raise ShapeError(f"{name}'s bias has one axis, not shape {shape_text(bias.shape)}.")
    return agree(bias.shape[0], features, f"Bias and filters of {name}")[1]
