"""A small model of two inputs, as bytes."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.formats.small_models import model_of

WEIGHT = np.arange(12, dtype=np.float32).reshape(4, 3)


def added() -> bytes:
    """sum = x @ weight + y, cut = relu(sum); x [N, 4], y [M, 3]: N and M are the same, or one of them is 1."""
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"], name="multiply"),
        helper.make_node("Add", ["product", "y"], ["sum"], name="add"),
        helper.make_node("Relu", ["sum"], ["cut"], name="relu"),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["M", 3]),
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in ("sum", "cut")]
    graph = helper.make_graph(nodes, "added", inputs, outputs, [numpy_helper.from_array(WEIGHT, "weight")])
    model = model_of(graph, 17)
    helper.set_model_props(model, {"author": "tests", "words": "eins zwei 三"})
    data: bytes = model.SerializeToString()
    return data


def split(*, location: str = "added.bin") -> tuple[bytes, bytes]:
    """The same model with its weight in a file of its own: the model's bytes and that file's."""
    model = onnx.load_from_string(added())
    (tensor,) = model.graph.initializer
    onnx.external_data_helper.set_external_data(tensor, location, offset=0, length=WEIGHT.nbytes)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    data: bytes = model.SerializeToString()
    return data, WEIGHT.tobytes()


def wide() -> bytes:
    """y [N, 1] = max(softmax(a + softmax(a))) of each row of a = x [N, 1] @ ones [1, 4096], which is 1 / 4096.

    Three tensors of 16 KB a row are alive at once, where input and output have 4 bytes.
    """
    nodes = [
        helper.make_node("MatMul", ["x", "ones"], ["a"]),
        helper.make_node("Softmax", ["a"], ["b"], axis=1),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Softmax", ["c"], ["d"], axis=1),
        helper.make_node("ReduceMax", ["d"], ["y"], axes=[1]),
    ]
    ones = numpy_helper.from_array(np.ones((1, 4096), np.float32), "ones")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1])]
    outputs = [onnx.ValueInfoProto(name="y")]
    data: bytes = model_of(helper.make_graph(nodes, "wide", inputs, outputs, [ones]), 13).SerializeToString()
    return data
