"""EfficientNet-Lite0 with its trained weights as an ONNX model, of a PyTorch file of weights and without PyTorch.

Architecture: Tan and Le 2019 (EfficientNet-B0), without squeeze-and-excitation and with Relu6 throughout, as the
authors published it for small devices; pads of TensorFlow's "SAME", batch normalisation with epsilon 1e-3.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

Numbers = NDArray[Any]

SIZE, CROPPED_FROM = 224, 256
# Repeats, size of the depthwise window, stride of the first repeat, filters.
STAGES = ((1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320))
EPSILON = 1e-3
STORAGES = {"FloatStorage": np.dtype(np.float32), "LongStorage": np.dtype(np.int64)}


def efficientnet_lite0(weights: Path) -> bytes:
    """The model of a file of weights: `x` f32 [N, 3, 224, 224] -> `logits` f32 [N, 1000]."""
    build = _Builder(read_state(weights))
    value = build.convolution("x", "_conv_stem", "_bn0", stride=2)
    number = 0
    for repeats, _, stride, filters in STAGES:
        for repeat in range(repeats):
            value = build.block(value, f"_blocks.{number}", stride=1 if repeat else stride, filters=filters)
            number += 1
    value = build.convolution(value, "_conv_head", "_bn1")
    value = build.node("Flatten", build.node("GlobalAveragePool", value), axis=1)
    weight, bias = (build.weight(f"_fc.{name}") for name in ("weight", "bias"))
    build.nodes.append(helper.make_node("Gemm", [value, weight, bias], ["logits"], name="classes", transB=1))
    graph = helper.make_graph(
        build.nodes,
        "efficientnet_lite0",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1000])],
        build.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def prepared_picture(path: Path) -> Numbers:
    """The middle of a picture as the network takes it, f32 [1, 3, 224, 224]."""
    picture = Image.open(path).convert("RGB")
    scale = CROPPED_FROM / min(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    left, top = (width - SIZE) // 2, (height - SIZE) // 2
    cropped = picture.resize((width, height), Image.Resampling.BICUBIC).crop((left, top, left + SIZE, top + SIZE))
    numbers = (np.asarray(cropped, np.float32) - 127) / 128
    return np.ascontiguousarray(numbers.transpose(2, 0, 1)[None])


class _Builder:
    """Nodes and weights of a graph that grows."""

    def __init__(self, state: Mapping[str, Numbers]) -> None:
        self.state = state
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        output = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [*inputs], [output], name=output, **attributes))
        return output

    def weight(self, name: str, array: Numbers | None = None) -> str:
        self.weights.append(numpy_helper.from_array(self.state[name] if array is None else array, name))
        return name

    def convolution(self, x: str, name: str, norm: str, *, stride: int = 1, active: bool = True) -> str:
        """A convolution without bias, batch normalisation, and Relu6 where `active`."""
        filters = self.state[f"{name}.weight"]
        group = len(filters) if filters.shape[1] == 1 else 1
        window = {"kernel_shape": filters.shape[2:], "strides": (stride, stride), "auto_pad": "SAME_UPPER"}
        value = self.node("Conv", x, self.weight(f"{name}.weight"), group=group, **window)
        norms = (self.weight(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var"))
        value = self.node("BatchNormalization", value, *norms, epsilon=EPSILON)
        if not active:
            return value
        bounds = [self.weight(f"{value}.{name}", np.float32(limit)) for name, limit in (("low", 0), ("high", 6))]
        return self.node("Clip", value, *bounds)

    def block(self, x: str, name: str, *, stride: int, filters: int) -> str:
        """Expand, convolve each channel, project; the input is added where shapes allow."""
        value = x
        if f"{name}._expand_conv.weight" in self.state:
            value = self.convolution(value, f"{name}._expand_conv", f"{name}._bn0")
        value = self.convolution(value, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride)
        value = self.convolution(value, f"{name}._project_conv", f"{name}._bn2", active=False)
        first = next(self.state[f"{name}.{part}.weight"] for part in self._first_of(name))
        channels = len(first) if first.shape[1] == 1 else first.shape[1]
        return self.node("Add", value, x) if stride == 1 and channels == filters else value

    def _first_of(self, name: str) -> list[str]:
        return [part for part in ("_expand_conv", "_depthwise_conv") if f"{name}.{part}.weight" in self.state]


def read_state(path: Path) -> dict[str, Numbers]:
    """The tensors of a file of PyTorch's older format: three pickles about it, tensors, keys, then their numbers."""
    with path.open("rb") as file:
        for _ in range(3):
            _Tensors(file).load()
        tensors = _Tensors(file)
        state, keys = tensors.load(), pickle.load(file)
        numbers = {key: _storage(file, tensors.storages[key]) for key in keys}
    return {name: make(numbers) for name, make in state.items()}


def _storage(file: IO[bytes], dtype: np.dtype[Any]) -> Numbers:
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype)


class _Tensors(pickle.Unpickler):
    """Unpickles tensors as functions of the numbers that come later, and nothing but tensors."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storages: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch", _ if name in STORAGES:
                return STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a tensor.")

    def persistent_load(self, pid: Any) -> str:
        _, dtype, key, *_ = pid
        self.storages[key] = dtype
        return str(key)


def _tensor(
    key: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> Callable[[Mapping[str, Numbers]], Numbers]:
    def make(numbers: Mapping[str, Numbers]) -> Numbers:
        array = numbers[key][offset:]
        apart = [stride * array.itemsize for stride in strides]
        return np.ascontiguousarray(np.lib.stride_tricks.as_strided(array, shape, apart))

    return make
