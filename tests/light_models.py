"""The `light_*` graphs of the onnx package with seeded random weights.

As shipped, every weight of a graph is the same number, with which a wrong convolution would pass. Random ones are
scaled so that numbers stay of one size from layer to layer. A Softmax at the end leaves one class of many, which
hides what is wrong before it, so what goes into it becomes a further output.
"""

from functools import cache
from math import prod, sqrt
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Floats = NDArray[np.float32]

LIGHT_MODELS = (
    *("bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet"),
    *("vgg19", "zfnet512"),
)
SEED = 11


@cache
def light_model(name: str) -> bytes:
    """A model as a file; its one input is [1, 3, 224, 224]."""
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    model = onnx.load(str(folder / f"light_{name}.onnx"))
    graph = model.graph
    shapes = {value.name: tuple(numpy_helper.to_array(value)) for value in graph.initializer}
    constants = [node for node in graph.node if node.op_type == "ConstantOfShape"]
    weights = {node.output[0]: tuple(map(int, shapes[node.input[0]])) for node in constants}
    random = np.random.default_rng(SEED)
    made = {name: _weight(random, shape, _role(graph, name)) for name, shape in weights.items()}
    kept = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    new = helper.make_graph(
        kept,
        graph.name,
        [value for value in graph.input if value.name not in shapes],
        [*graph.output, *(onnx.ValueInfoProto(name=node.input[0]) for node in kept if node.op_type == "Softmax")],
        [
            *(value for value in graph.initializer if any(value.name in node.input for node in kept)),
            *(numpy_helper.from_array(array, name) for name, array in made.items()),
        ],
    )
    opsets = list(model.opset_import)
    return bytes(helper.make_model(new, opset_imports=opsets, ir_version=8).SerializeToString())


def _role(graph: onnx.GraphProto, name: str) -> str:
    """What a weight is to the first node that reads it."""
    for node in graph.node:
        if name in node.input:
            return f"{node.op_type}:{list(node.input).index(name)}"
    return ""


def _weight(random: np.random.Generator, shape: tuple[int, ...], role: str) -> Floats:
    numbers = random.standard_normal(shape).astype(np.float32)
    match role:
        case "BatchNormalization:1" | "BatchNormalization:4":
            return np.asarray(np.abs(1 + 0.2 * numbers), np.float32)
        case "Conv:1" | "Gemm:1":
            return np.asarray(numbers * sqrt(2 / max(1, prod(shape[1:]))), np.float32)
        case _:
            return np.asarray(0.1 * numbers, np.float32)
