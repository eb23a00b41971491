"""Convex hulls of many point sets at once."""

from dataclasses import dataclass

import numpy as np

from intab.media.ragged import Ints, numbers, places, smallest
from intab.media.regions import Outlines


@dataclass(frozen=True, slots=True)
class Hulls:
    """Corners of convex polygons, laid end to end. owner, x, y [K]; each polygon's corners follow each other.

    With y pointing down they run clockwise. No three corners of a polygon lie on one line; a polygon may be a
    line (two corners) or a point (one).
    """

    owner: Ints
    x: Ints
    y: Ints


def convex_hulls(owner: Ints, x: Ints, y: Ints) -> Hulls:
    """The convex hull of each owner's points. owner, x, y [P], all of them integers; owner >= 0.

    Per row only the leftmost and the rightmost point can be a corner. Both sides are then thinned together:
    a point on or inside the line between its neighbours is no corner, so all such points go at once, until
    none is left.
    """
    if not len(owner):
        return Hulls(owner, x, y)
    owner, x, left_y, right_x = _row_extents(owner, x, y)
    sides = np.concatenate([2 * owner, 2 * owner + 1])
    depth = np.concatenate([left_y, left_y])
    outward = _thin(sides, np.concatenate([x, -right_x]), depth)
    return _close(sides[outward], np.concatenate([x, right_x])[outward], depth[outward])


def _row_extents(owner: Ints, x: Ints, y: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """For each owner and row, in that order: owner, smallest x, row, largest x."""
    low_x, low_y = int(x.min()), int(y.min())
    columns, rows = int(x.max()) - low_x + 1, int(y.max()) - low_y + 1
    key = np.sort((owner * rows + (y - low_y)) * columns + (x - low_x))
    line = key // columns
    first = np.flatnonzero(np.concatenate([[True], line[1:] != line[:-1]]))
    last = np.concatenate([first[1:], [len(key)]]) - 1
    owner, row = np.divmod(line[first], rows)
    return owner, key[first] % columns + low_x, row + low_y, key[last] % columns + low_x


def _thin(side: Ints, x: Ints, y: Ints) -> Ints:
    """Indices of the points that stay when each side, ordered by y, is made to bulge towards smaller x."""
    kept = numbers(len(side))
    while True:
        s, px, py = side[kept], x[kept], y[kept]
        before_x, before_y = px[1:-1] - px[:-2], py[1:-1] - py[:-2]
        whole_x, whole_y = px[2:] - px[:-2], py[2:] - py[:-2]
        inner = (s[2:] == s[:-2]) & (before_x * whole_y >= whole_x * before_y)
        if not inner.any():
            return kept
        kept = kept[np.concatenate([[True], ~inner, [True]])]


def _close(side: Ints, x: Ints, y: Ints) -> Hulls:
    """Join the left side (even, taken upwards) and the right side (odd, taken downwards) of each polygon.

    Where the two sides share their uppermost or lowest point, it is counted once.
    """
    owner, is_right = side // 2, side % 2 == 1
    order = np.lexsort((np.where(is_right, y, -y), side))
    owner, x, y = owner[order], x[order], y[order]
    again = np.concatenate([[False], (owner[1:] == owner[:-1]) & (x[1:] == x[:-1]) & (y[1:] == y[:-1])])
    start = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
    end = np.concatenate([start[1:], [len(owner)]]) - 1
    again[end] |= (end > start) & (x[end] == x[start]) & (y[end] == y[start])
    keep = ~again
    return Hulls(owner[keep], x[keep], y[keep])


def uppermost_corners(hulls: Hulls) -> Ints:
    """For each polygon the place of the corner after its uppermost one (of two, the right one). Returns [N].

    Here OpenCV's hull of a polygon from Clipper begins.
    """
    begin, count, place = layout(hulls)
    return (_uppermost(hulls, begin, place, right=True) + 1) % count


def first_corners(hulls: Hulls, found: Outlines) -> Ints:
    """For each polygon the place of the corner at which OpenCV's hull of that outline begins. Returns [N].

    It follows the outline's own order: that of a region is run through counter-clockwise from its upper left
    pixel, against the hull, so the hull ends there; that of a hole clockwise, from the pixel left of its first.
    """
    begin, count, place = layout(hulls)
    upper_left = _uppermost(hulls, begin, place, right=False)
    before = begin + (upper_left - 1) % count
    starts_before = (hulls.x[before] == found.first_x) & (hulls.y[before] == found.first_y)
    return np.where(found.hole, np.where(starts_before, before - begin, upper_left), (upper_left + 1) % count)


def layout(hulls: Hulls) -> tuple[Ints, Ints, Ints]:
    """Where each polygon begins and how many corners it has [N]; each corner's place in its polygon [K]."""
    begin = np.flatnonzero(np.diff(hulls.owner, prepend=-1)).astype(np.int64)
    count = np.diff(np.append(begin, len(hulls.owner)))
    return begin, count, places(count)


def _uppermost(hulls: Hulls, begin: Ints, place: Ints, *, right: bool) -> Ints:
    """The place of the corner with the smallest y and, among such, the smallest or largest x. Returns [N]."""
    if not len(begin):
        return begin
    span, many = int(np.abs(hulls.x).max()) + 1, len(place) + 1
    x = span - hulls.x if right else hulls.x + span
    return smallest((hulls.y * (2 * span + 1) + x) * many + place, begin) % many
