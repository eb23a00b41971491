"""The OCR pipeline in Chromium against native rapidocr on the host, with the same models: text and boxes."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pytest_pyodide import run_in_pyodide
from shapely.geometry import Polygon

from tests.browser.proofs import Proofs
from tests.pipelines.edits import joined, sameness
from tests.pipelines.native import NativeLines, read_natively
from tests.pipelines.pages import render_pages

LEAST_SAME = 0.98
LEAST_OVERLAP = 0.8

Box = list[list[float]]


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """A picture at an address, what rapidocr reads in it, and what is truly there when that is known."""

    url: str
    native: NativeLines
    truth: str | None


@run_in_pyodide
async def read_pages(selenium, urls):
    from tests.browser.inside import proofs

    return await proofs.read_pages(urls)


def png(picture: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def pages(proofs: Proofs, skimage_picture: Callable[[str], Path]) -> dict[str, Page]:
    """The rendered pages with their truth, a scanned one, and handwritten formulas."""
    pictures: dict[str, tuple[NDArray[np.uint8], str | None]] = {
        page.name: (page.picture, joined(page.truth_lines)) for page in render_pages()
    }
    for name in ("page.png", "text.png"):
        pictures[name] = np.array(Image.open(skimage_picture(name)).convert("RGB")), None
    return {
        name: Page(proofs.serve(f"page-{number}.png", png(picture)), read_natively(picture), truth)
        for number, (name, (picture, truth)) in enumerate(pictures.items())
    }


@pytest.fixture(scope="module")
def answers(selenium_session, pages: Mapping[str, Page]) -> dict[str, list[tuple[str, float, Box]]]:
    """Name of a page -> text, score and box of each line that the browser reads."""
    selenium_session.driver.set_script_timeout(300)
    read = read_pages(selenium_session, [page.url for page in pages.values()])
    return dict(zip(pages, read["lines"], strict=True)) | {"": read["modules"]}


NAMES = [*(page.name for page in render_pages()), "page.png", "text.png"]


@pytest.mark.parametrize("name", NAMES)
def test_text_as_native(pages, answers, name):
    found = joined([text for text, _, _ in answers[name]])
    native = joined(pages[name].native.texts)
    assert sameness(found, native) >= LEAST_SAME, f"{found}\n{native}"


@pytest.mark.parametrize("name", [page.name for page in render_pages()])
def test_truth_no_lower_than_native(pages, answers, name):
    truth = pages[name].truth
    found = joined([text for text, _, _ in answers[name]])
    assert sameness(found, truth) >= sameness(joined(pages[name].native.texts), truth)


@pytest.mark.parametrize("name", NAMES)
def test_boxes_as_native(pages, answers, name):
    boxes = [box for _, _, box in answers[name]]
    assert len(boxes) == len(pages[name].native.boxes)
    overlaps = [overlap(box, other) for box, other in zip(boxes, pages[name].native.boxes, strict=True)]
    assert all(one >= LEAST_OVERLAP for one in overlaps), overlaps


def test_formulas_give_what_native_gives(pages, answers):
    assert [text for text, _, _ in answers["text.png"]] == list(pages["text.png"].native.texts)


def test_pictures_of_other_sizes_compile_nothing(answers):
    """Two modules, one for each model, though the pictures have nine sizes."""
    assert len(answers[""]) == 2


def overlap(one: Box, other: NDArray[np.float32]) -> float:
    """The intersection of two boxes over their union."""
    a, b = Polygon(one), Polygon(other)
    return float(a.intersection(b).area / a.union(b).area)
