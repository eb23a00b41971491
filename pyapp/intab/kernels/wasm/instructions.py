"""Which WebAssembly instruction says what an expression of the kernel language means.

Tables are keyed by operation and scalar type; opcodes are from the WebAssembly Core Specification 3.0.
"""

from intab.kernels.wasm.encoding import F32, F64, I32, I64, simd


def _scalars(first: int, names: str) -> dict[str, bytes]:
    """Consecutive one-byte opcodes; a dot skips one."""
    return {name: bytes((first + i,)) for i, name in enumerate(names.split()) if name != "."}


def _vectors(pairs: dict[str, int]) -> dict[str, bytes]:
    return {name: simd(opcode) for name, opcode in pairs.items()}


VALUE_TYPES = {"i32": I32, "u32": I32, "bool": I32, "pointer": I32, "i64": I64, "f32": F32, "f64": F64}

_INTEGER = "add sub mul div . rem . and or xor shl shr ."
_UNSIGNED = "add sub mul . div . rem and or xor shl . shr"
SCALAR_BINARY: dict[str, dict[str, bytes]] = {
    "i32": _scalars(0x6A, _INTEGER) | _scalars(0x46, "eq ne lt . gt . le . ge ."),
    "u32": _scalars(0x6A, _UNSIGNED) | _scalars(0x46, "eq ne . lt . gt . le . ge"),
    "bool": _scalars(0x71, "and or xor") | _scalars(0x46, "eq ne"),
    "i64": _scalars(0x7C, _INTEGER) | _scalars(0x51, "eq ne lt . gt . le . ge ."),
    "f32": _scalars(0x92, "add sub mul div min max") | _scalars(0x5B, "eq ne lt gt le ge"),
    "f64": _scalars(0xA0, "add sub mul div min max") | _scalars(0x61, "eq ne lt gt le ge"),
}
_MASKS = _vectors({"and": 0x4E, "or": 0x50, "xor": 0x51})
_INTEGER_VECTORS = {"add": 0xAE, "sub": 0xB1, "mul": 0xB5, "shl": 0xAB, "eq": 0x37, "ne": 0x38}
VECTOR_BINARY: dict[str, dict[str, bytes]] = {
    "i32": _MASKS
    | _vectors(
        _INTEGER_VECTORS | {"shr": 0xAC, "min": 0xB6, "max": 0xB8, "lt": 0x39, "gt": 0x3B, "le": 0x3D, "ge": 0x3F}
    ),
    "u32": _MASKS
    | _vectors(
        _INTEGER_VECTORS | {"shr": 0xAD, "min": 0xB7, "max": 0xB9, "lt": 0x3A, "gt": 0x3C, "le": 0x3E, "ge": 0x40}
    ),
    "bool": _MASKS | _vectors({"eq": 0x37, "ne": 0x38}),
    "i16": _vectors({"add": 0x8E, "sub": 0x91, "min": 0x96, "max": 0x98}),
    "f32": _vectors(
        {"add": 0xE4, "sub": 0xE5, "mul": 0xE6, "div": 0xE7, "min": 0xE8, "max": 0xE9}
        | {"eq": 0x41, "ne": 0x42, "lt": 0x43, "gt": 0x44, "le": 0x45, "ge": 0x46}
    ),
}
# pmin(a, b) is b < a ? b : a, one instruction on x86 where min takes six. With a constant on the right it
# still gives NaN for NaN.
VECTOR_PSEUDO_EXTREMES = {"min": simd(0xEA), "max": simd(0xEB)}

SCALAR_UNARY: dict[str, dict[str, bytes]] = {
    "f32": _scalars(0x8B, "abs neg ceil floor trunc nearest sqrt"),
    "f64": _scalars(0x99, "abs neg ceil floor trunc nearest sqrt"),
    "bool": {"not": b"\x45"},
}
VECTOR_UNARY: dict[str, dict[str, bytes]] = {
    "f32": _vectors(
        {"ceil": 0x67, "floor": 0x68, "trunc": 0x69, "nearest": 0x6A, "abs": 0xE0, "neg": 0xE1, "sqrt": 0xE3}
    ),
    "i32": _vectors({"abs": 0xA0, "neg": 0xA1, "not": 0x4D}),
    "u32": _vectors({"neg": 0xA1, "not": 0x4D}),
    "bool": _vectors({"not": 0x4D}),
}

