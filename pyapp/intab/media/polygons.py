"""Four-cornered polygons: how they are filled, averaged over and widened. Many at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intab.media.ragged import Ints, begins, groups, numbers, places, spread

FAR = np.int64(1 << 40)  # beyond any column
ARC_TOLERANCE = 0.25  # how far, in pixels, a rounded corner may leave the true arc (Clipper 6.4's default)


@dataclass(frozen=True, slots=True)
class Spans:
    """The pixels of filled polygons, row by row: polygon, row, first and last column, each [R]."""

    polygon: Ints
    row: Ints
    first: Ints
    last: Ints


def fill_spans(corners: Ints) -> Spans:
    """The pixels that a convex polygon covers, its edges included. corners [N, 4, 2] as x, y.

    The edges are Bresenham lines drawn from left to right, as cv2.fillPoly draws them; between them a convex
    polygon has no gap, so the first and the last pixel of each row say everything.
    """
    ends = np.stack([corners, np.roll(corners, -1, axis=1)], axis=2).reshape(-1, 2, 2)
    swapped = ends[:, 0, 0] > ends[:, 1, 0]
    ends[swapped] = ends[swapped, ::-1]
    line, row, first, last = _line_spans(ends)
    low = corners[:, :, 1].min(axis=1)
    rows = corners[:, :, 1].max(axis=1) - low + 1
    offset = begins(rows)
    index = offset[line // 4] + row - low[line // 4]
    span_first, span_last = np.full(rows.sum(), FAR), np.full(rows.sum(), -FAR)
    np.minimum.at(span_first, index, first)
    np.maximum.at(span_last, index, last)
    return Spans(groups(rows), places(rows) + spread(low, rows), span_first, span_last)


def _line_spans(ends: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Line, row, first and last column of the pixels of lines [L, 2, 2] that run from left to right."""
    (x0, y0), dx, dy = ends[:, 0].T, ends[:, 1, 0] - ends[:, 0, 0], ends[:, 1, 1] - ends[:, 0, 1]
    tall = np.abs(dy)
    line, step = groups(tall + 1), places(tall + 1)
    wide_of, tall_of = dx[line], tall[line]
    # A flat line: after i columns it has gone floor((2 i tall + wide - 1) / (2 wide)) rows, so row `step` holds
    # the columns from the first i that reaches it up to the one before the first that reaches the next.
    divisor = np.maximum(2 * tall_of, 1)
    begin = -((-(2 * wide_of * step - wide_of + 1)) // divisor)
    end = -((-(2 * wide_of * (step + 1) - wide_of + 1)) // divisor) - 1
    level = tall_of == 0
    begin, end = np.where(level, 0, np.maximum(begin, 0)), np.where(level, wide_of, np.minimum(end, wide_of))
    # A steep line has one pixel in each row.
    steep = tall_of > wide_of
    column = (2 * wide_of * step + tall_of - 1) // divisor
    begin, end = np.where(steep, column, begin), np.where(steep, column, end)
    return line, y0[line] + np.sign(dy)[line] * step, x0[line] + begin, x0[line] + end


def mean_inside(values: NDArray[np.float32], corners: NDArray[np.float32]) -> NDArray[np.float64]:
    """The mean of `values` over the pixels of each polygon. values [H, W]; corners [N, 4, 2] -> [N].

    Corners are cut to whole pixels first and pixels outside `values` do not count, as PaddleOCR's
    box_score_fast has it.
    """
    if not len(corners):
        return np.zeros(0)
    height, width = values.shape
    limits = np.array([width - 1, height - 1])
    low = np.clip(np.floor(corners.min(axis=1)), 0, limits).astype(np.int64)
    high = np.clip(np.ceil(corners.max(axis=1)), 0, limits).astype(np.int64)
    spans = fill_spans((corners - low[:, None].astype(np.float32)).astype(np.int64) + low[:, None])
    first = np.maximum(spans.first, low[spans.polygon, 0])
    last = np.minimum(spans.last, high[spans.polygon, 0])
    seen = (spans.row >= low[spans.polygon, 1]) & (spans.row <= high[spans.polygon, 1]) & (first <= last)
    polygon, start = spans.polygon[seen], spans.row[seen] * width
    total = np.zeros(height * width + 1)
    np.cumsum(values.reshape(-1), dtype=np.float64, out=total[1:])
    sums = total[start + last[seen] + 1] - total[start + first[seen]]
    inside, pixels = np.zeros(len(corners)), np.zeros(len(corners))
    np.add.at(inside, polygon, sums)
    np.add.at(pixels, polygon, last[seen] - first[seen] + 1)
    return inside / np.maximum(pixels, 1)


def widen(corners: NDArray[np.float32], ratio: float) -> tuple[Ints, Ints, Ints]:
    """Move the sides of each polygon outwards by ratio * area / perimeter and round the corners.

    corners [N, 4, 2], clockwise with y pointing down. Returns polygon, x and y [P]: whole-pixel points whose
    convex hull is that of what Clipper's offset gives with round joins (Vatti offsetting; Clipper 6.4,
    ClipperOffset::OffsetPoint), which cuts the corners to whole pixels beforehand.
    """
    distance = ratio * _area(corners) / _perimeter(corners)
    whole = np.trunc(corners.astype(np.float64))
    ahead = np.roll(whole, -1, axis=1) - whole
    length = np.hypot(ahead[..., 0], ahead[..., 1])
    normal = (ahead[..., 1] - 1j * ahead[..., 0]) / np.maximum(length, 1e-300)  # outward, of the side that follows
    previous = np.roll(normal, 1, axis=1)
    sine = previous.real * normal.imag - normal.real * previous.imag
    cosine = previous.real * normal.real + previous.imag * normal.imag
    blunt = (np.abs(sine * distance[:, None]) < 1.0) & (cosine > 0)
    turn = np.arccos(1 - np.minimum(ARC_TOLERANCE, distance / 4) / distance) * 2
    turn = np.maximum(turn, 2 / distance)  # no more than pi * distance steps to the circle
    steps = np.maximum(np.floor(np.abs(np.arctan2(sine, cosine)) / turn[:, None] + 0.5), 1)
    step = np.arange(int(steps.max(initial=1)))
    arcs = previous[..., None] * np.exp(1j * turn[:, None] * step)[:, None]
    # What is not a step of this corner repeats its first point, which changes no hull.
    arcs = np.where((step < steps[..., None]) & ~blunt[..., None], arcs, previous[..., None])
    directions = np.concatenate([arcs, np.where(blunt, previous, normal)[..., None]], axis=2)
    moved = (whole[..., 0] + 1j * whole[..., 1])[..., None] + directions * distance[:, None, None]
    owner = np.repeat(numbers(len(corners)), moved.shape[1] * moved.shape[2])
    return owner, _round(moved.real), _round(moved.imag)


def _round(value: NDArray[np.float64]) -> Ints:
    """To the nearest whole number, halves away from zero. Returns a flat array."""
    return np.trunc(value + np.copysign(0.5, value)).astype(np.int64).reshape(-1)


def _area(corners: NDArray[np.float32]) -> NDArray[np.float64]:
    x, y = np.moveaxis(corners.astype(np.float64), 2, 0)
    x = x - x[:, :1]
    areas: NDArray[np.float64] = np.abs((x * (np.roll(y, 1, axis=1) - np.roll(y, -1, axis=1))).sum(axis=1)) / 2
    return areas


def _perimeter(corners: NDArray[np.float32]) -> NDArray[np.float64]:
    sides = np.roll(corners, -1, axis=1).astype(np.float64) - corners
    lengths: NDArray[np.float64] = np.sqrt((sides * sides).sum(axis=2)).sum(axis=1)
    return lengths
