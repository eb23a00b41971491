"""resize against cv2.resize: the same bytes."""

import cv2
import numpy as np
import pytest

from intab.errors import ShapeError
from intab.media.resize import resize

SIZES = [  # height, width, new height, new width
    (191, 384, 736, 1472),
    (20, 300, 48, 720),
    (96, 130, 48, 65),  # a half, where OpenCV averages areas: the same arithmetic
    (1, 1, 32, 32),
    (300, 1, 48, 5),
    (7, 1, 7, 1),
    (1000, 1600, 32, 64),
    (90, 60, 90, 31),
    (90, 60, 17, 60),
]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_same_bytes_as_opencv(size: tuple[int, int, int, int], channels: int) -> None:
    height, width, new_height, new_width = size
    picture = np.random.default_rng(7).integers(0, 256, (height, width, channels), dtype=np.uint8)
    expected = cv2.resize(picture, (new_width, new_height)).reshape(new_height, new_width, channels)
    np.testing.assert_array_equal(resize(picture, height=new_height, width=new_width), expected)


def test_same_bytes_as_opencv_at_random_sizes() -> None:
    rng = np.random.default_rng(11)
    for _ in range(200):
        height, width, new_height, new_width = (int(side) for side in rng.integers(1, 120, 4))
        picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = cv2.resize(picture, (new_width, new_height))
        np.testing.assert_array_equal(
            resize(picture, height=new_height, width=new_width),
            expected,
            err_msg=f"{picture.shape} to {expected.shape}",
        )


def test_the_right_size_is_not_copied() -> None:
    picture = np.zeros((4, 5, 3), np.uint8)
    assert resize(picture, height=4, width=5) is picture


def test_a_view_that_is_not_contiguous() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    view = picture[::-1, ::-1]
    np.testing.assert_array_equal(resize(view, height=48, width=77), cv2.resize(np.ascontiguousarray(view), (77, 48)))


@pytest.mark.parametrize("height, width", [(0, 5), (5, 0)])
def test_no_pixels_is_refused(height: int, width: int) -> None:
    with pytest.raises(ShapeError, match="sides of 1 or more"):
        resize(np.zeros((4, 4, 3), np.uint8), height=height, width=width)
    with pytest.raises(ShapeError, match="sides of 1 or more"):
        resize(np.zeros((height, width, 3), np.uint8), height=4, width=4)
