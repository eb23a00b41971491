"""Damaged models from bytes to answer: what reads as a model also compiles and runs, or says why not.

tests/formats/test_damaged_models.py reads as many damaged files, without compiling them.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from intab.backends.wasm.desktop import WasmtimeMachine
from intab.backends.wasm.pool import Pool
from intab.errors import IntabError
from intab.runtime import load
from tests.formats.damage import flipped, structural_places
from tests.runtime.pools import on

pytestmark = pytest.mark.wasmtime

MODELS = pytest.mark.parametrize("model", ["det", "rec", "cls"])
SMALL = {"det": (1, 3, 32, 32), "rec": (1, 3, 48, 16), "cls": (1, 3, 48, 32)}
CUTS, FLIPS = 50, 500
# Other weights make no other program, so of flips among them only some go all the way.
WEIGHTS_RUN = 25
HANG_SECONDS = 60


def outcome(data: bytes | bytearray | memoryview, model: str, pool: Pool) -> str:
    """ "ran", or the name of the IntabError. Any other exception is a bug and passes; so is what nearly hangs."""
    start = time.monotonic()
    feed = np.full(SMALL[model], 0.25, np.float32)
    try:
        with on(pool):
            session = asyncio.run(load(data, backend="wasm"))
        try:
            session.run_sync({info.name: feed for info in session.inputs})
        finally:
            session.dispose()
        return "ran"
    except IntabError as error:
        assert str(error), f"{type(error).__name__} without a message"
        return type(error).__name__
    finally:
        assert time.monotonic() - start < HANG_SECONDS


@MODELS
def test_cut_models(ocr_models: Mapping[str, Path], model: str) -> None:
    data = ocr_models[model].read_bytes()
    rng, pool = random.Random(11), Pool(WasmtimeMachine())
    places = [0, 1, 2, len(data) - 1, *(rng.randrange(len(data)) for _ in range(CUTS - 4))]
    kinds = {outcome(memoryview(data)[:place], model, pool) for place in places}
    assert kinds == {"ModelFormatError"}


@MODELS
def test_flipped_models(ocr_models: Mapping[str, Path], model: str) -> None:
    """Half of the flips anywhere, mostly in weights, half in structure."""
    data = bytearray(ocr_models[model].read_bytes())
    structural = structural_places(bytes(data))
    in_structure = frozenset(structural.tolist())
    rng, pool = random.Random(12), Pool(WasmtimeMachine())
    kinds: Counter[str] = Counter()
    for index in range(FLIPS):
        place = rng.randrange(len(data)) if index % 2 else int(rng.choice(structural))
        if place not in in_structure and index % WEIGHTS_RUN:
            continue
        with flipped(data, [place], [1 << rng.randrange(8)]):
            kinds[outcome(data, model, pool)] += 1
    assert kinds["ran"] > 0 and kinds["ModelFormatError"] > 0, kinds
    assert kinds["KernelError"] == 0, f"a damaged model reached the kernels: {kinds}"
    assert pool.used_nbytes == 0
