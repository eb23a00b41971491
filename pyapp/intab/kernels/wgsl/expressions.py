"""Expressions of the kernel language as WGSL. Kernel names get a prefix each, since WGSL reserves many words:
variables `v_`, words `w_`, buffers and shared arrays `b_`, the place that a buffer starts at `o_`."""

from intab.errors import KernelError, UnsupportedOpError
from intab.kernels.ir import (
    I64,
    POINTER,
    U32,
    At,
    Binary,
    Bitcast,
    Cast,
    Combined,
    Const,
    DotBytes,
    DotPairs,
    Expr,
    Fma,
    FromMember,
    Lane,
    Load,
    Moved,
    Narrow,
    Pick,
    Select,
    Splat,
    Spread,
    Store,
    Unary,
    Var,
    Widen,
    Word,
)
from intab.kernels.wgsl.memory import Memory, load_function, store_function
from intab.kernels.wgsl.types import const_text, conversion, type_text

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
QUAD = 4
_FUNCTIONS = {"abs": "abs", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "nearest": "round", "sqrt": "sqrt"}

_COMBINATIONS = {"add": "subgroupAdd", "max": "subgroupMax", "min": "subgroupMin"}


def dot_function(signed: bool) -> str:
    """The name of the function for `DotBytes`."""
    return "dot_signed_bytes" if signed else "dot_unsigned_bytes"


def dot_text(signed: bool, *, packed: bool) -> str:
    """That function: WGSL's own where the language has it, else products of single bytes."""
    if packed:
        body = "dot4I8Packed(x, y)" if signed else "bitcast<i32>(dot4U8Packed(x, y))"
    else:
        sides = ("bitcast<i32>(x)", "bitcast<i32>(y)") if signed else ("x", "y")
        products = (" * ".join(f"extractBits({side}, {place}u, 8u)" for side in sides) for place in (0, 8, 16, 24))
        total = " + ".join(products)
        body = total if signed else f"bitcast<i32>({total})"
    return f"fn {dot_function(signed)}(x: u32, y: u32) -> i32 {{ return {body}; }}"


def spread_function(bits: int, *, signed: bool) -> str:
    """The name of the function for `Spread`."""
    return f"{'signed' if signed else 'unsigned'}_of_{bits}_bits"


def spread_text(bits: int, *, signed: bool) -> str:
    """That function: all four at once, each shifted to the high end of a word and back."""
    kind, rest = ("i32" if signed else "u32"), 32 - bits
    up = ", ".join(f"{rest - bits * lane}u" for lane in range(4))
    spread = f"(vec4<{kind}>({'bitcast<i32>(x)' if signed else 'x'}) << vec4<u32>({up})) >> vec4<u32>({rest}u)"
    body = spread if signed else f"bitcast<vec4<i32>>({spread})"
    return f"fn {spread_function(bits, signed=signed)}(x: u32) -> vec4<i32> {{ return {body}; }}"


