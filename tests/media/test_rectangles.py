"""smallest_rectangles against cv2.minAreaRect and cv2.boxPoints: the same floats, bit for bit."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from intab.media.hulls import Hulls, convex_hulls, first_corners, uppermost_corners
from intab.media.rectangles import smallest_rectangles
from intab.media.regions import outlines
from tests.media.masks import bars, blobs, contours


@pytest.mark.parametrize("mask", [bars(seed) for seed in range(30)] + [blobs(seed) for seed in range(60)])
def test_same_floats_as_opencv(mask: NDArray[np.bool_]) -> None:
    found = outlines(mask, limit=10_000)
    hulls = convex_hulls(found.owner, found.x, found.y)
    rectangles = smallest_rectangles(hulls, first_corners(hulls, found))
    corners = rectangles.corners()
    compared = 0
    for number, contour in enumerate(contours(mask)):
        center, size, angle = cv2.minAreaRect(contour)
        assert min(size) == pytest.approx(rectangles.size[number].min(), abs=1e-3)
        if (hulls.owner == number).sum() > 2:  # a point or a line is a case of its own there, and too thin here
            assert (*rectangles.center[number], *rectangles.size[number], rectangles.angle[number]) == (
                *center,
                *size,
                angle,
            )
            np.testing.assert_array_equal(corners[number], cv2.boxPoints((center, size, angle)))
            compared += 1
    assert compared > 0


def test_points_and_lines_have_no_height() -> None:
    owner, x, y = (np.array(values) for values in ([0, 1, 1], [4, 1, 4], [5, 1, 5]))
    rectangles = smallest_rectangles(convex_hulls(owner, x, y), np.zeros(2, np.int64))
    np.testing.assert_allclose(np.sort(rectangles.size, axis=1), [[0, 0], [0, 5]], atol=1e-5)
    np.testing.assert_allclose(rectangles.center, [[4, 5], [2.5, 3]], atol=1e-5)


def test_none() -> None:
    nothing = np.zeros(0, np.int64)
    hulls = Hulls(nothing, nothing, nothing)
    assert smallest_rectangles(hulls, uppermost_corners(hulls)).corners().shape == (0, 4, 2)
