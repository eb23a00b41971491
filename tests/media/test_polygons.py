"""Filling and widening against cv2.fillPoly, cv2.mean, pyclipper and shapely."""

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray
from shapely.geometry import Polygon

from intab.media.hulls import convex_hulls, uppermost_corners
from intab.media.polygons import fill_spans, mean_inside, widen
from intab.media.rectangles import Rectangles, smallest_rectangles
from intab.pipelines.ocr.detect import tidy_corners

HEIGHT, WIDTH, COUNT = 240, 340, 400


def some_boxes(*, seed: int = 2, inside: bool = False) -> NDArray[np.float32]:
    """Rotated rectangles with sides from 3 pixels, in the order that the detector's work gives."""
    rng = np.random.default_rng(seed)
    center = rng.uniform([20, 20], [WIDTH - 20, HEIGHT - 20], (COUNT, 2))
    size = rng.uniform([3, 3], [250, 40], (COUNT, 2))
    angle = np.where(rng.random(COUNT) < 0.3, -90, rng.choice([-1, -45, -88], COUNT) + rng.normal(0, 2, COUNT))
    boxes = tidy_corners(Rectangles(*(value.astype(np.float32) for value in (center, size, angle))))
    within = ((boxes >= 0) & (boxes <= [WIDTH - 1, HEIGHT - 1])).all(axis=(1, 2))
    return boxes[within] if inside else boxes


def test_fill_is_that_of_opencv() -> None:
    boxes = some_boxes().astype(np.int64)
    spans, margin = fill_spans(boxes), 300
    for number, box in enumerate(boxes):
        expected = np.zeros((HEIGHT + 2 * margin, WIDTH + 2 * margin), np.uint8)
        cv2.fillPoly(expected, [(box + margin).astype(np.int32)], 1)
        filled, mine = np.zeros_like(expected), spans.polygon == number
        for row, first, last in zip(spans.row[mine], spans.first[mine], spans.last[mine], strict=True):
            filled[row + margin, first + margin : last + margin + 1] = 1
        np.testing.assert_array_equal(filled, expected)


def test_mean_inside_is_that_of_opencv() -> None:
    boxes = some_boxes(inside=True)
    assert len(boxes) > 50
    values = np.random.default_rng(1).random((HEIGHT, WIDTH)).astype(np.float32)
    expected = []
    for box in boxes:
        mask = np.zeros(values.shape, np.uint8)
        cv2.fillPoly(mask, [box.astype(np.int32)], 1)
        expected.append(cv2.mean(values, mask)[0])
    # Their float box is moved to the corner of its bounds before it is cut to whole pixels; that may differ by one.
    np.testing.assert_allclose(mean_inside(values, boxes), expected, atol=0.08)
    assert (np.abs(mean_inside(values, boxes) - expected) < 1e-9).mean() > 0.95


def test_mean_outside_the_map_and_of_nothing() -> None:
    values = np.ones((10, 20), np.float32)
    outside = np.array([[[-9, -9], [-5, -9], [-5, -5], [-9, -5]], [[15, 5], [30, 5], [30, 30], [15, 30]]], np.float32)
    np.testing.assert_allclose(mean_inside(values, outside)[1], 1.0)
    assert mean_inside(values, np.zeros((0, 4, 2), np.float32)).shape == (0,)


def test_widened_hulls_and_rectangles_are_those_of_clipper() -> None:
    boxes = some_boxes(seed=4)
    hulls = convex_hulls(*widen(boxes, 1.6))
    rectangles = smallest_rectangles(hulls, uppermost_corners(hulls)).corners()
    for number, box in enumerate(boxes):
        shape = Polygon(box)
        offset = pyclipper.PyclipperOffset()
        offset.AddPath(box, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
        (path,) = offset.Execute(shape.area * 1.6 / shape.length)
        expected = cv2.convexHull(np.array(path, np.int32)).reshape(-1, 2).tolist()
        mine = hulls.owner == number
        assert sorted(zip(hulls.x[mine].tolist(), hulls.y[mine].tolist(), strict=True)) == sorted(map(tuple, expected))
        rectangle = cv2.boxPoints(cv2.minAreaRect(np.array(path, np.int32)))
        np.testing.assert_array_equal(rectangles[number], rectangle)


def test_widen_nothing() -> None:
    owner, x, y = widen(np.zeros((0, 4, 2), np.float32), 1.6)
    assert len(owner) == len(x) == len(y) == 0
