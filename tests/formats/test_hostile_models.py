"""Valid files made to grow: sizes squared again and again, tensors doubled, chains of divisions."""

from collections.abc import Sequence
from itertools import pairwise

import onnx
import pytest
from onnx import TensorProto, helper

from tests.formats.damage import read_damaged
from tests.formats.small_models import model_of

STEPS = 200
X = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "C", "H", "W"])
NUMBERS = [helper.make_tensor(f"n{n}", TensorProto.INT64, [1], [n]) for n in (0, 1, 2, 3)]


def outcome_of(nodes: Sequence[onnx.NodeProto], weights: Sequence[onnx.TensorProto] = ()) -> str:
    graph = helper.make_graph(list(nodes), "hostile", [X], [onnx.ValueInfoProto(name="y")], [*NUMBERS, *weights])
    data = model_of(graph, 13).SerializeToString()
    assert read_damaged(data, watch_memory=True).kind == read_damaged(data).kind
    return read_damaged(data).kind


def repeated(op: str, first: str, inputs: int = 2, **attributes: object) -> list[onnx.NodeProto]:
    """op(a, a) of itself, STEPS times, then a tensor of that shape."""
    names = [first, *(f"a{i}" for i in range(STEPS))]
    nodes = [helper.make_node(op, [a] * inputs, [b], **attributes) for a, b in pairwise(names)]
    return [*nodes, helper.make_node("ConstantOfShape", [names[-1]], ["y"])]


SHAPE = helper.make_node("Shape", ["x"], ["shape"])
SUM_OF_TWO = [
    helper.make_node("Slice", ["shape", "n0", "n1"], ["batch"]),
    helper.make_node("Slice", ["shape", "n1", "n2"], ["channels"]),
    helper.make_node("Add", ["batch", "channels"], ["sum"]),
]


def test_numbers_squared() -> None:
    assert outcome_of(repeated("Mul", "n3")) == "ModelFormatError"


def test_symbols_squared() -> None:
    assert outcome_of([SHAPE, *repeated("Mul", "shape")]) == "ModelFormatError"
    assert outcome_of([SHAPE, *SUM_OF_TWO, *repeated("Mul", "sum")]) == "ModelFormatError"


def test_known_numbers_doubled() -> None:
    outcome_of([SHAPE, *repeated("Concat", "shape", axis=0)])


def test_a_number_repeated_beyond_memory() -> None:
    count = helper.make_tensor("count", TensorProto.INT64, [1], [1 << 50])
    outcome_of(
        [helper.make_node("Expand", ["n1", "count"], ["many"]), helper.make_node("ConstantOfShape", ["many"], ["y"])],
        [count],
    )


def chained(op: str, **attributes: object) -> list[onnx.NodeProto]:
    names = ["x", *(f"a{i}" for i in range(STEPS - 1)), "y"]
    return [helper.make_node(op, [a], [b], **attributes) for a, b in pairwise(names)]


@pytest.mark.parametrize("ceil_mode", [0, 1])
def test_long_chains_of_divisions(ceil_mode: int) -> None:
    window = {"kernel_shape": [3, 2], "strides": [3, 2], "pads": [1, 0, 2, 0], "ceil_mode": ceil_mode}
    outcome_of(chained("MaxPool", **window))


def test_extremes_of_extremes() -> None:
    nodes = [SHAPE, helper.make_node("Gather", ["shape", "turned"], ["b0"])]
    low, high = "shape", "b0"
    for i in range(60):
        nodes += [helper.make_node("Max", [low, high], [f"h{i}"]), helper.make_node("Min", [low, high], [f"l{i}"])]
        low, high = f"l{i}", f"h{i}"
    turned = helper.make_tensor("turned", TensorProto.INT64, [4], [1, 2, 3, 0])
    outcome_of([*nodes, helper.make_node("ConstantOfShape", [low], ["y"])], [turned])


def test_many_nodes() -> None:
    names = ["x", *(f"a{i}" for i in range(4999)), "y"]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in pairwise(names)]
    assert outcome_of(nodes) == "graph"
    assert outcome_of(nodes[::-1]) == "graph"
