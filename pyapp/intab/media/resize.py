"""Bilinear resizing of pictures, bit for bit as OpenCV's INTER_LINEAR does it on bytes."""

import numpy as np
from numpy.typing import NDArray

from intab.errors import ShapeError
from intab.ops.bilinear_taps import WEIGHT_BITS, Taps, bilinear_taps

BLOCK_NBYTES = 1 << 17  # rows worked on at a time, so that the intermediate sums stay in the cache


def resize(picture: NDArray[np.uint8], *, height: int, width: int) -> NDArray[np.uint8]:
    """Scale a picture with bilinear interpolation, half-pixel centres and no antialiasing.

    picture [H, W, C] uint8 -> [height, width, C] uint8; the same array when the size is already right.
    Raises ShapeError when a side is empty. The arithmetic is OpenCV's (imgproc/src/resize.cpp, the path of
    uchar with 11-bit weights), so results are identical to cv2.resize.
    """
    if picture.ndim != 3 or min(picture.shape[:2]) < 1 or min(height, width) < 1:
        raise ShapeError(
            f"resize: {picture.shape} cannot become {height} x {width}. "
            "Give a picture [H, W, C] with sides of 1 or more."
        )
    if picture.shape[:2] == (height, width):
        return picture
    rows = bilinear_taps(picture.shape[0], height)
    wanted = np.unique(np.concatenate([rows.first, rows.second]))
    stretched = _stretch_columns(picture[wanted] if len(wanted) < picture.shape[0] else picture, width)
    positions = np.searchsorted(wanted, [rows.first, rows.second])
    blended = _blend_rows(stretched, positions[0], positions[1], rows)
    return blended.reshape(height, width, picture.shape[2])


def _stretch_columns(picture: NDArray[np.uint8], width: int) -> NDArray[np.int32]:
    """[H, W, C] -> [H, width * C] sums out of 2048, with the lowest 4 bits dropped as OpenCV does."""
    height, old_width, channels = picture.shape
    taps = bilinear_taps(old_width, width)
    if old_width == width:
        return picture.reshape(height, -1).astype(np.int32) << (WEIGHT_BITS - 4)
    lanes = np.arange(channels)
    first = (taps.first[:, None] * channels + lanes).reshape(-1)
    second = (taps.second[:, None] * channels + lanes).reshape(-1)
    first_weight, second_weight = np.repeat(taps.first_weight, channels), np.repeat(taps.second_weight, channels)
    flat = picture.reshape(height, -1)
    stretched = np.empty((height, width * channels), np.int32)
    block = max(1, BLOCK_NBYTES // (4 * width * channels))
    for start in range(0, height, block):
        source = flat[start : start + block].astype(np.int32)
        target = stretched[start : start + block]
        np.multiply(source.take(first, axis=1), first_weight, out=target)
        target += source.take(second, axis=1) * second_weight
        target >>= 4
    return stretched


def _blend_rows(
    stretched: NDArray[np.int32], first: NDArray[np.int64], second: NDArray[np.int64], taps: Taps
) -> NDArray[np.uint8]:
    """Blend pairs of rows. Each product loses its lowest 16 bits before the sum, again as in OpenCV."""
    height, lanes = len(first), stretched.shape[1]
    blended = np.empty((height, lanes), np.uint8)
    block = max(1, BLOCK_NBYTES // (4 * lanes))
    for start in range(0, height, block):
        part = slice(start, start + block)
        total = stretched.take(first[part], axis=0)
        total *= taps.first_weight[part, None]
        total >>= 16
        other = stretched.take(second[part], axis=0)
        other *= taps.second_weight[part, None]
        other >>= 16
        total += other
        total += 2
        total >>= 2
        blended[part] = total
    return blended
