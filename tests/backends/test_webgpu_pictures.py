"""Pictures as a model's input: what the kernel means is what media and numpy make of the same pixels."""

from typing import Any

import numpy as np
import pytest

from intab.backends.webgpu.pictures import PictureForm, picture_taps, picture_words
from intab.browser.gpu_pictures import pitch_of
from intab.errors import ShapeError
from intab.kernels import interpret
from intab.kernels.families.picture import picture_numbers
from intab.kernels.wgsl import generate
from tests.pictures import FORMS, form_of, meant, pattern

OFFSETS = 4  # words before a kernel's own: the count of items and where its three buffers start


def run(pixels: np.ndarray, form: PictureForm, *, opaque: bool = False) -> np.ndarray:
    """The kernel, slowly."""
    height, width = pixels.shape[:2]
    kernel = picture_numbers(reversed_channels=form.channels == "BGR", opaque=opaque)
    padded = np.zeros((height, pitch_of(width) // 4, 4), np.uint8)
    padded[:, :width] = pixels
    packed = np.frombuffer(picture_words(kernel, width, height, form), np.int32)
    words = {
        word.name: packed[i].view(np.float32) if word.type.scalar == "f32" else packed[i]
        for i, word in enumerate(kernel.words, start=OFFSETS)
    }
    y = np.full(form.shape, np.nan, np.float32)
    buffers = {"x": padded.view(np.uint32).reshape(-1), "taps": picture_taps(width, height, form), "y": y.reshape(-1)}
    interpret.run(kernel, buffers, {"x": int(packed[1])}, words, 0, int(packed[0]))
    return y


@pytest.mark.parametrize("size", [(9, 7), (5, 11), (6, 4), (1, 1)])
@pytest.mark.parametrize("options", FORMS)
def test_every_number_is_the_one_that_media_makes(options: dict[str, Any], size: tuple[int, int]):
    pixels, form = pattern(*size), form_of(options)
    np.testing.assert_allclose(run(pixels, form), meant(pixels, form), rtol=1e-6, atol=1e-6)


def test_what_is_opaque_is_not_laid_over_white():
    pixels = pattern(6, 5)
    form = form_of(FORMS[0])
    pixels[..., 3] = 255
    np.testing.assert_array_equal(run(pixels, form, opaque=True), run(pixels, form))


def test_the_shader_binds_three_buffers():
    shader = generate(picture_numbers(reversed_channels=False, opaque=False))
    assert shader.buffers == (("x", "read"), ("taps", "read"), ("y", "read_write"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"fit": "stretch"}, "fit='stretch'; there is fill, contain, cover"),
        ({"channels": "GRAY"}, "channels='GRAY'; there is RGB, BGR"),
        ({"layout": "CHW"}, "layout='CHW'; there is NCHW, NHWC"),
        ({"height": 0}, "0 x 8 is no size"),
        ({"std": (1.0, 0.0, 1.0)}, "numbers are divided by it"),
    ],
)
def test_wrong_forms(wrong: dict[str, Any], words: str):
    with pytest.raises(ShapeError, match=words):
        form_of({"height": 6, "width": 8, **wrong})
