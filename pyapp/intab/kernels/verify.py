"""The rules of the kernel language, checked: whatever passes `verify` every generator can print.

- A name is introduced once in a kernel, and used only where it is in scope.
- Types match everywhere; conditions have as many lanes as what they choose between.
- A pointer is set from `At`, `Moved` or another pointer, stays in its buffer, and is used only to load, store and move.
- Loads need a readable buffer, stores a writable one; registers are of the type that the buffer's elements load as.
- i16 comes as i16x8 only: loaded from 8- or 16-bit integers, and stored to 8-bit ones.
- Loop variables, the item and the member are never assigned; a tile assigns nothing from outside itself.
- A buffer of vectors is accessed by as many lanes, at constant offsets that are multiples of them.
- What `verify_team` says of teams.
"""

from intab.errors import KernelError
from intab.kernels.ir import (
    BINARY_OPS,
    BOOL,
    COMBINATIONS,
    COMPARISONS,
    I16X8,
    I32,
    POINTER,
    U32,
    UNARY_OPS,
    Assign,
    At,
    Barrier,
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
from intab.kernels.text import expr_text
from intab.kernels.verify_team import verify_team

# The register that an element of a buffer loads as and stores from.
REGISTER_OF = {
    "f32": "f32",
    "f16": "f32",
    "f64": "f64",
    "i64": "i64",
    "i32": "i32",
    "u32": "u32",
    "i16": "i32",
    "u16": "i32",
    "i8": "i32",
    "u8": "i32",
    "bool": "i32",
}
# What i16x8 is loaded from.
_HALVES = frozenset({"i16", "i8", "u8"})
_BYTES = frozenset({"i8", "u8"})
_FLOATS = frozenset({"f32", "f64"})
_INTEGERS = frozenset({"i32", "u32", "i64"})
_NUMBERS = _FLOATS | _INTEGERS
_BITS = {"i32": 32, "u32": 32, "f32": 32, "i64": 64, "f64": 64}
_UNARY_TAKES = {
    "neg": _FLOATS | {"i32", "i64"},
    "abs": _FLOATS | {"i32", "i64"},
    "not": _INTEGERS | {"bool"},
}
_BINARY_TAKES = {
    **dict.fromkeys(("add", "sub", "min", "max"), _NUMBERS | {"i16"}),
    "rem": _INTEGERS,
    "shl": _INTEGERS,
    "shr": _INTEGERS,
    "and": _INTEGERS | {"bool"},
    "or": _INTEGERS | {"bool"},
    "xor": _INTEGERS | {"bool"},
    "eq": _NUMBERS | {"bool"},
    "ne": _NUMBERS | {"bool"},
}
_INTEGER_RANGES = {"i32": (-(2**31), 2**31), "u32": (0, 2**32), "i64": (-(2**63), 2**63), "bool": (0, 2)}


def verify(kernel: Kernel) -> None:
    """Check a kernel against the rules above. Raises KernelError naming the kernel and what breaks them."""
    try:
        _Checker(kernel).check()
        verify_team(kernel)
    except KernelError as error:
        raise KernelError(f"Kernel {kernel.name}: {error}") from None


class _Checker:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._buffers = {memory.name: memory for memory in kernel.memories}
        self._words = {w.name: w for w in kernel.words}
        self._introduced: set[str] = set()
        self._visible: dict[str, Var] = {}
        self._fixed: set[str] = set()

    def check(self) -> None:
        kernel = self._kernel
        if len(self._buffers) != len(kernel.memories) or len(self._words) != len(kernel.words):
            raise KernelError("two buffers, or two words, have one name.")
        for buffer in kernel.memories:
            if buffer.dtype not in REGISTER_OF or buffer.access not in ("read", "write", "read_write"):
                raise KernelError(f"buffer {buffer.name} is {buffer.access} {buffer.dtype}, which no kernel can hold.")
            if buffer.vector not in (1, 2, 4):
                raise KernelError(f"buffer {buffer.name} is of vectors of {buffer.vector}; they have 2 lanes or 4.")
        for word in kernel.words:
            if word.type.lanes != 1 or word.type.scalar not in ("i32", "u32", "f32"):
                raise KernelError(f"word {word.name} is {word.type}; words are scalar i32, u32 or f32.")
        if kernel.item.type != I32:
            raise KernelError(f"the item {kernel.item.name} is {kernel.item.type}, not i32.")
        self._introduce(kernel.item, fixed=True)
        if kernel.member is not None:
            self._introduce(kernel.member, fixed=True)
        self._body(kernel.body)

    def _introduce(self, var: Var, *, fixed: bool = False) -> None:
        if var.name in self._introduced:
            raise KernelError(f"{var.name} is introduced twice.")
        self._introduced.add(var.name)
        self._visible[var.name] = var
        if fixed:
            self._fixed.add(var.name)

    def _scope(self, body: tuple[Stmt, ...], var: Var | None = None) -> None:
        visible = dict(self._visible)
        if var is not None:
            self._introduce(var, fixed=True)
        self._body(body)
        self._visible = visible

    def _body(self, body: tuple[Stmt, ...]) -> None:
        for stmt in body:
            self._statement(stmt)

    def _statement(self, stmt: Stmt) -> None:
        match stmt:
            case Let():
                self._same(stmt.var.type, self._type(stmt.value), f"let {stmt.var.name}")
                self._points_right(stmt.var, stmt.value)
                self._introduce(stmt.var)
            case Assign():
                self._assign(stmt)
            case Store():
                self._access(stmt.buffer, stmt.index, self._type(stmt.value), "write")
                self._aligned(stmt.buffer, stmt.offset, stmt.value.type.lanes)
            case Loop():
                self._same(self._type(stmt.begin), I32, f"the begin of loop {stmt.var.name}")
                self._same(self._type(stmt.end), I32, f"the end of loop {stmt.var.name}")
                self._same(stmt.var.type, I32, f"loop variable {stmt.var.name}")
                if stmt.step < 1:
                    raise KernelError(f"loop {stmt.var.name} steps by {stmt.step}; steps are 1 or more.")
                self._scope(stmt.body, stmt.var)
            case If():
                self._same(self._type(stmt.condition), BOOL, "a branch's condition")
                self._scope(stmt.then)
                self._scope(stmt.otherwise)
            case Tile():
                if stmt.name in self._introduced:
                    raise KernelError(f"{stmt.name} is introduced twice.")
                self._introduced.add(stmt.name)
                fixed = set(self._fixed)
                self._fixed |= set(self._visible)
                self._scope(stmt.body)
                self._fixed = fixed
            case Barrier():
                if self._kernel.member is None:
                    raise KernelError("a barrier is for teams, and the kernel has none.")

    def _assign(self, stmt: Assign) -> None:
        self._type(stmt.var)
        if stmt.var.name in self._fixed:
            raise KernelError(
                f"{stmt.var.name} is assigned where it is fixed (item, loop variable, outside of a tile)."
            )
        self._same(stmt.var.type, self._type(stmt.value), f"assignment to {stmt.var.name}")
        self._points_right(stmt.var, stmt.value)

    def _same(self, found: Type, wanted: Type, where: str) -> None:
        if found != wanted:
            raise KernelError(f"{where}: {found} where {wanted} is needed.")

    def _points_right(self, var: Var, value: Expr) -> None:
        if var.type != POINTER:
            return
        match value:
            case At(buffer=buffer) | Var(buffer=buffer) | Moved(pointer=Var(buffer=buffer)):
                if buffer != var.buffer or buffer not in self._buffers:
                    raise KernelError(f"pointer {var.name} into {var.buffer!r} is set from one into {buffer!r}.")
            case _:
                raise KernelError(f"pointer {var.name} is set from {expr_text(value)}, which is no place in a buffer.")

    def _access(self, name: str, index: Expr, register: Type, access: str) -> None:
        buffer = self._buffers.get(name)
        if buffer is None:
            raise KernelError(f"there is no buffer {name!r}.")
        if access not in buffer.access:
            raise KernelError(f"buffer {name} is declared {buffer.access} and used to {access}.")
        halves = register == I16X8 and buffer.dtype in (_HALVES if access == "read" else _BYTES)
        if register.scalar != REGISTER_OF[buffer.dtype] and not halves:
            raise KernelError(
                f"buffer {name} of {buffer.dtype} used with {register}; needs {REGISTER_OF[buffer.dtype]}."
            )
        index_type = self._type(index)
        if index_type == POINTER:
            if not isinstance(index, Var) or index.buffer != name:
                raise KernelError(f"buffer {name} is indexed by {expr_text(index)}, which does not point into it.")
        elif index_type != I32:
            raise KernelError(f"buffer {name} is indexed by a {index_type}.")

    def _aligned(self, name: str, offset: int, lanes: int) -> None:
        vector = self._buffers[name].vector
        if vector > 1 and (lanes != vector or offset % vector):
            raise KernelError(f"buffer {name} of vectors of {vector} is accessed by {lanes} at offset {offset}.")

    def _type(self, expr: Expr) -> Type:
        """An expression's type, after checking all inside it."""
        found = self._checked(expr)
        if found.lanes < 1:
            raise KernelError(f"{expr_text(expr)} has {found.lanes} lanes.")
        if found.scalar == "i16" and found != I16X8:
            raise KernelError(f"{expr_text(expr)} is {found}; i16 comes eight at a time.")
        return found

    def _checked(self, expr: Expr) -> Type:
        match expr:
            case Var():
                return self._variable(expr)
            case Const():
                return self._constant(expr)
            case Word():
                if self._words.get(expr.name) != expr:
                    raise KernelError(f"{expr.type} word {expr.name!r} is not declared.")
            case Unary() | Binary() | Fma():
                self._arithmetic(expr)
            case DotPairs():
                self._same(self._type(expr.left), I16X8, "the left side of dot_pairs")
                self._same(self._type(expr.right), I16X8, "the right side of dot_pairs")
            case DotBytes():
                self._same(self._type(expr.left), U32, "the left side of dot_bytes")
                self._same(self._type(expr.right), U32, "the right side of dot_bytes")
            case Spread():
                self._same(self._type(expr.operand), U32, "what is spread")
                if expr.bits not in (4, 8):
                    raise KernelError(f"{expr_text(expr)}: a word is spread into numbers of 4 or 8 bits.")
            case Narrow():
                self._same(self._type(expr.left), I32.wide(4), "the left side of narrow")
                self._same(self._type(expr.right), I32.wide(4), "the right side of narrow")
            case Widen():
                self._same(self._type(expr.operand), I16X8, "what is widened")
            case Select():
                then, condition = self._number_or_bool(expr.then), self._type(expr.condition)
                self._same(self._type(expr.otherwise), then, "select")
                self._same(condition, BOOL.wide(then.lanes), "a select's condition")
            case Cast() | Bitcast():
                self._conversion(expr)
            case Splat():
                if self._number_or_bool(expr.operand).lanes != 1:
                    raise KernelError(f"{expr_text(expr)} splats what is a vector already.")
            case Lane():
                if not 0 <= expr.index < self._number_or_bool(expr.operand).lanes:
                    raise KernelError(f"{expr_text(expr)}: there is no such lane.")
            case Pick():
                kind = self._type(expr.left)
                self._same(self._type(expr.right), kind, "the second vector of a pick")
                picked = set(expr.lanes) <= set(range(8)) and len(expr.lanes) == 4
                if kind.lanes != 4 or kind.scalar not in ("f32", "i32", "u32") or not picked:
                    raise KernelError(f"{expr_text(expr)} is not four lanes of two vectors of four times 32 bits.")
            case Load():
                self._access(expr.buffer, expr.index, expr.type, "read")
                self._aligned(expr.buffer, expr.offset, expr.type.lanes)
            case FromMember():
                self._exchange(expr)
                self._same(self._type(expr.member), I32, "the number of a member")
            case Combined():
                self._exchange(expr)
                if expr.op not in COMBINATIONS:
                    raise KernelError(f"{expr.op!r} does not combine numbers; {', '.join(sorted(COMBINATIONS))} do.")
            case At():
                self._same(self._type(expr.index), I32, f"an index into {expr.buffer}")
            case Moved():
                self._same(self._type(expr.pointer), POINTER, "what is moved")
                self._same(self._type(expr.elements), I32, "the distance of a move")
        return expr.type

    def _variable(self, var: Var) -> Type:
        if self._visible.get(var.name) != var:
            raise KernelError(f"{var.type} {var.name} is used where it is not defined.")
        return var.type

    def _constant(self, const: Const) -> Type:
        bounds = _INTEGER_RANGES.get(const.type.scalar)
        if const.type.scalar not in _FLOATS and bounds is None:
            raise KernelError(f"a constant of type {const.type}.")
        if bounds and not (const.value == int(const.value) and bounds[0] <= const.value < bounds[1]):
            raise KernelError(f"{const.value!r} does not fit {const.type}.")
        return const.type

    def _number_or_bool(self, expr: Expr) -> Type:
        found = self._type(expr)
        if found.scalar not in _NUMBERS and found.scalar != "bool":
            raise KernelError(f"{expr_text(expr)} is {found}, which cannot be computed with.")
        return found

    def _exchange(self, expr: FromMember | Combined) -> None:
        if not self._kernel.in_subgroup:
            raise KernelError(f"{expr_text(expr)} needs a team that is in one subgroup.")
        if self._type(expr.operand).scalar not in _NUMBERS:
            raise KernelError(f"{expr_text(expr)}: members exchange numbers, not {expr.operand.type}.")

    def _arithmetic(self, expr: Unary | Binary | Fma) -> None:
        operands: tuple[Expr, ...]
        match expr:
            case Unary(op=op, operand=a):
                known, takes, operands = op in UNARY_OPS, _UNARY_TAKES.get(op, _FLOATS), (a,)
            case Binary(op=op, left=a, right=b):
                known, takes, operands = op in BINARY_OPS | COMPARISONS, _BINARY_TAKES.get(op, _NUMBERS), (a, b)
            case Fma(factor=a, other=b, addend=c):
                op, known, takes, operands = "fma", True, _FLOATS, (a, b, c)
        if not known:
            raise KernelError(f"{op!r} is no operation of the kernel language.")
        types = [self._type(operand) for operand in operands]
        if any(t != types[0] for t in types) or types[0].scalar not in takes:
            raise KernelError(f"{op} of {', '.join(map(repr, types))} in {expr_text(expr)}.")

    def _conversion(self, expr: Cast | Bitcast) -> None:
        if isinstance(expr, Bitcast) and I16X8 in (expr.type, expr.operand.type):
            if {expr.type, self._type(expr.operand)} != {I16X8, I32.wide(4)}:
                raise KernelError(f"{expr_text(expr)}: i16x8 shares its bits with i32x4 only.")
            return
        source, target = self._number_or_bool(expr.operand), expr.type
        if source.lanes != target.lanes:
            raise KernelError(f"{expr_text(expr)} changes the count of lanes.")
        if isinstance(expr, Bitcast):
            if source.scalar not in _BITS or _BITS.get(target.scalar) != _BITS[source.scalar]:
                raise KernelError(f"{expr_text(expr)}: {source} and {target} differ in size.")
        elif target.scalar not in _NUMBERS and target.scalar != "bool":
            raise KernelError(f"{expr_text(expr)}: nothing is cast to {target}.")
