"""Registers, numbers and conversions in WGSL."""

import math
import struct

from intab.errors import UnsupportedOpError
from intab.kernels.ir import Cast, Const, Type

# Registers of 64 bits hold numbers that fit into 32, see `layout`.
_SCALARS = {"i32": "i32", "u32": "u32", "f32": "f32", "bool": "bool", "pointer": "i32", "i64": "i32"}

# Constant expressions must be finite in WGSL, so that infinity and NaN are made at run time from these bits.
NOT_FINITE = {"infinity_bits": 0x7F800000, "minus_infinity_bits": 0xFF800000, "nan_bits": 0x7FC00000}

LARGEST = {"i32": 2**31 - 1, "u32": 2**32 - 1}
# The ends of i64, from which kernels begin to look for the least and the most.
_ENDS = {2**63 - 1: 2**31 - 1, -(2**63): -(2**31)}


def type_text(type: Type) -> str:
    """A register's type. Raises UnsupportedOpError for one that WGSL does not have."""
    scalar = _SCALARS.get(type.scalar)
    if scalar is None:
        raise UnsupportedOpError(f"WGSL has no {type.scalar}. Use the wasm back end, or 32-bit types.")
    return vector_text(scalar, type.lanes)


def vector_text(scalar: str, lanes: int) -> str:
    """A scalar of WGSL, or a vector of them."""
    if lanes not in (1, 2, 3, 4):
        raise UnsupportedOpError(f"WGSL has no vectors of {lanes} lanes. Build the kernel with 4 or fewer.")
    return scalar if lanes == 1 else f"vec{lanes}<{scalar}>"


def conversion(cast: Cast) -> str:
    """The function that converts: WGSL's own, but for floats to integers."""
    if cast.operand.type.scalar == "f32" and _SCALARS.get(cast.type.scalar) in LARGEST:
        return saturating_function(cast.type)
    return type_text(cast.type)


def saturating_function(type: Type) -> str:
    """The name of the function from f32 to i32 or u32."""
    return f"to_{_SCALARS[type.scalar]}x{type.lanes}"


def saturating_text(type: Type) -> str:
    """That function. WGSL's own conversion ends at the largest f32 below the largest integer."""
    floats, wanted = type_text(Type("f32", type.lanes)), type_text(type)
    largest = const_text(Const(LARGEST[type.scalar], type))
    limit = const_text(Const(LARGEST[type.scalar] + 1.0, Type("f32", type.lanes)))
    body = f"return select({wanted}(x), {largest}, x >= {limit});"
    return f"fn {saturating_function(type)}(x: {floats}) -> {wanted} {{ {body} }}"


def rounding_function(lanes: int) -> str:
    """The name of the function that rounds f32 to the nearest number of 16 bits."""
    return f"to_f16x{lanes}"


def rounding_text(lanes: int) -> str:
    """That function. WGSL's own conversions may take either neighbour, and some devices do."""
    floats, bits = vector_text("f32", lanes), vector_text("u32", lanes)
    return "\n".join(
        [
            f"fn {rounding_function(lanes)}(x: {floats}) -> {floats} {{",
            f"    let bits = bitcast<{bits}>(x);",
            f"    let even = (bits >> {bits}(13u)) & {bits}(1u);",
            f"    let near = bitcast<{floats}>((bits + {bits}(0xfffu) + even) & {bits}(0xffffe000u));",
            f"    let most = bitcast<{floats}>((bits & {bits}(0x80000000u)) | {bits}(0x7f800000u));",
            f"    let normal = select(near, most, abs(near) >= {floats}(65536.0f));",
            "    // Below 2^-14 they are multiples of 2^-24.",
            "    let small = round(x * 16777216.0f) * 0x1p-24f;",
            f"    return select(normal, small, abs(x) < {floats}(0x1p-14f));",
            "}",
        ]
    )


def const_text(const: Const) -> str:
    """A number. Raises UnsupportedOpError for whole numbers that 32 bits do not hold."""
    scalar = const.type.wide(1)
    if scalar.scalar == "f32":
        text = _float_text(const.value)
    elif scalar.scalar == "bool":
        text = "true" if const.value else "false"
    else:
        text = f"{type_text(scalar)}({_whole(const)})"
    return text if const.type.lanes == 1 else f"{type_text(const.type)}({text})"


def _whole(const: Const) -> int:
    value = int(const.value)
    if const.type.scalar != "i64":
        return value
    value = _ENDS.get(value, value)
    if not -(2**31) <= value < 2**31:
        raise UnsupportedOpError(f"{value} does not fit the 32 bits that WGSL has. Use the wasm back end.")
    return value


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "bitcast<f32>(nan_bits)"
    if math.isinf(value):
        return f"bitcast<f32>({'minus_' if value < 0 else ''}infinity_bits)"
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return f"{rounded!r}f" if math.copysign(1, rounded) > 0 else f"({rounded!r}f)"
