"""What is measured: models with the tensors they are fed."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmark.tflite_models import write_product
from intab.cli.checkout import checkout
from intab.pipelines.ocr import Reader
from tests.light_models import light_model

Numbers = NDArray[Any]
Feeds = dict[str, Numbers]

SEED = 2026
CACHE = checkout() / ".cache" / "models"
JOB_MODELS = frozenset({"det", "rec"})
"""What the main job runs: detection, then recognition."""
TOKENS = 128
WINDOWS = 31  # of 512 samples at 16 kHz: one second of sound
SQUARES = (256, 1024)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One feed of one model. `model` is the name of its file; `job`: a step of the main job, whose times are summed."""

    model: str
    name: str
    feeds: Feeds
    job: bool = False

    @property
    def title(self) -> str:
        """The model, and what it is given, by the shape of its first input."""
        return f"{self.model}: {self.name} {'x'.join(map(str, next(iter(self.feeds.values())).shape))}"


def floats(*shape: int, scale: float = 0.5) -> Numbers:
    """N(0, 1) x scale, the same every time."""
    return (scale * np.random.default_rng(SEED).standard_normal(shape)).astype(np.float32)


def _integers(limit: int, *shape: int) -> Numbers:
    return np.random.default_rng(SEED).integers(0, limit, shape)


def _sentence() -> Feeds:
    whole = np.ones((1, TOKENS), np.int64)
    return {
        "input_ids": _integers(30522, 1, TOKENS),
        "attention_mask": whole,
        "token_type_ids": np.zeros_like(whole),
    }


def _sound() -> Feeds:
    state = np.zeros((1, 1, 128), np.float32)
    return {"input": floats(WINDOWS, 576, scale=0.1), "h": state, "c": state}


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the set: where its bytes come from, and what it is fed."""

    path: Path | None
    feeds: Callable[[], Feeds]

    def written(self, name: str, folder: Path) -> Path:
        """The file, which for a light graph is written into `folder`."""
        if self.path is not None:
            return self.path
        written = folder / f"{name}.onnx"
        if not written.exists():
            written.write_bytes(light_model(name))
        return written


def _picture(height: int, width: int) -> Callable[[], Feeds]:
    return lambda: {"x": floats(1, 3, height, width)}


def _light(input_name: str) -> Model:
    return Model(None, lambda: {input_name: floats(1, 3, 224, 224)})


MODELS = {
    "det": Model(CACHE / "ocr" / "det.onnx", _picture(640, 640)),
    "rec": Model(CACHE / "ocr" / "rec.onnx", _picture(48, 320)),
    "resnet50": _light("gpu_0/data_0"),
    "shufflenet": _light("gpu_0/data_0"),
    "densenet121": _light("data_0"),
    "minilm": Model(CACHE / "tests" / "minilm.onnx", _sentence),
    "silero": Model(CACHE / "tests" / "silero.onnx", _sound),
    "magika": Model(CACHE / "tests" / "magika.onnx", lambda: {"bytes": _integers(257, 1, 2048).astype(np.int32)}),
}
"""The set whose ratios make the geometric mean."""


def model_case(name: str) -> Case:
    """A model of the set at its size."""
    return Case(name, "random" if name != "silero" else "one second,", MODELS[name].feeds())


def square_model(size: int, folder: Path) -> Path:
    """A model of one float product, [size, size] by [size, size], both fed; beside it the same for LiteRT.js."""
    write_product(folder / f"matmul{size}.tflite", size)
    values = values_of([(name, TensorProto.FLOAT, [size, size]) for name in "aby"])
    return write_model(folder / f"matmul{size}.onnx", [helper.make_node("MatMul", ["a", "b"], ["y"])], values, {})


def square_case(size: int) -> Case:
    """What the model of `square_model` is fed."""
    return Case(f"matmul{size}", "f32", {"a": floats(size, size), "b": floats(size, size)[::-1].copy()})


def tiny_case() -> Case:
    """What the model of `tiny_model` is fed."""
    return Case("tiny", "nothing", {"x": floats(1, 4)})


def tiny_model(folder: Path) -> Path:
    """A model that does almost nothing: what is left of a run is the cost of running."""
    values = values_of([(name, TensorProto.FLOAT, [1, 4]) for name in "xy"])
    return write_model(folder / "tiny.onnx", [helper.make_node("Relu", ["x"], ["y"])], values, {})


def values_of(ends: Sequence[tuple[str, int, list[int]]]) -> list[Any]:
    """Inputs and outputs of a graph: name, kind of element and shape of each."""
    return [helper.make_tensor_value_info(*end) for end in ends]


def write_model(path: Path, nodes: Sequence[Any], values: Sequence[Any], weights: Mapping[str, Numbers]) -> Path:
    """A checked model of these nodes; the last of `values` is its output, the others its inputs."""
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(list(nodes), path.stem, list(values[:-1]), [values[-1]], initializers)
    opsets = [helper.make_opsetid("", 17)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


@dataclass(slots=True)
class Recorder:
    """A model on native onnxruntime for intab's own pipeline, which notes what it is fed."""

    session: Any
    fed: list[Numbers] = field(default_factory=list)

    @property
    def inputs(self) -> Sequence[Any]:
        return tuple(self.session.get_inputs())

    @property
    def outputs(self) -> Sequence[Any]:
        return tuple(self.session.get_outputs())

    @property
    def metadata(self) -> Mapping[str, str]:
        return dict(self.session.get_modelmeta().custom_metadata_map)

    async def run(self, feeds: Mapping[str, Numbers], fetches: Sequence[str] | None = None) -> dict[str, Numbers]:
        self.fed.extend(feeds.values())
        names = list(fetches or (value.name for value in self.outputs))
        return dict(zip(names, self.session.run(names, dict(feeds)), strict=True))

    def dispose(self) -> None:
        pass


def job_cases(picture: Path) -> list[Case]:
    """What detector and recogniser are fed when the pipeline reads `picture`."""
    recorders = {name: Recorder(native(CACHE / "ocr" / f"{name}.onnx")) for name in sorted(JOB_MODELS)}
    asyncio.run(Reader(recorders["det"], recorders["rec"])(picture))
    names = {"det": "finds lines", "rec": "reads lines"}
    return [
        Case(model, names[model], {"x": feed}, job=True)
        for model, recorder in recorders.items()
        for feed in recorder.fed
    ]


def native(path: Path) -> Any:
    """The model on native onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def native_answer(path: Path, feeds: Feeds) -> dict[str, Numbers]:
    """All outputs of a model by name, as native onnxruntime has them."""
    session = native(path)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))
