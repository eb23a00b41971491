"""Reading pictures: every form they come in, and every way they can be bad."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from intab.errors import DTypeError, IntabError, MediaError, ShapeError
from intab.media import pictures
from intab.media.pictures import decode, load_picture

RGB = np.random.default_rng(5).integers(0, 256, (40, 50, 3), dtype=np.uint8)
GRAY = RGB[..., 0]


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def load(source: object) -> NDArray[np.uint8]:
    return asyncio.run(load_picture(source))


def three(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(gray[..., None], 3, axis=2)


def test_every_kind_of_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(Image.fromarray(RGB))
    (tmp_path / "a picture.png").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    sources = [
        data,
        bytearray(data),
        memoryview(data),
        Path("a picture.png"),
        "a picture.png",
        Image.fromarray(RGB),
        RGB,
    ]
    for source in sources:
        np.testing.assert_array_equal(load(source), RGB)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG"])
def test_every_common_format(kind: str) -> None:
    flat = np.full((40, 50, 3), (200, 30, 90), np.uint8)
    picture = decode(file_of(Image.fromarray(flat), kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert np.abs(picture.astype(int) - flat).max() <= 2


@pytest.mark.parametrize(
    "image, expected",
    [
        (Image.fromarray(GRAY), three(GRAY)),
        (Image.fromarray(GRAY > 127), three((GRAY > 127).astype(np.uint8) * 255)),
        (Image.fromarray(GRAY.astype(np.uint16) * 257), three(GRAY)),
        (Image.fromarray(GRAY.astype(np.uint16) << 8), three(np.rint(GRAY * (256 / 257)).astype(np.uint8))),
    ],
    ids=["8-bit gray", "1-bit", "16-bit gray", "16-bit gray, low byte zero"],
)
def test_grays(image: Image.Image, expected: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(decode(file_of(image)), expected)


def test_float_gray_of_a_tiff() -> None:
    for scale in (1.0, 1 / 255):
        data = file_of(Image.fromarray(GRAY.astype(np.float32) * np.float32(scale)), "TIFF")
        np.testing.assert_array_equal(decode(data), three(GRAY))


def test_palette() -> None:
    image = Image.fromarray(RGB).quantize(64)
    np.testing.assert_array_equal(decode(file_of(image)), np.asarray(image.convert("RGB")))


def test_cmyk() -> None:
    data = file_of(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")
    red, green, blue = decode(data).reshape(-1, 3).mean(axis=0)
    assert red > 240 and green < 15 and blue < 15


def test_transparency_shows_white() -> None:
    alpha = np.zeros((40, 50), np.uint8)
    alpha[:, 10:20], alpha[:, 20:] = 128, 255
    picture = decode(file_of(Image.fromarray(np.dstack([RGB, alpha]))))
    assert (picture[:, :10] == 255).all()
    np.testing.assert_allclose(picture[:, 10:20], RGB[:, 10:20] * (128 / 255) + 255 * (127 / 255), atol=1)
    np.testing.assert_array_equal(picture[:, 20:], RGB[:, 20:])
    np.testing.assert_array_equal(load(np.dstack([RGB, alpha])), picture)


def test_transparency_by_palette_and_gray_with_alpha() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.info["transparency"] = 1
    assert (decode(file_of(palette, transparency=1)) == 255).all()
    gray = Image.merge("LA", [Image.new("L", (4, 4), 40), Image.new("L", (4, 4), 0)])
    assert (decode(file_of(gray)) == 255).all()


@pytest.mark.parametrize("orientation, turn", [(3, 2), (6, 3), (8, 1)])
def test_exif_rotation_is_applied(orientation: int, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(decode(file_of(Image.fromarray(RGB), exif=exif)), np.rot90(RGB, turn))


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (6, 5), colour) for colour in ("#ff0000", "#00ff00")]
    picture = decode(file_of(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert (picture == (255, 0, 0)).all()


@pytest.mark.parametrize(
    "make", [lambda: GRAY, lambda: GRAY[..., None], lambda: three(GRAY)], ids=["[H, W]", "[H, W, 1]", "[H, W, 3]"]
)
def test_arrays(make: Callable[[], NDArray[np.uint8]]) -> None:
    np.testing.assert_array_equal(load(make()), three(GRAY))


def test_one_pixel() -> None:
    assert load(file_of(Image.new("RGB", (1, 1), "#010203"))).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize(
    "source, error, words",
    [
        (b"", MediaError, "no bytes"),
        (b"not a picture", MediaError, "this is not a picture"),
        (file_of(Image.fromarray(RGB))[:2000], MediaError, "damaged or cut short"),
        (file_of(Image.fromarray(RGB), "JPEG")[:700], MediaError, "damaged or cut short"),
        ("there/is/no.png", MediaError, "it cannot be read"),
        (Path("bad\0name.png"), MediaError, "it cannot be read"),
        (3.5, MediaError, "nothing can be read from this"),
        (None, MediaError, "nothing can be read from this"),
        (RGB.astype(np.float32), DTypeError, "float32"),
        (RGB[None], ShapeError, "no picture"),
        (RGB[:0], ShapeError, "no picture"),
        (RGB[..., :2], ShapeError, "no picture"),
    ],
    ids=str,
)
def test_bad_sources_say_what_is_wrong(source: object, error: type[IntabError], words: str) -> None:
    with pytest.raises(error, match=words):
        load(source)


def test_too_large_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = file_of(Image.new("1", (30_000, 30_000)))  # 900 megapixels in 110 kB
    with pytest.raises(MediaError, match="too large"):
        decode(bomb)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 1000)
    for source in (file_of(Image.fromarray(RGB)), RGB, Image.fromarray(RGB)):
        with pytest.raises(MediaError, match="the limit is 1,000 pixels"):
            load(source)


@pytest.mark.filterwarnings("ignore:Image was not the expected size")  # Pillow, of damaged icons
def test_damaged_files_never_raise_anything_else() -> None:
    rng = np.random.default_rng(9)
    outcomes = {True: 0, False: 0}
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "ICO", "PPM", "TGA"):
        whole = file_of(Image.fromarray(RGB), kind)
        for attempt in range(60):
            damaged = bytearray(whole[: int(rng.integers(len(whole)))] if attempt % 3 == 0 else whole)
            for _ in range(attempt % 3 * 4):
                damaged[int(rng.integers(min(len(damaged), 4000 if attempt % 2 else 60)))] = int(rng.integers(256))
            try:
                picture = decode(damaged)
            except MediaError:
                outcomes[False] += 1
            else:
                assert picture.dtype == np.uint8 and picture.shape[2:] == (3,)
                outcomes[True] += 1
    assert min(outcomes.values()) > 20
