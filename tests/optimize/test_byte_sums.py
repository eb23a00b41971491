"""Sums of bytes are rounded as by one multiplication and addition in one, for all pairs of bytes."""

import numpy as np
import pytest

from intab.optimize.byte_sums import Sum

RANDOM = np.random.default_rng(8)
BYTES = np.arange(256)


def rounded_once(factor: np.ndarray, ratio: np.float32, addend: np.ndarray) -> np.ndarray:
    return np.asarray(factor * np.float64(ratio) + addend, np.float32)


@pytest.mark.parametrize("case", range(40))
def test_every_pair_is_rounded_alike(case: int) -> None:
    scales = [np.float32(s) for s in RANDOM.uniform(0.01, 0.06, 3)]
    zeros = [np.uint8(z) for z in RANDOM.integers(100, 156, 3)]
    if case % 4 == 0:  # many exact halves
        scales = [np.float32(0.25 * s) for s in RANDOM.integers(1, 5, 3)]
    a_ratio, b_ratio = scales[0] / scales[2], scales[1] / scales[2]
    zero_a, zero_b, zero = (np.float32(z) for z in zeros)
    offset = zero - rounded_once(zero_a, a_ratio, np.float64(b_ratio * zero_b))
    a, b = (grid.reshape(-1).astype(np.float32) for grid in np.meshgrid(BYTES, BYTES))
    wanted = np.rint(np.clip(rounded_once(a, a_ratio, rounded_once(b, b_ratio, np.float64(offset))), 0, 255))

    numbers = Sum(scales[0], zeros[0], scales[1], zeros[1], scales[2], zeros[2]).numbers("u8", "u8")

    found = np.rint(np.clip(a * numbers[0] + (b * numbers[1] + numbers[2]), 0, 255))
    assert np.array_equal(found, wanted)
