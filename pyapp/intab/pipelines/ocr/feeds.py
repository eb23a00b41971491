"""Pictures as the models take them: planes of floats in the order blue, green, red."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def _detector_table() -> Floats:
    # As rapidocr reckons it: float32 until the mean, float64 after.
    level = np.arange(256, dtype=np.float32) * (1 / 255)
    return ((level.astype(np.float64) - 0.5) / 0.5).astype(np.float32)


def _line_table() -> Floats:
    level: Floats = np.arange(256, dtype=np.float32) / np.float32(255)
    return (level - np.float32(0.5)) / np.float32(0.5)


# There are only 256 levels: looking a value up is quicker than four passes of arithmetic, and just as exact.
DETECTOR_LEVELS = _detector_table()
LINE_LEVELS = _line_table()


def fill_planes(picture: NDArray[np.uint8], levels: Floats, out: Floats) -> None:
    """Write picture [H, W, C], C 3 in the order RGB or 1, into out [3, H, W] in the order BGR."""
    channels = picture.shape[2]
    for plane in range(channels):
        out[plane] = levels[picture[..., channels - 1 - plane]]
    if channels == 1:
        out[1:] = out[0]


def without_colour(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One channel [H, W, 1] of a picture [H, W, 3] whose three are alike, which saves two thirds of the work."""
    first, second, third = (picture[..., channel] for channel in range(3))
    middle = picture.shape[0] // 2  # a coloured picture shows it in one row, mostly
    alike = np.array_equal(first[middle], second[middle]) and np.array_equal(first, second)
    return picture[..., :1] if alike and np.array_equal(second, third) else picture
