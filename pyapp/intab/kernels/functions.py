"""exp, log, erf and their kind, written in the basics of the kernel language, at any width.

Each takes a block and an f32 expression and returns an expression of the same type. Error bounds are in units in
the last place of the f32 result (ulp), seen over every exponent and millions of points in the tests, with `Fma`
rounding once or twice. NaN gives NaN on WebAssembly (shading languages promise nothing). The coefficients come
from `scripts/fit_functions.py`.
"""

import math
from collections.abc import Callable

from intab.kernels.block import Block
from intab.kernels.ir import (
    Bitcast,
    Cast,
    Const,
    Expr,
    Fma,
    Select,
    Type,
    Unary,
    Var,
)
from intab.kernels.scalar import ScalarFunction

# Added to a float, it pushes the fraction out of the mantissa: the low bits of the sum are a whole number.
_TO_WHOLE = 1.5 * 2.0**23
_LOG2_E = 1.4426950408889634
# ln 2 in two parts; the first has 9 bits, so that its product with an exponent is exact without a fused Fma.
_LN2_HIGH = 0.693359375
_LN2_LOW = -2.12194440054690583e-4
INFINITY = math.inf

_TWICE_EXP = (
    2.0,
    2.0,
    0.9999998807907104,
    0.3333304226398468,
    0.08333652466535568,
    0.016737349331378937,
    0.0027642110362648964,
)
_LOG = (
    0.3333333134651184,
    -0.2500081956386566,
    0.2000124156475067,
    -0.166234090924263,
    0.14201579988002777,
    -0.13159610331058502,
    0.12762217223644257,
    -0.07636439055204391,
)
_TANH = (
    -0.33333316445350647,
    0.133325457572937,
    -0.05384786054491997,
    0.021052589640021324,
    -0.0062462384812533855,
)
_ERF_INSIDE = (
    0.12837915122509003,
    -0.37612488865852356,
    0.11281730979681015,
    -0.026762960478663445,
    0.0049873352982103825,
    -0.0005959455156698823,
)
_ERF_OUTSIDE = (
    1.1285111904144287,
    0.6357289552688599,
    0.10524792969226837,
    -0.02288110926747322,
    0.0032122142147272825,
    -0.0002136547554982826,
)


def scalar_function(build: Callable[..., Expr], *types: Type) -> ScalarFunction:
    """The function `build(block, *arguments)` of scalars of these types, as data. Its arguments are a0, a1, ..."""
    block = Block()
    arguments = tuple(Var(f"a{index}", type) for index, type in enumerate(types))
    result = build(block, *arguments)
    return ScalarFunction(arguments, block.statements, result)


def polynomial(block: Block, x: Expr, coefficients: tuple[float, ...]) -> Expr:
    """sum of coefficients[k] x^k by Horner's rule."""
    value: Expr = Const(coefficients[-1], x.type)
    for coefficient in reversed(coefficients[:-1]):
        value = Fma(value, x, Const(coefficient, x.type))
    return block.let("polynomial", value)


def at_least(x: Expr, low: float) -> Expr:
    """The larger of x and a number; NaN stays (one pseudo-maximum on WebAssembly, cheaper than `maximum`)."""
    return Select(x.lt(low), Const(low, x.type), x)


def at_most(x: Expr, high: float) -> Expr:
    """The smaller of x and a number; NaN stays."""
    return Select(x.gt(high), Const(high, x.type), x)


def exp(block: Block, x: Expr) -> Expr:
    """e^x. 1 ulp; results below 2^-125.5 are 0.

    e^x = 2 e^r 2^(n - 1) with n = round(x / ln 2). The factor 2 in the polynomial lets n = 128 keep within the
    exponents of f32, and n = -126, where the clamped x ends, comes out as the exponent field 0: a plain 0.
    """
    return _exp_inside(block, at_most(at_least(x, -87.4), 89.0))


def _exp_inside(block: Block, x: Expr) -> Expr:
    """e^x for x between -87.4 and 89."""
    bounded = block.let("bounded", x)
    shift = Const(_TO_WHOLE + 126, x.type)
    whole = block.let("whole", Fma(bounded, Const(_LOG2_E, x.type), shift))
    n = block.let("n", whole - shift)
    nearly_r = Fma(n, Const(-_LN2_HIGH, x.type), bounded)
    r = block.let("r", Fma(n, Const(-_LN2_LOW, x.type), nearly_r))
    power = Bitcast(Bitcast(whole, _integer(x)) << 23, x.type)
    return block.let("exp", polynomial(block, r, _TWICE_EXP) * power)


