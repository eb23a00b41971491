"""Resize and its forerunner Upsample.

Resize 10 and Upsample take only scales; Resize 11 brought sizes, coordinate and rounding modes; Resize 18
axes, antialiasing and policies for the aspect ratio; Resize 19 "half_pixel_symmetric".
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.graph.dims import Dim
from intab.graph.ir import Value

_COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
_ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_MODES = ("nearest", "linear", "cubic")
_POLICIES = ("stretch", "not_larger", "not_smaller")


@dataclass(frozen=True, slots=True)
class Goal:
    """Sizes of the result; its scales where the file states those, else none."""

    sizes: tuple[Dim, ...]
    scales: tuple[float, ...]


@onnx_op("Resize", since=11)
def resize(
    call: Call, x: Value, roi: Value | None = None, scales: Value | None = None, sizes: Value | None = None
) -> Value:
    call.ignore("extrapolation_value")  # only for tf_crop_and_resize, which is refused with its mode
    if call.flag("antialias", default=False):
        raise call.unsupported("it smooths what it makes smaller (antialias)")
    mode = call.choice("mode", _MODES, "nearest")
    goal = _goal(call, x, scales, sizes)
    return call.result(
        "Resize",
        x,
        sizes=goal.sizes,
        scales=goal.scales,
        mode=mode,
        coordinates=call.choice("coordinate_transformation_mode", _COORDINATES, "half_pixel"),
        nearest=call.choice("nearest_mode", _ROUNDINGS, "round_prefer_floor"),
        cubic_coefficient=call.number("cubic_coeff_a", -0.75),
        exclude_outside=call.flag("exclude_outside", default=False),
    )


@onnx_op("Resize", since=10)
@onnx_op("Upsample", since=9)
def resize_by_scales(call: Call, x: Value, scales: Value) -> Value:
    return _asymmetric(call, x, _known_scales(call, scales, x.rank))


@onnx_op("Upsample", since=7)
def upsample(call: Call, x: Value) -> Value:
    scales = call.numbers("scales")
    _check_scales(call, scales, x.rank)
    return _asymmetric(call, x, scales)


def _asymmetric(call: Call, x: Value, scales: tuple[float, ...]) -> Value:
    """Output i lies at i / scale of the input. The nearest element is the one below it when the picture grows, the
    one above when it shrinks: the standard does not say, onnxruntime does.
    """
    mode = call.choice("mode", ("nearest", "linear", "bilinear"), "nearest")
    grows, shrinks = any(scale > 1 for scale in scales), any(scale < 1 for scale in scales)
    if mode == "nearest" and grows and shrinks:
        raise call.unsupported(f"scales {list(scales)} grow one axis and shrink another")
    return call.result(
        "Resize",
        x,
        sizes=tuple(_scaled_size(size, scale) for size, scale in zip(x.shape, scales, strict=True)),
        scales=scales,
        mode="nearest" if mode == "nearest" else "linear",
        coordinates="asymmetric",
        nearest="ceil" if shrinks else "floor",
    )


def _goal(call: Call, x: Value, scales: Value | None, sizes: Value | None) -> Goal:
    """What scales or sizes (one of them, for some of the axes) say of all axes."""
    axes = call.axes(call.integers("axes", tuple(range(x.rank))), x.rank)
    policy = call.choice("keep_aspect_ratio_policy", _POLICIES, "stretch")
    # An empty tensor stands for an absent input.
    by_scales = scales is not None and scales.shape != (0,)
    by_sizes = sizes is not None and sizes.shape != (0,)
    if by_scales == by_sizes:
        raise call.malformed("exactly one of scales and sizes is expected")
    if scales is not None and by_scales:
        return _goal_by_scales(x, axes, _known_scales(call, scales, len(axes)))
    assert sizes is not None
    wanted = call.known_sizes(sizes, "the sizes")
    if len(wanted) != len(axes) or any(isinstance(size, int) and size < 0 for size in wanted):
        raise call.malformed(f"the sizes {list(wanted)} do not fit {len(axes)} axes")
    if policy != "stretch":
        return _goal_by_ratio(call, x, axes, wanted, policy)
    all_sizes = list(x.shape)
    for axis, size in zip(axes, wanted, strict=True):
        all_sizes[axis] = size
    return Goal(tuple(all_sizes), ())


def _goal_by_scales(x: Value, axes: tuple[int, ...], scales: tuple[float, ...]) -> Goal:
    sizes, all_scales = list(x.shape), [1.0] * x.rank
    for axis, scale in zip(axes, scales, strict=True):
        sizes[axis], all_scales[axis] = _scaled_size(x.shape[axis], scale), scale
    return Goal(tuple(sizes), tuple(all_scales))


def _goal_by_ratio(call: Call, x: Value, axes: tuple[int, ...], wanted: tuple[Dim, ...], policy: str) -> Goal:
    """One scale for all axes: the largest that keeps within the sizes, or the smallest that reaches them."""
    have = call.fixed_shape(tuple(x.shape[axis] for axis in axes), "the picture")
    want = call.fixed_shape(wanted, "the goal")
    if 0 in have or not have:
        raise call.malformed("an empty picture has no aspect ratio")
    ratios = [Fraction(goal, size) for goal, size in zip(want, have, strict=True)]
    ratio = min(ratios) if policy == "not_larger" else max(ratios)
    sizes, scales = list(x.shape), [1.0] * x.rank
    for axis, size in zip(axes, have, strict=True):
        # Halves are rounded up (ONNX Resize-18).
        sizes[axis], scales[axis] = int(ratio * size + Fraction(1, 2)), float(ratio)
    return Goal(tuple(sizes), tuple(scales))


def _known_scales(call: Call, scales: Value, count: int) -> tuple[float, ...]:
    found = tuple(float(scale) for scale in call.known_array(scales, "the scales").reshape(-1)[: count + 1])
    _check_scales(call, found, count)
    return found


def _check_scales(call: Call, scales: tuple[float, ...], count: int) -> None:
    if len(scales) != count or not all(0 < scale < 1e6 for scale in scales):
        raise call.malformed(f"the scales {list(scales)[:9]} are not {count} positive numbers")


def _scaled_size(size: Dim, scale: float) -> Dim:
    """floor(size * scale), as onnxruntime computes it: the product rounded to float32 first."""
    if isinstance(size, int):
        return int(np.floor(np.float32(size) * np.float32(scale)))
    # The simple fraction that the float32 stands for, such as 1/3 for 0.33333334.
    ratio = Fraction(scale).limit_denominator(1024)
    if np.float32(ratio) != np.float32(scale):
        ratio = Fraction(scale)
    return size * ratio.numerator // ratio.denominator
