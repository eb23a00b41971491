"""Reading a model with sizes that are known from the start."""

from onnx import TensorProto, helper

from intab import formats
from intab.graph.storage import MemoryStorage


def test_symbols_get_numbers_before_shapes_are_inferred() -> None:
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [d, 4]) for n, d in (("a", "N"), ("b", "M"))]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    storage = MemoryStorage("add", model.SerializeToString())
    assumed = formats.read(storage)
    assert len(assumed.equalities) == 1
    exact = formats.read(storage, dims={"N": 1, "M": 3})
    assert exact.equalities == () and exact.outputs[0].shape == (3, 4)
