"""Cutting the lines out of a picture."""

import numpy as np
from numpy.typing import NDArray

from intab.media.warp import straighten

UPRIGHT_RATIO = 1.5  # height over width from which a line is taken to run downwards


def crop_line(picture: NDArray[np.uint8], box: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The line inside box [4, 2] of picture [H, W, C], straightened.

    Returns [h, w, C], turned by 90 degrees when it runs downwards.
    """
    top, right, bottom, left = (np.linalg.norm(box[i] - box[(i + 1) % 4]) for i in range(4))
    height, width = max(int(max(left, right)), 1), max(int(max(top, bottom)), 1)
    line = straighten(picture, box, height=height, width=width)
    return np.rot90(line) if line.shape[0] / line.shape[1] >= UPRIGHT_RATIO else line
