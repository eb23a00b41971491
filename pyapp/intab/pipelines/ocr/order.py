"""The order in which lines are read."""

import numpy as np
from numpy.typing import NDArray

SAME_ROW_PIXELS = 10  # boxes whose upper left corners differ less in y are one row


def reading_order(boxes: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices [N] of boxes [N, 4, 2] from top to bottom, within a row from left to right.

    Rows are chained: each box need only be close to the one above it.
    """
    by_y = np.argsort(boxes[:, 0, 1], kind="stable")
    x, y = boxes[by_y, 0].T
    row = np.cumsum(np.diff(y, prepend=y[:1]) >= SAME_ROW_PIXELS)
    return by_y[np.lexsort((x, row))]
