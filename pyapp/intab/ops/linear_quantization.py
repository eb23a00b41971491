"""Floats as small whole numbers with a scale: q and (q - zero point) * scale."""

from collections.abc import Callable

import numpy as np

from intab.dtypes import DType, float32, uint8
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, Shape, ceil_div, dense_strides
from intab.graph.ir import Value
from intab.kernels import functions
from intab.kernels.block import Block
from intab.kernels.ir import F32, I32, Cast, Const, Expr, Type, Unary
from intab.ops.arrays import Numbers
from intab.ops.broadcast import NO_PAIRS, Pairs, agree, normal_axis, shape_text
from intab.ops.kernel_steps import checked, compute_step
from intab.ops.lowering import Lowering
from intab.ops.registry import Result, op
from intab.ops.strides import broadcast_strides, collapse

QUANTIZED = ("i8", "u8", "i16", "u16", "i32")


@op("DequantizeLinear")
class DequantizeLinear:
    """(x - zero point) * scale, with one scale and zero point for all or one for each place along `axis`.

    x of 8, 16 or 32 bits; scale f32 [] or [C]; zero point of x's dtype or f32, as many as scales -> f32, x's shape.
    With `block_size`, scale and zero point have x's axes, and along `axis` one for each so many neighbours.
    Source: ONNX DequantizeLinear-21.
    """

    axis: int = 1
    block_size: int = 0

    def infer(self, x: Value, scale: Value, zero: Value | None = None) -> Result:
        _check_quantized("DequantizeLinear", x.dtype)
        dtype = x.dtype if zero is None or zero.dtype != float32 else float32
        if self.block_size:
            return Result(float32, x.shape, equal=self._check_blocks(x, dtype, scale, zero))
        return Result(float32, x.shape, equal=_check_scale("DequantizeLinear", x, dtype, scale, zero, self.axis))

    def _check_blocks(self, x: Value, dtype: DType, scale: Value, zero: Value | None) -> Pairs:
        if scale.dtype != float32 or (zero is not None and zero.dtype != dtype):
            raise DTypeError(
                f"DequantizeLinear needs scales of f32 and zero points of {dtype}, not {scale} and {zero}."
            )
        axis, pairs = normal_axis(self.axis, x.rank), NO_PAIRS
        wanted = (*x.shape[:axis], ceil_div(x.shape[axis], self.block_size), *x.shape[axis + 1 :])
        for value in (scale, zero):
            if value is not None and value.rank != x.rank:
                raise ShapeError(f"Blocks of {x} have scales of as many axes, not {value}.")
            for given, expected in zip(value.shape if value is not None else (), wanted, strict=False):
                pairs += agree(given, expected, f"DequantizeLinear: {value} for blocks of {self.block_size} of {x}")[1]
        return pairs

    def reference(self, x: Numbers, scale: Numbers, zero: Numbers | None = None) -> Numbers:
        numbers: Numbers = x.astype(np.int64)
        if zero is not None:
            points = self._spread(zero, x)
            numbers = numbers - (points if zero.dtype == np.float32 else points.astype(np.int64))
        with np.errstate(all="ignore"):
            return np.asarray(numbers.astype(np.float32) * self._spread(scale, x))

    def _spread(self, values: Numbers, x: Numbers) -> Numbers:
        """Scales or zero points so that they broadcast over x."""
        if not self.block_size:
            return _along(values, x.ndim, self.axis)
        axis = normal_axis(self.axis, x.ndim)
        each: Numbers = np.repeat(values, self.block_size, axis=axis)
        return np.take(each, range(x.shape[axis]), axis=axis)

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        is_float = len(inputs) > 2 and inputs[2] is not None and inputs[2].dtype == float32

        def number(block: Block, x: Expr, scale: Expr, *zero: Expr) -> Expr:
            if not is_float:
                return Cast(x - zero[0] if zero else x, F32) * scale
            return (Cast(x, F32) - zero[0]) * scale

        types = (I32, F32, F32 if is_float else I32)
        _lower(self.axis, number, types, lowering, inputs, outputs[0], block_size=self.block_size)


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
    *,
    block_size: int = 0,
) -> None:
    """One elementwise step, scale and zero point repeated along the other axes."""
    given = [value for value in inputs if value is not None]
    for value in (*given, y):
        checked(value.dtype)
    function = functions.scalar_function(number, *types[: len(given)])
    if block_size:
        sizes, apart = _blocks_apart(y.shape, normal_axis(axis, y.rank), block_size)
        strides = [dense_strides(sizes), *(broadcast_strides(apart, sizes) for _ in given[1:])]
    else:
        sizes = y.shape
        strides = [dense_strides(sizes), *(_along_strides(value, sizes, axis) for value in given[1:])]
    path = collapse(sizes, [*strides, dense_strides(sizes)])
    compute_step(lowering, function, [lowering.place(value) for value in given], lowering.place(y), path)


def _blocks_apart(shape: Shape, axis: int, block_size: int) -> tuple[Shape, Shape]:
    """A shape with blocks along an axis as an axis of their own, and the same for one number each."""
    size = shape[axis]
    if not isinstance(size, int) or size % block_size:
        raise UnsupportedOpError(
            f"There is a kernel for whole blocks of {block_size}, not for {shape_text(shape)}. Use backend='reference'."
        )
    before, after = (*shape[:axis], size // block_size), shape[axis + 1 :]
    return (*before, block_size, *after), (*before, 1, *after)


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
