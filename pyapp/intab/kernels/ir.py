"""What a kernel is: loops, loads and stores as Python data.

A `Kernel` computes independent *items* 0 .. count: threads and GPU invocations share them out. Its body
is a tuple of statements over expressions; sizes, strides and offsets are *words*: 32-bit parameters that
arrive at run time, so that one kernel serves every size. Generators print a kernel as WebAssembly, WGSL
or GLSL; `kernels.interpret` runs it slowly in numpy, which is its meaning.

    types        i32, u32, f32, bool and, for WebAssembly, i64 and f64; each scalar or `lanes` wide; and i16x8
    expressions  Const Word Var Unary Binary Fma DotPairs Narrow Widen Select Cast Bitcast Splat Lane Pick Load
                 DotBytes Spread FromMember Combined
    statements   Let Assign Store Loop If Tile Barrier

A *pointer* is a Var of type pointer: a place in one buffer, counted in elements. It is set by
`Let(p, At(buffer, index))`, moved by `Assign(p, Moved(p, elements))`, and loads and stores take it with a
constant `offset`; WebAssembly turns it into a byte address (so that hot loops need no multiplication),
shading languages into an index.

A `Tile` is a block worth a function of its own: V8 swaps in optimised code only between calls, so hot
loops must lie in functions called many times. Shading languages print it inline. A tile may not assign
variables from outside itself; what it makes leaves by stores.

Eight i16 in a vector are for integer products and bytes: loaded from 8- or 16-bit integers, made of four i32 by
Bitcast, added and subtracted lane by lane (wrapping), the larger or smaller taken, and multiplied by `DotPairs`.
`Narrow` makes them of eight i32 and `Widen` gives four of those back; stored to bytes they saturate. They exist on
WebAssembly only.

Shading languages only have `DotBytes`, `Spread` and *team* kernels: as many invocations as `team` says compute one item
together, each running the body with its own number in `member`. They share the arrays of `shared`, wait for each other
at a `Barrier`, and, where the team runs in step (`in_subgroup`), tell each other numbers by `FromMember` and
`Combined`.

Writers of kernels use `kernels.block.Block`, which checks types as it goes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from intab.errors import KernelError


@dataclass(frozen=True, slots=True)
class Type:
    """A register's type: `scalar` is "i32", "u32", "f32", "i64", "f64", "bool", "pointer" or, with 8 `lanes`, "i16"."""

    scalar: str
    lanes: int = 1

    def wide(self, lanes: int) -> "Type":
        return Type(self.scalar, lanes)

    def __repr__(self) -> str:
        return self.scalar if self.lanes == 1 else f"{self.scalar}x{self.lanes}"


I32 = Type("i32")
U32 = Type("u32")
F32 = Type("f32")
I64 = Type("i64")
F64 = Type("f64")
BOOL = Type("bool")
POINTER = Type("pointer")
I16X8 = Type("i16", 8)


@dataclass(frozen=True, slots=True)
class Buffer:
    """A run of elements in memory. `dtype` is a name of `intab.dtypes`; access is "read", "write" or "read_write".

    8- and 16-bit integers load as i32 (u8, u16 and bool without sign) and f16 as f32, everything else as itself.
    Storing an f32 in an f16 buffer rounds to the nearest.

    With a `vector` of 2 or 4, the buffer starts at a multiple of so many elements, and every access is of so many lanes
    at such a multiple. Shading languages then read and write a vector at once; indices count elements all the same.
    """

    name: str
    dtype: str
    access: str
    vector: int = 1


@dataclass(frozen=True, slots=True)
class Shared:
    """An array that the members of a team share while they compute one item; it holds nothing before.

    Loads, stores and pointers name it as they do a buffer. A member sees what another wrote before the last `Barrier`.
    """

    name: str
    dtype: str
    length: int
    vector: int = 1

    @property
    def access(self) -> str:
        return "read_write"


