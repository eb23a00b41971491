"""Models quantized by onnxruntime's own tools, in both of their formats, against native onnxruntime."""

import asyncio
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from intab.runtime import load
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD
from tests.agreement import agreement
from tests.conftest import MODELS
from tests.efficientnet_lite0 import prepared_picture
from tests.quantized_models import FORMS, INPUT, float_model, other_feeds, quantized
from tests.running import pool_of
from tests.runtime.pools import on

TOLERANCE = 1e-2
STEP = 1 / 255  # of the classifier's output, which is bytes made floats
TARGETS = {"relaxed": WASM_RELAXED_SIMD, "plain": WASM_SIMD}
CASES = [
    *(pytest.param("cls", False, place, id=f"cls-{place}") for place in ("relaxed", "plain")),
    *(
        pytest.param("efficientnet_lite0", channels, "relaxed", id=f"efficientnet-{channels}")
        for channels in (False, True)
    ),
    pytest.param("det", False, "relaxed", id="det"),
]
KNOWN = {"coffee.png": (967, 0.951), "chelsea.png": (282, 0.386)}  # espresso, tiger cat


def native(model: Path, *, optimised: bool = True) -> onnxruntime.InferenceSession:
    """onnxruntime, but that its sums of products never saturate, which hangs on the processor."""
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def in_cache(name: str) -> None:
    if name == "efficientnet_lite0" and not (MODELS / "tests" / f"{name}.pth").is_file():
        pytest.skip(f"{name}.pth is not in the cache: run python3 scripts/setup.py")


@pytest.mark.wasmtime
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "channels", "place"), CASES)
def test_agrees_with_native(name: str, channels: bool, place: str, form: str) -> None:
    """One byte that is rounded the other way changes an output of these models by more than the tolerance."""
    in_cache(name)
    model = quantized(name, form, per_channel=channels)
    peer = native(model)
    with on(pool_of(TARGETS[place])) as backend:
        session = asyncio.run(load(model, backend=backend))
        for picture in other_feeds(name):
            (found,) = session.run_sync({INPUT: picture}).values()
            (wanted,) = peer.run(None, {INPUT: picture})
            assert agreement(found, wanted) <= TOLERANCE
        session.dispose()


def test_the_reference_takes_a_qdq_model_at_its_word() -> None:
    """It sums floats, and what is halfway between two bytes hangs on their order: two steps of the output apart.

    onnxruntime's own levels of optimisation are as far from each other.
    """
    model = quantized("cls", "QDQ")
    peers = [native(model, optimised=optimised) for optimised in (True, False)]
    session = asyncio.run(load(model, backend="reference"))
    for picture in other_feeds("cls"):
        (found,) = session.run_sync({INPUT: picture}).values()
        assert min(np.abs(found - peer.run(None, {INPUT: picture})[0]).max() for peer in peers) <= 2.01 * STEP
    session.dispose()


@pytest.mark.wasmtime
@pytest.mark.parametrize("name", KNOWN)
def test_efficientnet_knows_pictures(name: str, skimage_folder: Path) -> None:
    """Before it is quantized."""
    in_cache("efficientnet_lite0")
    with on(pool_of(WASM_RELAXED_SIMD)) as backend:
        session = asyncio.run(load(float_model("efficientnet_lite0"), backend=backend))
        (logits,) = session.run_sync({INPUT: prepared_picture(skimage_folder / name)}).values()
        session.dispose()
    chances = np.exp(logits[0] - logits.max())
    number, chance = KNOWN[name]
    assert chances.argmax() == number
    assert abs(chances.max() / chances.sum() - chance) < 1e-3
