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
TO_WHOLE = 1.5 * 2.0**23
TO_WHOLE_BITS = 0x4B400000
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
# p(u) with p^2 = erfc(u / sqrt 2) for u up to _GELU_END.
_GELU = (
    1.0,
    -0.39894217252731323,
    -0.07957573980093002,
    0.03471631184220314,
    0.010820078663527966,
    -0.003232558723539114,
    -0.0005320797790773213,
    -0.00012664677342399955,
    0.0002454716886859387,
    -8.120765414787456e-05,
    1.271332712349249e-05,
    -1.0089598845297587e-06,
    3.2874115873937626e-08,
)
_GELU_END = 5.5

_SIN = (1.0, -0.16666655242443085, 0.008332189172506332, -0.0001951828453456983)
_COS = (1.0, -0.5, 0.04166664555668831, -0.0013887309469282627, 2.4432327336398885e-05)
# pi / 2 in three parts; products of the first two with whole numbers below 2^13 are exact.
_HALF_PI = (1.5703125, 4.837512969970703125e-4, 7.54978995489188216e-8)
_LOG_QUOTIENT = (0.6666666269302368, 0.40000972151756287, 0.28498801589012146, 0.24278561770915985)


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
    """The larger of x and a number; NaN stays, at the price of one instruction on WebAssembly."""
    return x.maximum(low)


def at_most(x: Expr, high: float) -> Expr:
    """The smaller of x and a number; NaN stays."""
    return x.minimum(high)


def _between(block: Block, x: Expr, low: float, high: float) -> Expr:
    """x kept from low to high; NaN stays."""
    return block.let("bounded", at_most(at_least(x, low), high))


def exp(block: Block, x: Expr) -> Expr:
    """e^x. 1.2 ulp; results below 2^-125.5 are 0.

    e^x = 2 e^r 2^(n - 1) with n = round(x / ln 2). The factor 2 in the polynomial lets n = 128 keep within the
    exponents of f32, and n = -126, where the clamped x ends, comes out as the exponent field 0: a plain 0.
    """
    return _exp_inside(block, _between(block, x, -87.4, 89.0))


def _exp_inside(block: Block, x: Expr) -> Expr:
    """e^x for a variable x between -87.4 and 89."""
    shift = Const(TO_WHOLE + 126, x.type)
    whole = block.let("whole", Fma(x, Const(_LOG2_E, x.type), shift))
    n = block.let("n", whole - shift)
    nearly_r = Fma(n, Const(-_LN2_HIGH, x.type), x)
    r = block.let("r", Fma(n, Const(-_LN2_LOW, x.type), nearly_r))
    power = Bitcast(Bitcast(whole, _integer(x)) << 23, x.type)
    return block.let("exp", polynomial(block, r, _TWICE_EXP) * power)


def log(block: Block, x: Expr) -> Expr:
    """The natural logarithm. 1 ulp; 0 gives -inf, less than 0 NaN."""
    x = block.let("x", x)
    exponent, f = _exponent_and_fraction(block, x)
    value = _log_of_parts(block, exponent, f)
    edge = Select(x.equal(0.0), Const(-INFINITY, x.type), Const(math.nan, x.type))
    edge = Select(x.gt(0.0), x, edge)
    return block.let("log", Select(x.gt(0.0) & x.lt(INFINITY), value, edge))


def _exponent_and_fraction(block: Block, x: Expr) -> tuple[Expr, Expr]:
    """x = 2^exponent (1 + fraction), 1 + fraction between sqrt(1/2) and sqrt(2), for positive finite x."""
    tiny = block.let("tiny", x.lt(2.0**-126))
    scaled = Select(tiny, x * 2.0**23, x)
    exponent, fraction = _parts_of_normal(block, scaled)
    return block.let("exponent", exponent + Select(tiny, Const(-23.0, x.type), Const(0.0, x.type))), fraction


