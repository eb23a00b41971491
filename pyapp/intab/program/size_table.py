"""Sizes as rows of a table that JSON can hold: each number, symbol, operation and sum once, after what it is made of.

7    ["s", name]    ["//", left, right] (also "%", "max", "min")    [[factor, [symbols and operations]], ...]
"""

from collections.abc import Iterable, Sequence
from typing import Any

from intab.graph.dims import CALLS, Atom, Call, Dim, DimExpr, Shape, Symbol

SYMBOL = "s"


class SizeWriter:
    """Gives sizes the numbers of their rows."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._numbers: dict[Dim | Atom, int] = {}

    def number(self, dim: Dim) -> int:
        known = self._numbers.get(dim)
        if known is not None:
            return known
        row = dim if isinstance(dim, int) else [[c, [self._atom(a) for a in monomial]] for monomial, c in dim.terms]
        return self._add(dim, row)

    def numbers(self, dims: Iterable[Dim]) -> list[int]:
        return [self.number(dim) for dim in dims]

    def _atom(self, atom: Atom) -> int:
        known = self._numbers.get(atom)
        if known is not None:
            return known
        if isinstance(atom, Symbol):
            return self._add(atom, [SYMBOL, atom.name])
        return self._add(atom, [atom.function, self.number(atom.left), self.number(atom.right)])

    def _add(self, what: Dim | Atom, row: Any) -> int:
        self.rows.append(row)
        self._numbers[what] = len(self.rows) - 1
        return self._numbers[what]


class SizeReader:
    """The sizes of a writer's rows."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._made: list[Any] = []
        for row in rows:
            self._made.append(self._row(row))

    def size(self, number: int) -> Dim:
        size: Dim = self._made[number]
        return size

    def shape(self, numbers: Iterable[int]) -> Shape:
        return tuple([self.size(number) for number in numbers])

    def _row(self, row: Any) -> Dim | Atom:
        if isinstance(row, int):
            return row
        if row[0] == SYMBOL:
            return Symbol(row[1])
        if isinstance(row[0], str):
            assert row[0] in CALLS
            return Call(row[0], self.size(row[1]), self.size(row[2]))
        # The terms were in normal form when they were written.
        return DimExpr(tuple([(tuple([self._made[i] for i in atoms]), factor) for factor, atoms in row]))