def log(block: Block, x: Expr) -> Expr:
    """The natural logarithm. 1 ulp; 0 gives -inf, less than 0 NaN."""
    least = 2.0**-126
    tiny = block.let("tiny", x.lt(least))
    scaled = block.let("scaled", Select(tiny, x * 2.0**23, x))
    bias = Select(tiny, Const(-23.0, x.type), Const(0.0, x.type))
    value = _log_of_normal(block, scaled, bias)
    edge = Select(x.equal(0.0), Const(-INFINITY, x.type), Const(math.nan, x.type))
    edge = Select(x.gt(0.0), x, edge)
    return block.let("log", Select(x.gt(0.0) & x.lt(INFINITY), value, edge))


def _log_of_normal(block: Block, x: Expr, bias: Expr) -> Expr:
    """log of positive normal numbers, plus bias * ln 2."""
    integer = _integer(x)
    # Exponents are counted from sqrt(1/2), so that the mantissa lies around 1.
    root_half = Const(0x3F3504F3, integer)
    from_root = block.let("from_root", Bitcast(x, integer) - root_half)
    exponent = block.let("exponent", Cast(from_root >> 23, x.type) + bias)
    f = block.let("f", Bitcast((from_root & 0x7FFFFF) + root_half, x.type) - 1.0)
    square = block.let("square", f * f)
    tail = Fma(polynomial(block, f, _LOG), f * square, exponent * _LN2_LOW)
    tail = Fma(square, Const(-0.5, x.type), tail)
    return block.let("log", Fma(exponent, Const(_LN2_HIGH, x.type), f + tail))


def sigmoid(block: Block, x: Expr) -> Expr:
    """1 / (1 + e^-x). 2.5 ulp where the result is 2^-125 or more, else within 2^-125."""
    return block.let("sigmoid", Const(1.0, x.type) / (exp(block, Unary("neg", x)) + 1.0))


def tanh(block: Block, x: Expr) -> Expr:
    """The hyperbolic tangent. 1.7 ulp. x + x^3 p(x^2) up to |x| = 0.55, beyond 1 - 2 / (e^2|x| + 1)."""
    size = block.let("size", Unary("abs", x))
    square = block.let("square", size * size)
    inside = Fma(polynomial(block, square, _TANH), square * size, size)
    outside = Const(1.0, x.type) - Const(2.0, x.type) / (_exp_inside(block, at_most(size + size, 89.0)) + 1.0)
    return block.let("tanh", _with_sign_of(x, Select(size.lt(0.55), inside, outside)))


def erf(block: Block, x: Expr) -> Expr:
    """The error function. 1.5 ulp. x + x p(x^2) up to |x| = 0.93, beyond 1 - exp(-|x| q(|x|))."""
    size = block.let("size", at_most(Unary("abs", x), 4.0))
    square = block.let("square", size * size)
    inside = Fma(polynomial(block, square, _ERF_INSIDE), size, size)
    outside = Const(1.0, x.type) - _exp_inside(block, polynomial(block, size, _ERF_OUTSIDE) * Unary("neg", size))
    return block.let("erf", _with_sign_of(x, Select(size.lt(0.93), inside, outside)))


def _with_sign_of(x: Expr, size: Expr) -> Expr:
    sign = Bitcast(x, _integer(x)) & -(2**31)
    return Bitcast(Bitcast(size, _integer(x)) | sign, x.type)


def gelu(block: Block, x: Expr) -> Expr:
    """x (1 + erf(x / sqrt 2)) / 2. Within 2^-23 |x|."""
    half = block.let("half", x * 0.5)
    return block.let("gelu", Fma(half, erf(block, x * math.sqrt(0.5)), half))


def gelu_tanh(block: Block, x: Expr) -> Expr:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, the usual stand-in for gelu. Within 2^-23 |x|."""
    half = block.let("half", x * 0.5)
    factor = math.sqrt(2 / math.pi)
    inner = x * Fma(x * x, Const(0.044715 * factor, x.type), Const(factor, x.type))
    return block.let("gelu", Fma(half, tanh(block, inner), half))


def softplus(block: Block, x: Expr) -> Expr:
    """log(1 + e^x). 3 ulp where the result is 2^-125 or more, else 0.

    max(x, 0) + log1p(u) with u = e^-|x|. What 1 + u loses of u is put back to first order.
    """
    u = exp(block, Unary("neg", Unary("abs", x)))
    w = block.let("w", u + 1.0)
    lost = (u - (w - 1.0)) / w
    log1p = _log_of_normal(block, w, Const(0.0, x.type)) + lost
    return block.let("softplus", at_least(x, 0.0) + log1p)


def sqrt(block: Block, x: Expr) -> Expr:
    """The square root. 0.5 ulp."""
    return block.let("root", Unary("sqrt", x))


def reciprocal_square_root(block: Block, x: Expr) -> Expr:
    """1 / sqrt(x). 1.5 ulp."""
    return block.let("reciprocal_root", Const(1.0, x.type) / Unary("sqrt", x))


def _integer(x: Expr) -> Type:
    return Type("i32", x.type.lanes)
