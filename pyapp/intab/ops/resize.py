"""Resizing of pictures, separately along each axis."""

from collections.abc import Callable

import numpy as np

from intab.dtypes import dtype_of
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, DimExpr, Shape, minimum, product, remainder
from intab.graph.ir import Value
from intab.kernels.families import resize as family
from intab.ops.arrays import Numbers, convert
from intab.ops.broadcast import NO_PAIRS, at_most, numbers, shape_text
from intab.ops.elementwise import NUMBERS
from intab.ops.items import item_width, pieces
from intab.ops.kernel_steps import checked, need_floats, tensor_work
from intab.ops.layout import WritesOnly
from intab.ops.lowering import Layout, Lowering, Place
from intab.ops.pictures import picture_of
from intab.ops.registry import Result, op


@op("Resize")
class Resize(WritesOnly):
    """x [...] -> `sizes`, one axis after the other, by the nearest element or weighted neighbours.

    `scales` are output size over input size where the source says so itself (it may differ a little from the
    ratio of the whole sizes); with no scales the ratio counts. `coordinates`, `nearest`, `cubic_coefficient`
    and `exclude_outside` are ONNX's coordinate_transformation_mode, nearest_mode, cubic_coeff_a and
    exclude_outside. Source: ONNX Resize-19.
    """

    sizes: tuple[Dim, ...]
    scales: tuple[float, ...] = ()
    mode: str = "nearest"
    coordinates: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    cubic_coefficient: float = -0.75
    exclude_outside: bool = False

    def infer(self, x: Value) -> Result:
        if x.dtype.kind not in NUMBERS:
            raise DTypeError(f"Resize takes numbers, not {x}.")
        if len(self.sizes) != x.rank or len(self.scales) not in (0, x.rank):
            raise ShapeError(
                f"Resize of {x} needs one size and one scale an axis; given are sizes {shape_text(self.sizes)} and "
                f"scales {list(self.scales)}."
            )
        self._check_modes()
        for size, wanted in zip(x.shape, self.sizes, strict=True):
            if size == 0 and wanted != 0:
                raise ShapeError(f"Resize of {x} to {shape_text(self.sizes)}: an empty axis cannot grow.")
        pairs = NO_PAIRS
        for size, wanted in zip(x.shape, self.sizes, strict=True):
            # A multiple of nothing is nothing; only other sizes could grow out of it.
            multiple = isinstance(size, DimExpr) and remainder(wanted, size) == 0
            pairs += () if multiple else at_most(minimum(wanted, 1), size)
        return Result(x.dtype, self.sizes, equal=pairs)

    def _check_modes(self) -> None:
        for name, value, known in (
            ("mode", self.mode, ("nearest", "linear", "cubic")),
            ("coordinates", self.coordinates, tuple(COORDINATES)),
            ("nearest", self.nearest, tuple(ROUNDINGS)),
        ):
            if value not in known:
                raise UnsupportedOpError(
                    f"Resize with {name} {value!r} is not supported; there are {', '.join(known)}."
                )

    def reference(self, x: Numbers) -> Numbers:
        result: Numbers = x if self.mode == "nearest" or x.dtype.kind != "f" else x.astype(np.float64)
        for axis, size in enumerate(numbers(self.sizes)):
            scale = self.scales[axis] if self.scales else size / max(x.shape[axis], 1)
            if size == x.shape[axis] and scale == 1:
                continue
            at = COORDINATES[self.coordinates](np.arange(size, dtype=np.float32), scale, x.shape[axis], size)
            result = self._resample(result, axis, at)
        return convert(result, dtype_of(x))

    def _resample(self, x: Numbers, axis: int, at: Numbers) -> Numbers:
        """x read at places `at` (float32, in elements) along an axis."""
        last = x.shape[axis] - 1
        if self.mode == "nearest":
            index = np.clip(ROUNDINGS[self.nearest](at), 0, last).astype(np.int64)
            return np.take(x, index, axis)
        below = np.floor(at)
        fraction = at.astype(np.float64) - below
        offsets, weights = _linear(fraction) if self.mode == "linear" else _cubic(fraction, self.cubic_coefficient)
        places = below.astype(np.int64)[:, None] + offsets
        if self.exclude_outside and self.mode == "cubic":
            weights = np.where((places >= 0) & (places <= last), weights, 0)
            weights = weights / np.sum(weights, axis=1, keepdims=True)
        matrix = np.zeros((len(at), last + 1))
        np.add.at(matrix, (np.arange(len(at))[:, None], np.clip(places, 0, last)), weights)
        with np.errstate(all="ignore"):
            return np.moveaxis(np.tensordot(matrix, x, axes=(1, axis)), 0, axis)

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (y,) = inputs, outputs
        stages = self.stages(x.shape)
        if not stages:
            lowering.view(y, x)
        shape, source = list(x.shape), lowering.place(x)
        for axes in stages:
            before = tuple(shape)
            for axis in axes:
                shape[axis] = self.sizes[axis]
            last = axes == stages[-1]
            target = lowering.place(y) if last else lowering.scratch(x.dtype, product(shape))
            self._resize_step(lowering, source, before, axes, target)
            source = target

    def writes_inside(
        self, lowering: Lowering, inputs: tuple[Value | None, ...], output: Value, layout: Layout
    ) -> bool:
        x = inputs[0]
        return x is not None and output.rank == 4 and self.stages(x.shape) == [(1, 2)]

    def stages(self, shape: Shape) -> list[tuple[int, ...]]:
        """The axes that change, two at once where they are neighbours, unless resizing is cubic."""
        changed = [i for i, size in enumerate(shape) if size != self.sizes[i] or (self.scales and self.scales[i] != 1)]
        stages: list[tuple[int, ...]] = []
        for axis in changed:
            if stages and stages[-1] == (axis - 1,) and self.mode != "cubic":
                stages[-1] = (axis - 1, axis)
            else:
                stages.append((axis,))
        return stages

    def _resize_step(
        self, lowering: Lowering, source: Place, shape: Shape, axes: tuple[int, ...], target: Place
    ) -> None:
        """One kernel over [pictures, height, width, channels]; a single axis is the height of pictures of width 1."""
        first, end = axes[0], axes[-1] + 1
        (height, width), (out_height, out_width) = _picture(shape[first:end]), _picture(self.sizes[first:end])
        pictures = product(shape[:first])
        channels = product(shape[end:])
        words: dict[str, Dim | float] = {"height": height, "width": width, "channels": channels}
        words |= {"out_height": out_height, "out_width": out_width}
        made = picture_of(target, (pictures, out_height, out_width, channels))
        words |= {"out_pixel": made.pixel, "out_line": made.line, "out_image": made.image}
        if self.scales:
            scales = self.scales[first:end]
            words |= {"scale_y": scales[0], "scale_x": scales[1] if len(scales) > 1 else 1.0}
        given, lanes = bool(self.scales), lowering.target.lanes
        across = item_width(lowering, channels, (source, target), (made.pixel, made.line, made.image))
        if self.mode == "cubic":
            need_floats(source)
            kernel = family.resize_cubic(
                self.coordinates,
                self.cubic_coefficient,
                exclude_outside=self.exclude_outside,
                given_scales=given,
                lanes=lanes,
                width=across,
            )
        elif self.mode == "linear":
            need_floats(source)
            kernel = family.resize_linear(self.coordinates, given_scales=given, lanes=lanes, width=across)
        else:
            kernel = family.resize_nearest(
                checked(source.dtype).name,
                self.coordinates,
                self.nearest,
                given_scales=given,
                lanes=lanes,
                width=across,
            )
        out = (pictures, out_height, out_width, channels)
        # The sum of two by two, or of four neighbours, each a multiply-add.
        work = tensor_work((0 if self.mode == "nearest" else 8, *out), (source, shape), (target, out))
        items = pictures * out_height * pieces(channels, across, out_width)
        lowering.step(kernel, {"x": source, "y": target}, words, items, work=work)