class Operators:
    """Arithmetic on expressions; a Python number takes the type of the other side.

    Comparisons are methods (`a.lt(b)`), since `==` on frozen data means equal data.
    """

    __slots__ = ()

    def __add__(self, other: "Expr | float") -> "Expr":
        return binary("add", self, other)

    def __radd__(self, other: float) -> "Expr":
        return binary("add", other, self)

    def __sub__(self, other: "Expr | float") -> "Expr":
        return binary("sub", self, other)

    def __rsub__(self, other: float) -> "Expr":
        return binary("sub", other, self)

    def __mul__(self, other: "Expr | float") -> "Expr":
        return binary("mul", self, other)

    def __rmul__(self, other: float) -> "Expr":
        return binary("mul", other, self)

    def __truediv__(self, other: "Expr | float") -> "Expr":
        return binary("div", self, other)

    def __rtruediv__(self, other: float) -> "Expr":
        return binary("div", other, self)

    def __floordiv__(self, other: "Expr | int") -> "Expr":
        return binary("div", self, other)

    def __mod__(self, other: "Expr | int") -> "Expr":
        return binary("rem", self, other)

    def __lshift__(self, other: "Expr | int") -> "Expr":
        return binary("shl", self, other)

    def __rshift__(self, other: "Expr | int") -> "Expr":
        return binary("shr", self, other)

    def __and__(self, other: "Expr | int") -> "Expr":
        return binary("and", self, other)

    def __or__(self, other: "Expr | int") -> "Expr":
        return binary("or", self, other)

    def __xor__(self, other: "Expr | int") -> "Expr":
        return binary("xor", self, other)

    def __neg__(self) -> "Expr":
        return Unary("neg", as_expr(self))

    def minimum(self, other: "Expr | float") -> "Expr":
        return binary("min", self, other)

    def maximum(self, other: "Expr | float") -> "Expr":
        return binary("max", self, other)

    def lt(self, other: "Expr | float") -> "Expr":
        return binary("lt", self, other)

    def le(self, other: "Expr | float") -> "Expr":
        return binary("le", self, other)

    def gt(self, other: "Expr | float") -> "Expr":
        return binary("gt", self, other)

    def ge(self, other: "Expr | float") -> "Expr":
        return binary("ge", self, other)

    def equal(self, other: "Expr | float") -> "Expr":
        return binary("eq", self, other)

    def unequal(self, other: "Expr | float") -> "Expr":
        return binary("ne", self, other)


@dataclass(frozen=True, slots=True)
class Const(Operators):
    """A number; with lanes, the same in each."""

    value: float
    type: Type


@dataclass(frozen=True, slots=True)
class Word(Operators):
    """A parameter of the kernel: i32, u32 or f32."""

    name: str
    type: Type = I32


@dataclass(frozen=True, slots=True)
class Var(Operators):
    """A register. A pointer's `buffer` names what it points into."""

    name: str
    type: Type
    buffer: str = ""


@dataclass(frozen=True, slots=True)
class Unary(Operators):
    """One of UNARY_OPS."""

    op: str
    operand: "Expr"

    @property
    def type(self) -> Type:
        return self.operand.type


@dataclass(frozen=True, slots=True)
class Binary(Operators):
    """One of BINARY_OPS (of the operands' type) or COMPARISONS (bool)."""

    op: str
    left: "Expr"
    right: "Expr"

    @property
    def type(self) -> Type:
        return BOOL.wide(self.left.type.lanes) if self.op in COMPARISONS else self.left.type


@dataclass(frozen=True, slots=True)
class Fma(Operators):
    """factor * other + addend in floats, rounded once or twice: whichever the device does faster."""

    factor: "Expr"
    other: "Expr"
    addend: "Expr"

    @property
    def type(self) -> Type:
        return self.addend.type


