"""Whole models in halves, on the interpreter at small sizes, against native onnxruntime."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from intab.dtypes import float16
from intab.formats import read
from intab.graph.bind import bindings_of
from intab.graph.storage import MemoryStorage
from intab.kernels.wgsl import generate
from intab.optimize import optimize
from intab.pipelines.ocr.recognise import lines_feed
from intab.program import build
from intab.target import HALVES, WEBGPU
from tests.agreement import agreement
from tests.dawn import complaints
from tests.interpreted_gpu import InterpretedGpu
from tests.light_models import light_model
from tests.ocr_feeds import INPUT, picture_feeds, random_feeds, rendered_lines
from tests.runtime.test_more_models import Feeds, Numbers, feeds_of, material

TOLERANCE = 2e-2
# Devices bind more than WebGPU's default of one buffer, which the weights of these take.
TARGET = replace(WEBGPU, subgroup=4, binding_nbytes=2**30).with_feature(HALVES).with_feature("shader-f16")
# Others of the light models take the interpreter minutes, or reach 2e6 with their seeded weights.
LIGHT = ("squeezenet", "inception_v1")
MODELS = ("cls", "rec", "det", "silero", "magika", "minilm", *LIGHT)


def cases_of(
    model: str, ocr_models: Mapping[str, Path], skimage_picture: Callable[[str], Path]
) -> Iterator[tuple[bytes, Feeds]]:
    """The model's file and small feeds."""
    if model in ocr_models:
        data = ocr_models[model].read_bytes()
        if model == "rec":
            yield data, {INPUT: lines_feed([line[:, :96] for line in rendered_lines()[:2]], 112)}
        elif model == "cls":
            yield data, {INPUT: random_feeds(model)[0].array}
            yield data, {INPUT: picture_feeds(model, skimage_picture)[0].array}
        else:
            yield data, {INPUT: np.ascontiguousarray(picture_feeds(model, skimage_picture)[0].array[..., :96, :128])}
    elif model in LIGHT:
        picture = 0.5 * np.random.default_rng(7).standard_normal((1, 3, 224, 224))
        yield light_model(model), {"": picture.astype(np.float32)}
    else:
        path = material(f"{model}.onnx")
        yield path.read_bytes(), next(iter(feeds_of(model)))


@pytest.mark.parametrize("model", MODELS)
def test_agrees_with_native(model: str, ocr_models: Mapping[str, Path], skimage_picture: Callable[[str], Path]) -> None:
    texts: set[str] = set()
    for data, given in cases_of(model, ocr_models, skimage_picture):
        graph = read(MemoryStorage(model, data))
        feeds = {name or graph.inputs[0].name: array for name, array in given.items()}
        program = build(optimize(graph, target=TARGET), TARGET)
        sizes = bindings_of(graph.inputs, {name: array.shape for name, array in feeds.items()})
        found = InterpretedGpu(program).run(feeds, sizes)
        expected = answers(data, feeds)
        far = {name: agreement(found[name], expected[name]) for name in expected}
        assert max(far.values()) <= TOLERANCE, far
        assert any(buffer.dtype == float16.name for kernel in program.kernels for buffer in kernel.buffers)
        texts |= {generate(kernel, TARGET).text for kernel in program.kernels}
    assert complaints(sorted(texts)) == []


def answers(data: bytes, feeds: Feeds) -> dict[str, Numbers]:
    """What native onnxruntime makes of feeds."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))
