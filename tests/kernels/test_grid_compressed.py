"""Products as GPUs share them whose right side is of few bits, through the interpreter against numpy."""

import pytest

from intab.errors import KernelError
from intab.kernels import interpret
from intab.kernels.families.grid_product import Known, grid_product
from intab.kernels.families.grid_right import Compressed
from intab.kernels.families.grid_shape import REGISTERS, GridShape
from tests.kernels.case import KernelCase, far
from tests.kernels.grid_cases import SHAPES, subgroup_shapes
from tests.kernels.grid_compressed_cases import compressed_products

MEMBERS = 4  # of a subgroup


@pytest.mark.parametrize("case", compressed_products((*SHAPES, *subgroup_shapes(MEMBERS))), ids=str)
def test_product_is_right(case: KernelCase) -> None:
    buffers = {name: array.copy() for name, array in case.buffers.items()}
    interpret.run(case.kernel, buffers, case.offsets, case.words, 0, case.items)
    assert far(buffers["out"], case.expected["out"]) <= case.tolerance


def test_turns_lie_in_one_block() -> None:
    with pytest.raises(KernelError, match="lie in one block"):
        grid_product(GridShape(REGISTERS, 2, 4, depths=8), Known(compressed=Compressed(8, True, block=4)))
