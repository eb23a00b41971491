"""What every operator lowers itself to, run by the interpreter with symbols in the sizes, against its numpy meaning."""

from dataclasses import replace

import pytest

from intab.backends.reference import evaluate
from intab.errors import UnsupportedOpError
from intab.kernels import wgsl
from intab.target import WASM_SIMD, WEBGPU, Target
from tests.agreement import agreement
from tests.ops.case import OpCase
from tests.ops.cases import OP_CASES
from tests.ops.harness import InterpretedLowering
from tests.ops.vector_cases import TEAM_CASES

# Products are shared out among teams, which take long to interpret: test_grid_shapes.py has them.
IN_TEAMS = ("MatMul", "Conv")
# Subgroups tell each other numbers where rows are shared out.
SUBGROUPS = replace(WEBGPU, subgroup=4)
WITH_PRODUCTS = ("Attention", "CompressedMatMul", "LSTM", "GRU", "RNN")
ON_TARGETS = [
    *(pytest.param(case, SUBGROUPS, id=f"{case.name}-subgroups") for case in TEAM_CASES),
    *(
        pytest.param(case, target, id=f"{case.name}-{target.language}")
        for case in OP_CASES
        for target in (WASM_SIMD, SUBGROUPS if case.name.startswith(WITH_PRODUCTS) else WEBGPU)
        if case.kernel and (target is WASM_SIMD or not case.name.startswith(IN_TEAMS))
    ),
]


@pytest.mark.parametrize(("case", "target"), ON_TARGETS)
def test_lowered_agrees_with_reference(case: OpCase, target: Target) -> None:
    graph = case.symbolic_graph()
    expected = evaluate(graph, case.feeds)
    ran = InterpretedLowering(graph, case.bindings, case.feeds, target)
    for name, value in zip(graph.output_names, graph.outputs, strict=True):
        found = ran.result(value)
        assert agreement(found, expected[name]) <= 10 * case.tolerance, f"{name}: {found}\n{expected[name]}"
    if target is not WASM_SIMD:
        for kernel in ran.kernels:
            wgsl.generate(kernel, target)


@pytest.mark.parametrize("case", [c for c in OP_CASES if not c.kernel], ids=lambda case: case.name)
def test_what_has_no_kernel_says_so(case: OpCase) -> None:
    with pytest.raises(UnsupportedOpError, match=r"[Kk]ernel"):
        InterpretedLowering(case.symbolic_graph(), case.bindings, case.feeds)
