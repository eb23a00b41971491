"""Products as GPUs share them, through the interpreter against numpy, and what their kernels refuse."""

import pytest

from intab.errors import KernelError
from intab.kernels import interpret
from intab.kernels.families.grid_product import Known, grid_product
from intab.kernels.families.grid_shape import REGISTERS, SHARED, SUBGROUP, GridShape
from tests.kernels.case import KernelCase, far
from tests.kernels.grid_cases import SHAPES, grid_products, guarded_depthwises, subgroup_shapes
from tests.kernels.grid_depthwise_cases import grid_depthwises

MEMBERS = 4  # of a subgroup


CASES = [*grid_products((*SHAPES, *subgroup_shapes(MEMBERS))), *guarded_depthwises(), *grid_depthwises()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_product_is_right(case: KernelCase) -> None:
    buffers = {name: array.copy() for name, array in case.buffers.items()}
    interpret.run(case.kernel, buffers, case.offsets, case.words, 0, case.items)
    assert far(buffers["out"], case.expected["out"]) <= case.tolerance


@pytest.mark.parametrize(
    ("via", "sizes", "message"),
    [
        (REGISTERS, {"columns": 6}, "sizes are 1 or more, columns a multiple of four"),
        (REGISTERS, {"rows": 0}, "sizes are 1 or more, columns a multiple of four"),
        ("threads", {}, "is no way to share a product"),
        (SUBGROUP, {"down": 4, "across": 2}, "subgroups have all the same columns"),
        (SHARED, {"down": 4, "splits": 2}, "only registers are split"),
    ],
)
def test_shape_is_refused(via: str, sizes: dict[str, int], message: str) -> None:
    with pytest.raises(KernelError, match=message):
        GridShape(via, **{"rows": 2, "columns": 4, **sizes})


def test_depths_suit_what_is_known() -> None:
    with pytest.raises(KernelError, match="walked in whole turns"):
        grid_product(GridShape(REGISTERS, 2, 4), Known(pixels=2, taps=2))
    with pytest.raises(KernelError, match="read in vectors"):
        grid_product(GridShape(REGISTERS, 2, 4, depths=3), Known(left_vector=True, whole=True))


def test_shape_knows_its_team_and_memory() -> None:
    blocks = GridShape(SHARED, 2, 8, down=4, across=2, depths=8)
    assert (blocks.team, blocks.tile_rows, blocks.tile_columns) == (8, 8, 16)
    assert blocks.shared_nbytes == 4 * (8 * 12 + 8 * 16)
    parts = GridShape(REGISTERS, 1, 4, across=2, splits=4)
    assert (parts.team, parts.shared_nbytes) == (8, 4 * 4 * 8)
    assert GridShape(SUBGROUP, 3, 8, down=4).shared_nbytes == 0
