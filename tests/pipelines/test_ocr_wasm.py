"""The reader on intab's own engine: generated WebAssembly, under wasmtime."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intab.pipelines import pipeline
from intab.pipelines.ocr import Line
from tests.pipelines.edits import joined, sameness
from tests.pipelines.native import read_natively
from tests.pipelines.pages import render_pages

pytestmark = pytest.mark.wasmtime


def test_reads_what_rapidocr_reads(ocr_models: Mapping[str, Path], skimage_picture: Callable[[str], Path]) -> None:
    pages = {page.name: page.picture for page in render_pages() if page.name in ("rotated", "chinese")}
    pages["page.png"] = np.array(Image.open(skimage_picture("page.png")).convert("RGB"))

    async def read() -> dict[str, list[Line]]:
        heard: list[str] = []
        options = {"detector": ocr_models["det"], "recogniser": ocr_models["rec"], "backend": "wasm"}
        async with await pipeline("ocr", **options, progress=lambda stage, done, total: heard.append(stage)) as reader:
            assert "compile" in heard
            return {name: await reader(picture) for name, picture in pages.items()}

    for name, lines in asyncio.run(read()).items():
        native = read_natively(pages[name])
        texts = joined([line.text for line in lines]), joined(native.texts)
        assert sameness(*texts) >= 0.98, f"{name}: {texts}"
        np.testing.assert_allclose([line.box for line in lines], native.boxes, atol=2, err_msg=name)
