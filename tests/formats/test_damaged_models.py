"""Damaged files end in an IntabError or a valid graph: soon, and in no more memory than twice the file."""

import random
from collections import Counter
from pathlib import Path
from types import MappingProxyType

import pytest

from intab.errors import ModelFormatError
from intab.formats import read
from intab.graph.storage import MemoryStorage
from tests.formats.damage import flipped, read_damaged, structural_places

Models = MappingProxyType[str, Path]
MODELS = pytest.mark.parametrize("model", ["det", "rec", "cls"])

CUTS = 50
FLIPS = 500


@MODELS
def test_cut_models(ocr_models: Models, model: str) -> None:
    data = ocr_models[model].read_bytes()
    rng = random.Random(1)
    places = [0, 1, 2, len(data) - 1, *(rng.randrange(len(data)) for _ in range(CUTS - 4))]
    for index, place in enumerate(places):
        outcome = read_damaged(memoryview(data)[:place], watch_memory=index % 10 == 0)
        assert outcome.kind == "ModelFormatError", f"cut at {place}"


@MODELS
def test_flipped_models(ocr_models: Models, model: str) -> None:
    """Half of the flips anywhere (mostly in weights, which stay valid), half in structure."""
    data = bytearray(ocr_models[model].read_bytes())
    structural = structural_places(bytes(data))
    rng = random.Random(2)
    kinds: Counter[str] = Counter()
    for index in range(FLIPS):
        place = rng.randrange(len(data)) if index % 2 else int(rng.choice(structural))
        with flipped(data, [place], [1 << rng.randrange(8)]):
            kinds[read_damaged(data, watch_memory=index % 100 == 0, verified=index % 25 == 0).kind] += 1
    # Most weights are just other weights; most structure is refused.
    assert kinds["graph"] > FLIPS // 10 and kinds["ModelFormatError"] > FLIPS // 10, kinds


@MODELS
def test_several_flips_at_once(ocr_models: Models, model: str) -> None:
    data = bytearray(ocr_models[model].read_bytes())
    structural = structural_places(bytes(data))
    rng = random.Random(3)
    for _ in range(60):
        places = [int(rng.choice(structural)) for _ in range(8)]
        with flipped(data, places, [rng.randrange(1, 256) for _ in places]):
            read_damaged(data)


def test_reading_takes_little_memory(ocr_models: Models) -> None:
    """Structure only: the weights are never touched."""
    outcome = read_damaged(ocr_models["rec"].read_bytes(), watch_memory=True)
    assert outcome.kind == "graph" and outcome.peak_nbytes < 8 << 20


def test_a_picture_named_onnx(skimage_folder: Path) -> None:
    storage = MemoryStorage("page.onnx", (skimage_folder / "page.png").read_bytes())
    with pytest.raises(ModelFormatError, match=r"^page\.onnx: this is a PNG picture, not a model that intab reads"):
        read(storage)


@pytest.mark.parametrize("byte", [b"\x00", b"\xff", b"\x08", b"\x0a", b"\x3a", b"\x7f"])
def test_one_byte_again_and_again(byte: bytes) -> None:
    outcome = read_damaged(byte * (1 << 20), watch_memory=True)
    assert outcome.kind == "ModelFormatError"


def test_nested_lengths() -> None:
    """Messages that claim to hold each other, thousands deep."""
    data = b""
    for _ in range(3000):
        size = len(data)
        encoded = bytearray()
        while size > 127:
            encoded.append(size & 127 | 128)
            size >>= 7
        data = b"\x3a" + bytes([*encoded, size]) + data
    assert read_damaged(data).kind == "ModelFormatError"
