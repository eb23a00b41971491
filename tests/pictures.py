"""Pictures for tests, and what they are to a model: numpy's way, on the desktop and inside Pyodide."""

from typing import Any

import numpy as np

from intab.backends.webgpu.pictures import PictureForm
from intab.media.pictures import from_array
from intab.media.resize import resize

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
FORMS: tuple[dict[str, Any], ...] = (
    {"height": 6, "width": 8},
    {"height": 3, "width": 5, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "channels": "BGR"},
    {"height": 7, "width": 9, "layout": "NHWC", "scale": 1.0, "mean": 127.0, "std": 128.0},
    {"height": 8, "width": 8, "fit": "contain", "pad": (114.0, 0.0, 255.0), "layout": "NHWC"},
    {"height": 4, "width": 7, "fit": "cover", "channels": "BGR"},
    {"height": 4, "width": 9, "fit": "contain", "channels": "BGR", "pad": (1.0, 2.0, 3.0)},
)


def form_of(options: dict[str, Any]) -> PictureForm:
    """The form that `gpu.picture(**options)` makes."""
    whole = {"fit": "fill", "scale": 1 / 255, "mean": 0.0, "std": 1.0, "channels": "RGB", "layout": "NCHW", "pad": 0.0}
    whole |= options
    for name in ("mean", "std", "pad"):
        whole[name] = whole[name] if isinstance(whole[name], tuple) else (whole[name],) * 3
    return PictureForm(**whole)


def pattern(width: int, height: int, *, opaque: bool = False) -> Pixels:
    """RGBA pixels of all kinds, without a seam that could hide a mistake."""
    pixels = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 4), np.uint8)
    if opaque:
        pixels[..., 3] = 255
    return pixels


def meant(pixels: Pixels, form: PictureForm) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What a model is fed of RGBA pixels."""
    picture = from_array(pixels)[..., :: -1 if form.channels == "BGR" else 1]  # each channel is scaled by itself
    height, width = picture.shape[:2]
    board = np.empty((form.height, form.width, 3), np.float32)
    board[:] = form.pad
    if form.fit == "contain":
        ratio = min(form.width / width, form.height / height)
        new_width, new_height = max(1, round(width * ratio)), max(1, round(height * ratio))
        left, top = (form.width - new_width) // 2, (form.height - new_height) // 2
        board[top : top + new_height, left : left + new_width] = resize(picture, height=new_height, width=new_width)
    else:
        if form.fit == "cover":
            ratio = max(form.width / width, form.height / height)
            seen_width, seen_height = min(width, round(form.width / ratio)), min(height, round(form.height / ratio))
            seen_width, seen_height = max(1, seen_width), max(1, seen_height)
            left, top = (width - seen_width) // 2, (height - seen_height) // 2
            picture = picture[top : top + seen_height, left : left + seen_width]
        board[:] = resize(picture, height=form.height, width=form.width)
    numbers = (board * np.float32(form.scale) - np.float32(form.mean)) / np.float32(form.std)
    whole = numbers.transpose(2, 0, 1) if form.layout == "NCHW" else numbers
    return np.asarray(whole[None], np.float32)