@dataclass(frozen=True, slots=True)
class DotPairs(Operators):
    """Four i32: lane i is left[2i] * right[2i] + left[2i + 1] * right[2i + 1] of i16x8 operands, exact.

    Only where all four numbers are -32768 does a lane wrap to -2^31.
    """

    left: "Expr"
    right: "Expr"

    @property
    def type(self) -> Type:
        return Type("i32", 4)


@dataclass(frozen=True, slots=True)
class DotBytes(Operators):
    """The i32 sum of four products: of the bytes of one u32 and those of another, both with signs or both without."""

    left: "Expr"
    right: "Expr"
    signed: bool

    @property
    def type(self) -> Type:
        return I32


@dataclass(frozen=True, slots=True)
class Spread(Operators):
    """Four i32: the lowest four whole numbers of `bits` (8 or 4) in a u32, the lowest first, with signs or without."""

    operand: "Expr"
    bits: int
    signed: bool

    @property
    def type(self) -> Type:
        return Type("i32", 4)


@dataclass(frozen=True, slots=True)
class Narrow(Operators):
    """Eight i16 of the i32x4 `left`, then the i32x4 `right`, saturated."""

    left: "Expr"
    right: "Expr"

    @property
    def type(self) -> Type:
        return I16X8


@dataclass(frozen=True, slots=True)
class Widen(Operators):
    """Four i32 of the first four lanes of an i16x8, or of the last four."""

    operand: "Expr"
    last: bool

    @property
    def type(self) -> Type:
        return Type("i32", 4)


@dataclass(frozen=True, slots=True)
class Select(Operators):
    """`then` where the condition holds, else `otherwise`; both are computed."""

    condition: "Expr"
    then: "Expr"
    otherwise: "Expr"

    @property
    def type(self) -> Type:
        return self.then.type


@dataclass(frozen=True, slots=True)
class Cast(Operators):
    """The value in another type. Float to integer truncates towards zero and saturates, NaN gives 0."""

    operand: "Expr"
    type: Type


@dataclass(frozen=True, slots=True)
class Bitcast(Operators):
    """The same bits under another type of equal size; i32x4 and i16x8 are of one size, low half first."""

    operand: "Expr"
    type: Type


@dataclass(frozen=True, slots=True)
class Splat(Operators):
    """A scalar in every lane."""

    operand: "Expr"
    lanes: int

    @property
    def type(self) -> Type:
        return self.operand.type.wide(self.lanes)


@dataclass(frozen=True, slots=True)
class Lane(Operators):
    """One lane of a vector, as a scalar."""

    operand: "Expr"
    index: int

    @property
    def type(self) -> Type:
        return self.operand.type.wide(1)


@dataclass(frozen=True, slots=True)
class Pick(Operators):
    """Four lanes of 32 bits out of the eight of two vectors: 0 to 3 are the first's, 4 to 7 the second's."""

    left: "Expr"
    right: "Expr"
    lanes: tuple[int, int, int, int]

    @property
    def type(self) -> Type:
        return self.left.type


@dataclass(frozen=True, slots=True)
class Load(Operators):
    """Element(s) of a buffer at `index` (an i32 expression or a pointer) plus a constant `offset`.

    With lanes, that many consecutive elements; they need no alignment.
    """

    buffer: str
    index: "Expr"
    offset: int
    type: Type


@dataclass(frozen=True, slots=True)
class FromMember(Operators):
    """The operand as the team's member of that number has it; in a hot loop the number had better be a Const."""

    operand: "Expr"
    member: "Expr"

    @property
    def type(self) -> Type:
        return self.operand.type


@dataclass(frozen=True, slots=True)
class Combined(Operators):
    """One of COMBINATIONS of the operands of all members of the team; every one gets the same, lane by lane."""

    op: str
    operand: "Expr"

    @property
    def type(self) -> Type:
        return self.operand.type


