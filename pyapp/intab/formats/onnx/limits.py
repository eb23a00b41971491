"""Bounds on what shape arithmetic may grow to.

A few nodes of a hostile file can square a size again and again; each squaring doubles the digits of a
number or the terms of an expression. Checking every value stops that after one step.
"""

from intab.errors import ModelFormatError
from intab.graph.dims import Call, Dim, DimExpr, Symbol
from intab.graph.ir import Value

MOST_AXES = 32
_LARGEST_SIZE = 1 << 63
_MOST_PARTS = 256
_DEEPEST_CALL = 32


def check_sizes(value: Value, where: str) -> None:
    """Raise ModelFormatError unless all sizes of a value are ones that a real model could have."""
    if len(value.shape) > MOST_AXES:
        raise ModelFormatError(f"{where}: its result has {len(value.shape)} axes; at most {MOST_AXES} are possible.")
    for dim in (*value.shape, *(value.elements or ())):
        if isinstance(dim, int):
            if not -_LARGEST_SIZE <= dim <= _LARGEST_SIZE:
                raise ModelFormatError(f"{where}: a size grows past 64 bits. The model is damaged; export it again.")
        elif _is_too_large(dim):
            raise ModelFormatError(
                f"{where}: the expression for a size grows past all use. "
                "Export the model with fixed sizes in place of named ones."
            )


def _is_too_large(dim: DimExpr) -> bool:
    """Whether an expression has too many parts, is too deep or holds too large a number."""
    if len(dim.terms) == 1 and dim.terms[0][1] == 1 and len(dim.terms[0][0]) == 1:
        (atom,) = dim.terms[0][0]
        if isinstance(atom, Symbol):
            return False  # what most sizes are
    waiting: list[tuple[Dim, int]] = [(dim, 0)]
    parts = 0
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, int):
            if abs(part) > _LARGEST_SIZE:
                return True
            continue
        for monomial, coefficient in part.terms:
            parts += 1 + len(monomial)
            if parts > _MOST_PARTS or depth > _DEEPEST_CALL or abs(coefficient) > _LARGEST_SIZE:
                return True
            for atom in monomial:
                if isinstance(atom, Call):
                    waiting += ((atom.left, depth + 1), (atom.right, depth + 1))
    return False
