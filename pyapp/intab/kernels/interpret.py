"""What a kernel means: each item run slowly in numpy, every access checked. `machine` and `team_machine` do it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intab.errors import KernelError
from intab.kernels.ir import Kernel, Let, Type, Var
from intab.kernels.machine import NUMPY, Machine, Value
from intab.kernels.scalar import ScalarFunction
from intab.kernels.team_machine import TeamMachine
from intab.kernels.verify import verify

Array = NDArray[Any]


def run(
    kernel: Kernel,
    buffers: Mapping[str, Array],
    offsets: Mapping[str, int],
    words: Mapping[str, float],
    begin: int,
    end: int,
) -> None:
    """Run items begin .. end of a kernel over `buffers`, 1-D arrays of the declared dtypes, changed in place.

    `offsets` says at which element of its array each buffer starts (0 where absent). Raises KernelError when
    the kernel breaks a rule, when a buffer or word is missing, or when an access leaves its array.
    """
    verify(kernel)
    machine = (Machine if kernel.member is None else TeamMachine)(kernel, buffers, offsets, words)
    with np.errstate(all="ignore"):
        for item in range(begin, end):
            machine.run_item(item)


def apply(function: ScalarFunction, *arguments: Array) -> Array:
    """A scalar function of whole arrays, element by element. The arrays broadcast."""
    known: dict[str, Value] = {
        var.name: np.asarray(array, NUMPY[var.type.scalar])
        for var, array in zip(function.arguments, arguments, strict=True)
    }
    machine = Machine(Kernel("function", (), (), Var("item", Type("i32")), ()), {}, {}, {})
    with np.errstate(all="ignore"):
        for stmt in function.body:
            if not isinstance(stmt, Let):
                raise KernelError(f"A scalar function may hold nothing but Lets, not {type(stmt).__name__}.")
            known[stmt.var.name] = machine.value(stmt.value, known)
        result: Array = np.broadcast_arrays(machine.value(function.result, known), *arguments)[0]
    return result
