"""The rules for teams: what all members must do together they all do, or none of them.

- A team of more than one has a member variable, and only such a team has shared arrays.
- Barriers and exchanges (`FromMember`, `Combined`) do not stand where members may part: under a branch or loop whose
  condition or bounds depend on the member. What is read from memory that the kernel writes, and what comes by an
  exchange, counts as depending on it, since shading languages cannot prove that it does not.
"""

from intab.errors import KernelError
from intab.kernels.ir import (
    I32,
    Assign,
    Barrier,
    Combined,
    Expr,
    FromMember,
    If,
    Kernel,
    Let,
    Load,
    Loop,
    Stmt,
    Var,
    blocks,
    expressions,
    walk_expr,
)
from intab.kernels.text import expr_text


def verify_team(kernel: Kernel) -> None:
    """Check a kernel against the rules above. Raises KernelError saying what breaks them."""
    if kernel.member is None:
        if kernel.team != 1 or kernel.shared or kernel.in_subgroup:
            raise KernelError("shared arrays and subgroups need a team and the variable that counts it.")
        return
    if kernel.team < 2 or kernel.member.type != I32:
        raise KernelError(
            f"a team of {kernel.team} counted by an {kernel.member.type}; it needs 2 or more, and an i32."
        )
    for shared in kernel.shared:
        if shared.length < 1 or shared.length % shared.vector:
            raise KernelError(f"shared array {shared.name} of {shared.length} elements, {shared.vector} at a time.")
    _Paths(kernel).check()


class _Paths:
    """Which variables may differ among the members of a team, and whether members part before they must meet."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._read_only = {buffer.name for buffer in kernel.buffers if buffer.access == "read"}
        assert kernel.member is not None
        self._differing = {kernel.member.name}

    def check(self) -> None:
        known = 0
        # What a loop assigns late its condition and its first statements depend on, so that one round is not enough.
        while known != len(self._differing):
            known = len(self._differing)
            self._spread(self._kernel.body, parted=False)
        self._meet(self._kernel.body, parted=False)

    def _spread(self, body: tuple[Stmt, ...], *, parted: bool) -> None:
        for stmt in body:
            match stmt:
                case Let(var=var, value=value) | Assign(var=var, value=value):
                    if parted or self._differs(value):
                        self._differing.add(var.name)
                case Loop(var=var) if self._parts(stmt):
                    self._differing.add(var.name)
            for inner in blocks(stmt):
                self._spread(inner, parted=parted or self._parts(stmt))

    def _meet(self, body: tuple[Stmt, ...], *, parted: bool) -> None:
        for stmt in body:
            inside = [expr for outer in expressions(stmt) for expr in walk_expr(outer)]
            exchange = next((expr for expr in inside if isinstance(expr, (FromMember, Combined))), None)
            if parted and (exchange is not None or isinstance(stmt, Barrier)):
                what = "a barrier" if exchange is None else expr_text(exchange)
                raise KernelError(f"{what} stands where members of the team may have parted.")
            for inner in blocks(stmt):
                self._meet(inner, parted=parted or self._parts(stmt))

    def _parts(self, stmt: Stmt) -> bool:
        return isinstance(stmt, (If, Loop)) and any(self._differs(expr) for expr in expressions(stmt))

    def _differs(self, expr: Expr) -> bool:
        return any(
            (isinstance(part, Var) and part.name in self._differing)
            or (isinstance(part, Load) and part.buffer not in self._read_only)
            or isinstance(part, (FromMember, Combined))
            for part in walk_expr(expr)
        )