@dataclass(frozen=True, slots=True)
class At(Operators):
    """The pointer to element `index` of a buffer."""

    buffer: str
    index: "Expr"

    @property
    def type(self) -> Type:
        return POINTER


@dataclass(frozen=True, slots=True)
class Moved(Operators):
    """A pointer moved on by a count of elements."""

    pointer: Var
    elements: "Expr"

    @property
    def type(self) -> Type:
        return POINTER


Expr = (
    Const
    | Word
    | Var
    | Unary
    | Binary
    | Fma
    | DotPairs
    | DotBytes
    | Spread
    | Narrow
    | Widen
    | Select
    | Cast
    | Bitcast
    | Splat
    | Lane
    | Pick
    | Load
    | FromMember
    | Combined
    | At
    | Moved
)


@dataclass(frozen=True, slots=True)
class Let:
    """A new variable with its first value."""

    var: Var
    value: Expr


@dataclass(frozen=True, slots=True)
class Assign:
    """A new value for a variable."""

    var: Var
    value: Expr


@dataclass(frozen=True, slots=True)
class Store:
    """Write a value (with lanes: consecutive elements) at `index` plus a constant `offset`."""

    buffer: str
    index: Expr
    offset: int
    value: Expr


@dataclass(frozen=True, slots=True)
class Loop:
    """var = begin; while var < end: body; var += step. The bounds are fixed at entry; step > 0."""

    var: Var
    begin: Expr
    end: Expr
    step: int
    body: "tuple[Stmt, ...]"


@dataclass(frozen=True, slots=True)
class If:
    """A branch on a scalar bool."""

    condition: Expr
    then: "tuple[Stmt, ...]"
    otherwise: "tuple[Stmt, ...]" = ()


@dataclass(frozen=True, slots=True)
class Tile:
    """A block worth a function of its own, see the module's text."""

    name: str
    body: "tuple[Stmt, ...]"


@dataclass(frozen=True, slots=True)
class Barrier:
    """Every member of the team waits here for all others; what they wrote to shared memory before, all see after."""


Stmt = Let | Assign | Store | Loop | If | Tile | Barrier

UNARY_OPS = frozenset({"neg", "abs", "floor", "ceil", "trunc", "nearest", "sqrt", "not"})
# "and", "or", "xor" work on integers bit by bit and on bools; shifts and "rem" on integers; "shr" keeps
# the sign of i32. Integer division truncates. "min" and "max" of floats give NaN if either is NaN on
# WebAssembly; shading languages may not.
BINARY_OPS = frozenset({"add", "sub", "mul", "div", "rem", "min", "max", "and", "or", "xor", "shl", "shr"})
COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
COMBINATIONS = frozenset({"add", "max", "min"})


@dataclass(frozen=True, slots=True)
class Kernel:
    """A computation over items. `item` is the i32 variable that counts them; `words` arrive in this order.

    A kernel's parameter block holds one 32-bit word a buffer (its element offset), then `words`.

    `team` invocations compute an item together, and the i32 variable `member` counts them. With `in_subgroup` they are
    one subgroup of the device, no more and no less.
    """

    name: str
    buffers: tuple[Buffer, ...]
    words: tuple[Word, ...]
    item: Var
    body: tuple[Stmt, ...]
    team: int = 1
    member: Var | None = None
    shared: tuple[Shared, ...] = ()
    in_subgroup: bool = False

    @property
    def memories(self) -> tuple[Buffer | Shared, ...]:
        """All that loads and stores can name."""
        return (*self.buffers, *self.shared)

    def buffer(self, name: str) -> Buffer:
        for buffer in self.buffers:
            if buffer.name == name:
                return buffer
        raise KernelError(f"Kernel {self.name} has no buffer {name!r}; it has {[b.name for b in self.buffers]}.")


def as_expr(value: "Operators | float", like: Type | None = None) -> Expr:
    """A Python number as a Const of type `like`; an expression as it is."""
    if isinstance(value, Operators):
        return cast(Expr, value)
    if like is None:
        raise KernelError(f"{value!r} needs a type: it stands where no expression gives it one.")
    return Const(value, like)


