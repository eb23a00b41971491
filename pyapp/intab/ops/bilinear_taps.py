"""Between which pixels a line lies when it is scaled, and how much each of the two counts: as OpenCV has it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WEIGHT_BITS = 11  # a weight is an integer out of 2048


@dataclass(frozen=True, slots=True)
class Taps:
    """For each output position the two input positions it lies between, and their weights out of 2048."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    first_weight: NDArray[np.int32]
    second_weight: NDArray[np.int32]


def bilinear_taps(size: int, new_size: int) -> Taps:
    """The taps for `size` pixels that become `new_size`, with half-pixel centres and no antialiasing.

    Source: OpenCV, imgproc/src/resize.cpp, the path of uchar with 11-bit weights.
    """
    # float32 on purpose: OpenCV rounds the position to float before it takes the fraction.
    position = ((np.arange(new_size) + 0.5) * (size / new_size) - 0.5).astype(np.float32)
    first = np.floor(position)
    fraction = position - first
    index = first.astype(np.int64)
    return Taps(
        np.clip(index, 0, size - 1),
        np.clip(index + 1, 0, size - 1),
        _weight(np.float32(1) - fraction),
        _weight(fraction),
    )


def _weight(fraction: NDArray[np.float32]) -> NDArray[np.int32]:
    scaled: NDArray[np.float32] = np.rint(fraction * np.float32(1 << WEIGHT_BITS))
    return scaled.astype(np.int32)
