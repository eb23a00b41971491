"""Pooling windows over any number of spatial axes."""

import itertools
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from intab.dtypes import int8, uint8
from intab.errors import DTypeError, ShapeError
from intab.graph.dims import Dim, Shape, ceil_div, floor_div, minimum, product
from intab.graph.ir import Value
from intab.kernels.families import pool as family
from intab.ops.arrays import Numbers, channels_last, in_layout, lowest, pad_constant
from intab.ops.broadcast import channel_axis, need_rank, numbers, picture_shape, shape_text, spatial_axes
from intab.ops.conv import tap_slices, window_sizes
from intab.ops.elementwise import FLOATS, NUMBERS
from intab.ops.items import item_width, pieces
from intab.ops.kernel_steps import need_floats, tensor_work, transpose_step
from intab.ops.layout import WritesOnly
from intab.ops.lowering import Layout, Lowering, Place
from intab.ops.pictures import picture_of
from intab.ops.registry import Result, op


class Pool(WritesOnly):
    """Base of poolings. x [N, C, *in] or [N, *in, C] -> the same with *out. `pads`: all begins, then all ends.

    out = (in + pads - dilation * (kernel - 1) - 1) / stride + 1, rounded down, or up with `ceil_mode`; windows that
    would start in the padding at the end are left out. Source: ONNX MaxPool-12, AveragePool-19.
    """

    __slots__ = ()

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[Dim, ...]
    dilations: tuple[int, ...]
    ceil_mode: bool
    layout: str
    accepts: ClassVar[tuple[str, ...]] = NUMBERS
    kind: ClassVar[str]

    def writes_inside(
        self, lowering: Lowering, inputs: tuple[Value | None, ...], output: Value, layout: Layout
    ) -> bool:
        return self.layout == "NHWC" and output.rank <= 4

    @property
    def counts_padding(self) -> bool:
        """Whether padding counts as elements of the window."""
        return False

    def infer(self, x: Value) -> Result:
        name = type(self).__name__
        if x.dtype.kind not in self.accepts:
            raise DTypeError(f"{name} takes {' or '.join(self.accepts)} tensors, not {x}.")
        need_rank(x, 3, name)
        axes = spatial_axes(x.rank, self.layout)
        windows = (self.kernel, self.strides, self.dilations)
        if any(len(values) != len(axes) or min(values) < 1 for values in windows) or len(self.pads) != 2 * len(axes):
            raise ShapeError(
                f"{name} of {x} needs {len(axes)} kernel sizes, strides and dilations of at least 1 and "
                f"{2 * len(axes)} pads; given are {windows} and {shape_text(self.pads)}."
            )
        channels = x.shape[channel_axis(x.rank, self.layout)]
        out = self.out_sizes(tuple(x.shape[axis] for axis in axes))
        return Result(x.dtype, picture_shape(x.shape[0], out, channels, self.layout))

    def out_sizes(self, spatial: Shape) -> Shape:
        """How many windows there are along each axis."""
        sizes = window_sizes(spatial, self.kernel, self.strides, self.pads, self.dilations)
        if not self.ceil_mode:
            return sizes
        return tuple(self._rounded_up(spatial[i], i) for i in range(len(spatial)))

    def _rounded_up(self, size: Dim, i: int) -> Dim:
        begin, end, stride = self.pads[i], self.pads[len(self.pads) // 2 + i], self.strides[i]
        extent = (self.kernel[i] - 1) * self.dilations[i] + 1
        count = ceil_div(size + begin + end - extent, stride) + 1
        room = extent - end - stride
        if isinstance(room, int) and room >= 0:
            return count  # no window can start behind the picture
        return minimum(count, floor_div(size + begin - 1, stride) + 1)

    def windows(self, x: Numbers, out: tuple[int, ...], padding: Any) -> Iterator[Numbers]:
        """What each tap of the window sees in x [N, *in, C], surrounded by `padding`, at `out` places."""
        half = x.ndim - 2
        begins, ends = numbers(self.pads[:half]), []
        for i in range(half):
            # With ceil_mode the last window may pass the padding at the end.
            reach = (out[i] - 1) * self.strides[i] + (self.kernel[i] - 1) * self.dilations[i] + 1
            ends.append(max(reach - x.shape[1 + i] - begins[i], 0))
        padded = pad_constant(x, (0, *begins, 0, 0, *ends, 0), padding)
        for tap in itertools.product(*map(range, self.kernel)):
            yield padded[tap_slices(tap, out, self.strides, self.dilations)]

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (y,) = inputs, outputs
        source, target = lowering.place(x), lowering.place(y)
        if x.dtype not in (uint8, int8) or self.kind != "max":
            need_floats(source)
        last = (0, *range(2, x.rank), 1)
        first = (0, x.rank - 1, *range(1, x.rank - 1))
        if self.layout == "NHWC":
            self._pool_axes(lowering, source, x.shape, target, y.shape)
            return
        inside, outside = lowering.scratch(x.dtype, product(x.shape)), lowering.scratch(y.dtype, product(y.shape))
        transpose_step(lowering, source, x.shape, last, inside)
        shapes = [tuple(value.shape[axis] for axis in last) for value in (x, y)]
        self._pool_axes(lowering, inside, shapes[0], outside, shapes[1])
        transpose_step(lowering, outside, shapes[1], first, target)

    def _pool_axes(self, lowering: Lowering, x: Place, shape: Shape, y: Place, out: Shape) -> None:
        """The kernel over x [N, *in, C]: the two axes before the channels, then each axis before them on its own.

        A window is a box, so that its maximum is that of its planes' maxima; all planes of a window count equally
        many elements, so that its mean is the mean of theirs.
        """
        half, first = len(shape) - 2, max(len(shape) - 4, 0)
        now = list(shape)
        for axis in range(first, -1, -1):
            axes = range(axis, half if axis == first else axis + 1)
            before, after = product(now[: 1 + axes.start]), product(now[1 + axes.stop :])
            source = (before, *now[1 + axes.start : 1 + axes.stop], after)
            target = (before, *out[1 + axes.start : 1 + axes.stop], after)
            made = y if axis == 0 else lowering.scratch(x.dtype, product(target))
            self._pool_step(lowering, x, source, made, target, axes)
            now[1 + axes.start : 1 + axes.stop] = out[1 + axes.start : 1 + axes.stop]
            x = made

    def _pool_step(self, lowering: Lowering, x: Place, shape: Shape, y: Place, out: Shape, axes: range) -> None:
        """The kernel over some spatial axes, as x [N, *in, C]; a picture of one axis is a line of height 1."""
        half = len(self.kernel)
        line = (1,) * (2 - len(axes))
        window, strides, dilations = (
            (*line, *(of_axes[axis] for axis in axes)) for of_axes in (self.kernel, self.strides, self.dilations)
        )
        pads = [(*(0 for _ in line), *(self.pads[first + axis] for axis in axes)) for first in (0, half)]
        counted = self.counts_padding
        pixels = picture_of(y, out)
        steps = pixels.pixel, pixels.line, pixels.image
        places = *window, *strides, *dilations, *pads[0]
        values: tuple[Dim, ...] = (*line, *shape[1:], *line, *out[1:-1], *places, *steps)
        words: dict[str, Dim | float] = dict(zip(family.WORDS, values, strict=True))
        if counted:
            words |= {"pad_bottom": pads[1][0], "pad_right": pads[1][1]}
        height, width = window
        known = (height, width) if height * width <= family.MOST_TAPS else None
        across = item_width(lowering, shape[-1], (x, y), steps)
        kernel = family.pool(
            self.kind,
            x.dtype.name,
            lanes=lowering.target.lanes,
            count_padding=counted,
            window=None if across else known,
            width=across,
        )
        work = tensor_work((height * width, *out), (x, shape), (y, out))
        items = out[0] * product(out[1:-2]) * pieces(out[-1], across, out[-2])
        lowering.step(kernel, {"x": x, "y": y}, words, items, work=work)


@op("MaxPool")
class MaxPool(Pool):
    """The largest element of each window; padding counts for nothing."""

    kind = "max"

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[Dim, ...]
    dilations: tuple[int, ...]
    ceil_mode: bool = False
    layout: str = "NCHW"

    def reference(self, x: Numbers) -> Numbers:
        picture = channels_last(x, self.layout)
        out = numbers(self.out_sizes(picture.shape[1:-1]))
        result: Numbers = np.full((x.shape[0], *out, picture.shape[-1]), lowest(x.dtype))
        for seen in self.windows(picture, out, lowest(x.dtype)):
            result = np.maximum(result, seen)
        return in_layout(result, self.layout)


@op("AveragePool")
class AveragePool(Pool):
    """The mean of each window: of the elements inside the picture, or with `count_include_pad` of its padding too."""

    accepts = FLOATS
    kind = "average"

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[Dim, ...]
    dilations: tuple[int, ...]
    ceil_mode: bool = False
    layout: str = "NCHW"
    count_include_pad: bool = False

    @property
    def counts_padding(self) -> bool:
        return self.count_include_pad

    def reference(self, x: Numbers) -> Numbers:
        picture = channels_last(x, self.layout).astype(np.float64)
        out = numbers(self.out_sizes(picture.shape[1:-1]))
        total: Numbers = np.zeros((x.shape[0], *out, picture.shape[-1]))
        with np.errstate(all="ignore"):
            for seen in self.windows(picture, out, 0.0):
                total = total + seen
            mean: Numbers = total / self.counts(picture.shape[1:-1], out)
            return in_layout(mean.astype(x.dtype), self.layout)

    def counts(self, spatial: tuple[int, ...], out: tuple[int, ...]) -> Numbers:
        """How many elements the sum of each window is divided by, [1, *out, 1]."""
        pads, half = numbers(self.pads), len(spatial)
        result: Numbers = np.ones(1)
        for i, size in enumerate(spatial):
            taps = np.arange(self.kernel[i]) * self.dilations[i] - pads[i]
            at = np.arange(out[i])[:, None] * self.strides[i] + taps
            first, end = (-pads[i], size + pads[half + i]) if self.count_include_pad else (0, size)
            result = np.multiply.outer(result, np.sum((at >= first) & (at < end), axis=1))
        return result[..., None]
