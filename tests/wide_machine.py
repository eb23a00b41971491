"""Kernels run slowly, but all items at once: what one invocation has in a register is one row of an array here.

The meaning is that of `kernels.machine`, whose machine this is; what is added are masks, where invocations part ways,
and memory as shaders have it, whose elements are not those that the kernel declares.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intab.dtypes import DTYPES
from intab.errors import KernelError
from intab.kernels.ir import (
    Assign,
    At,
    Barrier,
    Binary,
    Combined,
    Expr,
    FromMember,
    If,
    Kernel,
    Let,
    Load,
    Loop,
    Moved,
    Shared,
    Stmt,
    Store,
    Tile,
)
from intab.kernels.machine import NUMPY, Machine

Numbers = NDArray[Any]
Known = dict[str, Any]

# Invocations that run together: enough for numpy to be busy, few enough for their registers to fit into memory.
AT_ONCE = 1 << 15
_COMBINE: Mapping[str, Any] = {"add": np.add, "max": np.maximum, "min": np.minimum}


@dataclass(frozen=True, slots=True)
class Bound:
    """Memory that a kernel sees: elements as they are stored, and which of them is the first of the buffer."""

    elements: Numbers
    start: int


def run_all(kernel: Kernel, buffers: Mapping[str, Bound], words: Mapping[str, float], items: int) -> None:
    """Run items 0 .. items of a verified kernel; buffers are changed in place.

    Raises KernelError where an access leaves its memory.
    """
    machine = WideMachine(kernel, buffers, words)
    step = max(AT_ONCE // kernel.team, 1)
    with np.errstate(all="ignore"):
        for first in range(0, items, step):
            machine.run(first, min(first + step, items))


class WideMachine(Machine):
    """A scalar is a numpy scalar where all invocations have the same, else an array [invocations]; vectors have their
    lanes as a further axis. The invocations of a team follow one another."""

    def __init__(self, kernel: Kernel, buffers: Mapping[str, Bound], words: Mapping[str, float]) -> None:
        empty = {b.name: np.zeros(0, DTYPES[b.dtype].numpy) for b in kernel.buffers}
        super().__init__(kernel, empty, {}, words)
        self._bound = dict(buffers)
        self._dtypes = {memory.name: DTYPES[memory.dtype] for memory in kernel.memories}
        self._mask: Numbers | None = None
        self._count = 0

    def run(self, first: int, end: int) -> None:
        """Run items first .. end."""
        kernel, team = self.kernel, self.kernel.team
        self._count, self._mask = (end - first) * team, None
        for shared in kernel.shared:
            self._bound[shared.name] = self._nothing(shared, end - first)
        known: Known = {kernel.item.name: np.repeat(np.arange(first, end, dtype=np.int32), team)}
        if kernel.member is not None:
            known[kernel.member.name] = np.tile(np.arange(team, dtype=np.int32), end - first)
        self._wide_body(kernel.body, known)

    def _nothing(self, shared: Shared, teams: int) -> Bound:
        dtype = self._dtypes[shared.name]
        odd: float = np.nan if dtype.is_float else 77
        return Bound(np.full(teams * shared.length, odd, np.uint8 if dtype.kind == "bool" else dtype.numpy), 0)

    def _wide_body(self, body: tuple[Stmt, ...], known: Known) -> None:
        for stmt in body:
            match stmt:
                case Let():
                    known[stmt.var.name] = self.value(stmt.value, known)
                case Assign():
                    self._assign(stmt, known)
                case Store():
                    self._store(stmt, known)
                case Loop():
                    self._loop(stmt, known)
                case If():
                    self._branch(stmt, known)
                case Tile():
                    self._wide_body(stmt.body, known)
                case Barrier():
                    if self._mask is not None and not self._mask.all():
                        raise KernelError(f"Not all invocations of kernel {self.kernel.name} come to a barrier.")

    def _assign(self, stmt: Assign, known: Known) -> None:
        value = self.value(stmt.value, known)
        if self._mask is not None:
            mask = self._mask[:, None] if stmt.var.type.lanes > 1 else self._mask
            value = np.where(mask, value, known[stmt.var.name])
        known[stmt.var.name] = value

    def _branch(self, stmt: If, known: Known) -> None:
        condition = np.asarray(self.value(stmt.condition, known))
        if condition.ndim == 0:
            self._wide_body(stmt.then if condition else stmt.otherwise, known)
            return
        outer = self._mask
        for taken, body in ((condition, stmt.then), (~condition, stmt.otherwise)):
            self._masked(taken if outer is None else taken & outer, body, known)
        self._mask = outer

    def _loop(self, stmt: Loop, known: Known) -> None:
        begin, end = (np.asarray(self.value(bound, known)) for bound in (stmt.begin, stmt.end))
        if begin.ndim == end.ndim == 0:
            for index in range(int(begin), int(end), stmt.step):
                known[stmt.var.name] = np.int32(index)
                self._wide_body(stmt.body, known)
            return
        outer = self._mask
        length = np.broadcast_to(end - begin, self._count)
        longest = int((length if outer is None else length[outer]).max(initial=0))
        for index in range(0, longest, stmt.step):
            known[stmt.var.name] = begin + np.int32(index)
            running = length > index
            self._masked(running if outer is None else running & outer, stmt.body, known)
        self._mask = outer

    def _masked(self, mask: Numbers, body: tuple[Stmt, ...], known: Known) -> None:
        if mask.any():
            self._mask = None if mask.all() else mask
            self._wide_body(body, known)

    def value(self, expr: Expr, known: Mapping[str, Any]) -> Any:
        match expr:
            case Load():
                return self._load(expr, known)
            case At():
                return self.value(expr.index, known)
            case Moved():
                return np.add(known[expr.pointer.name], self.value(expr.elements, known))
            case FromMember() | Combined():
                return self._exchanged(expr, known)
            case Binary(op="div" | "rem") if expr.left.type.scalar not in ("f32", "f64") and self._mask is not None:
                return self._quotient(expr, known, self._mask)
        return super().value(expr, known)

    def _quotient(self, expr: Binary, known: Mapping[str, Any], mask: Numbers) -> Any:
        """Of invocations that are not there to see it, any."""
        left, right = self.value(expr.left, known), self.value(expr.right, known)
        right = np.where(mask[:, None] if expr.type.lanes > 1 else mask, right, right.dtype.type(1))
        quotient = np.trunc(np.divide(left, right, dtype=np.float64))  # exact: both have 32 bits
        return (quotient if expr.op == "div" else left - quotient * right).astype(NUMPY[expr.type.scalar])

    def _exchanged(self, expr: FromMember | Combined, known: Mapping[str, Any]) -> Any:
        team, lanes = self.kernel.team, expr.type.lanes
        operand = self._rows(self.value(expr.operand, known), lanes)
        teams = operand.reshape(-1, team, *operand.shape[1:])
        if isinstance(expr, Combined):
            return np.repeat(_COMBINE[expr.op].reduce(teams, axis=1), team, axis=0)
        asked = self._rows(self.value(expr.member, known), 1).reshape(-1, team)
        return teams[np.arange(len(teams))[:, None], asked].reshape(operand.shape)

    def _rows(self, value: Any, lanes: int) -> Numbers:
        """A value with a row for each invocation."""
        return np.broadcast_to(value, (self._count, lanes) if lanes > 1 else (self._count,))

    def _places(self, access: Load | Store, lanes: int, known: Mapping[str, Any]) -> Numbers:
        """The elements that each invocation touches: [lanes] or [], or one row for each; 0 for those that do not."""
        bound = self._bound[access.buffer]
        index = np.asarray(self.value(access.index, known), np.int64) + access.offset
        size, vector = len(bound.elements), self._vectors[access.buffer]
        shared = next((s for s in self.kernel.shared if s.name == access.buffer), None)
        if shared is not None:
            size = shared.length
        first = index + bound.start
        seen = first if self._mask is None or first.ndim == 0 else first[self._mask]
        if seen.size and not (0 <= seen.min() and seen.max() + lanes <= size):
            raise KernelError(
                f"Kernel {self.kernel.name} touches {seen.min()}..{seen.max() + lanes} of {size} elements."
            )
        if (seen % vector).any():
            raise KernelError(f"Kernel {self.kernel.name} goes to elements of {access.buffer} between its vectors.")
        if self._mask is not None and first.ndim:
            first = np.where(self._mask, first, 0)
        if shared is not None:
            first = first + np.arange(self._count) // self.kernel.team * shared.length
        return first[..., None] + np.arange(lanes) if lanes > 1 else first

    def _load(self, expr: Load, known: Mapping[str, Any]) -> Any:
        places = self._places(expr, expr.type.lanes, known)
        return self._bound[expr.buffer].elements[places].astype(NUMPY[expr.type.scalar])

    def _store(self, stmt: Store, known: Known) -> None:
        lanes, elements = stmt.value.type.lanes, self._bound[stmt.buffer].elements
        places = np.broadcast_to(
            self._places(stmt, lanes, known), (self._count, lanes) if lanes > 1 else (self._count,)
        )
        value = self._rows(self.value(stmt.value, known), lanes)
        # What is too large for the dtype wraps, and halves are rounded, whatever the memory could hold.
        dtype = self._dtypes[stmt.buffer].numpy
        value = value.astype(np.uint8 if dtype == np.bool_ else dtype).astype(elements.dtype)
        if self._mask is not None:
            places, value = places[self._mask], value[self._mask]
        elements[places] = value
