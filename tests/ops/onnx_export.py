"""Graphs as ONNX models, so that onnxruntime can say what they mean. Sizes are numbers here."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from intab.graph.ir import Graph, Node, Value
from intab.ops.broadcast import numbers
from intab.ops.recurrent_parts import ACTIVATION_PARAMETERS
from tests.ops.attention_export import attention
from tests.ops.case import Numbers
from tests.ops.integer_export import add_bytes, integer_product, lookup, mean_bytes, quantized_element

OPSET = 20


def plain(node: Node) -> dict[str, Any]:
    """A node's attributes, of whatever type they are."""
    return dict(node.attributes)


def given(node: Node, index: int) -> Value:
    """An input that is there."""
    value = node.inputs[index]
    assert value is not None
    return value


class Export:
    """Nodes of a model in the making."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[TensorProto] = []
        self.names: dict[Value, str] = {}

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns its output's name."""
        return self.node_of_many(op, *inputs, count=1, **attributes)[0]

    def node_of_many(self, op: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """Add a node of `count` outputs; returns their names."""
        outputs = [f"n{len(self.nodes)}.{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, list(inputs), outputs, **attributes))
        return outputs

    def constant(self, array: Any) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def whole(self, numbers: Any) -> str:
        return self.constant(np.asarray(numbers, np.int64))

    def convert(self, graph: Graph, inputs: tuple[str, ...]) -> str:
        """Add all nodes of a graph; returns the output's name."""
        self.names.update(zip(graph.inputs, inputs, strict=True))
        for value in graph.constant_values:
            self.names[value] = self.constant(graph.constants[value.name].numpy())
        for node in graph.nodes:
            if node.op in FORMS_OF_MANY:
                self.names.update(zip(node.outputs, FORMS_OF_MANY[node.op](self, node), strict=True))
            else:
                self.names[node.output] = FORMS.get(node.op, _same)(self, node)
        return self.names[graph.outputs[0]]

    def inputs_of(self, node: Node) -> list[str]:
        return ["" if value is None else self.names[value] for value in node.inputs]


def onnx_model(graph: Graph) -> bytes:
    """A model with the graph's inputs and outputs."""
    export = Export()
    export.convert(graph, tuple(value.name for value in graph.inputs))
    inputs = [_info(value.name, value) for value in graph.inputs]
    outputs = []
    for name, value in zip(graph.output_names, graph.outputs, strict=True):
        export.nodes.append(helper.make_node("Identity", [export.names[value]], [name]))
        outputs.append(_info(name, value))
    made = helper.make_graph(export.nodes, "case", inputs, outputs, export.weights)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=9)
    return bytes(model.SerializeToString())


def run_onnxruntime(graph: Graph, feeds: dict[str, Numbers]) -> dict[str, Numbers]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(onnx_model(graph), options, providers=["CPUExecutionProvider"])
    results = session.run(list(graph.output_names), feeds)
    return {name: np.asarray(result) for name, result in zip(graph.output_names, results, strict=True)}


def _info(name: str, value: Value) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype.numpy), numbers(value.shape))


def _same(export: Export, node: Node) -> str:
    return export.node(node.op, *export.inputs_of(node), **plain(node))


def _renamed(name: str) -> Callable[[Export, Node], str]:
    return lambda export, node: export.node(name, *export.inputs_of(node), **plain(node))


def _silu(export: Export, node: Node) -> str:
    (x,) = export.inputs_of(node)
    return export.node("Mul", x, export.node("Sigmoid", x))


def _clip(export: Export, node: Node) -> str:
    (x,), dtype = export.inputs_of(node), node.output.dtype.numpy
    low, high = plain(node)["minimum"], plain(node)["maximum"]
    bounds = ["" if np.isinf(b) else export.constant(dtype.type(b)) for b in (low, high)]
    return export.node("Clip", x, *bounds)


