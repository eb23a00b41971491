"""Inference and the numpy meaning of every operator, against onnxruntime."""

import numpy as np
import pytest

from intab.backends.reference import evaluate
from intab.ops.registry import OPERATORS, operator_of_node
from tests.agreement import agreement
from tests.ops.case import OpCase
from tests.ops.cases import OP_CASES
from tests.ops.onnx_export import run_onnxruntime

BY_NAME = {case.name: case for case in OP_CASES}


def test_every_operator_has_a_case_and_every_case_a_name() -> None:
    # The shape of Fill is data: its meaning is tested with whole programs (tests/backends).
    assert {case.op for case in OP_CASES} == set(OPERATORS) - {"Fill"}
    assert len(BY_NAME) == len(OP_CASES)


@pytest.mark.parametrize("case", OP_CASES, ids=lambda case: case.name)
def test_reference_agrees_with_onnxruntime(case: OpCase) -> None:
    graph = case.bound_graph()
    expected = run_onnxruntime(graph, case.feeds)
    for name, found in evaluate(graph, case.feeds).items():
        assert agreement(found, expected[name]) <= case.tolerance, f"{name}: {found}\n{expected[name]}"


@pytest.mark.parametrize("case", OP_CASES, ids=lambda case: case.name)
def test_inference_foretells_dtype_and_shape(case: OpCase) -> None:
    graph = case.bound_graph()
    for value, found in zip(graph.outputs, evaluate(graph, case.feeds).values(), strict=True):
        assert found.shape == value.shape
        assert found.dtype == value.dtype.numpy
        if value.elements is not None:
            np.testing.assert_array_equal(found.reshape(-1), value.elements)


@pytest.mark.parametrize("case", [c for c in OP_CASES if c.symbolic_axes], ids=lambda case: case.name)
def test_inference_with_symbols_binds_to_inference_with_numbers(case: OpCase) -> None:
    bound = case.bound_graph()
    (node,) = bound.nodes
    inferred = operator_of_node(node).infer(*node.inputs)
    results = inferred if isinstance(inferred, tuple) else (inferred,)
    for value, again in zip(node.outputs, results, strict=True):
        assert (again.dtype, again.shape, again.elements) == (value.dtype, value.shape, value.elements)
        assert again.equal == ()
