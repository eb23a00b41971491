"""Pictures as the models take them: planes of floats in the order blue, green, red, 0 .. 255 become -1 .. 1.

Both models want (level / 255 - 0.5) / 0.5. Doubling is exact in binary, so twice the level less one is the same
number to the last bit, in two passes.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# rapidocr multiplies by float32(1 / 255) for the detector and divides by 255 for lines, which rounds differently.
DETECTOR_SCALE = np.float32(2) * np.float32(1 / 255)
LINE_DIVISOR = np.float32(255 / 2)


def fill_detector_planes(picture: NDArray[np.uint8], out: Floats) -> None:
    """Write picture [H, W, C], C 3 in the order RGB or 1, into out [3, H, W] in the order BGR, for the detector."""
    for plane, channel in _planes(picture, out):
        np.multiply(channel, DETECTOR_SCALE, out=plane)
        plane -= 1
    _repeat_gray(picture, out)


def fill_line_planes(picture: NDArray[np.uint8], out: Floats) -> None:
    """The same for the models that take lines."""
    for plane, channel in _planes(picture, out):
        np.divide(channel, LINE_DIVISOR, out=plane)
        plane -= 1
    _repeat_gray(picture, out)


def _planes(picture: NDArray[np.uint8], out: Floats) -> list[tuple[Floats, NDArray[np.uint8]]]:
    channels = picture.shape[2]
    return [(out[plane], picture[..., channels - 1 - plane]) for plane in range(channels)]


def _repeat_gray(picture: NDArray[np.uint8], out: Floats) -> None:
    if picture.shape[2] == 1:
        out[1:] = out[0]


def without_colour(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One channel [H, W, 1] of a picture [H, W, 3] whose three are alike, which saves two thirds of the work."""
    first, second, third = (picture[..., channel] for channel in range(3))
    middle = picture.shape[0] // 2  # a coloured picture shows it in one row, mostly
    alike = np.array_equal(first[middle], second[middle]) and np.array_equal(first, second)
    return picture[..., :1] if alike and np.array_equal(second, third) else picture
