"""straighten against cv2.warpPerspective of OpenCV 5: the same pictures, to one level in a few pixels of a thousand."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from intab.errors import ShapeError
from intab.media.warp import perspective_from, straighten

NOISE = np.random.default_rng(3).integers(0, 256, (200, 300, 3), dtype=np.uint8)
TILTED = np.array([[10, 20], [280, 30], [278, 70], [8, 55]], np.float32)
CASES = {
    "inside": TILTED,
    "beyond the upper left": TILTED - np.array([25, 32], np.float32),
    "beyond the lower right": TILTED + np.array([25, 140], np.float32),
    "steep": np.array([[100, 150], [130, 20], [170, 30], [145, 160]], np.float32),
    "far outside": TILTED + np.float32(1000),
}


def opencv(picture: NDArray[np.uint8], corners: NDArray[np.float32], height: int, width: int) -> NDArray[np.uint8]:
    upright = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, upright)
    flags, border = cv2.INTER_CUBIC, cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpPerspective(picture, matrix, (width, height), flags=flags, borderMode=border))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("blur", [0.0, 2.0])
def test_against_opencv(name: str, blur: float) -> None:
    picture = np.asarray(cv2.GaussianBlur(NOISE, (0, 0), blur)) if blur else NOISE
    height, width = 38, 265
    ours = straighten(picture, CASES[name], height=height, width=width)
    difference = np.abs(ours.astype(int) - opencv(picture, CASES[name], height, width))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.003


def test_a_level_rectangle_is_copied() -> None:
    corners = np.array([[20, 30], [120, 30], [120, 60], [20, 60]], np.float32)
    np.testing.assert_array_equal(straighten(NOISE, corners, height=30, width=100), NOISE[30:60, 20:120])


def test_one_channel_is_each_of_three() -> None:
    gray = NOISE[..., :1]
    one = straighten(gray, TILTED, height=30, width=100)
    three = straighten(np.repeat(gray, 3, axis=2), TILTED, height=30, width=100)
    np.testing.assert_array_equal(np.repeat(one, 3, axis=2), three)


def test_one_pixel_picture() -> None:
    picture = np.full((1, 1, 3), 77, np.uint8)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    np.testing.assert_array_equal(straighten(picture, corners, height=4, width=4), np.full((4, 4, 3), 77))


def test_corners_on_one_line_are_refused() -> None:
    with pytest.raises(ShapeError, match="span no area"):
        perspective_from(np.zeros((4, 2), np.float32), 10, 10)


def test_no_pixels_is_refused() -> None:
    with pytest.raises(ShapeError, match="sides of 1 or more"):
        straighten(NOISE, TILTED, height=0, width=4)
    with pytest.raises(ShapeError, match="sides of 1 or more"):
        straighten(NOISE[:0], TILTED, height=4, width=4)
