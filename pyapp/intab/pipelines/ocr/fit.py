"""Bringing a picture to a size that the detector sees text in, and positions back from there."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intab.media.resize import resize

MIN_SIDE, MAX_SIDE = 30, 2000  # pixels; rapidocr's Global.min_side_len and max_side_len
WIDEST = 8  # width over height from which a picture gets room above and below (Global.width_height_ratio)
DETECT_SIDE = 736  # the detector wants the shorter side to be at least this (Det.limit_side_len)
GRID = 32  # the detector halves its input five times

# Two bounds that rapidocr lacks. It lets a strip of 2000 x 1 grow to 60000 x 15000 pixels, far more than a tab
# holds; pictures up to 136 times as long as high, and detector inputs of common pictures, never meet them.
MAX_GROWN_SIDE = 4096
MAX_DETECT_PIXELS = 6_400_000


@dataclass(frozen=True, slots=True)
class Fitted:
    """picture [H, W, C]: what is worked on. A point of it is at (x * scale_x, (y - top) * scale_y) in the given one."""

    picture: NDArray[np.uint8]
    scale_x: float
    scale_y: float
    top: int
    given_height: int
    given_width: int

    def to_given(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes [N, 4, 2] in pixels of the picture that was given, kept inside it."""
        scale = np.array([self.scale_x, self.scale_y], np.float32)
        moved: NDArray[np.float32] = (boxes - np.array([0, self.top], np.float32)) * scale
        return np.clip(moved, 0, np.array([self.given_width, self.given_height], np.float32))


def fit(picture: NDArray[np.uint8]) -> Fitted:
    """Scale a picture [H, W, C] whose sides are too long or too short, and give a strip room above and below."""
    given_height, given_width = picture.shape[:2]
    height, width = bounded_size(given_height, given_width)
    scaled = resize(picture, height=height, width=width)
    top = _room(height, width)
    if top:
        scaled = np.pad(scaled, ((top, top), (0, 0), (0, 0)))
    return Fitted(scaled, given_width / width, given_height / height, top, given_height, given_width)


def bounded_size(height: int, width: int) -> tuple[int, int]:
    """The size, as height and width, of which no side is longer than 2000 or shorter than 30, on a grid of 32."""
    longest, shortest = max(height, width), min(height, width)
    if longest > MAX_SIDE:
        ratio = MAX_SIDE / longest
    elif shortest < MIN_SIDE:
        ratio = min(MIN_SIDE / shortest, MAX_GROWN_SIDE / longest)
    else:
        return height, width
    return on_grid(height * ratio), on_grid(width * ratio)


def detect_size(height: int, width: int) -> tuple[int, int]:
    """The size, as height and width, at which the detector is to see a picture."""
    ratio = max(DETECT_SIDE / min(height, width), 1.0)
    ratio = min(ratio, math.sqrt(MAX_DETECT_PIXELS / (height * width)))
    return on_grid(height * ratio), on_grid(width * ratio)


def on_grid(side: float) -> int:
    """The nearest multiple of 32, and at least 32. Python's round, halves to even, as in rapidocr."""
    return max(round(int(side) / GRID) * GRID, GRID)


def _room(height: int, width: int) -> int:
    """Rows to add above and below."""
    if height > MIN_SIDE and width / height <= WIDEST:
        return 0
    return int(abs(max(int(width / WIDEST), MIN_SIDE) * 2 - height) / 2)
