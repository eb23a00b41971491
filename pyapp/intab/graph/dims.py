"""Sizes that are numbers or expressions over symbols.

A `Dim` is an int or a `DimExpr`. A `DimExpr` is a polynomial with integer coefficients over atoms; an
atom is a symbol, a floor division, a remainder, a maximum or a minimum. The polynomial is kept in one
normal form, so that equal expressions compare equal: `(H - 1)//2 + 1` and `(H + 1)//2` are the same.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Union, overload

from intab.dtypes import DTYPES
from intab.errors import ShapeError

# Words that mean something else where dims are printed; a symbol called so is quoted.
RESERVED_WORDS = frozenset({"max", "min", "true", "false", "none", "inf", "nan", "graph", *DTYPES})

# How many sizes' texts are remembered: a model of 500 nodes has about 300 different sizes.
CACHED = 4096


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """A size known only when the feeds are."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """An operation that a polynomial cannot express: "//", "%", "max" or "min" of two dims."""

    function: str
    left: "Dim"
    right: "Dim"
    # Sizes nest deeply and are looked up often, so the hash is computed once.
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.function, self.left, self.right)))

    def __hash__(self) -> int:
        return self._hash


Atom = Symbol | Call
Monomial = tuple[Atom, ...]
Dim = Union[int, "DimExpr"]
Shape = tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class DimExpr:
    """Sum of `coefficient * product of atoms`, at least one of them not constant."""

    terms: tuple[tuple[Monomial, int], ...]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(self.terms))

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other: Dim) -> Dim:
        if isinstance(other, DimExpr):
            return _sum(self.terms, other.terms)
        (monomial, constant) = self.terms[-1]  # the constant is last, where there is one: nothing to sort
        if monomial:
            return DimExpr((*self.terms, ((), other))) if other else self
        total = constant + other
        return DimExpr((*self.terms[:-1], ((), total)) if total else self.terms[:-1])

    def __radd__(self, other: int) -> Dim:
        return self + other

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: Dim) -> Dim:
        return self + -other

    def __rsub__(self, other: int) -> Dim:
        return -self + other

    def __mul__(self, other: Dim) -> Dim:
        if isinstance(other, int):  # by far the most frequent: nothing to sort or to sum up
            if other in (0, 1):
                return self if other else 0
            return DimExpr(tuple([(monomial, coefficient * other) for monomial, coefficient in self.terms]))
        products: dict[Monomial, int] = {}
        for left, left_factor in self.terms:
            for right, right_factor in _terms(other):
                both = left + right
                monomial = tuple(sorted(both, key=_atom_key)) if len(both) > 1 else both
                products[monomial] = products.get(monomial, 0) + left_factor * right_factor
        return _normal(products)

    def __rmul__(self, other: int) -> Dim:
        return self * other

    def __floordiv__(self, other: Dim) -> Dim:
        return floor_div(self, other)

    def __rfloordiv__(self, other: int) -> Dim:
        return floor_div(other, self)

    def __mod__(self, other: Dim) -> Dim:
        return remainder(self, other)

    def __rmod__(self, other: int) -> Dim:
        return remainder(other, self)

    def __repr__(self) -> str:
        return dim_text(self)


def symbol(name: str) -> DimExpr:
    """The dim that stands for the size called `name`."""
    return DimExpr((((Symbol(name),), 1),))


def floor_div(left: Dim, right: Dim) -> Dim:
    """left // right, simplified where the division comes out even."""
    if isinstance(left, int) and isinstance(right, int):
        if right == 0:
            raise ShapeError("A size is divided by zero.")
        return left // right
    if right == 1:
        return left
    exact = _exact_quotient(left, right)
    if exact is not None:
        return exact
    if isinstance(right, int):
        return _floor_div_by_int(left, right)
    return _atom(Call("//", left, right))


def remainder(left: Dim, right: Dim) -> Dim:
    """left % right, simplified where multiples of the divisor can be seen."""
    if _exact_quotient(left, right) is not None:
        return 0
    if isinstance(right, int):
        left = _normal({monomial: coefficient % right for monomial, coefficient in _terms(left)})
        if isinstance(left, int):
            return left % right
    return _atom(Call("%", left, right))


def ceil_div(left: Dim, right: Dim) -> Dim:
    """The least whole number not below left / right."""
    return floor_div(left + right - 1, right)


