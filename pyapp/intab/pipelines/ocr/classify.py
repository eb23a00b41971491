"""Lines that stand on their head: what the angle classifier is fed, and which lines it wants turned."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from intab.pipelines.ocr.recognise import lines_feed

WIDTH = 192  # Cls.cls_image_shape; a longer line is squeezed
GROUP_SIZE = 6  # Cls.cls_batch_num
SURE = 0.9  # Cls.cls_thresh


def classifier_feed(lines: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Lines [h, w, C] as the classifier takes them: [N, 3, 48, 192]."""
    return lines_feed(lines, WIDTH)


def upside_down(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which lines are surely upside down. scores [N, 2]: of 0 and of 180 degrees."""
    return (scores[:, 1] > scores[:, 0]) & (scores[:, 1] > SURE)
