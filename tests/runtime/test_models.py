"""The OCR models against native onnxruntime, on the reference back end and on WebAssembly under wasmtime.

The detector ends in a Sigmoid. Where there is no text its logits are about -10, so the answer is about 1e-5 and the
logistic function of either side decides its digits: native onnxruntime's is right to about 6e-8, which makes native
with and without its own optimiser differ by up to 10 % in this measure for feeds of a few kinds (pure noise of unit
variance). So besides the whole detector its logits are compared, where no such thing hides an error.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from intab.runtime import Session, load
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD
from tests.agreement import agreement
from tests.ocr_feeds import INPUT, LOGITS, Native, model_files, picture_feeds, random_feeds
from tests.running import pool_of
from tests.runtime.pools import on

TOLERANCE = 1e-3
MOST_KERNELS = 40
BACKENDS = {
    "reference": None,
    "relaxed": WASM_RELAXED_SIMD,
    "plain": WASM_SIMD,
}


@pytest.fixture(scope="module")
def files(ocr_models: Mapping[str, Path]) -> dict[str, bytes]:
    return model_files(ocr_models)


@pytest.mark.parametrize(
    "place", ["reference", *(pytest.param(p, marks=pytest.mark.wasmtime) for p in ("relaxed", "plain"))]
)
@pytest.mark.parametrize("model", ["det", LOGITS, "rec", "cls"])
def test_agrees_with_native(
    files: Mapping[str, bytes], skimage_picture: Callable[[str], Path], model: str, place: str
) -> None:
    target = BACKENDS[place]
    native = Native(files[model])
    far = {}
    with on(None if target is None else pool_of(target)) as backend:
        session: Session = asyncio.run(load(files[model], backend=backend))
        for feed in (*random_feeds(model), *picture_feeds(model, skimage_picture)):
            found = session.run_sync({INPUT: feed.array})
            assert list(found) == [native.output]
            far[feed.name] = agreement(found[native.output], native.run(feed.array))
        kernels = session.stats().kernels
        session.dispose()
    assert len(far) == 6
    assert max(far.values()) <= TOLERANCE, far
    assert kernels <= MOST_KERNELS
