"""a to the power of b in the kernel language."""

import math

from intab.errors import UnsupportedOpError
from intab.kernels import functions
from intab.kernels.block import Block
from intab.kernels.ir import F32, Cast, Const, Expr, Select, Unary


def power(block: Block, a: Expr, b: Expr) -> Expr:
    """a^b in f32 as exp(b log|a|) with the sign that whole exponents give: relative error about 1e-7 |b log a|.

    Whole numbers go through f32 too and are exact as long as the result is below 2^20 or so.
    Source: the special cases are those of IEEE 754-2019, pow.
    """
    if a.type.scalar == "bool" or b.type.scalar == "bool":
        raise UnsupportedOpError("Pow takes numbers, not bool.")
    base = block.let("base", _as_float(a))
    exponent = block.let("exponent", _as_float(b))
    size = block.let("size", Unary("abs", base))
    value = functions.exp(block, exponent * functions.log(block, size))
    whole = Unary("floor", exponent).equal(exponent)
    half = block.let("half", exponent * 0.5)
    odd = whole & Unary("floor", half).unequal(half)
    negative = base.lt(0.0)
    signed = block.let("signed", Select(negative & odd, -value, value))
    # Roots of negative numbers are no real numbers, unless they are infinite.
    signed = block.let("signed", Select(negative & Unary("not", whole) & size.unequal(math.inf), _nan(base), signed))
    one = exponent.equal(0.0) | base.equal(1.0) | (base.equal(-1.0) & Unary("abs", exponent).equal(math.inf))
    result = Select(one, Const(1.0, base.type), signed)
    if a.type.scalar == "f32":
        return result
    return Cast(Unary("nearest", block.let("result", _towards_zero_below_one(block, result))), a.type)


def _as_float(x: Expr) -> Expr:
    return x if x.type.scalar == "f32" else Cast(x, F32.wide(x.type.lanes))


def _nan(like: Expr) -> Const:
    return Const(math.nan, like.type)


def _towards_zero_below_one(block: Block, x: Expr) -> Expr:
    """0 for fractions (negative powers of whole numbers), others as they are: those are whole but for rounding."""
    result = block.let("fraction", x)
    return Select(Unary("abs", result).lt(0.75), Const(0.0, result.type), result)
