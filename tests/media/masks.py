"""Masks as a detector makes them: rotated bars, and blobs with holes."""

import cv2
import numpy as np
from numpy.typing import NDArray


def bars(seed: int, *, height: int = 200, width: int = 300, count: int = 15) -> NDArray[np.bool_]:
    """Filled bars, level, upright, slightly tilted or at any angle; some overlap, some leave the mask."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(count):
        center = (float(rng.integers(width)), float(rng.integers(height)))
        size = (float(rng.integers(5, 90)), float(rng.integers(3, 20)))
        angle = float(rng.choice([0.0, 90.0, rng.normal(0, 3), rng.uniform(0, 90)]))
        cv2.fillPoly(mask, [cv2.boxPoints((center, size, angle)).astype(int)], 1)
    return mask > 0


def blobs(seed: int) -> NDArray[np.bool_]:
    """Smoothed noise, cut at some level: regions with holes, regions in holes, single pixels."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(5, 200, 2)
    noise = cv2.GaussianBlur(rng.random((height, width)).astype(np.float32), (0, 0), rng.choice([0.7, 1.5, 3.0, 6.0]))
    return np.asarray(noise > np.quantile(noise, rng.choice([0.3, 0.6, 0.8])))


def contours(mask: NDArray[np.bool_], *, every_pixel: bool = False) -> list[NDArray[np.int32]]:
    """OpenCV's contours [P, 2] of the mask, in its order."""
    method = cv2.CHAIN_APPROX_NONE if every_pixel else cv2.CHAIN_APPROX_SIMPLE
    found, _ = cv2.findContours(mask.astype(np.uint8) * 255, cv2.RETR_LIST, method)
    return [np.asarray(contour).reshape(-1, 2) for contour in found]
