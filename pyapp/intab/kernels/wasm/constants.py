"""Which constants of a loop are worth a register of their own before it.

An engine makes a vector constant anew wherever it stands, three instructions on x86; a local that is set before the
loop costs one load at most. Numbers of scalars are part of their instructions.
"""

from intab.kernels import ir
from intab.kernels.ir import Expr, Stmt, Type

Key = tuple[Type, float]


def loop_constants(body: tuple[Stmt, ...]) -> dict[Key, ir.Const]:
    """The vector constants of a loop's body but 0, which is cheap; none where a loop or a tile is inside.

    An inner loop has its own, and so have tiles, which are functions of their own.
    """
    found: dict[Key, ir.Const] = {}
    for stmt in ir.walk(body):
        if isinstance(stmt, (ir.Loop, ir.Tile)):
            return {}
    for stmt in ir.walk(body):
        for expr in ir.expressions(stmt):
            _collect(expr, found)
    return found


def _collect(expr: Expr, found: dict[Key, ir.Const]) -> None:
    if isinstance(expr, ir.Const):
        if expr.type.lanes > 1 and expr.value != 0:
            found[expr.type, expr.value] = expr
        return
    if isinstance(expr, ir.Binary) and expr.op in ("shl", "shr"):  # the count is a scalar
        _collect(expr.left, found)
        return
    for child in ir.children(expr):
        _collect(child, found)
