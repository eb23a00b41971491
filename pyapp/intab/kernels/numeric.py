"""Which kernels may be run on any numbers, as a warm-up does: what they read never says where they read or write."""

from collections.abc import Iterable

from intab.kernels.ir import Cast, Expr, Kernel, Load, Splat, Tile, children, expressions, walk, walk_expr

# Integers as wide as this may be indices or counts; narrower ones are levels, and their tables have places for all.
_WIDE = frozenset({"i32", "u32", "i64", "u64"})


def is_numeric(kernel: Kernel) -> bool:
    """Whether a kernel has tiles, loads wide integers only into vectors, of which no addresses are made, and makes no
    integers of floats, which resizing finds its elements by."""
    wide = {buffer.name for buffer in kernel.buffers if buffer.dtype in _WIDE and buffer.access != "write"}
    if not any(isinstance(stmt, Tile) for stmt in walk(kernel.body)):
        return False
    found = (expr for stmt in walk(kernel.body) for outer in expressions(stmt) for expr in walk_expr(outer))
    if any(isinstance(e, Cast) and e.operand.type.scalar == "f32" and e.type.scalar != "f32" for e in found):
        return False
    return not wide or not any(_loads_one(expressions(stmt), wide) for stmt in walk(kernel.body))


def _loads_one(found: Iterable[Expr], buffers: set[str]) -> bool:
    """Whether an expression loads a single element of one of the buffers, and not into all lanes of a vector."""
    for expr in found:
        if isinstance(expr, Load) and expr.buffer in buffers and expr.type.lanes == 1:
            return True
        inside = expr.operand if isinstance(expr, Splat) and isinstance(expr.operand, Load) else expr
        if _loads_one(children(inside), buffers):
            return True
    return False
