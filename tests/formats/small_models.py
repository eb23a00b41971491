"""Small ONNX models for tests, and the check that intab reads them as onnxruntime does."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from intab.backends.reference import evaluate
from intab.formats import read
from intab.graph.ir import Array, Graph
from intab.graph.storage import MemoryStorage
from intab.graph.verify import verify
from intab.ops.inference import infer
from tests.agreement import assert_agree

# An input is an array that is fed, a `Fixed` one that the file holds, or None where it is absent.
Input = Any
TOLERANCE = 1e-5


class Fixed:
    """Numbers that the model file holds."""

    def __init__(self, numbers: Any, dtype: Any = np.int64) -> None:
        self.array = np.array(numbers, dtype=dtype)


def node_model(
    op: str,
    inputs: Sequence[Input],
    *,
    opset: int,
    outputs: int = 1,
    domain: str = "",
    symbolic: bool = False,
    **attributes: Any,
) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """A model of one node, and its feeds. With `symbolic`, no size of an input is stated."""
    names, feeds, infos, weights = [], {}, [], []
    for index, given in enumerate(inputs):
        name = f"in{index}" if given is not None else ""
        names.append(name)
        if isinstance(given, Fixed):
            weights.append(numpy_helper.from_array(given.array, name))
        elif given is not None:
            feeds[name] = given
            shape = [None] * given.ndim if symbolic else list(given.shape)
            infos.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(given.dtype), shape))
    made = [f"out{index}" for index in range(outputs)]
    node = helper.make_node(op, names, made, name="node", domain=domain, **attributes)
    graph = helper.make_graph([node], "small", infos, [onnx.ValueInfoProto(name=name) for name in made], weights)
    return model_of(graph, opset, domain), feeds


def model_of(graph: onnx.GraphProto, opset: int, domain: str = "") -> onnx.ModelProto:
    """A model of a graph, in an IR version that onnxruntime takes."""
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=min(3 + opset // 4, 10) if opset < 9 else 10)


def read_model(model: onnx.ModelProto | bytes, name: str = "small.onnx") -> Graph:
    """The graph of a model, verified with inference."""
    data = model if isinstance(model, bytes) else model.SerializeToString()
    graph = read(MemoryStorage(name, data))
    verify(graph, infer)
    return graph


def run_model(model: onnx.ModelProto | bytes, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """What intab's reference back end makes of a model."""
    graph = read_model(model)
    return evaluate(graph, {value.name: feeds[value.name] for value in graph.inputs})


def expected_by_onnxruntime(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def expected_by_onnx(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    names = [output.name for output in model.graph.output]
    return dict(zip(names, ReferenceEvaluator(model).run(names, dict(feeds)), strict=True))


def check(
    op: str,
    *inputs: Input,
    opset: int,
    expected: Sequence[Array] | str = "onnxruntime",
    sizes: str = "both",
    outputs: int = 1,
    tolerance: float = TOLERANCE,
    **attributes: Any,
) -> None:
    """Fail unless a node gives what onnxruntime (or "onnx", or the arrays given) says, with sizes known and not.

    `sizes` is "both", or "known" where the node cannot be read when the sizes of its inputs are symbols.
    """
    wanted = None if isinstance(expected, str) else {f"out{i}": array for i, array in enumerate(expected)}
    for symbolic in (False, True) if sizes == "both" else (False,):
        model, feeds = node_model(op, inputs, opset=opset, outputs=outputs, symbolic=symbolic, **attributes)
        if wanted is None:
            oracle = expected_by_onnxruntime if expected == "onnxruntime" else expected_by_onnx
            typed = with_output_types(model)
            wanted = oracle(typed, feeds)
        assert_agree(run_model(model, feeds), wanted, tolerance)


def with_output_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its outputs' types stated, which onnxruntime wants."""
    inferred = onnx.shape_inference.infer_shapes(model)
    return inferred


def floats(*shape: int, seed: int = 0, scale: float = 1.0) -> Array:
    """Seeded float32 numbers, N(0, scale)."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def whole(*shape: int, low: int = -5, high: int = 6, dtype: Any = np.int64) -> Array:
    """Seeded whole numbers."""
    return np.random.default_rng(1).integers(low, high, shape).astype(dtype)
