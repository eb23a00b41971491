"""Finding lines of text: what the detector is fed, and the boxes that its map means.

The map says for each pixel how likely it is to lie in the middle of a line (differentiable binarization, Liao
et al. 2020); a line's box is the smallest rotated rectangle of a region of it, widened again.
"""

import numpy as np
from numpy.typing import NDArray

from intab.media.hulls import convex_hulls, first_corners, uppermost_corners
from intab.media.polygons import mean_inside, widen
from intab.media.rectangles import Rectangles, smallest_rectangles
from intab.media.regions import dilate_2x2, outlines
from intab.media.resize import resize
from intab.pipelines.ocr.feeds import fill_detector_planes
from intab.pipelines.ocr.fit import detect_size

Floats = NDArray[np.float32]

THRESHOLD = 0.3  # a pixel of the map counts from here (Det.thresh)
BOX_THRESHOLD = 0.5  # the mean of a box must reach this (Det.box_thresh)
WIDEN_RATIO = 1.6  # Det.unclip_ratio
MAX_REGIONS = 1000  # Det.max_candidates
MIN_REGION_SIDE, MIN_WIDENED_SIDE, MIN_BOX_SIDE = 3, 5, 3  # pixels: of the map, of the map, of the picture


def detector_feed(picture: NDArray[np.uint8]) -> Floats:
    """What the detector is to see of picture [H, W, C]. Returns [1, 3, h, w], h and w multiples of 32."""
    height, width = detect_size(*picture.shape[:2])
    feed = np.empty((1, 3, height, width), np.float32)
    fill_detector_planes(resize(picture, height=height, width=width), feed[0])
    return feed


def text_boxes(text_map: Floats, height: int, width: int) -> Floats:
    """The boxes that the detector's map [h, w] marks in a picture of height x width, in no useful order.

    Returns whole pixels [N, 4, 2], clockwise from top left.
    """
    small = _regions(text_map)
    small = small[mean_inside(text_map, small) >= BOX_THRESHOLD]
    if not len(small):
        return np.zeros((0, 4, 2), np.float32)
    hulls = convex_hulls(*widen(small, WIDEN_RATIO))
    wide = smallest_rectangles(hulls, uppermost_corners(hulls))
    corners = tidy_corners(wide)[wide.size.min(axis=1) >= MIN_WIDENED_SIDE]
    size, map_size = np.array([width, height], np.float32), np.array(text_map.shape[::-1], np.float32)
    scaled = np.clip(np.round(corners / map_size * size), 0, size)
    return _large_enough(np.clip(_clockwise(scaled), 0, size - 1))


def _regions(text_map: Floats) -> Floats:
    """The smallest rectangle of each region of the map that is worth a look. Returns [N, 4, 2]."""
    found = outlines(dilate_2x2(text_map > THRESHOLD), limit=MAX_REGIONS)
    hulls = convex_hulls(found.owner, found.x, found.y)
    rectangles = smallest_rectangles(hulls, first_corners(hulls, found))
    large: NDArray[np.bool_] = rectangles.size.min(axis=1) >= MIN_REGION_SIDE
    return tidy_corners(rectangles)[large]


def tidy_corners(rectangles: Rectangles) -> Floats:
    """Corners [N, 4, 2] as PaddleOCR orders them: of the two left ones the upper, of the two right ones the upper,
    then the lower right, the lower left."""
    corners = rectangles.corners()
    by_x = np.take_along_axis(corners, np.argsort(corners[..., :1], axis=1, kind="stable"), axis=1)
    left, right = by_x[:, :2], by_x[:, 2:]
    left_falls, right_falls = left[:, 1, 1] > left[:, 0, 1], right[:, 1, 1] > right[:, 0, 1]
    rows = np.arange(len(corners))
    top_left, top_right = np.where(left_falls, 0, 1), np.where(right_falls, 0, 1)
    return np.stack(
        [left[rows, top_left], right[rows, top_right], right[rows, 1 - top_right], left[rows, 1 - top_left]], axis=1
    )


def _clockwise(corners: Floats) -> Floats:
    """The same order, from whole pixels: ties in x are taken as they come, ties in y too."""
    by_x = np.take_along_axis(corners, np.argsort(corners[..., :1], axis=1, kind="stable"), axis=1)
    left, right = (
        np.take_along_axis(pair, np.argsort(pair[..., 1:], axis=1, kind="stable"), axis=1)
        for pair in (by_x[:, :2], by_x[:, 2:])
    )
    return np.stack([left[:, 0], right[:, 0], right[:, 1], left[:, 1]], axis=1)


def _large_enough(boxes: Floats) -> Floats:
    """The boxes whose upper and left sides are longer than 3 pixels."""
    width, height = (np.linalg.norm(boxes[:, 0] - boxes[:, side], axis=1).astype(np.int64) for side in (1, 3))
    large: NDArray[np.bool_] = (width > MIN_BOX_SIDE) & (height > MIN_BOX_SIDE)
    return boxes[large]
