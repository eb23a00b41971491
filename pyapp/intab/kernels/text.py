"""Kernels as text one can read, and the digest of that text, which is a kernel's cache key.

    kernel scale(x: read f32, y: write f32; count: i32, factor: f32) item
      tile body:
        let p: pointer = x@item
        let v: f32x4 = x[p + 4]:f32x4
        y[item] = (v * 2.0:f32x4)

The text says everything that a generator sees, so kernels with one text are one kernel. Words are written
`$name`; a constant carries its type unless it is an i32.
"""

import hashlib

from intab.errors import KernelError
from intab.kernels.ir import (
    Assign,
    At,
    Barrier,
    Binary,
    Bitcast,
    Buffer,
    Cast,
    Combined,
    Const,
    DotBytes,
    DotPairs,
    Expr,
    Fma,
    FromMember,
    If,
    Kernel,
    Lane,
    Let,
    Load,
    Loop,
    Moved,
    Narrow,
    Pick,
    Select,
    Shared,
    Splat,
    Spread,
    Stmt,
    Store,
    Tile,
    Type,
    Unary,
    Var,
    Widen,
    Word,
)

_SYMBOLS = {
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

# Hashing a kernel walks all of it, so digests are found by identity; the kernel is kept so that its id stays its own.
_DIGESTS: dict[int, tuple[Kernel, str]] = {}


def digest(kernel: Kernel) -> str:
    """The sha256 of a kernel's text, in hexadecimal."""
    known = _DIGESTS.get(id(kernel))
    if known is None:
        known = (kernel, hashlib.sha256(kernel_text(kernel).encode()).hexdigest())
        _DIGESTS[id(kernel)] = known
    return known[1]


def kernel_text(kernel: Kernel) -> str:
    """A kernel's text, ending in a newline."""
    buffers = ", ".join(f"{b.name}: {b.access} {b.dtype}{_vector_text(b)}" for b in kernel.buffers)
    words = ", ".join(f"{w.name}: {w.type!r}" for w in kernel.words)
    lines = [f"kernel {kernel.name}({buffers}; {words}) {kernel.item.name}"]
    if kernel.member is not None:
        in_step = " in a subgroup" if kernel.in_subgroup else ""
        lines.append(f"  team {kernel.team} of {kernel.member.name}{in_step}")
    lines += [f"  shared {s.name}: {s.dtype}[{s.length}]{_vector_text(s)}" for s in kernel.shared]
    _write_body(lines, kernel.body, "  ")
    return "\n".join(lines) + "\n"


def _vector_text(memory: Buffer | Shared) -> str:
    return f" by {memory.vector}" if memory.vector > 1 else ""


def expr_text(expr: Expr) -> str:
    """An expression's text, as it stands in a kernel's."""
    match expr:
        case Var():
            return expr.name
        case Const():
            return _const_text(expr.value, expr.type)
        case Binary():
            symbol = _SYMBOLS.get(expr.op)
            left, right = expr_text(expr.left), expr_text(expr.right)
            return f"({left} {symbol} {right})" if symbol else f"{expr.op}({left}, {right})"
        case Fma():
            return f"fma({expr_text(expr.factor)}, {expr_text(expr.other)}, {expr_text(expr.addend)})"
        case DotPairs():
            return f"dot_pairs({expr_text(expr.left)}, {expr_text(expr.right)})"
        case DotBytes():
            signs = "signed" if expr.signed else "unsigned"
            return f"dot_{signs}_bytes({expr_text(expr.left)}, {expr_text(expr.right)})"
        case Spread():
            return f"{'signed' if expr.signed else 'unsigned'}{expr.bits}({expr_text(expr.operand)})"
        case Narrow():
            return f"narrow({expr_text(expr.left)}, {expr_text(expr.right)})"
        case Widen():
            return f"widen_{'last' if expr.last else 'first'}({expr_text(expr.operand)})"
        case Load():
            return f"{_place(expr.buffer, expr.index, expr.offset)}:{expr.type!r}"
        case Word():
            return f"${expr.name}"
        case Unary():
            return f"{expr.op}({expr_text(expr.operand)})"
        case Splat():
            return f"splat{expr.lanes}({expr_text(expr.operand)})"
        case Lane():
            return f"{expr_text(expr.operand)}.{expr.index}"
        case Pick():
            return f"pick({expr_text(expr.left)}, {expr_text(expr.right)}, {''.join(map(str, expr.lanes))})"
        case Select():
            condition, then = expr_text(expr.condition), expr_text(expr.then)
            return f"select({condition}, {then}, {expr_text(expr.otherwise)})"
        case Cast():
            return f"cast({expr_text(expr.operand)}):{expr.type!r}"
        case Bitcast():
            return f"bits({expr_text(expr.operand)}):{expr.type!r}"
        case FromMember():
            return f"from_member({expr_text(expr.operand)}, {expr_text(expr.member)})"
        case Combined():
            return f"combined_{expr.op}({expr_text(expr.operand)})"
        case At():
            return f"{expr.buffer}@{expr_text(expr.index)}"
        case Moved():
            return f"moved({expr.pointer.name}, {expr_text(expr.elements)})"
    raise KernelError(f"{expr!r} is no expression of the kernel language.")


def _const_text(value: float, type: Type) -> str:
    if type.scalar in ("f32", "f64"):
        return f"{float(value)!r}:{type!r}"
    if type.scalar == "bool":
        return f"{'true' if value else 'false'}:{type!r}"
    return f"{int(value)}" if type == Type("i32") else f"{int(value)}:{type!r}"


def _place(buffer: str, index: Expr, offset: int) -> str:
    where = expr_text(index)
    return f"{buffer}[{where} + {offset}]" if offset else f"{buffer}[{where}]"


def _write_body(lines: list[str], body: tuple[Stmt, ...], indent: str) -> None:
    for stmt in body:
        match stmt:
            case Let():
                lines.append(f"{indent}let {stmt.var.name}: {stmt.var.type!r} = {expr_text(stmt.value)}")
            case Assign():
                lines.append(f"{indent}{stmt.var.name} = {expr_text(stmt.value)}")
            case Store():
                lines.append(f"{indent}{_place(stmt.buffer, stmt.index, stmt.offset)} = {expr_text(stmt.value)}")
            case Loop():
                bounds = f"{expr_text(stmt.begin)} .. {expr_text(stmt.end)}"
                lines.append(f"{indent}for {stmt.var.name} in {bounds} step {stmt.step}:")
                _write_body(lines, stmt.body, indent + "  ")
            case If():
                lines.append(f"{indent}if {expr_text(stmt.condition)}:")
                _write_body(lines, stmt.then, indent + "  ")
                if stmt.otherwise:
                    lines.append(f"{indent}else:")
                    _write_body(lines, stmt.otherwise, indent + "  ")
            case Tile():
                lines.append(f"{indent}tile {stmt.name}:")
                _write_body(lines, stmt.body, indent + "  ")
            case Barrier():
                lines.append(f"{indent}barrier")
            case _:
                raise KernelError(f"{stmt!r} is no statement of the kernel language.")
