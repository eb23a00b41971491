"""Sine and cosine in the basics of the kernel language."""

import math

from intab.kernels.block import Block
from intab.kernels.functions import polynomial
from intab.kernels.ir import I32, Bitcast, Cast, Const, Expr, Fma, Select, Unary

# pi / 2 in three parts, the first two short enough that their products with whole numbers up to 2^13 are exact
# (Cody and Waite 1980; the parts and polynomials on -pi/4 .. pi/4 are those of Moshier's Cephes, sinf.c).
_HALF_PI = (1.5703125, 4.837512969970703125e-4, 7.549789948768648e-8)
_SINE = (-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4)
_COSINE = (4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5)


def sine(block: Block, x: Expr) -> Expr:
    """The sine of radians, within 2e-7 for |x| up to 8192; beyond that the error grows with x. NaN if infinite."""
    return _quadrant(block, x, 0)


def cosine(block: Block, x: Expr) -> Expr:
    """The cosine of radians, bounds as for `sine`."""
    return _quadrant(block, x, 1)


def _quadrant(block: Block, x: Expr, ahead: int) -> Expr:
    """sin(x + ahead * pi/2): the rest beyond a multiple of pi/2 decides the value, the multiple which function."""
    turns = block.let("turns", Unary("nearest", x * (2 / math.pi)))
    rest: Expr = x
    for part in _HALF_PI:
        rest = Fma(turns, Const(-part, x.type), rest)
    r = block.let("rest", rest)
    square = block.let("square", r * r)
    sine_part = Fma(polynomial(block, square, _SINE), square * r, r)
    half = Fma(square, Const(-0.5, x.type), Const(1.0, x.type))
    cosine_part = Fma(polynomial(block, square, _COSINE), square * square, half)
    integer = I32.wide(x.type.lanes)
    quadrant = block.let("quadrant", Cast(turns, integer) + ahead)
    value = block.let("value", Select((quadrant & 1).equal(0), sine_part, cosine_part))
    sign = (quadrant & 2) << 30
    return Bitcast(Bitcast(value, integer) ^ sign, x.type)
