"""Pictures and frames as a model's input, over real WebGPU (in software), in a worker and in a page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import start_chromium
from tests.browser.main_thread import MainThread
from tests.browser.proofs import ROOT, Proofs

INSIDE = "pictures"
COUNT = 1000
# Frames of videos need a GPU process that can import them; SwiftShader's can when it serves all of the browser.
FRAME_FLAGS = (
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--use-webgpu-adapter=swiftshader",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)


@pytest.fixture(scope="module")
def main_thread(site_url: str, proofs: Proofs) -> Iterator[MainThread]:
    driver = start_chromium(FRAME_FLAGS)
    try:
        yield MainThread(driver, site_url.removesuffix("/site/"), proofs)
    finally:
        driver.quit()


@pytest.mark.parametrize("kind", ["ImageData", "ImageBitmap"])
def test_pixels_arrive_exactly_whatever_their_alpha(in_worker: Callable[..., Any], kind: str):
    assert max(in_worker("differences", kind, False)) < 1e-3


@pytest.mark.parametrize("kind", ["OffscreenCanvas", "Blob"])
def test_opaque_pixels_arrive_exactly(in_worker: Callable[..., Any], kind: str):
    assert max(in_worker("differences", kind, True)) < 1e-3


@pytest.mark.parametrize("kind", ["ImageData", "OffscreenCanvas", "HTMLImageElement"])
def test_pixels_arrive_exactly_in_a_page(main_thread: MainThread, kind: str):
    assert max(main_thread.call("pictures", "differences", kind, True)) < 1e-3


def test_frames_arrive_within_a_level_of_eight_bits(main_thread: MainThread):
    assert max(main_thread.call("pictures", "differences", "VideoFrame", True)) <= 1.001


def test_frames_that_the_browser_does_not_import_are_copied(in_worker: Callable[..., Any]):
    assert max(in_worker("differences", "VideoFrame", True)) <= 1.001


def test_a_video_shows_its_colours(main_thread: MainThread):
    numbers = main_thread.call("pictures", "video_colours", [200, 100, 50])
    assert max(abs(got - wanted) for got, wanted in zip(numbers, (200, 100, 50), strict=True)) <= 2


def test_pictures_asked_for_at_once_do_not_mix(in_worker: Callable[..., Any]):
    assert in_worker("at_the_same_time", 20) == list(range(20))


def test_a_session_takes_a_picture_as_a_feed(in_worker: Callable[..., Any], proofs: Proofs):
    model = Path(ROOT / ".cache/models/ocr/cls.onnx")
    assert in_worker("fed", proofs.serve("cls.onnx", model.read_bytes())) < 1e-4


def test_what_is_no_picture_is_refused(in_worker: Callable[..., Any]):
    closed, damaged, array, three, wide = in_worker("refused")
    assert closed[0] == "MediaError" and "has no pixels. It was closed or detached" in closed[1]
    assert damaged[0] == "MediaError" and "cannot be read" in damaged[1]
    assert array[0] == "MediaError" and "session.run takes arrays" in array[1]
    assert three == ["ShapeError", "picture: mean is 2 numbers. Give one, or one for each of three channels."]
    assert wide[0] == "KernelError" and "room for a picture of 20000 x 1" in wide[1]


@pytest.mark.driver_timeout(300)
def test_many_pictures_leave_nothing_behind(in_worker: Callable[..., Any]):
    before, after = in_worker("flat", COUNT)
    assert before == after
