"""Bytes to floats and back as elementwise work, so that it fuses with what lies between.

The passes make these of DequantizeLinear and QuantizeLinear, whose scales lie along an axis: here they broadcast.
"""

import numpy as np

from intab.dtypes import DType, float32, uint8
from intab.errors import DTypeError
from intab.kernels.block import Block
from intab.kernels.ir import F32, I32, Cast, Const, Expr, Unary
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
    """round(x / scale), half to even, plus zero, saturated to the dtype `to` of zero; all broadcast. NaN gives 0."""

    arity = 3
    accepts = ()
    knows_narrow = True

    to: DType = uint8

    def result_dtype(self, *dtypes: DType) -> DType:
        x, scale, zero = dtypes
        if (x, scale) != (float32, float32) or zero != self.to or zero.name not in NARROW:
            raise DTypeError(f"Quantize to {self.to} takes numbers and a scale of f32, a zero alike, not {dtypes}.")
        return self.to

    def compute(self, x: Numbers, scale: Numbers, zero: Numbers) -> Numbers:
        limits = np.iinfo(self.to.numpy_name)
        moved = np.rint(x / scale) + zero.astype(np.float32)
        return np.asarray(np.nan_to_num(np.clip(moved, limits.min, limits.max)).astype(self.to.numpy))

    def scalar(self, block: Block, x: Expr, scale: Expr, zero: Expr) -> Expr:
        limits = np.iinfo(self.to.numpy_name)
        floats, integers = F32.wide(x.type.lanes), I32.wide(x.type.lanes)
        moved = Unary("nearest", x / scale) + Cast(zero, floats)
        inside = moved.maximum(Const(float(limits.min), floats)).minimum(Const(float(limits.max), floats))
        return Cast(inside, integers)
