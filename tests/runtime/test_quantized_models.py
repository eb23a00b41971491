"""A model quantized by onnxruntime's own tools, in both of their formats, against native onnxruntime."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from intab.runtime import load
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD
from tests.running import pool_of
from tests.runtime.pools import on

Numbers = NDArray[Any]
TARGETS = {"reference": None, "relaxed": WASM_RELAXED_SIMD, "plain": WASM_SIMD}
PLACES = ["reference", *(pytest.param(name, marks=pytest.mark.wasmtime) for name in ("relaxed", "plain"))]
# The classifier's output is bytes made floats, a step of 1 / 255 each.
STEP = 1 / 255


def pictures() -> list[Numbers]:
    """Lines of smooth dark blots, which the classifier's activations range over."""
    random = np.random.default_rng(4)
    found = []
    for _ in range(5):
        coarse = random.standard_normal((1, 3, 6, 24)).astype(np.float32)
        found.append(np.clip(np.kron(coarse, np.ones((1, 1, 8, 8), np.float32)), -1, 1))
    return found


class Calibration(CalibrationDataReader):
    """The pictures that ranges are taken from."""

    def __init__(self, name: str) -> None:
        self._feeds: Iterator[Mapping[str, Numbers]] = iter([{name: picture} for picture in pictures()[:3]])

    def get_next(self) -> Mapping[str, Numbers] | None:
        return next(self._feeds, None)


def native(model: Path, level: Any) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.graph_optimization_level = 3, level
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module", params=[QuantFormat.QOperator, QuantFormat.QDQ], ids=str)
def quantized(
    request: pytest.FixtureRequest, ocr_models: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The classifier with activations of u8 and weights of i8."""
    folder = tmp_path_factory.mktemp("quantized")
    prepared, made = folder / "prepared.onnx", folder / f"{request.param}.onnx"
    quant_pre_process(str(ocr_models["cls"]), str(prepared), skip_symbolic_shape=True)
    name = native(prepared, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC).get_inputs()[0].name
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(str(prepared), str(made), Calibration(name), quant_format=request.param, **types)
    return made


@pytest.mark.parametrize("place", PLACES)
def test_quantized_classifier_agrees_with_native(place: str, quantized: Path) -> None:
    """No further apart than two steps of the output: where a float is halfway between bytes, its rounding decides.

    onnxruntime's own levels of optimisation are as far from each other.
    """
    levels = onnxruntime.GraphOptimizationLevel
    fused, plain = (native(quantized, level) for level in (levels.ORT_ENABLE_ALL, levels.ORT_DISABLE_ALL))

    target = TARGETS[place]
    with on(None if target is None else pool_of(target)) as backend:
        session = asyncio.run(load(quantized, backend=backend))
        for picture in pictures():
            feeds = {session.inputs[0].name: picture}
            (found,) = session.run_sync(feeds).values()
            wanted = [other.run(None, feeds)[0] for other in (fused, plain)]
            assert min(np.abs(found - each).max() for each in wanted) <= 2.01 * STEP
        session.dispose()
