"""Between which numbers whole numbers lie: what has to be known of 64-bit ones before a device takes 32 bits for them.

An operator that makes whole numbers may say so by a method

    bounds(self, inputs, given) -> Interval, or one for each output

with an interval for each input, that of all numbers of its dtype where nothing better is known. Operators that only
move numbers say `bounds = moved_from(positions)`. What is said may leave the dtype: then the numbers wrap, and it is
taken that they may be anything.
"""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from intab.dtypes import DType, int64
from intab.graph.dims import Atom, Dim, Symbol
from intab.graph.ir import Value

# A buffer of a GPU has less than 2^31 bytes, and every element takes four of them there.
MOST_ELEMENTS = 2**29


@dataclass(frozen=True, slots=True)
class Interval:
    """Whole numbers from `least` to `most`, both of them among it."""

    least: int
    most: int

    def __neg__(self) -> "Interval":
        return Interval(-self.most, -self.least)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.least + other.least, self.most + other.most)

    def __sub__(self, other: "Interval") -> "Interval":
        return self + -other

    def __mul__(self, other: "Interval") -> "Interval":
        return _corners(lambda a, b: a * b, self, other)

    def __contains__(self, other: "Interval") -> bool:
        return self.least <= other.least and other.most <= self.most

    def __repr__(self) -> str:
        return f"{self.least} .. {self.most}"

    @property
    def magnitude(self) -> int:
        return max(abs(self.least), abs(self.most))

    def minimum(self, other: "Interval") -> "Interval":
        """The smaller of a number of each."""
        return Interval(min(self.least, other.least), min(self.most, other.most))

    def maximum(self, other: "Interval") -> "Interval":
        """The larger of a number of each."""
        return Interval(max(self.least, other.least), max(self.most, other.most))

    def absolute(self) -> "Interval":
        """|number|"""
        return Interval(0 if self.least <= 0 <= self.most else min(abs(self.least), abs(self.most)), self.magnitude)

    def quotient(self, other: "Interval") -> "Interval":
        """The whole part of a / b, towards zero; 0 where b is 0."""
        if other.least < 1:
            return Interval(-self.magnitude, self.magnitude)
        return _corners(lambda a, b: abs(a) // b * (1 if a >= 0 else -1), self, other)

    def remainder(self, other: "Interval", *, of_dividend: bool) -> "Interval":
        """What a / b leaves, with the sign of a or of b; 0 where b is 0."""
        most = max(0, other.magnitude - 1)
        if self.least >= 0 and (of_dividend or other.least >= 0):
            return Interval(0, min(most, self.most))
        if of_dividend or other.least < 0:
            return Interval(-most, most)
        return Interval(0, most)

    def sums(self, most: int) -> "Interval":
        """All sums of up to so many of the numbers, on the way there too."""
        return Interval(min(self.least, 0) * most, max(self.most, 0) * most)


def exactly(number: int) -> Interval:
    """One number."""
    return Interval(number, number)


Bounds = Interval | tuple[Interval, ...]


@runtime_checkable
class Bounded(Protocol):
    """An operator that knows between which numbers its outputs lie."""

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Bounds: ...


def moved_from(*positions: int) -> Callable[[Any, tuple[Value | None, ...], tuple[Interval, ...]], Interval]:
    """`bounds` of operators whose output holds numbers of the inputs at these places, of all when none is named."""

    def bounds(self: Any, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        return hull(given[i] for i in positions or range(len(given)))

    return bounds


def of_dtype(dtype: DType) -> Interval:
    """All whole numbers of a dtype; those of 64 bits where it has none."""
    bits = 8 * dtype.itemsize if dtype.is_integer else 1 if dtype.kind == "bool" else 64
    if dtype.kind in ("unsigned", "bool"):
        return Interval(0, 2**bits - 1)
    return Interval(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


ANY = of_dtype(int64)
WORD = Interval(-(2**31), 2**31 - 1)
"""What 32 bits hold."""


def hull(intervals: Iterable[Interval]) -> Interval:
    """The numbers of all of them, and what lies between; 0 of none."""
    known = tuple(intervals)
    return Interval(min((i.least for i in known), default=0), max((i.most for i in known), default=0))


def of_dim(dim: Dim) -> Interval:
    """What a size, or a number made of sizes, can be. Kernels have them as words of 32 bits."""
    found = _of_dim(dim)
    return Interval(max(found.least, WORD.least), min(found.most, WORD.most))


def most_elements(dims: Iterable[Dim]) -> int:
    """How many elements there may be along axes."""
    return min(MOST_ELEMENTS, math.prod(max(of_dim(dim).most, 0) for dim in dims))


def _of_dim(dim: Dim) -> Interval:
    if isinstance(dim, int):
        return exactly(dim)
    total = exactly(0)
    for monomial, coefficient in dim.terms:
        product = exactly(coefficient)
        for atom in monomial:
            product = product * _of_atom(atom)
        total = total + product
    return total


def _of_atom(atom: Atom) -> Interval:
    if isinstance(atom, Symbol):
        return Interval(0, MOST_ELEMENTS)
    left, right = _of_dim(atom.left), _of_dim(atom.right)
    if atom.function == "max":
        return left.maximum(right)
    if atom.function == "min":
        return left.minimum(right)
    right = right.maximum(exactly(1))  # sizes are divided by sizes, of which 0 is refused
    if atom.function == "%":
        return left.remainder(right, of_dividend=False)
    return _corners(lambda a, b: a // b, left, right)


def _corners(function: Callable[[int, int], int], left: Interval, right: Interval) -> Interval:
    """The numbers that a function takes which is monotone in each operand, where both are at an end."""
    ends = itertools.product((left.least, left.most), (right.least, right.most))
    found = [function(a, b) for a, b in ends]
    return Interval(min(found), max(found))
