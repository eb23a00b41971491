"""Whole ONNX files: inputs, symbols, order of nodes, opsets, and what is refused by name."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from intab import formats
from intab.errors import DTypeError, ModelFormatError, UnsupportedOpError
from intab.formats.onnx.registry import add_importer, entry_for, importers
from intab.graph.parse import parse_graph
from intab.graph.storage import MemoryStorage
from intab.graph.text import graph_text, storages_of
from tests.formats.small_models import floats, model_of, node_model, read_model, run_model

FLOAT = TensorProto.FLOAT
PICTURE = helper.make_tensor_value_info("x", FLOAT, ["N", 3])


def chain(nodes: Sequence[onnx.NodeProto], **parts: Any) -> onnx.ModelProto:
    """A model from x [N, 3] to y."""
    inputs = parts.pop("inputs", [PICTURE])
    outputs = parts.pop("outputs", [helper.make_tensor_value_info("y", FLOAT, None)])
    return model_of(helper.make_graph(list(nodes), "chain", inputs, outputs, **parts), parts.pop("opset", 13))


RELU = helper.make_node("Relu", ["x"], ["y"])


def input_dims(*dims: Any) -> list[str]:
    model = chain([RELU], inputs=[helper.make_tensor_value_info("x", FLOAT, list(dims))])
    return [str(dim) for dim in read_model(model).inputs[0].shape]


def test_sizes_that_are_not_stated_are_symbols_of_input_and_axis() -> None:
    assert input_dims(None, 3, "?", 0, -1) == ["`x:0`", "3", "`x:2`", "`x:3`", "`x:4`"]


def test_named_sizes_keep_their_names() -> None:
    assert input_dims("N", "H", "H", "past length + 1") == ["N", "H", "H", "`past length + 1`"]


def test_a_name_cannot_be_taken_for_an_unnamed_size() -> None:
    assert input_dims("x:1", None, "x:1") == ["`x:1`", "`x:1~2`", "`x:1`"]


def test_symbols_of_two_inputs_are_apart() -> None:
    inputs = [helper.make_tensor_value_info(name, FLOAT, [None, "N"]) for name in ("a", "b")]
    graph = read_model(chain([helper.make_node("Add", ["a", "b"], ["y"])], inputs=inputs))
    assert [[str(dim) for dim in value.shape] for value in graph.inputs] == [["`a:0`", "N"], ["`b:0`", "N"]]


def test_metadata_is_kept() -> None:
    model = chain([RELU])
    helper.set_model_props(model, {"character": "北京\na", "empty": ""})
    assert read_model(model).metadata == {"character": "北京\na", "empty": ""}


def test_graph_and_text_form() -> None:
    """What is read prints, and parses back to the same text."""
    weights = numpy_helper.from_array(floats(64, 3, 3, 3), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["Conv@0"], name="first/conv", auto_pad="SAME_UPPER", strides=[2, 2]),
        helper.make_node("Relu", ["Conv@0"], ["y"]),
    ]
    picture = helper.make_tensor_value_info("x", FLOAT, ["N", 3, None, "in width"])
    graph = read_model(chain(nodes, inputs=[picture], initializer=[weights]))
    text = graph_text(graph)
    assert '"first/conv"' in text and "`in width`" in text
    assert graph_text(parse_graph(text, storages_of(graph))) == text


def test_initializers_that_are_inputs_too_are_constants() -> None:
    weights = numpy_helper.from_array(floats(3), "w")
    inputs = [PICTURE, helper.make_tensor_value_info("w", FLOAT, [3])]
    graph = read_model(chain([helper.make_node("Add", ["x", "w"], ["y"])], inputs=inputs, initializer=[weights]))
    assert [value.name for value in graph.inputs] == ["x"]


def test_outputs_may_be_inputs_constants_or_the_same_value() -> None:
    weights = numpy_helper.from_array(floats(3), "w")
    nodes = [helper.make_node("Identity", ["x"], ["copy"]), helper.make_node("Identity", ["copy"], ["again"])]
    outputs = [helper.make_tensor_value_info(name, FLOAT, None) for name in ("x", "copy", "again", "w")]
    model = chain(nodes, outputs=outputs, initializer=[weights])
    x = floats(2, 3)
    found = run_model(model, {"x": x})
    assert list(found) == ["x", "copy", "again", "w"]
    np.testing.assert_array_equal(found["again"], x)
    np.testing.assert_array_equal(found["w"], floats(3))


def test_nodes_in_any_order() -> None:
    nodes = [helper.make_node("Add", [f"v{i}" if i else "x", "x"], [f"v{i + 1}"]) for i in range(6)]
    outputs = [helper.make_tensor_value_info("v6", FLOAT, None)]
    x = floats(2, 3)
    for order in (nodes[::-1], nodes[3:] + nodes[:3], nodes[::2] + nodes[1::2]):
        found = run_model(chain(order, outputs=outputs), {"x": x})
        np.testing.assert_allclose(found["v6"], 7 * x, rtol=1e-6)


def test_the_files_order_is_kept_where_it_runs() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["b"]), helper.make_node("Neg", ["x"], ["a"])]
    graph = read_model(chain([*nodes, helper.make_node("Add", ["a", "b"], ["y"])]))
    assert [node.op for node in graph.nodes] == ["Relu", "Neg", "Add"]


def test_nodes_that_nothing_needs_are_left_out() -> None:
    nodes = [RELU, helper.make_node("NoSuchOperator", ["x"], ["unused"])]
    assert [node.op for node in read_model(chain(nodes)).nodes] == ["Relu"]


def test_a_long_chain_in_reverse_needs_no_deep_stack() -> None:
    nodes = [helper.make_node("Neg", [f"v{i}" if i else "x"], [f"v{i + 1}"]) for i in range(3000)]
    outputs = [helper.make_tensor_value_info("v3000", FLOAT, None)]
    assert len(read_model(chain(nodes[::-1], outputs=outputs)).nodes) == 3000


def refused(model: onnx.ModelProto | bytes) -> pytest.ExceptionInfo[ModelFormatError]:
    with pytest.raises(ModelFormatError) as caught:
        read_model(model)
    assert str(caught.value).startswith("small.onnx")
    return caught


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([helper.make_node("Relu", ["y"], ["y"])], "form a cycle"),
        ([helper.make_node("Relu", ["b"], ["y"]), helper.make_node("Relu", ["y"], ["b"])], "form a cycle"),
        ([helper.make_node("Add", ["x", "nowhere"], ["y"], name="sum")], "'nowhere', which node 'sum' needs, is made"),
        ([helper.make_node("Relu", ["x"], ["other"])], "'y', which the graph's outputs needs, is made nowhere"),
        ([RELU, RELU], "'y' is made twice"),
        ([helper.make_node("Relu", ["y"], ["x"])], "'x' is made twice"),
        ([helper.make_node("", ["x"], ["y"], name="nameless")], "node 'nameless' has no operator"),
        ([helper.make_node("Relu", ["x", "x"], ["y"])], "2 inputs are given"),
        ([helper.make_node("Add", ["x"], ["y"])], "1 inputs are given"),
        ([helper.make_node("Add", ["", "x"], ["y"])], "a required input is absent"),
    ],
)
def test_graphs_that_make_no_sense(nodes: list[onnx.NodeProto], message: str) -> None:
    assert message in str(refused(chain(nodes)).value)


def test_names_that_are_empty_or_taken() -> None:
    weights = numpy_helper.from_array(floats(3), "w")
    assert "a weight's name, 'w', is empty or taken" in str(refused(chain([RELU], initializer=[weights] * 2)).value)
    assert "input 'x': its name" in str(refused(chain([RELU], inputs=[PICTURE, PICTURE])).value)
    output = helper.make_tensor_value_info("y", FLOAT, None)
    assert "an output's name is empty or taken" in str(refused(chain([RELU], outputs=[output, output])).value)
    assert "no outputs" in str(refused(chain([RELU], outputs=[])).value)


def test_attributes_that_make_no_sense() -> None:
    node = helper.make_node("Flatten", ["x"], ["y"], name="flat", axis=1)
    node.attribute.append(node.attribute[0])
    assert "attribute 'axis' is given twice" in str(refused(chain([node])).value)
    node = helper.make_node("Flatten", ["x"], ["y"], axis=1.5)
    assert "attribute 'axis' has type 1, but 2 is expected" in str(refused(chain([node])).value)
    node = helper.make_node("LeakyRelu", ["x"], ["y"], alpha=1)
    assert "attribute 'alpha' has type 2, but 1 is expected" in str(refused(chain([node])).value)


def test_an_attribute_may_leave_its_type_or_its_zero_out() -> None:
    node = helper.make_node("Flatten", ["x"], ["y"], axis=0)
    node.attribute[0].ClearField("i")
    assert read_model(chain([node])).outputs[0].shape[0] == 1
    node = helper.make_node("Flatten", ["x"], ["y"], axis=2)
    node.attribute[0].ClearField("type")
    assert read_model(chain([node])).outputs[0].shape[1] == 1


def test_a_file_without_a_graph() -> None:
    model = chain([RELU])
    model.ClearField("graph")
    assert "there is no graph" in str(refused(model).value)


def test_inputs_that_are_no_tensors() -> None:
    sequence = helper.make_tensor_sequence_value_info("x", FLOAT, [1])
    with pytest.raises(UnsupportedOpError, match="input 'x' is not a dense tensor"):
        read_model(chain([RELU], inputs=[sequence]))
    with pytest.raises(UnsupportedOpError, match="input 'x' has no shape"):
        read_model(chain([RELU], inputs=[helper.make_tensor_value_info("x", FLOAT, None)]))
    with pytest.raises(DTypeError, match="input 'x': element type string is not supported"):
        read_model(chain([RELU], inputs=[helper.make_tensor_value_info("x", TensorProto.STRING, [1])]))


def test_an_output_of_another_type_than_declared() -> None:
    outputs = [helper.make_tensor_value_info("y", TensorProto.INT64, None)]
    assert "output 'y' is declared as i64, but its node makes f32" in str(refused(chain([RELU], outputs=outputs)).value)


def test_an_unknown_operator_is_refused_with_all_that_helps() -> None:
    nodes = [
        helper.make_node("NonMaxSuppression", ["x", "x"], ["a"], name="head/nms"),
        helper.make_node("RoiAlign", ["a"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    with pytest.raises(UnsupportedOpError) as caught:
        read_model(chain(nodes))
    assert str(caught.value) == (
        "small.onnx: node 'head/nms' (NonMaxSuppression, domain ai.onnx, opset 13): intab cannot read this operator. "
        "Others without an importer: RoiAlign. Export the model without it, or add an importer in intab/formats/onnx."
    )


def test_an_operator_of_another_domain() -> None:
    model, _ = node_model("FusedConv", [floats(2)], opset=13, domain="com.microsoft")
    with pytest.raises(UnsupportedOpError, match=r"\(FusedConv, domain com\.microsoft, opset 1\)"):
        read_model(model)
    model = chain([helper.make_node("Relu", ["x"], ["y"], domain="nobody.knows")])
    assert "whose version the file does not state" in str(refused(model).value)


def test_both_names_of_the_standard_domain() -> None:
    assert read_model(chain([helper.make_node("Relu", ["x"], ["y"], domain="ai.onnx")])).nodes[0].op == "Relu"


def test_opsets() -> None:
    assert "opset 0 does not exist" in str(refused(model_of(chain([RELU]).graph, 0)).value)
    with pytest.raises(UnsupportedOpError, match="made for opset 999, and intab knows the operators up to opset"):
        read_model(model_of(chain([RELU]).graph, 999))


def test_an_importer_holds_until_a_newer_one() -> None:
    assert [entry_for("", "Squeeze", opset) is entry_for("", "Squeeze", 13) for opset in (11, 13, 25)] == [
        False,
        True,
        True,
    ]
    assert entry_for("", "Gelu", 19) is None
    assert importers()[("", "Squeeze")] == (1, 13)
    with pytest.raises(ValueError, match="Squeeze since opset 13 has two importers"):
        add_importer("Squeeze", lambda call, x: x, since=13)


def test_sparse_weights_and_functions_are_refused_by_name() -> None:
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(floats(1), "s"), numpy_helper.from_array(np.array([0])), [3]
    )
    with pytest.raises(UnsupportedOpError, match="sparse weights"):
        read_model(chain([RELU], sparse_initializer=[sparse]))
    function = helper.make_function("local", "Twice", ["a"], ["b"], [], [helper.make_opsetid("", 13)])
    model = chain([helper.make_node("Twice", ["x"], ["y"], domain="local")])
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    with pytest.raises(UnsupportedOpError, match=r"Twice, domain local, opset 1.*Inline the model's functions"):
        read_model(model)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "an empty file"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"\xff\xd8\xff\xe0", "a JPEG picture"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "a WebP picture"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1c\x00\x00\x00TFL3", "a TensorFlow Lite model"),
        (b"GGUF\x03", "a GGUF model"),
        (b'{"format": "graph-model"}', "a JSON file"),
        (b"<!DOCTYPE html>", "an HTML or XML page"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (b"\x00\x01\x02", "a file of an unknown kind"),
    ],
)
def test_other_files_are_named(data: bytes, kind: str) -> None:
    with pytest.raises(ModelFormatError, match=f"^picture.onnx: this is {kind}"):
        formats.read(MemoryStorage("picture.onnx", data))
