"""The reader against rapidocr 3.10 with the same models on native onnxruntime: the same boxes and the same text."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from intab.pipelines.ocr import Line, Reader
from tests.pipelines.edits import edit_distance, joined, sameness
from tests.pipelines.native import read_natively
from tests.pipelines.onnx_session import OnnxSession
from tests.pipelines.pages import RenderedPage, render_pages

PAGES = {page.name: page for page in render_pages()}


@pytest.fixture(scope="module")
def reader(sessions: dict[str, OnnxSession]) -> Reader:
    return Reader(sessions["det"], sessions["rec"])


def read(reader: Reader, picture: object) -> list[Line]:
    return asyncio.run(reader(picture))


def assert_same_as_native(lines: list[Line], picture: NDArray[np.uint8], *, classify_angle: bool = False) -> None:
    """Same number of lines, boxes equal to the pixel, texts equal, scores to the digits that rapidocr keeps."""
    native = read_natively(picture, classify_angle=classify_angle)
    assert [line.text for line in lines] == list(native.texts)
    np.testing.assert_array_equal(np.array([line.box for line in lines]).reshape(-1, 4, 2), native.boxes)
    np.testing.assert_allclose([line.score for line in lines], native.scores, atol=1e-3)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_rendered_pages(reader: Reader, page: RenderedPage) -> None:
    lines = read(reader, page.picture)
    assert_same_as_native(lines, page.picture)
    assert sameness(joined([line.text for line in lines]), joined(page.truth_lines)) >= 0.95


def test_a_scanned_page(reader: Reader, skimage_picture: Callable[[str], Path]) -> None:
    path = skimage_picture("page.png")
    lines = read(reader, path)
    assert lines[0].text == "Region-based segmentation"
    assert_same_as_native(lines, np.array(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("name", ["text.png", "coffee.png", "astronaut.png"])
def test_pictures_with_no_printed_page(reader: Reader, skimage_picture: Callable[[str], Path], name: str) -> None:
    picture = np.array(Image.open(skimage_picture(name)).convert("RGB"))
    assert_same_as_native(read(reader, picture), picture)


@pytest.mark.parametrize(
    "change",
    [
        lambda picture: picture[40:100],  # a strip, which gets room above and below
        lambda picture: picture[46:98:2, :300:2],  # lower than 30 pixels, which is enlarged
        lambda picture: np.repeat(np.repeat(picture, 3, axis=0), 3, axis=1),  # wider than 2000 pixels
        lambda picture: np.rot90(picture),  # lines that run upwards
        lambda picture: 255 - picture,
    ],
    ids=["strip", "low strip", "large", "turned", "white on black"],
)
def test_odd_sizes(reader: Reader, change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> None:
    picture = np.ascontiguousarray(change(PAGES["plain"].picture))
    lines = read(reader, picture)
    assert lines
    assert_same_as_native(lines, picture)


def test_upside_down_with_classification(sessions: dict[str, OnnxSession]) -> None:
    reader = Reader(sessions["det"], sessions["rec"], sessions["cls"])
    picture = np.ascontiguousarray(PAGES["plain"].picture[::-1, ::-1])
    lines = read(reader, picture)
    assert_same_as_native(lines, picture, classify_angle=True)
    assert lines[0].text == PAGES["plain"].truth_lines[-1]  # the classifier is not sure of every line


def test_edit_distance() -> None:
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance("", "abc") == edit_distance("abc", "") == 3
    assert edit_distance("图书馆", "图书") == 1
    assert sameness("", "") == 1