def binary(op: str, left: "Operators | float", right: "Operators | float") -> Expr:
    """left op right with types checked; whole-number constants are folded, as are + 0, * 1 and shifts by 0."""
    if isinstance(left, Operators):
        first = cast(Expr, left)
        type_ = first.type
        second = as_expr(right, type_)
    else:
        second = as_expr(right)
        type_ = second.type
        first = as_expr(left, type_)
    if second.type != type_:
        raise KernelError(f"{op} of {type_} and {second.type}: both sides need one type. Cast or Splat one of them.")
    folded = _folded(op, first, second) if type_.scalar == "i32" else None
    return folded or Binary(op, first, second)


def _folded(op: str, first: Expr, second: Expr) -> Expr | None:
    """A simpler expression for the same whole number."""
    if isinstance(first, Const) and isinstance(second, Const) and op in ("add", "sub", "mul"):
        a, b = int(first.value), int(second.value)
        return Const({"add": a + b, "sub": a - b, "mul": a * b}[op], first.type)
    if isinstance(second, Const):
        neutral = {"add": 0, "sub": 0, "shl": 0, "shr": 0, "mul": 1, "div": 1}.get(op)
        if neutral is not None and second.value == neutral:
            return first
    if isinstance(first, Const) and ((op == "add" and first.value == 0) or (op == "mul" and first.value == 1)):
        return second
    return None


# Looked up by class: generators ask for every node of every kernel, and a chain of tests is several times slower.
_CHILDREN: dict[type, tuple[str, ...]] = {
    Const: (),
    Word: (),
    Var: (),
    Unary: ("operand",),
    Binary: ("left", "right"),
    Fma: ("factor", "other", "addend"),
    DotPairs: ("left", "right"),
    DotBytes: ("left", "right"),
    Spread: ("operand",),
    Narrow: ("left", "right"),
    Widen: ("operand",),
    Select: ("condition", "then", "otherwise"),
    Cast: ("operand",),
    Bitcast: ("operand",),
    Splat: ("operand",),
    Lane: ("operand",),
    Pick: ("left", "right"),
    Load: ("index",),
    FromMember: ("operand", "member"),
    Combined: ("operand",),
    At: ("index",),
    Moved: ("pointer", "elements"),
}
_EXPRESSIONS: dict[type, tuple[str, ...]] = {
    Let: ("value",),
    Assign: ("value",),
    Store: ("index", "value"),
    Loop: ("begin", "end"),
    If: ("condition",),
    Tile: (),
    Barrier: (),
}
_BLOCKS: dict[type, tuple[str, ...]] = {
    Let: (),
    Assign: (),
    Store: (),
    Loop: ("body",),
    If: ("then", "otherwise"),
    Tile: ("body",),
    Barrier: (),
}


def children(expr: Expr) -> tuple[Expr, ...]:
    """The expressions directly inside an expression."""
    return tuple([getattr(expr, name) for name in _CHILDREN[type(expr)]])


def blocks(stmt: Stmt) -> tuple[tuple[Stmt, ...], ...]:
    """The bodies directly inside a statement."""
    return tuple([getattr(stmt, name) for name in _BLOCKS[type(stmt)]])


def expressions(stmt: Stmt) -> tuple[Expr, ...]:
    """The expressions directly inside a statement."""
    return tuple([getattr(stmt, name) for name in _EXPRESSIONS[type(stmt)]])


def walk(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """Every statement of a body, outer before inner, in order."""
    for stmt in body:
        yield stmt
        for inner in blocks(stmt):
            yield from walk(inner)


def walk_expr(expr: Expr) -> Iterator[Expr]:
    """An expression and all inside it."""
    yield expr
    for child in children(expr):
        yield from walk_expr(child)