def maximum(left: Dim, right: Dim) -> Dim:
    """The larger of two sizes."""
    return _extreme("max", left, right)


def minimum(left: Dim, right: Dim) -> Dim:
    """The smaller of two sizes."""
    return _extreme("min", left, right)


def product(dims: Iterable[Dim]) -> Dim:
    """The product of sizes; 1 for none."""
    result: Dim = 1
    for dim in dims:
        result = result * dim
    return result


@overload
def dense_strides(shape: tuple[int, ...]) -> tuple[int, ...]: ...
@overload
def dense_strides(shape: Shape) -> Shape: ...
def dense_strides(shape: Shape) -> Shape:
    """Elements between neighbours along each axis of a tensor in row-major order."""
    strides: list[Dim] = []
    step: Dim = 1
    for dim in reversed(shape):
        strides.append(step)
        step = step * dim
    return tuple(reversed(strides))


def total(dims: Iterable[Dim]) -> Dim:
    """The sum of sizes; 0 for none."""
    result: Dim = 0
    for dim in dims:
        result = result + dim
    return result


def symbols_of(dim: Dim) -> frozenset[str]:
    """Names of the symbols that a dim depends on."""
    if isinstance(dim, int):
        return frozenset()
    names: set[str] = set()
    for monomial, _ in dim.terms:
        for atom in monomial:
            if isinstance(atom, Symbol):
                names.add(atom.name)
            else:
                names |= symbols_of(atom.left) | symbols_of(atom.right)
    return frozenset(names)


def substitute(dim: Dim, bindings: Mapping[str, Dim]) -> Dim:
    """The dim with symbols replaced; symbols without a binding stay."""
    if isinstance(dim, int):
        return dim
    result: Dim = 0
    for monomial, coefficient in dim.terms:
        result = result + product(_substitute_atom(a, bindings) for a in monomial) * coefficient
    return result


def evaluate(dim: Dim, bindings: Mapping[str, int]) -> int:
    """The number that a dim is under bindings. Raises ShapeError when a symbol has none."""
    value = substitute(dim, bindings)
    if not isinstance(value, int):
        raise ShapeError(f"The size {dim} needs a value for {', '.join(sorted(symbols_of(value)))}.")
    return value


@lru_cache(maxsize=CACHED)
def dim_text(dim: Dim) -> str:
    """The dim as an expression in Python's syntax, odd symbol names in backquotes; `graph.parse` reads it back."""
    if isinstance(dim, int):
        return str(dim)
    text = ""
    for monomial, coefficient in dim.terms:
        factors = [str(abs(coefficient))] if abs(coefficient) != 1 or not monomial else []
        alone = len(factors) + len(monomial) == 1 and coefficient > 0
        factors += [_atom_text(a) if alone or _binds_tight(a) else f"({_atom_text(a)})" for a in monomial]
        sign = " - " if coefficient < 0 else " + "
        text += (sign if text else sign.strip(" +")) + "*".join(factors)
    return text


def symbol_text(name: str) -> str:
    """A symbol's name as it is printed: as it is when that is one plain word, else in backquotes."""
    if name.isidentifier() and name.isascii() and name not in RESERVED_WORDS:
        return name
    escaped = json.dumps(name)[1:-1].replace("`", "\\u0060")
    return f"`{escaped}`"


def _binds_tight(atom: Atom) -> bool:
    return isinstance(atom, Symbol) or atom.function in ("max", "min")


def _atom_text(atom: Atom) -> str:
    if isinstance(atom, Symbol):
        return symbol_text(atom.name)
    left, right = dim_text(atom.left), dim_text(atom.right)
    if atom.function in ("max", "min"):
        return f"{atom.function}({left}, {right})"
    # "%" between spaces: stuck to a name it would begin a value of the graph's text.
    sign = " % " if atom.function == "%" else atom.function
    return f"{_operand_text(atom.left, left)}{sign}{_operand_text(atom.right, right)}"


def _operand_text(dim: Dim, text: str) -> str:
    return text if text.isalnum() or (isinstance(dim, int) and dim >= 0) else f"({text})"


def _substitute_atom(atom: Atom, bindings: Mapping[str, Dim]) -> Dim:
    if isinstance(atom, Symbol):
        bound = bindings.get(atom.name)
        return symbol(atom.name) if bound is None else bound
    left, right = substitute(atom.left, bindings), substitute(atom.right, bindings)
    return CALLS[atom.function](left, right)


