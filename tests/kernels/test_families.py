"""Every family through the interpreter against numpy."""

import pytest

from intab.kernels import interpret
from intab.kernels.text import kernel_text
from intab.kernels.verify import verify
from tests.kernels.case import KernelCase, far
from tests.kernels.cases import CASES


@pytest.mark.parametrize("case", CASES, ids=str)
def test_family_is_right(case: KernelCase) -> None:
    buffers = {name: array.copy() for name, array in case.buffers.items()}
    interpret.run(case.kernel, buffers, case.offsets, case.words, 0, case.items)
    for name, expected in case.expected.items():
        assert far(buffers[name], expected) <= case.tolerance
    for name in buffers.keys() - case.expected.keys() - case.scratch:
        assert buffers[name].tobytes() == case.buffers[name].tobytes(), f"{name} is read only and was written"


def test_kernels_are_sound() -> None:
    kernels = {id(case.kernel): case.kernel for case in CASES}
    for kernel in kernels.values():
        verify(kernel)


def test_a_kernel_serves_every_size() -> None:
    for name in ("softmax", "transpose", "reduce_middle_sum", "pool_max", "resize_linear"):
        kernels = {kernel_text(case.kernel) for case in CASES if case.kernel.name == name}
        cases = [case for case in CASES if case.kernel.name == name]
        assert len(kernels) < len(cases) / 2, name
