"""Connected regions of a mask, and the points that their outlines span.

A mask is cut into runs: stretches of set pixels within a row. Everything after that works on the few
thousand runs of a page instead of its million pixels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intab.media.ragged import Ints, groups, numbers, places


@dataclass(frozen=True, slots=True)
class Runs:
    """Stretches of pixels start .. end - 1 in row, in reading order. Each field [N]."""

    row: Ints
    start: Ints
    end: Ints


@dataclass(frozen=True, slots=True)
class Outlines:
    """Points on the outlines of regions: enough to span the convex hull of each, not every pixel.

    owner [P]: which outline, 0 .. count - 1; x, y [P]: pixels; first_x, first_y [count]: where OpenCV's border
    following starts; hole [count]: whether the outline is that of a hole.
    """

    count: int
    owner: Ints
    x: Ints
    y: Ints
    first_x: Ints
    first_y: Ints
    hole: NDArray[np.bool_]


def dilate_2x2(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Set each pixel that is set itself or left, above or above left of which one is set. mask [H, W] -> [H, W].

    Same as cv2.dilate with a 2 x 2 kernel of ones, whose anchor is its lower right element.
    """
    wide = mask.copy()
    wide[:, 1:] |= mask[:, :-1]
    wide[1:] |= wide[:-1].copy()
    return wide


def outlines(mask: NDArray[np.bool_], *, limit: int) -> Outlines:
    """The outlines of all regions and of all holes in them, lowest first, at most `limit`.

    mask [H, W]. Regions join over corners, holes do not, as in Suzuki and Abe 1985; the order is that of
    cv2.findContours(RETR_LIST). Of a hole the outline are the set pixels around it.
    """
    height, width = mask.shape
    stride = width + 2
    set_runs = find_runs(mask)
    clear_runs = _gaps(set_runs, height, width)
    set_root = _join(set_runs, stride, corners=True)
    clear_root = _join(clear_runs, stride, corners=False)
    hole_root = clear_root[~_reaches_border(clear_runs, clear_root, height, width)]
    regions, holes = np.unique(set_root), np.unique(hole_root)
    position = np.concatenate([_position(set_runs, regions, stride), _position(clear_runs, holes, stride)])
    order = np.argsort(-position)[:limit]
    rank = np.full(len(position), -1, np.int64)
    rank[order] = numbers(len(order))
    owner_of_region = _spread(regions, rank[: len(regions)], len(set_root))[set_root]
    owner_of_hole = _spread(holes, rank[len(regions) :], len(clear_root))[clear_root]
    owner, x, y = _hull_points(set_runs, owner_of_region, clear_runs, owner_of_hole)
    is_hole = order >= len(regions)
    first_y, first_x = position[order] // stride, position[order] % stride - is_hole
    return Outlines(len(order), owner, x, y, first_x, first_y, is_hole)


def find_runs(mask: NDArray[np.bool_]) -> Runs:
    """The runs of set pixels of mask [H, W]."""
    height, width = mask.shape
    padded = np.zeros((height, width + 2), np.bool_)
    padded[:, 1:-1] = mask
    flat = padded.reshape(-1)
    # The padding makes each row begin and end with a clear pixel.
    changes = np.flatnonzero(flat[1:] != flat[:-1]).astype(np.int64)
    row, start = np.divmod(changes[0::2], width + 2)
    return Runs(row, start, changes[1::2] - row * (width + 2))


def _gaps(runs: Runs, height: int, width: int) -> Runs:
    """The runs of clear pixels, from those of the set ones."""
    rows = numbers(height)
    stride = width + 2
    starts = np.sort(np.concatenate([runs.row * stride + runs.end, rows * stride]))
    ends = np.sort(np.concatenate([runs.row * stride + runs.start, rows * stride + width]))
    some = ends > starts
    row, start = np.divmod(starts[some], stride)
    return Runs(row, start, ends[some] - row * stride)


def _join(runs: Runs, stride: int, *, corners: bool) -> Ints:
    """For each run the index of the first run that it hangs together with. Returns [N]."""
    above, below = _touching(runs, stride, 1 if corners else 0)
    root = numbers(len(runs.row))
    while len(above):
        one, other = root[above], root[below]
        apart = one != other
        above, below = above[apart], below[apart]
        np.minimum.at(root, np.maximum(one, other)[apart], np.minimum(one, other)[apart])
        while not np.array_equal(root, shorter := root[root]):
            root = shorter
    return root


def _touching(runs: Runs, stride: int, reach: int) -> tuple[Ints, Ints]:
    """Pairs of runs in neighbouring rows that share a column, or with reach 1 a corner."""
    start_key, end_key = runs.row * stride + runs.start, runs.row * stride + runs.end
    first = np.searchsorted(end_key, start_key + stride - reach, side="right")
    last = np.searchsorted(start_key, end_key + stride + reach, side="left")
    counts = np.maximum(last - first, 0).astype(np.int64)
    above = groups(counts)
    return above, first[above] + places(counts)


def _reaches_border(runs: Runs, root: Ints, height: int, width: int) -> NDArray[np.bool_]:
    """For each run whether what it hangs together with touches the edge of the mask. Returns [N]."""
    at_border = (runs.start == 0) | (runs.end == width) | (runs.row == 0) | (runs.row == height - 1)
    reached = np.zeros(len(root), np.bool_)
    reached[root[at_border]] = True
    return reached[root]


def _position(runs: Runs, index: Ints, stride: int) -> Ints:
    return runs.row[index] * stride + runs.start[index]


def _spread(index: Ints, value: Ints, size: int) -> Ints:
    """An array of `size` with `value` at `index` and -1 elsewhere."""
    spread = np.full(size, -1, np.int64)
    spread[index] = value
    return spread


def _hull_points(regions: Runs, region_owner: Ints, holes: Runs, hole_owner: Ints) -> tuple[Ints, Ints, Ints]:
    """Both ends of every run of a region; the four-neighbours of both ends of every run of a hole."""
    inside, around = region_owner >= 0, hole_owner >= 0
    row, start, last = regions.row[inside], regions.start[inside], regions.end[inside] - 1
    hole_row, hole_start, hole_last = holes.row[around], holes.start[around], holes.end[around] - 1
    x = [start, last, hole_start - 1, hole_last + 1, hole_start, hole_last, hole_start, hole_last]
    y = [row, row, hole_row, hole_row, hole_row - 1, hole_row - 1, hole_row + 1, hole_row + 1]
    owner = [region_owner[inside]] * 2 + [hole_owner[around]] * 6
    return np.concatenate(owner), np.concatenate(x), np.concatenate(y)
