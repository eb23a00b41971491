"""What the members of a GPU's team make together: folds over a row that each of them goes through in part."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from intab.kernels.block import KernelWriter, combined, load
from intab.kernels.families.loops import fold_lanes
from intab.kernels.ir import COMBINATIONS, I32, Binary, Const, Expr, Type, Var

# How many partial results a member folds between two barriers.
RADIX = 8


@dataclass(frozen=True, slots=True)
class TeamShape:
    """How a row is gone through: by so many `members`, each taking `width` neighbouring elements at a time, in turns.

    One member is an item of its own. With `in_subgroup` the members are a subgroup of the device.
    """

    members: int = 1
    width: int = 1
    in_subgroup: bool = False


class Team:
    """The members as a family's kernel sees them. Buffers and words are declared before."""

    def __init__(self, kernel: KernelWriter, shape: TeamShape) -> None:
        self._kernel, self.shape = kernel, shape
        self.member: Expr = Const(0, I32)
        if shape.members > 1:
            self.member = kernel.team(shape.members, in_subgroup=shape.in_subgroup)
        self._arrays: dict[Type, str] = {}

    def loop(self, length: Expr) -> AbstractContextManager[Var]:
        """A loop over the vectors of a row that are this member's."""
        width = self.shape.width
        return self._kernel.loop("i", self.member * width, length, self.shape.members * width)

    def fold(self, op: str, first: Const, length: Expr, step: Callable[[Expr], Expr]) -> Expr:
        """One number: `op` of step(i) over a row, from `first` on. The steps are vectors at places i of the row."""
        kernel = self._kernel
        part = kernel.let("part", Const(first.value, first.type.wide(self.shape.width)))
        with self.loop(length) as i:
            kernel.assign(part, Binary(op, part, step(i)))
        return self.together(op, fold_lanes(kernel, part, lambda a, b: Binary(op, a, b)))

    def together(self, op: str, value: Expr) -> Expr:
        """`op` of what all members have; the same for all of them."""
        kernel, size = self._kernel, self.shape.members
        if size == 1:
            return value
        if self.shape.in_subgroup and op in COMBINATIONS:
            return kernel.let("together", combined(op, value))
        array, type = self._array(value.type), value.type
        kernel.store(array, self.member * type.lanes, value)
        kernel.barrier()
        while size > 1:
            radix = min(RADIX, size)
            size //= radix
            with kernel.when(self.member.lt(size)):
                parts: list[Expr] = [
                    kernel.let("other", load(array, (self.member + size * other) * type.lanes, type))
                    for other in range(radix)
                ]
                while len(parts) > 1:
                    parts = [Binary(op, a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
                kernel.store(array, self.member * type.lanes, parts[0])
            kernel.barrier()
        result = kernel.let("together", load(array, 0, type))
        kernel.barrier()  # the array may hold the next fold from here on
        return result

    def store(self, buffer: str, index: Expr, value: Expr) -> None:
        """Have one member store what all of them know."""
        if self.shape.members == 1:
            self._kernel.store(buffer, index, value)
            return
        with self._kernel.when(self.member.equal(0)):
            self._kernel.store(buffer, index, value)

    def _array(self, type: Type) -> str:
        if type not in self._arrays:
            length = self.shape.members * type.lanes
            name = f"parts_{type.scalar}_{type.lanes}"
            self._arrays[type] = self._kernel.shared(name, type.scalar, length, vector=type.lanes)
        return self._arrays[type]
