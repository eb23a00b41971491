"""dilate_2x2, outlines and hulls against OpenCV: the same sets, in the same order."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from intab.media.hulls import convex_hulls
from intab.media.regions import dilate_2x2, find_runs, outlines
from tests.media.masks import bars, blobs, contours

MASKS = [bars(seed) for seed in range(10)] + [blobs(seed) for seed in range(60)]
EDGES = [
    np.zeros((5, 7), np.bool_),
    np.ones((5, 7), np.bool_),
    np.ones((1, 1), np.bool_),
    np.eye(6, dtype=np.bool_),  # corners join
    ~np.eye(6, dtype=np.bool_),  # ... but holes do not join over them
    np.indices((9, 9)).sum(axis=0) % 2 == 0,
]


@pytest.mark.parametrize("mask", [*MASKS, *EDGES])
def test_dilate(mask: NDArray[np.bool_]) -> None:
    expected = cv2.dilate(mask.astype(np.uint8), np.ones((2, 2), np.uint8))
    np.testing.assert_array_equal(dilate_2x2(mask), expected.astype(np.bool_))


def test_dilate_leaves_its_input() -> None:
    mask = bars(1)
    before = mask.copy()
    dilate_2x2(mask)
    np.testing.assert_array_equal(mask, before)


@pytest.mark.parametrize("mask", [*MASKS, *EDGES])
def test_outlines_come_in_opencvs_order_and_start_where_its_do(mask: NDArray[np.bool_]) -> None:
    found = outlines(mask, limit=10_000)
    expected = contours(mask, every_pixel=True)
    assert found.count == len(expected)
    starts = np.stack([found.first_x, found.first_y], axis=1)
    np.testing.assert_array_equal(starts, np.array([contour[0] for contour in expected]).reshape(-1, 2))


@pytest.mark.parametrize("mask", [*MASKS, *EDGES])
def test_hulls_of_outlines(mask: NDArray[np.bool_]) -> None:
    found = outlines(mask, limit=10_000)
    hulls = convex_hulls(found.owner, found.x, found.y)
    for number, contour in enumerate(contours(mask)):
        corners = np.stack([hulls.x, hulls.y], axis=1)[hulls.owner == number].tolist()
        expected = cv2.convexHull(contour, clockwise=False).reshape(-1, 2).tolist()
        start = corners.index(expected[0])  # clockwise as seen; where it starts is not said
        assert corners[start:] + corners[:start] == expected


def test_the_limit_keeps_the_first() -> None:
    mask = blobs(5)
    everything, some = outlines(mask, limit=10_000), outlines(mask, limit=7)
    assert everything.count > some.count == 7
    np.testing.assert_array_equal(some.first_y, everything.first_y[:7])
    assert set(some.owner.tolist()) == set(range(7))


def test_runs() -> None:
    runs = find_runs(np.array([[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]], np.bool_))
    assert list(zip(runs.row.tolist(), runs.start.tolist(), runs.end.tolist(), strict=True)) == [
        (0, 0, 2),
        (0, 3, 4),
        (2, 1, 3),
    ]


def test_hulls_of_nothing_and_of_few_points() -> None:
    nothing = np.zeros(0, np.int64)
    assert len(convex_hulls(nothing, nothing, nothing).owner) == 0
    owner, x, y = (
        np.array(values) for values in ([0, 1, 1, 1, 2, 2, 2], [5, 0, 3, 6, -2, -2, -2], [5, 0, 1, 2, 7, 9, 8])
    )
    hulls = convex_hulls(owner, x, y)
    assert hulls.owner.tolist() == [0, 1, 1, 2, 2]
    assert sorted(zip(hulls.x[1:].tolist(), hulls.y[1:].tolist(), strict=True)) == [(-2, 7), (-2, 9), (0, 0), (6, 2)]