def _cast(export: Export, node: Node) -> str:
    to = helper.np_dtype_to_tensor_dtype(node.output.dtype.numpy)
    return export.node("Cast", *export.inputs_of(node), to=to)


def _mod(export: Export, node: Node) -> str:
    return export.node("Mod", *export.inputs_of(node), fmod=int(plain(node).get("fmod", False)))


def _fused(export: Export, node: Node) -> str:
    return export.convert(plain(node)["body"], tuple(export.inputs_of(node)))


def _after(export: Export, node: Node, result: str, extra: list[str]) -> str:
    epilogue = plain(node).get("epilogue")
    return result if epilogue is None else export.convert(epilogue, (result, *extra))


def _matmul(export: Export, node: Node) -> str:
    names = export.inputs_of(node)
    for i, side in enumerate(("transpose_a", "transpose_b")):
        if plain(node).get(side):
            rank = given(node, i).rank
            names[i] = export.node("Transpose", names[i], perm=[*range(rank - 2), rank - 1, rank - 2])
    result = export.node("MatMul", names[0], names[1])
    if len(names) > 2 and names[2]:
        result = export.node("Add", result, names[2])
    return _after(export, node, result, names[3:])


def _first(export: Export, name: str, rank: int) -> str:
    return export.node("Transpose", name, perm=[0, rank - 1, *range(1, rank - 1)])


def _last(export: Export, name: str, rank: int) -> str:
    return export.node("Transpose", name, perm=[0, *range(2, rank), 1])


def _windowed(op: str, *, weights: bool) -> Callable[[Export, Node], str]:
    """Conv, ConvTranspose and pools: NHWC is moved to NCHW and back."""

    def convert(export: Export, node: Node) -> str:
        attributes = plain(node)
        names, rank = export.inputs_of(node), given(node, 0).rank
        last = attributes.pop("layout", "NCHW") == "NHWC"
        attributes.pop("epilogue", None)
        if last:
            names[0] = _first(export, names[0], rank)
            if op == "Conv":
                names[1] = _first(export, names[1], rank)
        if "kernel" in attributes:
            attributes["kernel_shape"] = attributes.pop("kernel")
        attributes = {k: int(v) if isinstance(v, bool) else v for k, v in attributes.items()}
        result = export.node(op, *(names[:3] if weights else names), **attributes)
        return _after(export, node, _last(export, result, rank) if last else result, names[3:])

    return convert


def _reduce(export: Export, node: Node) -> str:
    axes, keep = export.whole(plain(node)["axes"]), int(plain(node)["keepdims"])
    return export.node(node.op, *export.inputs_of(node), axes, keepdims=keep, noop_with_empty_axes=1)


def _arg(export: Export, node: Node) -> str:
    named = {"keepdims": "keepdims", "axis": "axis", "select_last": "select_last_index"}
    attributes = {named[key]: int(value) for key, value in plain(node).items()}
    return export.node(node.op, *export.inputs_of(node), **attributes)


def _cumulative(export: Export, node: Node) -> str:
    attributes = {key: int(value) for key, value in plain(node).items()}
    axis = export.constant(np.int64(attributes.pop("axis")))
    return export.node("CumSum", *export.inputs_of(node), axis, **attributes)


def _reshape(export: Export, node: Node) -> str:
    return export.node("Reshape", *export.inputs_of(node), export.whole(plain(node)["shape"]), allowzero=1)


def _expand(export: Export, node: Node) -> str:
    return export.node("Expand", *export.inputs_of(node), export.whole(plain(node)["shape"]))


def _slice(export: Export, node: Node) -> str:
    starts, sizes, steps = (plain(node)[key] for key in ("starts", "sizes", "steps"))
    ends = [start + size * step for start, size, step in zip(starts, sizes, steps, strict=True)]
    # A negative end would count from the back.
    ends = [end if end >= 0 else -(2**31) for end in ends]
    axes = range(len(starts))
    return export.node("Slice", *export.inputs_of(node), *map(export.whole, (starts, ends, list(axes), steps)))


