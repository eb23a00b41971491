"""Kernels as one WebAssembly module.

The module exports `run(table, steps)`: it walks a table of step records in memory, each four i32: the
kernel's place in the function table, the address of its words, the count of items, and how many items make a
chunk for threads to claim (0: one thread runs the step). Over a shared memory it also exports what several
threads need to run the table together, see `together`.
"""

from collections.abc import Sequence

from intab.errors import KernelError
from intab.kernels.ir import Kernel
from intab.kernels.wasm.encoding import I32, Function, Signature, module, signed, unsigned
from intab.kernels.wasm.function import KERNEL_SIGNATURE, Functions, kernel_function
from intab.kernels.wasm.instructions import F32X4_RELAXED_MADD, V128_CONST
from intab.kernels.wasm.together import add_together
from intab.target import Target

STEP_NBYTES = 16
PAGE_NBYTES = 65536
MAXIMUM_PAGES = 65536
_RUN_SIGNATURE = Signature((I32, I32))


def generate(kernels: Sequence[Kernel], target: Target, *, memory_pages: tuple[int, int | None] = (1, None)) -> bytes:
    """The bytes of a module that holds `kernels`, in the order in which step records number them.

    `memory_pages` are the least and the most pages of 64 KiB of the memory that the module will be given.
    With the target's feature "threads" that memory is shared, and has a most: any, up to all that 32 bits can name.
    Raises KernelError for a kernel that a team computes.
    """
    for kernel in kernels:
        if kernel.member is not None:
            raise KernelError(
                f"Kernel {kernel.name} is for a team of {kernel.team}; WebAssembly has one thread an item."
            )
    functions = Functions()
    table = [kernel_function(kernel, target, functions) for kernel in kernels]
    exports = [("run", functions.add(_run_function()))]
    shared = target.has("threads")
    if shared:
        exports += add_together(functions, STEP_NBYTES)
        memory_pages = (memory_pages[0], memory_pages[1] or MAXIMUM_PAGES)
    return module(
        functions.items,
        exports=exports,
        table=table,
        memory_limits=memory_pages,
        shared=shared,
        signatures=[KERNEL_SIGNATURE, _RUN_SIGNATURE],
    )


def relaxed_simd_probe() -> bytes:
    """A module that validates only where relaxed SIMD is there."""
    zero = V128_CONST + bytes(16)
    function = Function(Signature(()), (), zero * 3 + F32X4_RELAXED_MADD + b"\x1a")
    return module([function], exports=[], table=[], memory_limits=(1, None))


def _run_function() -> Function:
    """for (; steps > 0; steps--, table += STEP_NBYTES) call kernel(words, 0, items)"""
    record, steps = b"\x20\x00", b"\x20\x01"
    call = (
        record
        + b"\x28\x02\x04"  # the words' address
        + b"\x41\x00"
        + record
        + b"\x28\x02\x08"  # items
        + record
        + b"\x28\x02\x00"  # the kernel's place
        + b"\x11"
        + unsigned(0)
        + b"\x00"  # call_indirect, the first signature
    )
    advance = record + b"\x41" + signed(STEP_NBYTES) + b"\x6a\x21\x00" + steps + b"\x41\x01\x6b\x22\x01"
    code = steps + b"\x41\x00\x4a\x04\x40\x03\x40" + call + advance + b"\x41\x00\x4a\x0d\x00\x0b\x0b"
    return Function(_RUN_SIGNATURE, (), code)
