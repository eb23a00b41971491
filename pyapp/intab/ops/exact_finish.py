"""What becomes of integer sums that are computed as floats, where these are exact: bytes, in the kernel that adds up.

Sums of products start from the bias where they stay below 2^24 with it. A larger bias, as a channel has whose weights
are tiny, is added as an integer: then sums start from `TO_WHOLE`, where the last bits of a float are a whole number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from intab.dtypes import DType, float32
from intab.kernels import functions
from intab.kernels.block import Block
from intab.kernels.families.integer_tile import LIMITS
from intab.kernels.families.register_tile import Epilogue
from intab.kernels.ir import F32, I32, Bitcast, Cast, Expr
from intab.kernels.scalar import ScalarFunction
from intab.ops.arrays import Numbers
from intab.ops.integer_dense import BYTES, Operands, is_single
from intab.ops.lowering import Lowering, Place
from intab.ops.packing import Packing, packing

# Up to here every whole number is an f32, and around TO_WHOLE every whole number that is this near.
EXACT, EXACT_AROUND = 1 << 24, 1 << 22
LARGEST_PRODUCT = 255 * 255


@dataclass(frozen=True, slots=True)
class ExactFinish:
    """The epilogue of a kernel whose sums are exact floats, and its buffers."""

    epilogue: Epilogue
    buffers: Mapping[str, Place]


def exact_finish(lowering: Lowering, operands: Operands, to: DType, depth: int) -> ExactFinish | None:
    """Bytes of sums of `depth` products of bytes; None where sums may be inexact or operands are computed."""
    bias, scale, zero = operands.bias, operands.scale, operands.zero
    constants = [lowering.constant(value) for value in (bias, scale, zero) if value is not None]
    if to not in BYTES or scale is None or zero is None or any(constant is None for constant in constants):
        return None
    start = lowering.constant(bias)
    largest = 0 if start is None else int(np.abs(start.numpy().astype(np.int64)).max(initial=0))
    is_small = depth * LARGEST_PRODUCT + largest < EXACT
    if not is_small and depth * LARGEST_PRODUCT >= EXACT_AROUND:
        return None
    buffers = {"e0": lowering.place(scale)}
    for i, name in enumerate(("least", "most", "zero point's bits")):
        numbers = () if i == 2 else (LIMITS[to.name][i],)
        buffers[f"e{i + 1}"] = lowering.weight((zero,), name, (1,), Packing("level", numbers), float32)
    wide = (not is_single(scale), False, False, False)
    if bias is None:
        return ExactFinish(Epilogue(False, _byte(), wide), buffers)
    sizes = tuple(size for size in bias.shape if isinstance(size, int))
    if is_small:
        buffers["bias"] = lowering.weight((bias,), "floats", sizes, Packing("floats"), float32)
        return ExactFinish(Epilogue(True, _byte(), wide), buffers)
    buffers["bias"] = lowering.weight((bias,), "starts of whole numbers", sizes, Packing("whole starts"), float32)
    buffers["e4"] = lowering.weight((bias,), "without their starts", sizes, Packing("less whole starts"), float32)
    return ExactFinish(Epilogue(True, _byte_of_whole(), (*wide, True)), buffers)


@cache
def _byte() -> ScalarFunction:
    """Of an exact sum, a scale and the levels of a zero point: an i32 whose last eight bits are the byte."""
    return functions.scalar_function(_scaled_byte, F32, F32, F32, F32, F32)


@cache
def _byte_of_whole() -> ScalarFunction:
    """The same of a sum that started from TO_WHOLE, and the bits of what is to be added to its own."""

    def build(block: Block, total: Expr, scale: Expr, least: Expr, most: Expr, zero: Expr, start: Expr) -> Expr:
        integer = I32.wide(total.type.lanes)
        exact = block.let("exact", Bitcast(total, integer) + Bitcast(start, integer))
        return _scaled_byte(block, Cast(exact, total.type), scale, least, most, zero)

    return functions.scalar_function(build, F32, F32, F32, F32, F32, F32)


def _scaled_byte(block: Block, total: Expr, scale: Expr, least: Expr, most: Expr, bits: Expr) -> Expr:
    inside = functions.last_bits_between(block, block.let("scaled", total * scale), least, most)
    return inside + Bitcast(bits, I32.wide(bits.type.lanes))


@packing("level")
def _level(zero: Numbers, *limit: int) -> Numbers:
    """How far a limit is from a zero point, as f32; without one the bits of the zero point as i32."""
    number = zero.reshape(1).astype(np.int32)
    return (limit[0] - number).astype(np.float32) if limit else number.view(np.float32)


@packing("floats")
def _floats(array: Numbers) -> Numbers:
    return array.reshape(-1).astype(np.float32)


@packing("whole starts")
def _whole_starts(bias: Numbers) -> Numbers:
    """Where sums start: the bias is added later."""
    return np.full(bias.size, functions.TO_WHOLE, np.float32)


@packing("less whole starts")
def _less_whole_starts(bias: Numbers) -> Numbers:
    """The bits of numbers of 32 bits: bias less the bits of TO_WHOLE."""
    return (bias.reshape(-1).astype(np.int64) - functions.TO_WHOLE_BITS).astype(np.int32).view(np.float32)