def _parts_of_normal(block: Block, x: Expr) -> tuple[Expr, Expr]:
    """The same for numbers that are not denormal."""
    integer = _integer(x)
    # Exponents are counted from sqrt(1/2), so that the mantissa lies around 1.
    root_half = Const(0x3F3504F3, integer)
    from_root = block.let("from_root", Bitcast(x, integer) - root_half)
    fraction = block.let("fraction", Bitcast((from_root & 0x7FFFFF) + root_half, x.type) - 1.0)
    return Cast(from_root >> 23, x.type), fraction


def _log_of_parts(block: Block, exponent: Expr, f: Expr) -> Expr:
    """exponent ln 2 + log(1 + f)."""
    exponent = block.let("exponent", exponent)
    square = block.let("square", f * f)
    tail = Fma(polynomial(block, f, _LOG), f * square, exponent * _LN2_LOW)
    tail = Fma(square, Const(-0.5, f.type), tail)
    return block.let("log", Fma(exponent, Const(_LN2_HIGH, f.type), f + tail))


def sigmoid(block: Block, x: Expr) -> Expr:
    """1 / (1 + e^-x). 2.5 ulp where the result is 2^-125 or more, else within 2^-125."""
    return block.let("sigmoid", Const(1.0, x.type) / (exp(block, Unary("neg", x)) + 1.0))


def tanh(block: Block, x: Expr) -> Expr:
    """The hyperbolic tangent. 1.7 ulp. x + x^3 p(x^2) up to |x| = 0.55, beyond 1 - 2 / (e^2|x| + 1)."""
    x = block.let("x", x)
    size = block.let("size", Unary("abs", x))
    square = block.let("square", size * size)
    inside = Fma(polynomial(block, square, _TANH), square * size, size)
    twice = block.let("twice", at_most(size + size, 89.0))
    outside = Const(1.0, x.type) - Const(2.0, x.type) / (_exp_inside(block, twice) + 1.0)
    return block.let("tanh", _with_sign_of(x, Select(size.lt(0.55), inside, outside)))


def erf(block: Block, x: Expr) -> Expr:
    """The error function. 1.5 ulp. x + x p(x^2) up to |x| = 0.93, beyond 1 - exp(-|x| q(|x|))."""
    x = block.let("x", x)
    size = block.let("size", at_most(Unary("abs", x), 4.0))
    square = block.let("square", size * size)
    inside = Fma(polynomial(block, square, _ERF_INSIDE), size, size)
    exponent = block.let("exponent", polynomial(block, size, _ERF_OUTSIDE) * Unary("neg", size))
    outside = Const(1.0, x.type) - _exp_inside(block, exponent)
    return block.let("erf", _with_sign_of(x, Select(size.lt(0.93), inside, outside)))


def _with_sign_of(x: Expr, size: Expr) -> Expr:
    sign = Bitcast(x, _integer(x)) & -(2**31)
    return Bitcast(Bitcast(size, _integer(x)) | sign, x.type)


def gelu(block: Block, x: Expr) -> Expr:
    """x (1 + erf(x / sqrt 2)) / 2. Within 2^-23 |x|; 0 from -5.5 down.

    max(x, 0) - u p(u)^2 / 2 with u = |x|: p^2 is erfc(u / sqrt 2). One polynomial serves all x, where erf takes two
    and an exponential. It is below 0 at 5.5, where u ends, and 0 is what counts there.
    """
    x = block.let("x", x)
    size = block.let("size", at_most(Unary("abs", x), _GELU_END))
    root = block.let("root", at_least(polynomial(block, size, _GELU), 0.0))
    return block.let("gelu", Fma((root * -0.5) * size, root, at_least(x, 0.0)))