def _pad(export: Export, node: Node) -> str:
    value = export.constant(node.output.dtype.numpy.type(plain(node).get("value", 0)))
    mode = plain(node).get("mode", "constant")
    return export.node("Pad", *export.inputs_of(node), export.whole(plain(node)["pads"]), value, mode=mode)


def _resize(export: Export, node: Node) -> str:
    a = plain(node)
    scales = export.constant(np.asarray(a["scales"], np.float32)) if a.get("scales") else ""
    sizes = "" if scales else export.whole(a["sizes"])
    return export.node(
        "Resize",
        *export.inputs_of(node),
        "",
        scales,
        sizes,
        mode=a["mode"],
        coordinate_transformation_mode=a["coordinates"],
        nearest_mode=a.get("nearest", "round_prefer_floor"),
        cubic_coeff_a=a.get("cubic_coefficient", -0.75),
        exclude_outside=int(a.get("exclude_outside", False)),
    )


def _layer_norm(export: Export, node: Node) -> str:
    names = export.inputs_of(node)
    x, axis = given(node, 0), plain(node)["axis"]
    shape = x.shape[axis:]
    names += [""] * (3 - len(names))
    names[1] = names[1] or export.constant(np.ones(shape, x.dtype.numpy))
    return export.node("LayerNormalization", *names, **plain(node))


def _batch_norm(export: Export, node: Node) -> str:
    names, rank = export.inputs_of(node), given(node, 0).rank
    last = plain(node).get("layout") == "NHWC"
    names[0] = _first(export, names[0], rank) if last else names[0]
    result = export.node("BatchNormalization", *names, epsilon=plain(node)["epsilon"])
    return _last(export, result, rank) if last else result


def _local_response(export: Export, node: Node) -> str:
    return export.node("LRN", *export.inputs_of(node), **plain(node))


def _recurrent(export: Export, node: Node) -> list[str]:
    attributes = plain(node)
    hidden = given(node, 2).shape[2]
    usual = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}[node.op]
    names = attributes.pop("activations", usual)
    if attributes.get("direction") == "bidirectional" and "activations" not in plain(node):
        names *= 2
    taken = {"alpha": attributes.pop("alphas", ()), "beta": attributes.pop("betas", ())}
    lists = {
        f"activation_{kind}": [n for name, n in zip(names, numbers, strict=True) if kind in ACTIVATION_PARAMETERS[name]]
        for kind, numbers in taken.items()
        if numbers
    }
    if not attributes.get("clip"):
        attributes.pop("clip", None)
    plain_attributes = {key: int(value) if isinstance(value, bool) else value for key, value in attributes.items()}
    return export.node_of_many(
        node.op,
        *export.inputs_of(node),
        count=len(node.outputs),
        hidden_size=hidden,
        activations=list(names),
        **lists,
        **plain_attributes,
    )


def _shuffle(export: Export, node: Node) -> str:
    (name,) = export.inputs_of(node)
    shape, groups = list(given(node, 0).shape), plain(node)["groups"]
    axis = plain(node)["axis"] % len(shape)
    split = [*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]]
    name = export.node("Reshape", name, export.constant(np.array(split)))
    name = export.node("Transpose", name, perm=[*range(axis), axis + 1, axis, *range(axis + 2, len(split))])
    return export.node("Reshape", name, export.constant(np.array(shape)))


def _dequantize(export: Export, node: Node) -> str:
    names = export.inputs_of(node)
    attributes, size = plain(node), given(node, 0).shape
    if attributes.get("block_size"):
        axis = attributes["axis"]
        names[1:] = [_repeated(export, name, attributes["block_size"], axis, size[axis]) for name in names[1:]]
        return _dequantized(export, names)
    return export.node("DequantizeLinear", *names, axis=attributes.get("axis", 1))


