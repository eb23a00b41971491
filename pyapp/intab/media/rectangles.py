"""The smallest rotated rectangle around each of many convex polygons (rotating calipers).

Four calipers lie at the polygon's lowest, rightmost, uppermost and leftmost corner and turn together by 90
degrees; each time one of them comes to lie on an edge, a rectangle is measured. So every edge is met once, in
the order of its angle modulo 90 degrees, and that order can be had by sorting: no step waits for the one
before, and all polygons are done at once. Sums are float32 in the order of OpenCV's minAreaRect
(rotcalipers.cpp), so that corners which are cut to whole pixels afterwards come out the same.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intab.media.hulls import Hulls, layout
from intab.media.ragged import Ints, groups, numbers, places, smallest

Floats = NDArray[np.float32]

# A direction along the caliper of side 0, 1, 2, 3 (low, right, high, left), turned back to side 0:
# along = ALONG_X * dx + ALONG_Y * dy, across = ACROSS_X * dx + ACROSS_Y * dy.
ALONG_X, ALONG_Y = np.array([1, 0, -1, 0]), np.array([0, 1, 0, -1])
ACROSS_X, ACROSS_Y = np.array([0, -1, 0, 1]), np.array([1, 0, -1, 0])


@dataclass(frozen=True, slots=True)
class Rectangles:
    """Rotated rectangles. center [N, 2] as x, y; size [N, 2] as width, height; angle [N] in degrees, -90 .. 0."""

    center: Floats
    size: Floats
    angle: Floats

    def corners(self) -> Floats:
        """The corners, clockwise with y pointing down. Returns [N, 4, 2]; same as cv2.boxPoints."""
        radians = self.angle.astype(np.float64) * np.pi / 180
        cosine = np.cos(radians).astype(np.float32) * np.float32(0.5)
        sine = np.sin(radians).astype(np.float32) * np.float32(0.5)
        (x, y), (width, height) = self.center.T, self.size.T
        first = np.stack([x - sine * height - cosine * width, y + cosine * height - sine * width], axis=1)
        second = np.stack([x + sine * height - cosine * width, y - cosine * height - sine * width], axis=1)
        third = np.stack([x + sine * height + cosine * width, y - cosine * height + sine * width], axis=1)
        fourth = np.stack([x - sine * height + cosine * width, y + cosine * height + sine * width], axis=1)
        return np.stack([first, second, third, fourth], axis=1)


@dataclass(frozen=True, slots=True)
class _Polygons:
    """Corners [K] with, for each, its polygon 0 .. N - 1 and its place there; for each polygon, begin and count [N]."""

    x: Ints
    y: Ints
    polygon: Ints
    place: Ints
    begin: Ints
    count: Ints


@dataclass(frozen=True, slots=True)
class _Edges:
    """side [E]: the caliper that meets the edge; along, across [E]: the edge in that caliper's own directions."""

    side: Ints
    along: Ints
    across: Ints


def smallest_rectangles(hulls: Hulls, start: Ints) -> Rectangles:
    """The rectangle of least area around each polygon, in the order of their owners.

    start [N]: for each polygon the corner, counted within it, at which OpenCV's hull would begin. It decides
    only between equal rectangles, and so the last bit of the result.
    """
    shapes = _polygons(hulls, start)
    if not len(shapes.count):
        return Rectangles(np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32), np.zeros(0, np.float32))
    extreme = _extremes(shapes)
    edges = _in_order(shapes, *_edges(shapes, extreme))
    return _measure(shapes, _supports(shapes, extreme, edges.side), *_directions(edges))


def _polygons(hulls: Hulls, start: Ints) -> _Polygons:
    """The corners of `hulls`, each polygon turned so that it begins at its `start`."""
    begin, count, place = layout(hulls)
    polygon = groups(count)
    turned = begin[polygon] + (place + start[polygon]) % count[polygon]
    return _Polygons(hulls.x[turned], hulls.y[turned], polygon, place, begin, count)


def _extremes(shapes: _Polygons) -> Ints:
    """Places of the first corner with smallest y, largest x, largest y and smallest x. Returns [4, N]."""
    many = len(shapes.x) + 1
    keys = [value * many + shapes.place for value in (shapes.y, -shapes.x, -shapes.y, shapes.x)]
    return np.stack([smallest(key, shapes.begin) % many for key in keys])


def _edges(shapes: _Polygons, extreme: Ints) -> tuple[Ints, _Edges]:
    """The polygon of each edge, and the edge as the caliper that meets it sees it."""
    following = numbers(len(shapes.x)) + 1
    following[shapes.begin + shapes.count - 1] = shapes.begin
    dx, dy = shapes.x[following] - shapes.x, shapes.y[following] - shapes.y
    side = _sides(shapes, extreme)
    along, across = ALONG_X[side] * dx + ALONG_Y[side] * dy, ACROSS_X[side] * dx + ACROSS_Y[side] * dy
    return shapes.polygon, _Edges(side, along, across)


