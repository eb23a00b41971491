"""Floats as small whole numbers with a scale: q and (q - zero point) * scale."""

from collections.abc import Callable

import numpy as np

from intab.dtypes import DType, float32, uint8
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, Shape
from intab.graph.ir import Value
from intab.kernels import functions
from intab.kernels.block import Block
from intab.kernels.ir import F32, I32, Cast, Const, Expr, Type, Unary
from intab.ops.arrays import Numbers
from intab.ops.broadcast import NO_PAIRS, Pairs, agree, normal_axis, shape_text
from intab.ops.kernel_steps import checked, compute_step
from intab.ops.lowering import Lowering
from intab.ops.registry import Result, op
from intab.ops.strides import broadcast_strides, collapse, dense_strides

QUANTIZED = ("i8", "u8", "i16", "u16", "i32")


@op("DequantizeLinear")
class DequantizeLinear:
    """(x - zero point) * scale, with one scale and zero point for all or one for each place along `axis`.

    x of 8, 16 or 32 bits; scale f32 [] or [C]; zero point of x's dtype, as many as scales -> f32, x's shape.
    Source: ONNX DequantizeLinear-19.
    """

    axis: int = 1

    def infer(self, x: Value, scale: Value, zero: Value | None = None) -> Result:
        _check_quantized("DequantizeLinear", x.dtype)
        return Result(float32, x.shape, equal=_check_scale("DequantizeLinear", x, x.dtype, scale, zero, self.axis))

    def reference(self, x: Numbers, scale: Numbers, zero: Numbers | None = None) -> Numbers:
        numbers = x.astype(np.int64)
        if zero is not None:
            numbers = numbers - _along(zero, x.ndim, self.axis).astype(np.int64)
        with np.errstate(all="ignore"):
            return np.asarray(numbers.astype(np.float32) * _along(scale, x.ndim, self.axis))

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        def number(block: Block, x: Expr, scale: Expr, *zero: Expr) -> Expr:
            return Cast(x - zero[0] if zero else x, F32) * scale

        _lower(self.axis, number, (I32, F32, I32), lowering, inputs, outputs[0])


@op("QuantizeLinear")
class QuantizeLinear:
    """round(x / scale), half to even, plus the zero point, saturated. The inverse of DequantizeLinear.

    x f32; scale f32 [] or [C] along `axis`; zero point of dtype `to`, as many as scales -> `to`, x's shape.
    Source: ONNX QuantizeLinear-19.
    """

    axis: int = 1
    to: DType = uint8

    def infer(self, x: Value, scale: Value, zero: Value | None = None) -> Result:
        _check_quantized("QuantizeLinear", self.to)
        if x.dtype != float32:
            raise DTypeError(f"QuantizeLinear takes f32, not {x}.")
        if self.to.itemsize > 2:
            raise DTypeError(f"QuantizeLinear makes integers of 8 or 16 bits, not {self.to}.")
        return Result(self.to, x.shape, equal=_check_scale("QuantizeLinear", x, self.to, scale, zero, self.axis))

    def reference(self, x: Numbers, scale: Numbers, zero: Numbers | None = None) -> Numbers:
        with np.errstate(all="ignore"):
            rounded = np.rint(x / _along(scale, x.ndim, self.axis))
        if zero is not None:
            rounded = rounded + _along(zero, x.ndim, self.axis).astype(np.float32)
        clipped: Numbers = np.clip(rounded, *_limits(self.to))
        return np.nan_to_num(clipped).astype(self.to.numpy)

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        low, high = (Const(float(limit), F32) for limit in _limits(self.to))

        def number(block: Block, x: Expr, scale: Expr, *zero: Expr) -> Expr:
            rounded: Expr = Unary("nearest", x / scale)
            if zero:
                rounded = rounded + Cast(zero[0], F32)
            return Cast(rounded.maximum(low).minimum(high), I32)

        _lower(self.axis, number, (F32, F32, I32), lowering, inputs, outputs[0])


def _lower(
    axis: int,
    number: Callable[..., Expr],
    types: tuple[Type, ...],
    lowering: Lowering,
    inputs: tuple[Value | None, ...],
    y: Value,
) -> None:
    """One elementwise step, scale and zero point repeated along the other axes."""
    given = [value for value in inputs if value is not None]
    for value in (*given, y):
        checked(value.dtype)
    function = functions.scalar_function(number, *types[: len(given)])
    strides = [dense_strides(y.shape), *(_along_strides(value, y.shape, axis) for value in given[1:])]
    path = collapse(y.shape, [*strides, dense_strides(y.shape)])
    compute_step(lowering, function, [lowering.place(value) for value in given], lowering.place(y), path)


def _along_strides(value: Value, shape: Shape, axis: int) -> Shape:
    sizes: list[Dim] = [1] * len(shape)
    if value.rank:
        sizes[normal_axis(axis, len(shape))] = value.shape[0]
    return broadcast_strides(tuple(sizes), shape)


def _along(array: Numbers, rank: int, axis: int) -> Numbers:
    """One number, or one for each place along an axis, so that it broadcasts over `rank` axes."""
    if array.ndim == 0:
        return array
    shape = [1] * rank
    shape[normal_axis(axis, rank)] = -1
    return array.reshape(shape)


def _limits(dtype: DType) -> tuple[int, int]:
    """The least and the largest number of an integer dtype."""
    bits = 8 * dtype.itemsize
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if dtype.kind == "signed" else (0, (1 << bits) - 1)


def _check_quantized(name: str, dtype: DType) -> None:
    if dtype.name not in QUANTIZED:
        raise DTypeError(f"{name} knows integers of {', '.join(QUANTIZED)}, not {dtype}.")


def _check_scale(name: str, x: Value, dtype: DType, scale: Value, zero: Value | None, axis: int) -> Pairs:
    """The sizes taken for equal. Raises DTypeError or ShapeError for scales and zero points that do not fit."""
    if scale.dtype != float32 or (zero is not None and zero.dtype != dtype):
        raise DTypeError(f"{name} needs scales of f32 and zero points of {dtype}, not {scale} and {zero}.")
    if zero is not None and zero.rank != scale.rank:
        raise ShapeError(f"{name} needs as many zero points as scales, not {scale} and {zero}.")
    if scale.rank > 1:
        raise UnsupportedOpError(f"{name} takes one scale or one along an axis, not {shape_text(scale.shape)}.")
    pairs = NO_PAIRS
    if scale.rank:
        size = x.shape[normal_axis(axis, x.rank)]
        for value in (scale, zero):
            if value is not None:
                pairs += agree(value.shape[0], size, f"{name}: {value} along axis {axis} of {x}")[1]
    return pairs