class Expressions:
    """Prints the expressions of one kernel, whose buffers lie in memory as `memory` says."""

    def __init__(self, memory: dict[str, Memory], team: int = 1) -> None:
        self._memory = memory
        # A team of four is a quad, and says so: SwiftShader, whose subgroups are that small, then shuffles once.
        self._broadcast = "quadBroadcast" if team == QUAD else "subgroupBroadcast"

    def text(self, expr: Expr) -> str:
        """An expression in WGSL, in parentheses where they are needed."""
        match expr:
            case Const():
                return const_text(expr)
            case Word():
                return f"w_{expr.name}"
            case Var():
                return f"v_{expr.name}"
            case Unary():
                return self._unary(expr)
            case Binary():
                return self._binary(expr)
            case Fma():
                return f"fma({self.text(expr.factor)}, {self.text(expr.other)}, {self.text(expr.addend)})"
            case DotPairs():
                raise UnsupportedOpError(
                    "WGSL has no products of 16-bit pairs. Use the wasm back end, or i32 products."
                )
            case DotBytes():
                return f"{dot_function(expr.signed)}({self.text(expr.left)}, {self.text(expr.right)})"
            case Spread():
                return f"{spread_function(expr.bits, signed=expr.signed)}({self.text(expr.operand)})"
            case Narrow() | Widen():
                raise UnsupportedOpError("WGSL has no 16-bit numbers. Use the wasm back end, or i32.")
            case Select():
                otherwise, then = self.text(expr.otherwise), self.text(expr.then)
                return f"select({otherwise}, {then}, {self.text(expr.condition)})"
            case Cast():
                return f"{conversion(expr)}({self.text(expr.operand)})"
            case Bitcast():
                return f"bitcast<{type_text(expr.type)}>({self.text(expr.operand)})"
            case Splat():
                return f"{type_text(expr.type)}({self.text(expr.operand)})"
            case Lane():
                return f"{self.text(expr.operand)}.{'xyzw'[expr.index]}"
            case Pick():
                sides = self.text(expr.left), self.text(expr.right)
                picked = (f"{sides[lane // 4]}.{'xyzw'[lane % 4]}" for lane in expr.lanes)
                return f"{type_text(expr.type)}({', '.join(picked)})"
            case Load():
                return self._load(expr)
            case At():
                return self._place(expr.buffer, expr.index, 0)
            case Moved():
                distance = self._memory[expr.pointer.buffer].distance(expr.elements)
                return f"({self.text(expr.pointer)} + {self.text(distance)})"
            case FromMember():
                return self._from_member(expr)
            case Combined():
                return f"{_COMBINATIONS[expr.op]}({self.text(expr.operand)})"

    def store(self, stmt: Store) -> str:
        """A store as a statement."""
        place, value = self._place(stmt.buffer, stmt.index, stmt.offset), self.text(stmt.value)
        memory, lanes = self._memory[stmt.buffer], stmt.value.type.lanes
        if lanes == memory.vector:
            return f"b_{stmt.buffer}[{place}] = {memory.stored(value, stmt.value.type)};"
        return f"{store_function(stmt.buffer, lanes)}({place}, {value});"

    def _load(self, expr: Load) -> str:
        place, lanes = self._place(expr.buffer, expr.index, expr.offset), expr.type.lanes
        memory = self._memory[expr.buffer]
        if lanes == memory.vector:
            return memory.loaded(f"b_{expr.buffer}[{place}]", expr.type)
        return f"{load_function(expr.buffer, lanes)}({place})"

    def _place(self, buffer: str, index: Expr, offset: int) -> str:
        """The place of an access in its array. Pointers hold such places; i32 indices count from the buffer's start."""
        memory = self._memory[buffer]
        if index.type == POINTER:
            place = self.text(index)
        else:
            place = self.text(memory.distance(index))
            place = f"({memory.start} + {place})" if memory.start else place
        return f"({place} + {memory.offset(offset)})" if offset else place

    def _from_member(self, expr: FromMember) -> str:
        operand = self.text(expr.operand)
        if isinstance(expr.member, Const):
            return f"{self._broadcast}({operand}, {int(expr.member.value)}u)"
        return f"subgroupShuffle({operand}, u32({self.text(expr.member)}))"

    def _unary(self, expr: Unary) -> str:
        operand = self.text(expr.operand)
        if expr.op == "neg":
            return f"(-{operand})"
        if expr.op == "not":
            return f"(!{operand})" if expr.type.scalar == "bool" else f"(~{operand})"
        return f"{_FUNCTIONS[expr.op]}({operand})"

    def _binary(self, expr: Binary) -> str:
        left = self.text(expr.left)
        right = self._shift(expr.right) if expr.op in ("shl", "shr") else self.text(expr.right)
        if expr.op in ("min", "max"):
            return f"{expr.op}({left}, {right})"
        if expr.op == "xor" and expr.left.type.scalar == "bool":
            return f"({left} != {right})"
        operator = _OPERATORS.get(expr.op)
        if operator is None:
            raise KernelError(f"WGSL has no way to say {expr.op!r}.")
        return f"({left} {operator} {right})"

    def _shift(self, count: Expr) -> str:
        """A shift's count, which is u32 in WGSL and below 32 where it is constant."""
        unsigned, bits = U32.wide(count.type.lanes), 64 if count.type.scalar == I64.scalar else 32
        if isinstance(count, Const):
            return const_text(Const(min(int(count.value) & (bits - 1), 31), unsigned))
        if count.type.scalar == "u32":
            return self.text(count)
        masked: Expr = Binary("and", count, Const(bits - 1, count.type))
        if count.type.scalar == I64.scalar:
            # What fits into 32 bits is all sign from the 31st on.
            masked = Binary("min", masked, Const(31, count.type))
        return f"{type_text(unsigned)}({self.text(masked)})"