def _sides(shapes: _Polygons, extreme: Ints) -> Ints:
    """Which caliper meets the edge that leaves each corner: 0 .. 3 [K]."""
    count = shapes.count
    reach = (extreme[1:] - extreme[0]) % count  # corners after the lowest one at which sides 1, 2, 3 begin
    reach[2] = np.where(reach[2] == 0, count, reach[2])
    passed = (shapes.place - extreme[0][shapes.polygon]) % count[shapes.polygon]
    sides: Ints = (passed >= reach[:, shapes.polygon]).sum(axis=0, dtype=np.int64)
    return sides


def _in_order(shapes: _Polygons, polygon: Ints, edges: _Edges) -> _Edges:
    """The first edges to be met, as many as each polygon has.

    An edge that lies along its caliper from the beginning is met again, after 90 degrees, by the caliper
    before; where that one has the lower number it takes the place of an edge not yet met.
    """
    flat = edges.across == 0
    polygon = np.concatenate([polygon, polygon[flat]])
    side = np.concatenate([edges.side, (edges.side[flat] - 1) % 4])
    along = np.concatenate([edges.along, np.zeros_like(edges.along[flat])])
    across = np.concatenate([edges.across, edges.along[flat]])
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(across == 0, 0.0, across / along)  # tangent of the angle; infinite at 90 degrees
    order = np.lexsort((side, slope, polygon))
    sizes = np.bincount(polygon.astype(np.intp), minlength=len(shapes.count)).astype(np.int64)
    order = order[places(sizes) < shapes.count[polygon[order]]]
    return _Edges(side[order], along[order], across[order])


def _supports(shapes: _Polygons, extreme: Ints, side: Ints) -> Ints:
    """Corners that the four calipers touch after each edge, the edges being in the order they are met. [4, K]."""
    met = np.cumsum(side == numbers(4)[:, None], axis=1, dtype=np.int64)
    before = np.where(shapes.begin > 0, met[:, shapes.begin - 1], 0)
    place = (extreme[:, shapes.polygon] + met - before[:, shapes.polygon]) % shapes.count[shapes.polygon]
    corner: Ints = shapes.begin[shapes.polygon] + place
    return corner


def _directions(edges: _Edges) -> tuple[Floats, Floats]:
    """The lowest caliper's direction when an edge is met, of length 1 as far as float32 has it."""
    length = np.sqrt((edges.along * edges.along + edges.across * edges.across).astype(np.float64))
    inverse = (1.0 / np.where(length > 0, length, 1.0)).astype(np.float32)
    base_x = np.where(length > 0, edges.along, 1).astype(np.float32) * inverse
    return base_x, edges.across.astype(np.float32) * inverse


def _measure(shapes: _Polygons, support: Ints, base_x: Floats, base_y: Floats) -> Rectangles:
    """Of the rectangles at all edges the smallest of each polygon; of equal ones the last."""
    x, y = shapes.x.astype(np.float32), shapes.y.astype(np.float32)
    low, right, high, left = support
    width = (x[right] - x[left]) * base_x + (y[right] - y[left]) * base_y
    height = -(x[high] - x[low]) * base_y + (y[high] - y[low]) * base_x
    area = width * height
    least = smallest(area, shapes.begin)
    index = np.where(area <= least[shapes.polygon], numbers(len(area)), -1)
    best = -smallest(-index, shapes.begin)
    return _place(
        np.stack([x[left[best]], y[left[best]]]), np.stack([x[low[best]], y[low[best]]]),
        np.stack([base_x[best], base_y[best]]), width[best], height[best],
    )  # fmt: skip


def _place(left: Floats, low: Floats, base: Floats, width: Floats, height: Floats) -> Rectangles:
    """The rectangle with a side along `base` through `low` and one across it through `left`. All [2, N] or [N]."""
    a, b = base
    along_left = a * left[0] + left[1] * b
    across_low = -b * low[0] + low[1] * a
    scale = np.float32(1) / (a * a + b * b)
    corner_x, corner_y = (along_left * a - across_low * b) * scale, (a * across_low + b * along_left) * scale
    wide, tall = np.stack([a * width, b * width]), np.stack([-b * height, a * height])
    half = np.float32(0.5)
    center = np.stack([corner_x + (wide[0] + tall[0]) * half, corner_y + (wide[1] + tall[1]) * half], axis=1)
    degrees = np.arctan2(wide[1].astype(np.float64), wide[0].astype(np.float64)) * 180 / np.pi
    upright = degrees >= 90
    sides = np.stack([np.where(upright, _length(wide), _length(tall)), np.where(upright, _length(tall), _length(wide))])
    return Rectangles(center, sides.T, np.where(upright, degrees - 180, degrees - 90).astype(np.float32))


def _length(vector: Floats) -> Floats:
    x, y = vector.astype(np.float64)
    length: NDArray[np.float64] = np.sqrt(x * x + y * y)
    return length.astype(np.float32)