def _repeated(export: Export, name: str, times: int, axis: int, size: Any) -> str:
    """Each place along an axis so many times."""
    return export.node("Gather", name, export.whole(np.arange(size) // times), axis=axis)


def _dequantized(export: Export, names: list[str]) -> str:
    """(x - zero) * scale of tensors that broadcast."""
    x, scale, *zeros = (export.node("Cast", name, to=TensorProto.FLOAT) for name in names)
    return export.node("Mul", export.node("Sub", x, zeros[0]) if zeros else x, scale)


def _quantize(export: Export, node: Node) -> str:
    names = export.inputs_of(node)
    if len(names) < 3:
        names.append(export.constant(np.zeros(given(node, 1).shape, node.output.dtype.numpy)))
    return export.node("QuantizeLinear", *names, axis=plain(node).get("axis", 1))


def _compressed_matmul(export: Export, node: Node) -> str:
    left, right, scale, *others = export.inputs_of(node)
    zero, bias = (*others, "", "")[:2]
    sides = [name for name in (scale, zero) if name]
    turned, size = plain(node).get("transpose_b"), plain(node).get("block_size")
    if turned:
        right = export.node("Transpose", right, perm=[1, 0])
    if size:
        sides = [export.node("Transpose", name, perm=[1, 0]) if turned else name for name in sides]
        depth = given(node, 0).shape[-1]
        sides = [_repeated(export, name, size, 0, depth) for name in sides]
    result = export.node("MatMul", left, _dequantized(export, [right, *sides]))
    if bias:
        result = export.node("Add", result, bias)
    return _after(export, node, result, others[2:])


def _range(export: Export, node: Node) -> str:
    start, count, step = (plain(node).get(key, 1) for key in ("start", "count", "step"))
    dtype = node.output.dtype.numpy
    return export.node("Range", *(export.constant(np.array(n, dtype)) for n in (start, start + count * step, step)))


def _top(export: Export, node: Node) -> list[str]:
    attributes = plain(node)
    count, largest = export.whole([attributes["count"]]), int(attributes.get("largest", True))
    names = (*export.inputs_of(node), count)
    return export.node_of_many("TopK", *names, count=2, axis=attributes["axis"], largest=largest)


FORMS_OF_MANY: dict[str, Callable[[Export, Node], list[str]]] = {
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
    "TopK": _top,
}

FORMS: dict[str, Callable[[Export, Node], str]] = {
    "Minimum": _renamed("Min"),
    "Maximum": _renamed("Max"),
    "Silu": _silu,
    "Clip": _clip,
    "Cast": _cast,
    "Mod": _mod,
    "Fused": _fused,
    "Quantize": quantized_element,
    "Dequantize": quantized_element,
    "AddBytes": add_bytes,
    "Lookup": lookup,
    "MeanBytes": mean_bytes,
    "FakeQuantize": quantized_element,
    "IntegerMatMul": integer_product,
    "IntegerConv": integer_product,
    "MatMul": _matmul,
    "Conv": _windowed("Conv", weights=True),
    "ConvTranspose": _windowed("ConvTranspose", weights=True),
    "MaxPool": _windowed("MaxPool", weights=False),
    "AveragePool": _windowed("AveragePool", weights=False),
    "ReduceSum": _reduce,
    "ReduceMean": _reduce,
    "ReduceMax": _reduce,
    "ReduceMin": _reduce,
    "ReduceProd": _reduce,
    "CumSum": _cumulative,
    "ArgMax": _arg,
    "ArgMin": _arg,
    "Reshape": _reshape,
    "Shuffle": _shuffle,
    "Expand": _expand,
    "Slice": _slice,
    "Pad": _pad,
    "Resize": _resize,
    "LayerNorm": _layer_norm,
    "BatchNorm": _batch_norm,
    "LocalResponseNorm": _local_response,
    "DequantizeLinear": _dequantize,
    "QuantizeLinear": _quantize,
    "CompressedMatMul": _compressed_matmul,
    "Range": _range,
    "Attention": attention,
}