def gelu_tanh(block: Block, x: Expr) -> Expr:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, the usual stand-in for gelu. Within 2^-23 |x|.

    (1 + tanh z) / 2 is 1 / (1 + e^-2z).
    """
    x = block.let("x", x)
    factor = -2 * math.sqrt(2 / math.pi)
    inner = block.let("inner", x * Fma(x * x, Const(0.044715 * factor, x.type), Const(factor, x.type)))
    return block.let("gelu", x / (exp(block, inner) + 1.0))


def silu(block: Block, x: Expr) -> Expr:
    """x / (1 + e^-x), which is x sigmoid(x). 2.5 ulp where the result is 2^-118 or more, else within that."""
    x = block.let("x", x)
    return block.let("silu", x / (exp(block, Unary("neg", x)) + 1.0))


def softplus(block: Block, x: Expr) -> Expr:
    """log(1 + e^x). 3 ulp where the result is 2^-125 or more, else 0.

    max(x, 0) + log1p(u) with u = e^-|x|. What 1 + u loses of u is put back to first order.
    """
    x = block.let("x", x)
    u = exp(block, Unary("neg", Unary("abs", x)))
    w = block.let("w", u + 1.0)
    lost = (u - (w - 1.0)) / w
    log1p = _log_of_parts(block, *_parts_of_normal(block, w)) + lost
    return block.let("softplus", at_least(x, 0.0) + log1p)


def sqrt(block: Block, x: Expr) -> Expr:
    """The square root. 0.5 ulp."""
    return block.let("root", Unary("sqrt", x))


def reciprocal_square_root(block: Block, x: Expr) -> Expr:
    """1 / sqrt(x). 1.5 ulp."""
    return block.let("reciprocal_root", Const(1.0, x.type) / Unary("sqrt", x))


def sin(block: Block, x: Expr) -> Expr:
    """The sine. Within 2^-23 for |x| up to 8192; beyond, the error grows with |x|; of infinities NaN."""
    return _sine(block, block.let("x", x), 0)


def cos(block: Block, x: Expr) -> Expr:
    """The cosine. Error as of `sin`."""
    return _sine(block, block.let("x", x), 1)


def _sine(block: Block, x: Expr, quarters: int) -> Expr:
    """sin(x + quarters * pi / 2): the quarter that x lies in chooses between both series and the sign."""
    shift = Const(TO_WHOLE, x.type)
    whole = block.let("whole", Fma(x, Const(2 / math.pi, x.type), shift))
    n = block.let("n", whole - shift)
    r = x
    for part in _HALF_PI:
        r = block.let("r", Fma(n, Const(-part, x.type), r))
    square = block.let("square", r * r)
    quarter = block.let("quarter", Bitcast(whole, _integer(x)) + quarters)
    odd = (quarter & 1).unequal(0)
    value = Select(odd, polynomial(block, square, _COS), r * polynomial(block, square, _SIN))
    sign = (quarter & 2) << 30
    return block.let("sine", Bitcast(Bitcast(value, _integer(x)) ^ sign, x.type))


def pow(block: Block, x: Expr, y: Expr) -> Expr:
    """x^y. 3 ulp; results below 2^-125.5 are 0. Signs, zeros, infinities and NaN as in IEEE 754's pow.

    2^(y log2 |x|), the logarithm and the product kept as a sum of two numbers, the first with 12 bits, so that
    products of first parts are exact (as in Sun's e_powf).
    """
    x, y = block.let("x", x), block.let("y", y)
    size = block.let("size", Unary("abs", x))
    high, low = _log2_in_parts(block, size)
    # Beyond this exponent every result is 0, 1 or infinite, and products stay finite.
    bounded = _between(block, y, -(2.0**60), 2.0**60)
    y_high = block.let("y_high", _first_bits(bounded))
    z_high = block.let("z_high", y_high * high)
    z_low = block.let("z_low", Fma(bounded - y_high, high, bounded * low))
    exact = block.let("exact", z_high + z_low)
    z = _between(block, exact, -126.4, 129.0)
    shift = Const(TO_WHOLE + 126, x.type)
    # As a fused addition: compilers of shaders take (z + shift) - shift for z.
    whole = block.let("whole", Fma(z, Const(1.0, x.type), shift))
    n = block.let("n", whole - shift)
    r = Select(exact.equal(z), (z_high - n) + z_low, Const(0.0, x.type))
    factor = Bitcast(Bitcast(whole, _integer(x)) << 23, x.type)
    series = polynomial(block, block.let("r", r * math.log(2)), _TWICE_EXP)
    return _with_edges_of_pow(block, x, y, size, series * factor)


def rounded_between(block: Block, x: Expr, low: Expr, high: Expr) -> Expr:
    """x of f32 as the nearest i32, halves to even, not below low nor above high, which are whole and within 2^22.

    NaN gives low. The addition that rounds is two instructions where `nearest` and a saturating Cast are ten.
    """
    return last_bits_between(block, x, low, high) - TO_WHOLE_BITS


def last_bits(block: Block, x: Expr, *bounds: Expr) -> Expr:
    """The nearest i32 of x of f32 plus TO_WHOLE_BITS, halves to even, for x within 2^22, or not below the first nor
    above the second bound, as `rounded_between` has them."""
    return last_bits_between(block, x, *bounds) if bounds else Bitcast(x + TO_WHOLE, _integer(x))


def last_bits_between(block: Block, x: Expr, low: Expr, high: Expr) -> Expr:
    """An i32 whose last 22 bits are those of x as `rounded_between` has it: an instruction less, where bytes follow."""
    above = block.let("above", Select(low.lt(x), x, low))
    inside = block.let("inside", Select(high.lt(above), high, above))
    return Bitcast(inside + TO_WHOLE, _integer(x))


def _first_bits(x: Expr) -> Expr:
    """x cut to its first 12 bits."""
    return Bitcast(Bitcast(x, _integer(x)) & -(2**12), x.type)


def _log2_in_parts(block: Block, x: Expr) -> tuple[Expr, Expr]:
    """log2 of a positive finite number as high + low: high has 12 bits, the sum about 32.

    log m = 2 s + s^3 p(s^2) with s = (m - 1) / (m + 1), itself in two parts.
    """
    exponent, f = _exponent_and_fraction(block, x)
    d = block.let("d", f + 2.0)
    s = block.let("s", f / d)
    s_high, d_high = block.let("s_high", _first_bits(s)), block.let("d_high", _first_bits(d))
    d_low = block.let("d_low", f - (d_high - 2.0))
    s_low = ((f - s_high * d_high) - s_high * d_low) / d
    square = block.let("square", s * s)
    tail = block.let("tail", Fma(s * square, polynomial(block, square, _LOG_QUOTIENT), s_low + s_low))
    log2_e_high = 1.44189453125
    first = block.let("first", s_high * (2 * log2_e_high))
    rest = block.let("rest", Fma(s_high, Const(2 * (_LOG2_E - log2_e_high), x.type), tail * _LOG2_E))
    high = block.let("high", _first_bits((first + rest) + exponent))
    return high, block.let("low", rest - ((high - exponent) - first))


def _with_edges_of_pow(block: Block, x: Expr, y: Expr, size: Expr, regular: Expr) -> Expr:
    zero, infinity, nan = (Const(value, x.type) for value in (0.0, INFINITY, math.nan))
    whole = block.let("whole", Unary("trunc", y).equal(y))
    half = block.let("half", y * 0.5)
    odd = whole & Unary("trunc", half).unequal(half)
    infinite = block.let("infinite", size.equal(INFINITY))
    empty = block.let("empty", size.equal(0.0))
    result = Select(infinite | empty, Select(y.gt(0.0) ^ empty, infinity, zero), regular)
    negative = Bitcast(x, _integer(x)).lt(0)
    signed = block.let("signed", Select(negative & odd, Unary("neg", result), result))
    rooted = Select(x.lt(0.0) & Unary("not", whole | infinite), nan, signed)
    known = Select(x.equal(x) & y.equal(y), rooted, nan)
    return block.let("pow", Select(x.equal(1.0) | y.equal(0.0), Const(1.0, x.type), known))


def _integer(x: Expr) -> Type:
    return Type("i32", x.type.lanes)
