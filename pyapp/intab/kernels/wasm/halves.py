"""16-bit floats in memory: WebAssembly has no instruction for them, so their bits are moved by arithmetic.

Expressions over variables, which a generator prints; lanes of the result are those of the variables.
"""

from intab.kernels.ir import Bitcast, Const, Expr, Select, Type, Unary, Var

_SIGN, _MAGNITUDE, _EXPONENT = 0x8000, 0x7FFF, 0x7C00
_WIDE_EXPONENT, _WIDE_MAGNITUDE = 0x7F800000, 0x7FFFFFFF
_QUIET_NAN = 0x7E00
# Fractions have 23 bits where halves have 10, and exponents count from -127 where those of halves do from -15.
_FRACTION_SHIFT = 13
_REBIAS = 2.0 ** (127 - 15)


def wide(bits: Var) -> Expr:
    """The f32 that the 16 bits in an i32 mean, exactly; what is too small for f32's exponent scale is still right."""
    integer, real = bits.type, Type("f32", bits.type.lanes)
    scaled = Bitcast((bits & _MAGNITUDE) << _FRACTION_SHIFT, real) * _REBIAS
    endless = Select((bits & _EXPONENT).equal(_EXPONENT), Const(_WIDE_EXPONENT, integer), Const(0, integer))
    return Bitcast(Bitcast(scaled, integer) | endless | ((bits & _SIGN) << 16), real)


def rounded_sum(value: Var) -> Expr:
    """The bits of |value| plus a power of two so large that the sum's last bits are those of a half.

    The addition rounds to the nearest half, ties to even. From Maratyszcza's FP16, fp16_ieee_from_fp32_value.
    """
    integer = Type("i32", value.type.lanes)
    exponent = (Bitcast(value, integer) & _WIDE_EXPONENT).maximum((127 - 14) << 23)
    # What does not fit a half becomes infinite on the way up and stays so on the way down.
    magnitude = Unary("abs", value) * 2.0**112 * 2.0**-110
    return Bitcast(Bitcast(exponent + (15 << 23), value.type) + magnitude, integer)


def narrow(value: Var, rounded: Var) -> Expr:
    """The 16 bits, in an i32, of the half nearest to a value; `rounded` is its `rounded_sum`."""
    bits = Bitcast(value, rounded.type)
    number = ((rounded >> _FRACTION_SHIFT) & _EXPONENT) + (rounded & 0xFFF)
    is_nan = (bits & _WIDE_MAGNITUDE).gt(_WIDE_EXPONENT)
    return Select(is_nan, Const(_QUIET_NAN, rounded.type), number) | ((bits >> 16) & _SIGN)
