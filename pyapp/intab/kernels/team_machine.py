"""Teams in the interpreter: members run one after the other from one meeting to the next.

A meeting is a barrier or an exchange. Between two of them no member may touch what another has written to a shared
array, nor write what another has read: on a device nobody knows who comes first.
"""

from collections.abc import Generator, Iterator, Mapping

import numpy as np

from intab.dtypes import DTYPES
from intab.errors import KernelError
from intab.kernels.ir import (
    Barrier,
    Combined,
    Expr,
    FromMember,
    If,
    Load,
    Loop,
    Shared,
    Stmt,
    Store,
    Tile,
    children,
    expressions,
)
from intab.kernels.machine import Array, Machine, Value, exchange_key

_COMBINE = {"add": np.add, "max": np.maximum, "min": np.minimum}
_NOBODY, _SEVERAL = -1, -2

# What a member comes to a meeting with (the number of the member that it asks, and its own value), and what it gets.
_Meeting = tuple[Barrier | FromMember | Combined, int, Value]
_Member = Generator[_Meeting, Value, None]


class TeamMachine(Machine):
    """Runs each item with all members of the kernel's team."""

    def run_item(self, item: int) -> None:
        for shared in self.kernel.shared:
            self.arrays[shared.name] = _nothing(shared)
        self._forget()
        members = [self._member(item, number) for number in range(self.kernel.team)]
        answers: list[Value] = [None] * len(members)
        while (met := self._meet(members, answers)) is not None:
            stmt = met[0][0]
            if isinstance(stmt, Barrier):
                self._forget()
            else:
                answers = self._exchanged(stmt, met)

    def _meet(self, members: list[_Member], answers: list[Value]) -> list[_Meeting] | None:
        """Run every member to where it meets the others; None when all have ended."""
        met = [_next(member, answer) for member, answer in zip(members, answers, strict=True)]
        if len({None if meeting is None else id(meeting[0]) for meeting in met}) > 1:
            raise KernelError(
                f"Members of a team of kernel {self.kernel.name} wait for each other at different places."
            )
        return None if met[0] is None else [meeting for meeting in met if meeting is not None]

    def _exchanged(self, stmt: FromMember | Combined, met: list[_Meeting]) -> list[Value]:
        values = [value for _, _, value in met]
        if isinstance(stmt, Combined):
            total = values[0]
            for value in values[1:]:
                total = _COMBINE[stmt.op](total, value)
            return [total] * len(met)
        asked = [number for _, number, _ in met]
        if not all(0 <= number < len(met) for number in asked):
            raise KernelError(f"Kernel {self.kernel.name} asks members {sorted(set(asked))} of a team of {len(met)}.")
        return [values[number] for number in asked]

    def _member(self, item: int, number: int) -> _Member:
        assert self.kernel.member is not None
        known = {self.kernel.item.name: np.int32(item), self.kernel.member.name: np.int32(number)}
        yield from self._run(self.kernel.body, known)

    def _run(self, body: tuple[Stmt, ...], known: dict[str, Value]) -> _Member:
        for stmt in body:
            for exchange in (found for expr in expressions(stmt) for found in _exchanges(expr)):
                asked = int(self.value(exchange.member, known)) if isinstance(exchange, FromMember) else 0
                known[exchange_key(exchange)] = yield exchange, asked, self.value(exchange.operand, known)
            match stmt:
                case Barrier():
                    yield stmt, 0, None
                case Loop():
                    begin, end = (int(self.value(bound, known)) for bound in (stmt.begin, stmt.end))
                    for index in range(begin, end, stmt.step):
                        known[stmt.var.name] = np.int32(index)
                        yield from self._run(stmt.body, known)
                case If():
                    yield from self._run(stmt.then if self.value(stmt.condition, known) else stmt.otherwise, known)
                case Tile():
                    yield from self._run(stmt.body, known)
                case _:
                    self.statement(stmt, known)

    def _forget(self) -> None:
        """Who wrote and who read each shared element since the last barrier: nobody."""
        self._writers = {s.name: np.full(s.length, _NOBODY) for s in self.kernel.shared}
        self._readers = {s.name: np.full(s.length, _NOBODY) for s in self.kernel.shared}

    def store(self, stmt: Store, known: Mapping[str, Value]) -> None:
        if stmt.buffer in self._writers:
            place, me = self.place(stmt, stmt.value.type.lanes, known), self._number(known)
            self._alone(stmt.buffer, self._writers[stmt.buffer][place], me)
            self._alone(stmt.buffer, self._readers[stmt.buffer][place], me)
            self._writers[stmt.buffer][place] = me
        super().store(stmt, known)

    def load(self, expr: Load, known: Mapping[str, Value]) -> Value:
        if expr.buffer in self._writers:
            place, me = self.place(expr, expr.type.lanes, known), self._number(known)
            self._alone(expr.buffer, self._writers[expr.buffer][place], me)
            readers = self._readers[expr.buffer]
            readers[place] = np.where(np.isin(readers[place], (_NOBODY, me)), me, _SEVERAL)
        return super().load(expr, known)

    def _number(self, known: Mapping[str, Value]) -> int:
        assert self.kernel.member is not None
        return int(known[self.kernel.member.name])

    def _alone(self, name: str, others: Array, me: int) -> None:
        if not np.isin(others, (_NOBODY, me)).all():
            raise KernelError(f"Members of a team of kernel {self.kernel.name} meet in {name} with no barrier between.")


def _next(member: _Member, answer: Value) -> _Meeting | None:
    try:
        return member.send(answer)
    except StopIteration:
        return None


def _exchanges(expr: Expr) -> Iterator[FromMember | Combined]:
    """The exchanges in an expression, inner before outer."""
    for child in children(expr):
        yield from _exchanges(child)
    if isinstance(expr, (FromMember, Combined)):
        yield expr


def _nothing(shared: Shared) -> Array:
    """What an array holds before anybody writes to it: nothing that a kernel would take for a result."""
    dtype = DTYPES["u8" if shared.dtype == "bool" else shared.dtype]
    return np.full(shared.length, np.nan if dtype.is_float else np.iinfo(dtype.numpy.name).max, dtype.numpy)
