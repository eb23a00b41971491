"""How GPUs share products: which shapes a device has, which one is taken, and what lowering makes of it."""

from dataclasses import replace

import pytest

from intab.backends.reference import evaluate
from intab.graph.dims import symbol
from intab.kernels import wgsl
from intab.kernels.families.grid_shape import REGISTERS, SHARED, SUBGROUP, GridShape
from intab.ops.grid_shapes import by_estimate, candidates, fitted, shape_for
from intab.target import WEBGPU, Target
from tests.agreement import agreement
from tests.ops.case import OpCase
from tests.ops.cases import OP_CASES
from tests.ops.harness import InterpretedLowering

QUADS = replace(WEBGPU, subgroup=4)
WARPS = replace(WEBGPU, subgroup=32)
PRODUCTS = [case for case in OP_CASES if case.kernel and case.name.startswith(("MatMul", "Conv"))]


# Teams of 64 take long to interpret: some cases must do where there are no subgroups.
WITHOUT_SUBGROUPS = ("MatMul-broadcast", "MatMul-transposed", "MatMul-vector", "Conv-grouped", "Conv-1x1")
ON_TARGETS = [
    *(pytest.param(case, QUADS, id=f"{case.name}-quads") for case in PRODUCTS),
    *(
        pytest.param(case, WEBGPU, id=f"{case.name}-wgsl")
        for case in PRODUCTS
        if case.name.startswith(WITHOUT_SUBGROUPS)
    ),
]


@pytest.mark.parametrize(("case", "target"), ON_TARGETS)
def test_products_agree_with_reference(case: OpCase, target: Target) -> None:
    graph = case.symbolic_graph()
    expected = evaluate(graph, case.feeds)
    ran = InterpretedLowering(graph, case.bindings, case.feeds, target)
    for name, value in zip(graph.output_names, graph.outputs, strict=True):
        assert agreement(ran.result(value), expected[name]) <= 10 * case.tolerance
    for kernel in ran.kernels:
        wgsl.generate(kernel, target)


@pytest.mark.parametrize("sizes", [(0, 4, 4, 1), (4, 0, 4, 1), (4, 4, 0, 1), (4, 4, 4, 0)])
def test_products_of_nothing_have_a_shape(sizes: tuple[int, int, int, int]) -> None:
    rows, columns, depth, batches = sizes
    shape = shape_for(QUADS, rows=rows, columns=columns, depth=depth, batches=batches)
    assert shape in candidates(QUADS)


@pytest.mark.parametrize("target", [WEBGPU, QUADS, WARPS, replace(WEBGPU, team_limit=32, shared_nbytes=4096)])
def test_every_candidate_fits_the_device(target: Target) -> None:
    shapes = candidates(target)
    assert len(set(shapes)) == len(shapes)
    for shape in shapes:
        assert shape.team <= target.team_limit
        assert shape.shared_nbytes <= target.shared_nbytes
        assert shape.via != SUBGROUP or shape.down == target.subgroup


def test_shape_suits_device_and_sizes() -> None:
    large = {"rows": 1024, "columns": 1024, "depth": 1024, "batches": 1}
    assert shape_for(QUADS, **large).via == SUBGROUP
    assert shape_for(WEBGPU, **large).via == SHARED
    one_row = shape_for(WEBGPU, rows=1, columns=1000, depth=2048, batches=1)
    assert (one_row.rows, one_row.splits > 1) == (1, True)
    # A tile wastes little where it is not much taller than the matrix.
    assert shape_for(QUADS, rows=16, columns=512, depth=512, batches=1).tile_rows == 16
    # A picture's single pixel, of pictures of which the number is not known.
    count = symbol("n")
    assert shape_for(QUADS, rows=count, columns=96, depth=24, batches=1, likely_rows=1).rows == 1
    assert shape_for(QUADS, rows=count, columns=96, depth=96, batches=1, likely_rows=count).tile_rows >= 28


def test_depths_divide_runs() -> None:
    tile, blocks = GridShape(REGISTERS, 8, 16), GridShape(SHARED, 4, 4, down=8, across=8, depths=16)

    def depths(shape: GridShape, run: int, *, vector: bool = False, walks: bool = True) -> tuple[int, bool]:
        found, whole = fitted(shape, run, vector=vector, walks=walks)
        return found.depths, whole

    assert depths(tile, 64, vector=True) == (8, True)
    assert depths(tile, 12, vector=True) == (4, True)
    assert depths(GridShape(REGISTERS, 8, 32), 64, vector=True) == (4, True)
    assert depths(blocks, 64, vector=True) == (16, True)
    assert depths(tile, 147) == (7, True)
    assert depths(tile, 13) == (1, True)
    assert depths(tile, 13, walks=False) == (4, False)
    assert fitted(tile, symbol("n"), vector=False, walks=False) == (tile, False)
    assert fitted(tile, 4 * symbol("n"), vector=True, walks=False) == (tile, True)
    assert fitted(blocks, 64, vector=True, walks=False, block=8)[0].depths == 8
    assert fitted(tile, 35, vector=False, walks=False, block=32) == (replace(tile, depths=1), True)


def test_shape_whose_kernel_is_written_already_is_preferred() -> None:
    sizes = {"rows": 784, "columns": 96, "depth": 96, "batches": 1}
    first, second = by_estimate(QUADS, **sizes)[:2]
    again = by_estimate(QUADS, **sizes, is_written=lambda shape: shape == second)
    assert (again[0], set(again)) == (second, set(candidates(QUADS)))
    assert first != second
    # Devices that compile elsewhere gain nothing by it.
    ordered = by_estimate(WEBGPU, **sizes)
    assert by_estimate(WEBGPU, **sizes, is_written=lambda shape: shape == ordered[1]) == ordered
