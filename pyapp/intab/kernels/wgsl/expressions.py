"""Expressions of the kernel language as WGSL. Kernel names get a prefix each, since WGSL reserves many words:
variables `v_`, words `w_`, buffers `b_`, the element that a buffer starts at `o_`."""

import math
import struct

from intab.errors import KernelError, UnsupportedOpError
from intab.kernels.ir import (
    I32,
    POINTER,
    U32,
    At,
    Binary,
    Bitcast,
    Cast,
    Const,
    DotPairs,
    Expr,
    Fma,
    Lane,
    Load,
    Moved,
    Narrow,
    Pick,
    Select,
    Splat,
    Type,
    Unary,
    Var,
    Widen,
    Word,
)

_SCALARS = {"i32": "i32", "u32": "u32", "f32": "f32", "bool": "bool", "pointer": "i32"}
_OPERATORS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "rem": "%",
    "and": "&",
    "or": "|",
    "xor": "^",
    "shl": "<<",
    "shr": ">>",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
}
_FUNCTIONS = {"abs": "abs", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "nearest": "round", "sqrt": "sqrt"}

# Constant expressions must be finite in WGSL, so that infinity and NaN are made at run time from these bits.
NOT_FINITE = {"infinity_bits": 0x7F800000, "minus_infinity_bits": 0xFF800000, "nan_bits": 0x7FC00000}

LARGEST = {"i32": 2**31 - 1, "u32": 2**32 - 1}


def type_text(type: Type) -> str:
    """A register's type. Raises UnsupportedOpError for one that WGSL does not have."""
    scalar = _SCALARS.get(type.scalar)
    if scalar is None:
        raise UnsupportedOpError(f"WGSL has no {type.scalar}. Use the wasm back end, or 32-bit types.")
    if type.lanes not in (1, 2, 3, 4):
        raise UnsupportedOpError(f"WGSL has no vectors of {type.lanes} lanes. Build the kernel with 4 or fewer.")
    return scalar if type.lanes == 1 else f"vec{type.lanes}<{scalar}>"


def load_function(buffer: str, lanes: int) -> str:
    """The name of the function that loads a vector."""
    return f"load{lanes}_{buffer}"


def expr_text(expr: Expr) -> str:
    """An expression in WGSL, in parentheses where they are needed."""
    match expr:
        case Const():
            return _const_text(expr)
        case Word():
            return f"w_{expr.name}"
        case Var():
            return f"v_{expr.name}"
        case Unary():
            return _unary_text(expr)
        case Binary():
            return _binary_text(expr)
        case Fma():
            return f"fma({expr_text(expr.factor)}, {expr_text(expr.other)}, {expr_text(expr.addend)})"
        case DotPairs():
            raise UnsupportedOpError("WGSL has no products of 16-bit pairs. Use the wasm back end, or i32 products.")
        case Narrow() | Widen():
            raise UnsupportedOpError("WGSL has no 16-bit numbers. Use the wasm back end, or i32.")
        case Select():
            otherwise, then = expr_text(expr.otherwise), expr_text(expr.then)
            return f"select({otherwise}, {then}, {expr_text(expr.condition)})"
        case Cast():
            return f"{_conversion(expr)}({expr_text(expr.operand)})"
        case Bitcast():
            return f"bitcast<{type_text(expr.type)}>({expr_text(expr.operand)})"
        case Splat():
            return f"{type_text(expr.type)}({expr_text(expr.operand)})"
        case Lane():
            return f"{expr_text(expr.operand)}.{'xyzw'[expr.index]}"
        case Pick():
            sides = expr_text(expr.left), expr_text(expr.right)
            picked = (f"{sides[lane // 4]}.{'xyzw'[lane % 4]}" for lane in expr.lanes)
            return f"{type_text(expr.type)}({', '.join(picked)})"
        case Load():
            place = place_text(expr.buffer, expr.index, expr.offset)
            lanes = expr.type.lanes
            return f"b_{expr.buffer}[{place}]" if lanes == 1 else f"{load_function(expr.buffer, lanes)}({place})"
        case At():
            return place_text(expr.buffer, expr.index, 0)
        case Moved():
            return f"({expr_text(expr.pointer)} + {expr_text(expr.elements)})"


def _conversion(cast: Cast) -> str:
    """The function that converts: WGSL's own, but for floats to integers."""
    if cast.operand.type.scalar == "f32" and cast.type.scalar in LARGEST:
        return saturating_function(cast.type)
    return type_text(cast.type)


def saturating_function(type: Type) -> str:
    """The name of the function from f32 to i32 or u32."""
    return f"to_{type.scalar}x{type.lanes}"


def saturating_text(type: Type) -> str:
    """That function. WGSL's own conversion ends at the largest f32 below the largest integer."""
    floats, wanted = type_text(Type("f32", type.lanes)), type_text(type)
    largest = _const_text(Const(LARGEST[type.scalar], type))
    limit = _const_text(Const(LARGEST[type.scalar] + 1.0, Type("f32", type.lanes)))
    body = f"return select({wanted}(x), {largest}, x >= {limit});"
    return f"fn {saturating_function(type)}(x: {floats}) -> {wanted} {{ {body} }}"


def place_text(buffer: str, index: Expr, offset: int) -> str:
    """The index of an element in a bound buffer. Pointers hold such indices; i32 indices count from the offset."""
    place = expr_text(index)
    if index.type != POINTER:
        place = f"(o_{buffer} + {place})"
    return f"({place} + {offset})" if offset else place


def _const_text(const: Const) -> str:
    scalar = const.type.wide(1)
    if scalar.scalar == "f32":
        text = _float_text(const.value)
    elif scalar.scalar == "bool":
        text = "true" if const.value else "false"
    else:
        text = f"{type_text(scalar)}({int(const.value)})"
    return text if const.type.lanes == 1 else f"{type_text(const.type)}({text})"


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "bitcast<f32>(nan_bits)"
    if math.isinf(value):
        return f"bitcast<f32>({'minus_' if value < 0 else ''}infinity_bits)"
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return f"{rounded!r}f" if math.copysign(1, rounded) > 0 else f"({rounded!r}f)"


def _unary_text(expr: Unary) -> str:
    operand = expr_text(expr.operand)
    if expr.op == "neg":
        return f"(-{operand})"
    if expr.op == "not":
        return f"(!{operand})" if expr.type.scalar == "bool" else f"(~{operand})"
    return f"{_FUNCTIONS[expr.op]}({operand})"


def _binary_text(expr: Binary) -> str:
    left, right = expr_text(expr.left), expr_text(expr.right)
    if expr.op in ("min", "max"):
        return f"{expr.op}({left}, {right})"
    if expr.op == "xor" and expr.left.type.scalar == "bool":
        return f"({left} != {right})"
    if expr.op in ("shl", "shr"):
        right = _shift_text(expr.right)
    operator = _OPERATORS.get(expr.op)
    if operator is None:
        raise KernelError(f"WGSL has no way to say {expr.op!r}.")
    return f"({left} {operator} {right})"


def _shift_text(count: Expr) -> str:
    """A shift's count, which is u32 in WGSL and below 32 where it is constant."""
    unsigned = U32.wide(count.type.lanes)
    if isinstance(count, Const):
        return _const_text(Const(int(count.value) & 31, unsigned))
    masked = Binary("and", count, Const(31, I32.wide(count.type.lanes))) if count.type.scalar == "i32" else count
    return f"{type_text(unsigned)}({expr_text(masked)})"