def _floor_div_by_int(left: Dim, right: int) -> Dim:
    """Terms that divide evenly leave the division; the constant left inside is brought to 0 .. right - 1."""
    whole: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for monomial, coefficient in _terms(left):
        quotient, inside = (coefficient // right, coefficient % right) if not monomial else (0, coefficient)
        if monomial and coefficient % right == 0:
            quotient, inside = coefficient // right, 0
        whole[monomial] = whole.get(monomial, 0) + quotient
        rest[monomial] = rest.get(monomial, 0) + inside
    inner = _normal(rest)
    if isinstance(inner, int):
        return _normal(whole) + inner // right
    nested = _division_plus_rest(inner)
    if nested is not None and right > 0:
        division, added = nested
        return _normal(whole) + floor_div(division.left + division.right * added, division.right * right)
    # (g*x + c)//(g*b) is (x + c//g)//b.
    common = math.gcd(right, *(c for monomial, c in inner.terms if monomial))
    if common > 1 and right > 0:
        return _normal(whole) + floor_div(_normal({m: c // common for m, c in inner.terms}), right // common)
    return _normal(whole) + _atom(Call("//", inner, right))


def _division_plus_rest(dim: DimExpr) -> tuple[Call, Dim] | None:
    """x//a + e taken apart, when a dim is that: (x//a + e)//b is (x + a*e)//(a*b) for positive a and b."""
    divisions = [(m[0], c) for m, c in dim.terms if len(m) == 1 and isinstance(m[0], Call) and m[0].function == "//"]
    if len(divisions) != 1:
        return None
    division, coefficient = divisions[0]
    if coefficient == 1 and isinstance(division, Call) and isinstance(division.right, int) and division.right > 0:
        return division, dim - _atom(division)
    return None


def _exact_quotient(left: Dim, right: Dim) -> Dim | None:
    """left / right when right is one monomial that divides every term of left."""
    right_terms = _terms(right)
    if len(right_terms) != 1:
        return 1 if left == right else None
    (divisor, divisor_factor), *_ = right_terms
    if divisor_factor == 0:
        raise ShapeError("A size is divided by zero.")
    quotient: dict[Monomial, int] = {}
    for monomial, coefficient in _terms(left):
        remaining = list(monomial)
        for atom in divisor:
            if atom not in remaining:
                return None
            remaining.remove(atom)
        if coefficient % divisor_factor:
            return None
        quotient[tuple(remaining)] = coefficient // divisor_factor
    return _normal(quotient)


def _extreme(function: str, left: Dim, right: Dim) -> Dim:
    if isinstance(left, int) and isinstance(right, int):
        return max(left, right) if function == "max" else min(left, right)
    difference = left - right
    if isinstance(difference, int):
        return left if (difference >= 0) == (function == "max") else right
    first, second = sorted((left, right), key=dim_text)
    return _atom(Call(function, first, second))


CALLS = {"//": floor_div, "%": remainder, "max": maximum, "min": minimum}


def _atom(atom: Atom) -> DimExpr:
    return DimExpr((((atom,), 1),))


def _terms(dim: Dim) -> tuple[tuple[Monomial, int], ...]:
    return (((), dim),) if isinstance(dim, int) else dim.terms


def _sum(left: tuple[tuple[Monomial, int], ...], right: tuple[tuple[Monomial, int], ...]) -> Dim:
    sums = dict(left)
    for monomial, coefficient in right:
        sums[monomial] = sums.get(monomial, 0) + coefficient
    return _normal(sums)


def _normal(terms: Mapping[Monomial, int]) -> Dim:
    kept = {m: c for m, c in terms.items() if c}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    if len(kept) == 1:
        return DimExpr(tuple(kept.items()))
    # Higher powers first, the constant last: the order in which one reads a polynomial.
    return DimExpr(tuple(sorted(kept.items(), key=lambda t: (-len(t[0]), [_atom_key(a) for a in t[0]]))))


@lru_cache(maxsize=CACHED)
def _atom_key(atom: Atom) -> tuple[int, str]:
    return (0, atom.name) if isinstance(atom, Symbol) else (1, _atom_text(atom))