def _picture(sizes: Shape) -> tuple[Dim, Dim]:
    """Height and width; a single size is a height."""
    return sizes[0], sizes[1] if len(sizes) > 1 else 1


def _linear(fraction: Numbers) -> tuple[Numbers, Numbers]:
    """Offsets [2] and weights [out, 2] of linear interpolation."""
    return np.arange(2), np.stack([1 - fraction, fraction], axis=1)


def _cubic(fraction: Numbers, a: float) -> tuple[Numbers, Numbers]:
    """Offsets [4] and weights [out, 4] of Keys' cubic convolution (IEEE ASSP 29, 1981) with coefficient a."""
    distance = np.abs(fraction[:, None] - np.arange(-1, 3))
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.arange(-1, 3), np.where(distance <= 1, near, far)


Coordinates = Callable[[Numbers, float, int, int], Numbers]

_HALF = np.float32(0.5)


def _half_pixel(x: Numbers, scale: float, size: int, out: int) -> Numbers:
    return np.asarray((x + _HALF) / np.float32(scale) - _HALF)


def _half_pixel_symmetric(x: Numbers, scale: float, size: int, out: int) -> Numbers:
    # Where the whole output size cuts off a part of scale * size, both ends lose the same.
    covered = np.float32(out) / (np.float32(scale) * np.float32(size))
    lost = np.float32(size) * _HALF * (np.float32(1) - covered)
    return np.asarray(lost + (x + _HALF) / np.float32(scale) - _HALF)


def _pytorch_half_pixel(x: Numbers, scale: float, size: int, out: int) -> Numbers:
    return _half_pixel(x, scale, size, out) if out > 1 else np.zeros_like(x)


def _align_corners(x: Numbers, scale: float, size: int, out: int) -> Numbers:
    return np.asarray(x * np.float32(size - 1) / np.float32(out - 1)) if out > 1 else np.zeros_like(x)


def _asymmetric(x: Numbers, scale: float, size: int, out: int) -> Numbers:
    return np.asarray(x / np.float32(scale))


# From a place in the output to one in the input: (places, scale, input size, output size), in float32 as kernels do.
COORDINATES: dict[str, Coordinates] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "align_corners": _align_corners,
    "asymmetric": _asymmetric,
}

ROUNDINGS: dict[str, Callable[[Numbers], Numbers]] = {
    "round_prefer_floor": lambda at: np.ceil(at - _HALF),
    "round_prefer_ceil": lambda at: np.floor(at + _HALF),
    "floor": np.floor,
    "ceil": np.ceil,
}