# (from, to) -> instructions; integers of equal width share their bits.
SCALAR_CAST: dict[tuple[str, str], bytes] = {
    ("f32", "i32"): b"\xfc\x00",
    ("f32", "u32"): b"\xfc\x01",
    ("f64", "i32"): b"\xfc\x02",
    ("f64", "u32"): b"\xfc\x03",
    ("f32", "i64"): b"\xfc\x04",
    ("f64", "i64"): b"\xfc\x06",
    ("i32", "f32"): b"\xb2",
    ("u32", "f32"): b"\xb3",
    ("i64", "f32"): b"\xb4",
    ("f64", "f32"): b"\xb6",
    ("i32", "f64"): b"\xb7",
    ("u32", "f64"): b"\xb8",
    ("i64", "f64"): b"\xb9",
    ("f32", "f64"): b"\xbb",
    ("i32", "i64"): b"\xac",
    ("u32", "i64"): b"\xad",
    ("i64", "i32"): b"\xa7",
    ("i64", "u32"): b"\xa7",
    ("bool", "f32"): b"\xb2",
    ("bool", "f64"): b"\xb7",
    ("bool", "i64"): b"\xad",
    ("i32", "u32"): b"",
    ("u32", "i32"): b"",
    ("bool", "i32"): b"",
    ("bool", "u32"): b"",
}
VECTOR_CAST: dict[tuple[str, str], bytes] = {
    ("f32", "i32"): simd(0xF8),
    ("f32", "u32"): simd(0xF9),
    ("i32", "f32"): simd(0xFA),
    ("u32", "f32"): simd(0xFB),
    ("i32", "u32"): b"",
    ("u32", "i32"): b"",
}
BITCAST: dict[tuple[str, str], bytes] = {
    ("f32", "i32"): b"\xbc",
    ("f32", "u32"): b"\xbc",
    ("f64", "i64"): b"\xbd",
    ("i32", "f32"): b"\xbe",
    ("u32", "f32"): b"\xbe",
    ("i64", "f64"): b"\xbf",
    ("i32", "u32"): b"",
    ("u32", "i32"): b"",
}
SPLAT = {"i32": simd(0x11), "u32": simd(0x11), "f32": simd(0x13)}
EXTRACT_LANE = {"i32": simd(0x1B), "u32": simd(0x1B), "f32": simd(0x1F)}
# i16x8.narrow_i32x4_u, i8x16.narrow_i16x8_u, each with a second vector of zeros; lanes are masked before.
NARROW_TO_BYTES = simd(0x0C) + bytes(16) + simd(0x86) + simd(0x0C) + bytes(16) + simd(0x66)

# dtype in memory -> (load, store, log2 of the alignment hint)
SCALAR_MEMORY: dict[str, tuple[bytes, bytes, int]] = {
    "i32": (b"\x28", b"\x36", 2),
    "u32": (b"\x28", b"\x36", 2),
    "i64": (b"\x29", b"\x37", 3),
    "f32": (b"\x2a", b"\x38", 2),
    "f64": (b"\x2b", b"\x39", 3),
    "i8": (b"\x2c", b"\x3a", 0),
    "u8": (b"\x2d", b"\x3a", 0),
    "bool": (b"\x2d", b"\x3a", 0),
    "i16": (b"\x2e", b"\x3b", 1),
    "u16": (b"\x2f", b"\x3b", 1),
}
# Four bytes widened to four i32 lanes: i16x8.extend_low_i8x16, then i32x4.extend_low_i16x8.
WIDEN_BYTES = {
    "i8": simd(0x87) + simd(0xA7),
    "u8": simd(0x89) + simd(0xA9),
    "bool": simd(0x89) + simd(0xA9),
}
# Eight elements as i16 lanes: load8x8_s, load8x8_u, load.
LOAD_HALVES = {"i8": simd(0x01), "u8": simd(0x02), "i16": simd(0x00)}
I32X4_DOT_I16X8_S = simd(0xBA)
I16X8_NARROW_I32X4_S = simd(0x85)
# i32x4.extend_low_i16x8_s, i32x4.extend_high_i16x8_s.
EXTEND_HALF = (simd(0xA7), simd(0xA8))
# i8x16.narrow_i16x8_s, i8x16.narrow_i16x8_u.
SATURATE_TO_BYTES = {"i8": simd(0x65), "u8": simd(0x66)}
V128_ZERO = simd(0x0C) + bytes(16)
I8X16_SHUFFLE = simd(0x0D)
# Four 16-bit numbers to and from i32 lanes: i32x4.extend_low_i16x8_u, i16x8.narrow_i32x4_u with a vector of zeros.
WIDEN_HALVES, NARROW_TO_HALVES = simd(0xA9), simd(0x0C) + bytes(16) + simd(0x86)
V128_LOAD, V128_STORE, V128_LOAD32_SPLAT, V128_LOAD32_ZERO, V128_STORE32_LANE = (
    simd(0x00),
    simd(0x0B),
    simd(0x09),
    simd(0x5C),
    simd(0x5A),
)
V128_LOAD64_ZERO, V128_STORE64_LANE = simd(0x5D), simd(0x5B)
V128_CONST, V128_AND, V128_BITSELECT, F32X4_RELAXED_MADD = simd(0x0C), simd(0x4E), simd(0x52), simd(0x105)
