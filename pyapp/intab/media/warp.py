"""Cutting a tilted rectangle out of a picture and straightening it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from intab.errors import ShapeError

Floats = NDArray[np.float32]

SHARPNESS = np.float32(-0.75)  # the free parameter of cubic convolution (Keys 1981), as OpenCV chose it
TAPS = 4
BLOCK_PIXELS = 1 << 14  # pixels worked on at a time, so that the intermediate sums stay in the cache


def straighten(picture: NDArray[np.uint8], corners: Floats, *, height: int, width: int) -> NDArray[np.uint8]:
    """What lies inside `corners` of a picture, as an upright picture of its own.

    picture [H, W, C] uint8, C 1 or 3; corners [4, 2] as x, y, clockwise from top left. Returns [height, width, C],
    by cubic convolution; outside the picture its edge pixels go on. Same meaning as
    cv2.warpPerspective(INTER_CUBIC, BORDER_REPLICATE) of OpenCV 5, which computes in float32 at the exact position
    (OpenCV 4 rounds it to 1/32 of a pixel). Raises ShapeError for empty sizes and corners that span no area.
    """
    if min(height, width, *picture.shape[:2]) < 1 or picture.shape[2] not in (1, 3):
        raise ShapeError(
            f"straighten: {picture.shape} cannot give {height} x {width} pixels. "
            "Give a picture [H, W, 1] or [H, W, 3], and sides of 1 or more."
        )
    matrix = perspective_from(corners, height, width).astype(np.float32)
    straight = np.empty((height, width, picture.shape[2]), np.uint8)
    rows = max(1, BLOCK_PIXELS // width)
    for start in range(0, height, rows):
        block = straight[start : start + rows]
        x, y = _positions(matrix, start, block.shape[0], width)
        _sample(picture, x.reshape(-1), y.reshape(-1), block.reshape(-1, picture.shape[2]))
    return straight


def perspective_from(corners: Floats, height: int, width: int) -> NDArray[np.float64]:
    """The matrix [3, 3] that takes (x, y, 1) of an upright height x width picture to where `corners` have it.

    corners [4, 2] as x, y: where (0, 0), (width, 0), (width, height) and (0, height) come from.
    """
    upright = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    x, y = upright.T
    u, v = corners.astype(np.float64).T
    one, zero = np.ones(4), np.zeros(4)
    system = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -x * u, -y * u], axis=1),
            np.stack([zero, zero, zero, x, y, one, -x * v, -y * v], axis=1),
        ]
    )
    try:
        solution = np.linalg.solve(system, np.concatenate([u, v]))
    except np.linalg.LinAlgError as error:
        raise ShapeError(
            f"perspective_from: corners {corners.tolist()} span no area. Give the four corners of a convex shape."
        ) from error
    return np.append(solution, 1.0).reshape(3, 3)


def _positions(matrix: Floats, start: int, height: int, width: int) -> tuple[Floats, Floats]:
    """Where pixels of rows start .. start + height - 1 come from: x and y, each [height, width]."""
    column = np.arange(width, dtype=np.float32)
    row = np.arange(start, start + height, dtype=np.float32)[:, None]
    x, y, scale = (m[0] * column + (m[1] * row + m[2]) for m in matrix)
    return x / scale, y / scale


def _sample(picture: NDArray[np.uint8], x: Floats, y: Floats, out: NDArray[np.uint8]) -> None:
    """Cubic convolution of picture [H, W, C] at x, y [N] into out [N, C]."""
    height, width, channels = picture.shape
    # Beyond the edge all pixels are alike, so a position farther out may be drawn in.
    x, y = np.clip(x, -TAPS, width + TAPS), np.clip(y, -TAPS, height + TAPS)
    column, row = np.floor(x), np.floor(y)
    weights_x, weights_y = _cubic_weights(x - column), _cubic_weights(y - row)
    left, top = int(column.min()) - 1, int(row.min()) - 1
    right, bottom = int(column.max()) + TAPS - 1, int(row.max()) + TAPS - 1
    windows = _windows(_region(picture, left, top, right, bottom))
    first = (row.astype(np.intp) - 1 - top) * (right - left) + (column.astype(np.intp) - 1 - left)
    totals = [np.zeros(len(x), np.float32) for _ in range(channels)]
    for j in range(TAPS):
        taps = windows[first + j * (right - left)].view(np.uint8).reshape(len(x), -1)
        for channel, total in enumerate(totals):
            weighed = _weigh(taps[:, channel::channels], weights_x)
            weighed *= weights_y[j]
            total += weighed
    for channel, total in enumerate(totals):
        out[:, channel] = np.clip(np.rint(total, out=total), 0, 255, out=total)


def _region(picture: NDArray[np.uint8], left: int, top: int, right: int, bottom: int) -> NDArray[np.uint8]:
    """Columns left .. right - 1 of rows top .. bottom - 1, edge pixels going on outside the picture."""
    height, width = picture.shape[:2]
    inside = picture[max(min(top, height - 1), 0) : max(bottom, 1), max(min(left, width - 1), 0) : max(right, 1)]
    before, after = (max(-top, 0), max(-left, 0)), (max(bottom - height, 0), max(right - width, 0))
    if not any((*before, *after)):
        return inside
    padded = np.pad(inside, ((before[0], after[0]), (before[1], after[1]), (0, 0)), mode="edge")
    return padded[: bottom - top, : right - left]


def _windows(region: NDArray[np.uint8]) -> NDArray[np.uint32] | NDArray[np.complex128]:
    """For each pixel, row by row, itself and the 3 that follow, packed into one element of 4 or 16 bytes.

    Looking up one element is many times quicker than looking up its bytes, above all in a browser. region
    [h, w, C]; the last pixels of a row go on in the next, which nobody asks for.
    """
    channels = region.shape[2]
    kind: type[np.uint32] | type[np.complex128] = np.uint32 if channels == 1 else np.complex128
    count = region.shape[0] * region.shape[1]
    flat = np.zeros(count * channels + np.dtype(kind).itemsize, np.uint8)
    flat[: count * channels] = region.reshape(-1)
    return np.ndarray((count,), kind, buffer=flat.data, strides=(channels,)).copy()


def _cubic_weights(fraction: Floats) -> list[Floats]:
    """Weights of the 4 pixels around a position `fraction` past the second of them."""
    a, t = SHARPNESS, fraction
    far, rest = t + 1, 1 - t
    first = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
    second = ((a + 2) * t - (a + 3)) * t * t + 1
    third = ((a + 2) * rest - (a + 3)) * rest * rest + 1
    return [first, second, third, 1 - first - second - third]


def _weigh(taps: NDArray[np.uint8], weights: Sequence[Floats]) -> Floats:
    """The sum over 4 neighbours along a row, each times its weight. taps [N, 4 or more], weights 4 of [N]."""
    total = taps[:, 0] * weights[0]
    for i in range(1, TAPS):
        total += taps[:, i] * weights[i]
    return total
