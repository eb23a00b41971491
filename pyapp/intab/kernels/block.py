"""Writing kernels: a `Block` collects statements and checks their types; a `KernelWriter` makes a Kernel."""

from collections.abc import Iterator
from contextlib import contextmanager

from intab.errors import KernelError
from intab.kernels.ir import (
    BOOL,
    I32,
    POINTER,
    Assign,
    At,
    Barrier,
    Buffer,
    Combined,
    Const,
    Expr,
    FromMember,
    If,
    Kernel,
    Let,
    Load,
    Loop,
    Moved,
    Operators,
    Shared,
    Stmt,
    Store,
    Tile,
    Type,
    Var,
    Word,
    as_expr,
)


class Block:
    """Statements in the order they are written. Names are made unique by a number where they repeat."""

    def __init__(self) -> None:
        self._bodies: list[list[Stmt]] = [[]]
        self._used: dict[str, int] = {}

    @property
    def statements(self) -> tuple[Stmt, ...]:
        if len(self._bodies) != 1:
            raise KernelError("A block was read while a loop, branch or tile in it was still open.")
        return tuple(self._bodies[0])

    def let(self, name: str, value: Expr | float, type: Type | None = None) -> Var:
        """A new variable. `type` is needed when the value is a Python number."""
        expr = as_expr(value, type)
        made = expr.type
        var = Var(self._unique(name), made, _pointed_at(expr) if made == POINTER else "")
        self.emit(Let(var, expr))
        return var

    def assign(self, var: Var, value: Expr | float) -> None:
        expr = as_expr(value, var.type)
        if expr.type != var.type:
            raise KernelError(f"{var.name} is {var.type}, the value assigned to it {expr.type}.")
        self.emit(Assign(var, expr))

    def advance(self, pointer: Var, elements: Expr | int) -> None:
        """Move a pointer on."""
        self.emit(Assign(pointer, Moved(pointer, as_expr(elements, I32))))

    def store(self, buffer: str, index: Expr | int, value: Expr, offset: int = 0) -> None:
        self.emit(Store(buffer, as_expr(index, I32), offset, value))

    def emit(self, stmt: Stmt) -> None:
        self._bodies[-1].append(stmt)

    @contextmanager
    def loop(self, name: str, begin: Expr | int, end: Expr | int, step: int = 1) -> Iterator[Var]:
        """for name in range(begin, end, step)"""
        var = Var(self._unique(name), I32)
        with self._inside() as body:
            yield var
        self.emit(Loop(var, as_expr(begin, I32), as_expr(end, I32), step, tuple(body)))

    @contextmanager
    def when(self, condition: Expr) -> Iterator[None]:
        """if condition"""
        if condition.type != BOOL:
            raise KernelError(f"A branch needs a scalar bool, not {condition.type}.")
        with self._inside() as body:
            yield
        self.emit(If(condition, tuple(body)))

    @contextmanager
    def otherwise(self) -> Iterator[None]:
        """else, right after a `when`"""
        branch = self._bodies[-1].pop()
        if not isinstance(branch, If) or branch.otherwise:
            raise KernelError("otherwise() follows a when() that has no other branch yet.")
        with self._inside() as body:
            yield
        self.emit(If(branch.condition, branch.then, tuple(body)))

    @contextmanager
    def tile(self, name: str) -> Iterator[None]:
        """A block worth a function of its own."""
        with self._inside() as body:
            yield
        self.emit(Tile(self._unique(name), tuple(body)))

    def barrier(self) -> None:
        """All members of the team wait for each other; what they wrote to shared memory, all see."""
        self.emit(Barrier())

    @contextmanager
    def _inside(self) -> Iterator[list[Stmt]]:
        body: list[Stmt] = []
        self._bodies.append(body)
        yield body
        self._bodies.pop()

    def _unique(self, name: str) -> str:
        unique = name
        while unique in self._used:
            self._used[name] += 1
            unique = f"{name}_{self._used[name]}"
        self._used[unique] = 0
        return unique


class KernelWriter(Block):
    """A block that also collects the buffers and words of a kernel."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._buffers: list[Buffer] = []
        self._words: list[Word] = []
        self._shared: list[Shared] = []
        self._team, self._in_subgroup = 1, False
        self._member: Var | None = None
        self.item = Var(self._unique("item"), I32)

    def buffer(self, name: str, dtype: str, access: str, *, vector: int = 1) -> str:
        """Declare a buffer, with `vector` one of which every access is of so many lanes; returns its name."""
        if any(b.name == name for b in self._buffers):
            raise KernelError(f"Kernel {self.name} declares buffer {name!r} twice.")
        self._buffers.append(Buffer(name, dtype, access, vector))
        self._reserve(name)
        return name

    def team(self, size: int, *, in_subgroup: bool = False) -> Var:
        """Have `size` members compute each item together; returns the variable that counts them.

        With `in_subgroup` they are one subgroup of the device, which must be as large, and can tell each other numbers.
        """
        if self._member is not None:
            raise KernelError(f"Kernel {self.name} has a team already.")
        self._team, self._in_subgroup = size, in_subgroup
        self._member = Var("member", I32)
        self._reserve("member")
        return self._member

    @property
    def member(self) -> Var:
        """The variable that counts the members of the team."""
        if self._member is None:
            raise KernelError(f"Kernel {self.name} has no team: call team() first.")
        return self._member

    def shared(self, name: str, dtype: str, length: int, *, vector: int = 1) -> str:
        """Declare an array of `length` elements that the team shares; returns its name."""
        if any(shared.name == name for shared in self._shared):
            raise KernelError(f"Kernel {self.name} declares shared array {name!r} twice.")
        self._shared.append(Shared(name, dtype, length, vector))
        self._reserve(name)
        return name

    def word(self, name: str, type: Type = I32) -> Word:
        """Declare a run-time parameter."""
        if any(w.name == name for w in self._words):
            raise KernelError(f"Kernel {self.name} declares word {name!r} twice.")
        word = Word(name, type)
        self._words.append(word)
        self._reserve(name)
        return word

    def _reserve(self, name: str) -> None:
        """Keep variables from taking a buffer's or word's name: in generated code both are locals."""
        if self._unique(name) != name:
            raise KernelError(f"Kernel {self.name} has a variable {name!r} already; declare buffers and words first.")

    def kernel(self) -> Kernel:
        buffers, words, shared = tuple(self._buffers), tuple(self._words), tuple(self._shared)
        team = self._team, self._member, shared, self._in_subgroup
        return Kernel(self.name, buffers, words, self.item, self.statements, *team)


def _pointed_at(pointer: Expr) -> str:
    """The buffer that a pointer points into."""
    if isinstance(pointer, Moved):
        return pointer.pointer.buffer
    return pointer.buffer if isinstance(pointer, (At, Var)) else ""


def load(buffer: str, index: "Operators | int", type: Type, offset: int = 0) -> Load:
    """Element(s) at `index` (an i32 expression or a pointer) plus a constant offset."""
    return Load(buffer, as_expr(index, I32), offset, type)


def at(buffer: str, index: "Operators | int") -> At:
    """The pointer to element `index`."""
    return At(buffer, as_expr(index, I32))


def from_member(operand: Expr, member: "Operators | int") -> FromMember:
    """The operand as the team's member of that number has it."""
    return FromMember(operand, as_expr(member, I32))


def combined(op: str, operand: Expr) -> Combined:
    """ "add", "max" or "min" of what all members of the team have; the same for all."""
    return Combined(op, operand)


def const(value: float, type: Type) -> Const:
    return Const(value, type)
