"""The OCR models in Chromium, on the reference back end and on WebAssembly, against native onnxruntime on the host.

tests/runtime/test_models.py does the same without a browser and says why the detector's logits are compared too.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pytest_pyodide import run_in_pyodide

from tests.browser.proofs import Proofs
from tests.ocr_feeds import LOGITS, Native, model_files, picture_feeds, random_feeds

TOLERANCE = 1e-3
MOST_KERNELS = 40


@run_in_pyodide
async def disagreements(selenium, model_url, cases, place):
    from contextlib import nullcontext

    from tests.browser.inside import proofs

    with proofs.plain_simd() if place == "plain" else nullcontext():
        return await proofs.disagreements(model_url, cases, "reference" if place == "reference" else "wasm")


@pytest.fixture(scope="module")
def models(
    proofs: Proofs, ocr_models: Mapping[str, Path], skimage_picture: Callable[[str], Path]
) -> dict[str, tuple[str, dict[str, str]]]:
    """Model -> its address, and the addresses of its feeds with what native onnxruntime makes of them."""
    served = {}
    for model, data in model_files(ocr_models).items():
        native = Native(data)
        feeds = [*random_feeds(model), *picture_feeds(model, skimage_picture)]
        cases = {
            feed.name: proofs.serve_arrays(f"{model}-{number}.npz", feed=feed.array, expected=native.run(feed.array))
            for number, feed in enumerate(feeds)
        }
        served[model] = proofs.serve(f"{model}.onnx", data), cases
    return served


@pytest.mark.driver_timeout(300)
@pytest.mark.parametrize(
    ("model", "place"),
    [(model, "reference") for model in ("det", "rec", "cls")]
    + [(model, target) for model in ("det", LOGITS, "rec", "cls") for target in ("relaxed", "plain")],
)
def test_agrees_with_native(selenium, models, model, place):
    url, cases = models[model]
    far, kernels = disagreements(selenium, url, cases, place)
    assert len(far) == 6
    assert max(far.values()) <= TOLERANCE, far
    assert kernels <= MOST_KERNELS
