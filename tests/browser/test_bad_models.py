"""Files that are no models, given to one worker one after the other: each an error in words, the worker alive after."""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import intab.errors
from intab.cli.host import Host
from intab.cli.serve import serving
from intab.errors import IntabError
from tests.browser.chromium import start_chromium

SITE = Path(__file__).resolve().parents[2] / "build" / "site"
SECONDS = 60
CUTS, FLIPS = 12, 24
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[Host]:
    driver = start_chromium()
    try:
        with serving(SITE, mounts={"model": folder}) as address:
            yield Host(driver, address)
    finally:
        driver.quit()


@pytest.fixture
def run(host: Host, folder: Path) -> Callable[[bytes], str]:
    """Give the worker a model; returns "" when it ran, else the class of the error."""

    def run(model: bytes) -> str:
        # Each under a name of its own: one written over within the same second may come from the browser's cache.
        name = f"{next(NUMBERS)}.onnx"
        (folder / name).write_bytes(model)
        try:
            host.call("run_model", {"model": f"./-/model/{name}", "dims": {"x:2": 48, "x:3": 64}}, seconds=SECONDS)
        except IntabError as error:
            assert "Traceback" not in str(error), str(error)
            return type(error).__name__
        return ""

    return run


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(300), b"hello", bytes(1000), b"\xff" * 1000])
def test_what_is_no_model_is_refused(run: Callable[[bytes], str], content: bytes):
    assert run(content) == "ModelFormatError"


def test_damaged_models_end_in_words_and_the_worker_goes_on(
    run: Callable[[bytes], str], ocr_models: Mapping[str, Path]
):
    whole = ocr_models["cls"].read_bytes()
    chance = random.Random(11)
    for _ in range(CUTS):
        assert run(whole[: chance.randrange(len(whole))]) == "ModelFormatError"
    known = {name for name in vars(intab.errors) if not name.startswith("_")}
    for _ in range(FLIPS):
        flipped = bytearray(whole)
        flipped[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        assert run(bytes(flipped)) in known | {""}  # a flip inside a weight is another model, and runs
    assert run(whole) == ""
