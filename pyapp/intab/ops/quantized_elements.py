"""Bytes to floats and back as elementwise work, so that it fuses with what lies between.

The passes make these of DequantizeLinear and QuantizeLinear, whose scales lie along an axis: here they broadcast.
"""

import numpy as np

from intab.dtypes import DType, float32, int8, uint8
from intab.errors import DTypeError
from intab.kernels.block import Block
from intab.kernels.functions import rounded_between
from intab.kernels.ir import F32, Cast, Const, Expr
from intab.ops.arrays import Numbers
from intab.ops.elementwise import Elementwise
from intab.ops.registry import op

NARROW = ("u8", "i8", "u16", "i16")


@op("Dequantize")
class Dequantize(Elementwise):
    """(x - zero) * scale for x of 8 or 16 bits and a zero of its dtype, scale f32 -> f32; all broadcast."""

    arity = 3
    accepts = ()  # not one dtype for all, see `result_dtype`
    knows_narrow = True

    def result_dtype(self, *dtypes: DType) -> DType:
        x, scale, zero = dtypes
        if x.name not in NARROW or zero != x or scale != float32:
            raise DTypeError(f"Dequantize takes {', '.join(NARROW)}, a scale of f32 and a zero alike, not {dtypes}.")
        return float32

    def compute(self, x: Numbers, scale: Numbers, zero: Numbers) -> Numbers:
        return (x.astype(np.int32) - zero.astype(np.int32)).astype(np.float32) * scale

    def scalar(self, block: Block, x: Expr, scale: Expr, zero: Expr) -> Expr:
        return Cast(x - zero, F32.wide(x.type.lanes)) * scale


@op("Quantize")
class Quantize(Elementwise):
    """round(x / scale), half to even, plus zero, saturated to the dtype `to` of zero; all broadcast.

    x and scale f32; NaN gives the least number. Source: ONNX QuantizeLinear-19.
    """

    arity = 3
    accepts = ()
    knows_narrow = True

    to: DType = uint8

    def result_dtype(self, *dtypes: DType) -> DType:
        check_levels("Quantize", self.to, dtypes)
        return self.to

    def compute(self, x: Numbers, scale: Numbers, zero: Numbers) -> Numbers:
        return np.asarray((_levels(x, scale, zero, self.to) + zero).astype(self.to.numpy))

    def scalar(self, block: Block, x: Expr, scale: Expr, zero: Expr) -> Expr:
        return _level(block, x, scale, zero, self.to) + zero


@op("FakeQuantize")
class FakeQuantize(Elementwise):
    """x as Dequantize has it after Quantize with the same scale and zero: f32 again."""

    arity = 3
    accepts = ()
    knows_narrow = True

    to: DType = uint8

    def result_dtype(self, *dtypes: DType) -> DType:
        check_levels("FakeQuantize", self.to, dtypes)
        return float32

    def compute(self, x: Numbers, scale: Numbers, zero: Numbers) -> Numbers:
        return np.asarray(_levels(x, scale, zero, self.to).astype(np.float32) * scale)

    def scalar(self, block: Block, x: Expr, scale: Expr, zero: Expr) -> Expr:
        return Cast(_level(block, x, scale, zero, self.to), F32.wide(x.type.lanes)) * scale


@op("AddBytes")
class AddBytes(Elementwise):
    """round(a * a_ratio + b * b_ratio + offset), half to even, saturated to `to`; all broadcast.

    a and b bytes, the rest f32: ratios of their scales to the result's, and what all zero points add. Source:
    onnxruntime's QLinearAdd, which computes so.
    """

    arity = 5
    accepts = ()
    knows_narrow = True

    to: DType = uint8

    def result_dtype(self, *dtypes: DType) -> DType:
        if any(d not in (uint8, int8) for d in (*dtypes[:2], self.to)) or any(d != float32 for d in dtypes[2:]):
            raise DTypeError(
                f"AddBytes takes two tensors of bytes, then numbers of f32, and gives bytes, not {dtypes}."
            )
        return self.to

    def compute(self, a: Numbers, b: Numbers, a_ratio: Numbers, b_ratio: Numbers, offset: Numbers) -> Numbers:
        total = a.astype(np.float32) * a_ratio + (b.astype(np.float32) * b_ratio + offset)
        return np.asarray(np.rint(np.clip(total, *_limits(self.to))).astype(self.to.numpy))

    def scalar(self, block: Block, a: Expr, b: Expr, a_ratio: Expr, b_ratio: Expr, offset: Expr) -> Expr:
        floats = F32.wide(a.type.lanes)
        total = block.let("total", Cast(a, floats) * a_ratio + (Cast(b, floats) * b_ratio + offset))
        return rounded_between(block, total, *(Const(float(limit), floats) for limit in _limits(self.to)))


def check_levels(name: str, to: DType, dtypes: tuple[DType, ...]) -> None:
    """Raise DTypeError unless a number, its scale and its zero point have the right dtypes."""
    x, scale, zero = dtypes
    if (x, scale) != (float32, float32) or zero != to or zero.name not in NARROW:
        raise DTypeError(f"{name} to {to} takes numbers and a scale of f32 and a zero of {to}, not {dtypes}.")


def _levels(x: Numbers, scale: Numbers, zero: Numbers, to: DType) -> Numbers:
    """x in steps of its scale, without the zero point, as whole numbers that fit with it."""
    low, high = (limit - zero.astype(np.int32) for limit in _limits(to))
    steps = np.where(np.isnan(x), low, x / scale)
    return np.asarray(np.rint(np.clip(steps, low, high)).astype(np.int32))


def _level(block: Block, x: Expr, scale: Expr, zero: Expr, to: DType) -> Expr:
    """The same in the kernel language."""
    lanes = x.type.lanes
    level = block.let("zero_level", Cast(zero, F32.wide(lanes)))
    low, high = (block.let("limit", Const(float(limit), F32.wide(lanes)) - level) for limit in _limits(to))
    return rounded_between(block, block.let("steps", x / scale), low, high)


def _limits(to: DType) -> tuple[int, int]:
    limits = np.iinfo(to.numpy_name)
    return int(limits.min), int(limits.max)
