"""Lines as the recogniser takes them: 48 pixels high, several side by side, padded to the widest."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intab.media.resize import resize
from intab.pipelines.ocr.feeds import fill_line_planes

LINE_HEIGHT, MIN_LINE_WIDTH = 48, 320  # Rec.rec_img_shape
GROUP_SIZE = 6  # Rec.rec_batch_num
PIXELS_PER_STEP = 8  # the recogniser gives one row of scores for so many columns
MAX_SCORES_NBYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines that go through the recogniser together, and the width that all are padded to."""

    lines: tuple[int, ...]
    width: int


def batches(sizes: Sequence[tuple[int, int]], classes: int) -> list[Batch]:
    """Group lines by their proportions. sizes: height and width of each; classes: scores that one step has.

    What is recognised depends a little on the padding, so widths are those of rapidocr: sixes in the order of
    width over height, each as wide as its widest. A group whose scores would take more than 64 MB goes
    through in parts, which changes nothing, since lines do not see each other.
    """
    ratios = np.array([width / height for height, width in sizes])
    order = np.argsort(ratios, kind="stable")
    planned: list[Batch] = []
    for start in range(0, len(order), GROUP_SIZE):
        group = order[start : start + GROUP_SIZE]
        width = int(LINE_HEIGHT * max(MIN_LINE_WIDTH / LINE_HEIGHT, float(ratios[group[-1]])))
        part = max(1, MAX_SCORES_NBYTES // (4 * classes * math.ceil(width / PIXELS_PER_STEP)))
        planned.extend(Batch(tuple(map(int, piece)), width) for piece in _pieces(group, part))
    return planned


def _pieces(group: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(group), size):
        yield group[start : start + size]


def lines_feed(lines: Sequence[NDArray[np.uint8]], width: int) -> NDArray[np.float32]:
    """Lines [h, w, C] scaled to 48 rows, padded on the right with zeros. Returns [N, 3, 48, width]."""
    feed = np.zeros((len(lines), 3, LINE_HEIGHT, width), np.float32)
    for row, line in zip(feed, lines, strict=True):
        scaled_width = min(math.ceil(LINE_HEIGHT * (line.shape[1] / line.shape[0])), width)
        scaled = resize(line, height=LINE_HEIGHT, width=scaled_width)
        fill_line_planes(scaled, row[..., :scaled_width])
    return feed
