"""Cutting a tilted rectangle out of a picture and straightening it."""

import numpy as np
from numpy.typing import NDArray

from intab.errors import ShapeError

SHARPNESS = np.float32(-0.75)  # the free parameter of cubic convolution (Keys 1981), as OpenCV chose it
TAPS = 4
BLOCK_PIXELS = 1 << 14  # pixels worked on at a time, so that the intermediate sums stay in the cache


def perspective_from(corners: NDArray[np.float32], height: int, width: int) -> NDArray[np.float64]:
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


class Warper:
    """A picture made ready for many warps: float planes with room around them, so that no tap needs a clamp.

    picture [H, W, C] uint8.
    """

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        self._height, self._width, channels = picture.shape
        padded = np.pad(picture, ((TAPS, TAPS), (TAPS, TAPS), (0, 0)), mode="edge")
        self._stride = padded.shape[1]
        self._planes = [np.ascontiguousarray(padded[..., c]).reshape(-1) for c in range(channels)]

    def straighten(self, corners: NDArray[np.float32], *, height: int, width: int) -> NDArray[np.uint8]:
        """What lies inside corners [4, 2] (x, y; clockwise from top left), as an upright picture.

        Returns [height, width, C] uint8, by cubic convolution; outside the picture its edge pixels go on.
        Same meaning as cv2.warpPerspective(INTER_CUBIC, BORDER_REPLICATE) of OpenCV 5, which computes in float32
        at the exact position (OpenCV 4 rounds it to 1/32 of a pixel).
        """
        if min(height, width) < 1:
            raise ShapeError(f"straighten: {height} x {width} has no pixels. Ask for sides of 1 or more.")
        matrix = perspective_from(corners, height, width).astype(np.float32)
        straight = np.empty((height, width, len(self._planes)), np.uint8)
        rows = max(1, BLOCK_PIXELS // width)
        for start in range(0, height, rows):
            block = straight[start : start + rows]
            x, y = _positions(matrix, start, block.shape[0], width)
            self._sample(x, y, block)
        return straight

    def _sample(self, x: NDArray[np.float32], y: NDArray[np.float32], out: NDArray[np.uint8]) -> None:
        """Cubic convolution at x, y [h, w] into out [h, w, C]."""
        base, weights_x, weights_y = self._taps(x, y)
        for channel, plane in enumerate(self._planes):
            total = np.zeros(base.shape, np.float32)
            for j in range(TAPS):
                row = _weigh(plane[j * self._stride :], base, weights_x)
                row *= weights_y[j]
                total += row
            np.rint(total, out=total)
            out[..., channel] = np.clip(total, 0, 255, out=total).reshape(x.shape)

    def _taps(
        self, x: NDArray[np.float32], y: NDArray[np.float32]
    ) -> tuple[NDArray[np.int32], list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        """Flat index of the first of 4 x 4 pixels around each position, and the weights of columns and rows."""
        # Beyond the edge all pixels are alike, so a position farther out may be drawn in to the padding.
        x = np.clip(x.reshape(-1), -2, self._width + 1)
        y = np.clip(y.reshape(-1), -2, self._height + 1)
        column, row = np.floor(x), np.floor(y)
        base = row.astype(np.int32) * self._stride + column.astype(np.int32) + (TAPS - 1) * (self._stride + 1)
        return base, _cubic_weights(x - column), _cubic_weights(y - row)


def _positions(
    matrix: NDArray[np.float32], start: int, height: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where pixels of rows start .. start + height - 1 come from: x and y, each [height, width]."""
    column = np.arange(width, dtype=np.float32)
    row = np.arange(start, start + height, dtype=np.float32)[:, None]
    x, y, scale = (m[0] * column + (m[1] * row + m[2]) for m in matrix)
    return x / scale, y / scale


def _cubic_weights(fraction: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Weights of the 4 pixels around a position `fraction` past the second of them."""
    a, t = SHARPNESS, fraction
    far, rest = t + 1, 1 - t
    first = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
    second = ((a + 2) * t - (a + 3)) * t * t + 1
    third = ((a + 2) * rest - (a + 3)) * rest * rest + 1
    return [first, second, third, 1 - first - second - third]


def _weigh(
    plane: NDArray[np.uint8], index: NDArray[np.int32], weights: list[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """The sum over 4 neighbours along a row, each times its weight."""
    total = plane.take(index) * weights[0]
    for i in range(1, TAPS):
        total += plane[i:].take(index) * weights[i]
    return total
