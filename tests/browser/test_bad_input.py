"""Bad input in Chromium: each ends in an IntabError that says what is wrong, or in a right answer; the tab lives on."""

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest_pyodide import run_in_pyodide

from tests.browser.proofs import Proofs
from tests.formats.damage import structural_places
from tests.pipelines.edits import joined, sameness
from tests.pipelines.native import read_natively
from tests.pipelines.pages import render_pages
from tests.runtime.models import split

SEED = 41
CUTS, FLIPS = 8, 24
MODELS = {name: f"/site/models/ocr/{name}.onnx" for name in ("det", "rec", "cls")}


@run_in_pyodide
async def load_error(selenium, source):
    import intab

    try:
        session = await intab.load(source)
    except intab.IntabError as error:
        return type(error).__name__, str(error)
    session.dispose()
    return "", ""


@run_in_pyodide
async def damage(selenium, url, changes):
    from tests.browser.inside import proofs

    return await proofs.damage(url, changes)


@run_in_pyodide
async def feed_errors(selenium, url):
    from tests.browser.inside import proofs

    return await proofs.feed_errors(url)


@run_in_pyodide
async def read_pages(selenium, urls):
    from tests.browser.inside import proofs

    return (await proofs.read_pages(urls))["lines"]


@run_in_pyodide
async def still_works(selenium, url):
    import numpy as np

    import intab
    from intab.browser import proxies

    async with await intab.load(url) as session:
        (scores,) = (await session.run({"x": np.zeros((1, 3, 48, 192), np.float32)})).values()
    return float(scores.sum()), dict(proxies.live())


@pytest.fixture(scope="module")
def packers():
    """What has been made ready: the pool keeps a small module for each kind of packing, from its first use on."""
    return set()


@pytest.fixture(autouse=True)
def the_tab_is_alive_after(selenium, proofs: Proofs, packers: set[str]):
    """It runs a model before and after, and nothing that was opened meanwhile is still open."""
    for url in MODELS.values():
        if url not in packers:
            assert load_error(selenium, url) == ("", "")
            packers.add(url)
    before = still_works(selenium, MODELS["cls"])
    yield
    after = still_works(selenium, MODELS["cls"])
    assert after == before
    assert before[0] == pytest.approx(1, abs=1e-3)
    assert "storage" not in after[1]


def png(picture: "np.ndarray") -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("as_bytes", [False, True], ids=["url", "bytes"])
def test_files_that_are_no_models(selenium, proofs: Proofs, as_bytes):
    blank = png(np.zeros((8, 8, 3), np.uint8))
    for name, data, said in (("empty.onnx", b"", "empty"), ("picture.onnx", blank, "PNG")):
        kind, message = load_error(selenium, data if as_bytes else proofs.serve(name, data))
        assert kind == "ModelFormatError"
        assert re.search(said, message, re.IGNORECASE), message


def test_a_model_that_is_not_there(selenium):
    kind, message = load_error(selenium, "/site/models/nothing.onnx")
    assert kind == "DownloadError"
    assert "nothing.onnx: the server answered 404" in message


def test_weights_in_a_file_beside(selenium, proofs: Proofs):
    model, weights = split(location="parts of it.bin")
    url = proofs.serve("split.onnx", model)
    kind, message = load_error(selenium, url)
    assert kind == "DownloadError"
    assert "parts%20of%20it.bin: the server answered 404" in message
    proofs.serve("parts of it.bin", weights[:-1])
    assert load_error(selenium, url)[0] == "ModelFormatError"
    proofs.serve("parts of it.bin", weights)
    assert load_error(selenium, url + "?version=2") == ("", "")


@pytest.mark.driver_timeout(300)
@pytest.mark.parametrize("model", MODELS)
def test_damaged_models(selenium, ocr_models: Mapping[str, Path], model):
    """A few of what tests/runtime/test_damage.py does by the hundred: cut anywhere, bits flipped in the structure."""
    data = ocr_models[model].read_bytes()
    random = np.random.default_rng(SEED)
    cuts = [("cut", int(place), 0) for place in random.integers(1, len(data), CUTS)]
    places = random.choice(structural_places(data), FLIPS)
    flips = [("flip", int(place), int(random.integers(1, 256))) for place in places]
    outcomes = damage(selenium, MODELS[model], [*cuts, *flips])
    assert len(outcomes) == CUTS + FLIPS
    for change, (kind, message) in zip([*cuts, *flips], outcomes, strict=True):
        assert kind == "ran" or (kind != "KernelError" and message), (change, kind, message)
    assert all(kind == "ModelFormatError" for kind, _ in outcomes[:CUTS])


@pytest.mark.parametrize("model", MODELS)
def test_wrong_feeds(selenium, model):
    errors = feed_errors(selenium, MODELS[model])
    expected = {
        "name": ("FeedError", "takes the inputs x; missing: x; unknown: picture"),
        "none": ("FeedError", "missing: x"),
        "fetch": ("FeedError", "has no output 'text'; it has"),
        "order": ("FeedError", "feeds are a dict of arrays by input name, not NoneType"),
        "dtype": ("DTypeError", r"input 'x' is float32, the feed is float64. Convert it: array.astype\('float32'\)"),
        "rank": ("ShapeError", "input 'x' has 4 axes"),
        "channels": ("ShapeError", "x"),
        "object": ("DTypeError", "x"),
    }
    assert set(errors) == set(expected)
    for what, (kind, said) in expected.items():
        assert errors[what][0] == kind, (what, errors[what])
        assert re.search(said, errors[what][1]), (what, errors[what])


@pytest.mark.driver_timeout(300)
def test_pictures_at_the_edges(selenium, proofs: Proofs, skimage_picture: Callable[[str], Path]):
    """One pixel, no text, and twenty megapixels of it."""
    plain = Image.fromarray(render_pages()[0].picture)
    huge = np.array(plain.resize((5000, 4000), Image.Resampling.LANCZOS))
    pictures = {
        "pixel": np.zeros((1, 1, 3), np.uint8),
        "strip": np.full((1, 900, 3), 200, np.uint8),
        "blank": np.full((300, 500, 3), 255, np.uint8),
        "noise": np.random.default_rng(SEED).integers(0, 256, (240, 320, 3)).astype(np.uint8),
        "huge": huge,
    }
    urls = [proofs.serve(f"{name}.png", png(picture)) for name, picture in pictures.items()]
    read = dict(zip(pictures, read_pages(selenium, urls), strict=True))
    assert read["pixel"] == read["strip"] == read["blank"] == read["noise"] == []
    native = read_natively(huge)
    assert sameness(joined([text for text, _, _ in read["huge"]]), joined(native.texts)) >= 0.98


def test_what_is_no_picture(selenium, proofs: Proofs):
    kind, message = picture_error(selenium, proofs.serve("words.png", b"this is no picture"))
    assert kind == "MediaError"
    assert "words.png" in message


@run_in_pyodide
async def picture_error(selenium, url):
    import intab
    from tests.browser.inside import proofs

    reader = await proofs.open_reader()
    try:
        await reader(url)
    except intab.IntabError as error:
        return type(error).__name__, str(error)
    finally:
        reader.dispose()
