"""Functions of single numbers, as data: what elementwise work and epilogues are made of.

A `ScalarFunction` is written once for scalars; `inline` puts it into a block at any width.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from intab.errors import KernelError
from intab.kernels.block import Block
from intab.kernels.ir import (
    Binary,
    Bitcast,
    Cast,
    Const,
    Expr,
    Fma,
    Let,
    Select,
    Stmt,
    Type,
    Unary,
    Var,
    expressions,
    walk_expr,
)


@dataclass(frozen=True, slots=True)
class ScalarFunction:
    """result = body(arguments): straight-line Lets over scalars, no loads. Equal data are equal functions."""

    arguments: tuple[Var, ...]
    body: tuple[Stmt, ...]
    result: Expr

    @property
    def type(self) -> Type:
        return self.result.type


@dataclass(frozen=True, slots=True)
class Operations:
    """What a scalar function does: operations on floats (a multiply-add is two), and whether it divides integers."""

    floats: int
    divides_integers: bool


def operations_of(function: ScalarFunction) -> Operations:
    """Count a function's operations; comparisons, casts and choices are none."""
    floats, divides_integers = 0, False
    for root in (function.result, *(expr for stmt in function.body for expr in expressions(stmt))):
        for expr in walk_expr(root):
            if isinstance(expr, (Unary, Binary, Fma)):
                is_float = expr.type.scalar in ("f32", "f64")
                floats += (1 + isinstance(expr, Fma)) * is_float
                divides_integers |= not is_float and isinstance(expr, Binary) and expr.op in ("div", "rem")
    return Operations(floats, divides_integers)


def identity(type: Type) -> ScalarFunction:
    """The function that gives back its argument."""
    argument = Var("x0", type)
    return ScalarFunction((argument,), (), argument)


def inline(block: Block, function: ScalarFunction, arguments: tuple[Expr, ...]) -> Expr:
    """Write a function's body into a block, as wide as the arguments are, and return its result."""
    if [a.type.scalar for a in arguments] != [a.type.scalar for a in function.arguments]:
        raise KernelError(
            f"A scalar function of {[a.type for a in function.arguments]} was given {[a.type for a in arguments]}."
        )
    lanes = max((a.type.lanes for a in arguments), default=1)
    known: dict[str, Expr] = {var.name: a for var, a in zip(function.arguments, arguments, strict=True)}
    for stmt in function.body:
        if not isinstance(stmt, Let):
            raise KernelError(f"A scalar function may hold nothing but Lets, not {type(stmt).__name__}.")
        known[stmt.var.name] = block.let(stmt.var.name, _widened(stmt.value, lanes, known))
    return _widened(function.result, lanes, known)


def settled(
    block: Block, function: ScalarFunction, values: Mapping[str, Expr]
) -> tuple[ScalarFunction, dict[str, Expr]]:
    """What follows from some arguments alone, whose scalar values are given by name, computed in the block.

    Returns the rest as a function of the other arguments, then of those among the given and computed values that it
    uses, and these values in their order.
    """
    known, rest = dict(values), []
    for stmt in function.body:
        if not isinstance(stmt, Let):
            raise KernelError(f"A scalar function may hold nothing but Lets, not {type(stmt).__name__}.")
        if _names(stmt.value) <= known.keys():
            known[stmt.var.name] = block.let(stmt.var.name, _widened(stmt.value, 1, known))
        else:
            rest.append(stmt)
    used = _names(function.result).union(*(_names(stmt.value) for stmt in rest))
    kept = {name: value for name, value in known.items() if name in used}
    moving = tuple(argument for argument in function.arguments if argument.name not in known)
    arguments = (*moving, *(Var(name, value.type) for name, value in kept.items()))
    return ScalarFunction(arguments, tuple(rest), function.result), kept


def _names(expr: Expr) -> set[str]:
    return {part.name for part in walk_expr(expr) if isinstance(part, Var)}


def _widened(expr: Expr, lanes: int, known: Mapping[str, Expr]) -> Expr:
    def wide(inner: Expr) -> Expr:
        return _widened(inner, lanes, known)

    match expr:
        case Const(value=value, type=type_):
            return Const(value, type_.wide(lanes))
        case Var(name=name):
            return known[name]
        case Unary(op=op, operand=a):
            return Unary(op, wide(a))
        case Binary(op=op, left=a, right=b):
            return Binary(op, wide(a), wide(b))
        case Fma(factor=a, other=b, addend=c):
            return Fma(wide(a), wide(b), wide(c))
        case Select(condition=a, then=b, otherwise=c):
            return Select(wide(a), wide(b), wide(c))
        case Cast(operand=a, type=type_):
            return Cast(wide(a), type_.wide(lanes))
        case Bitcast(operand=a, type=type_):
            return Bitcast(wide(a), type_.wide(lanes))
        case _:
            raise KernelError(f"A scalar function may not hold a {type(expr).__name__}.")
