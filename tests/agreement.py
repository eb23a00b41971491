"""How near two results are to each other: one measure everywhere."""

from collections.abc import Mapping

import numpy as np

from intab.graph.ir import Array


def agreement(found: Array, expected: Array) -> float:
    """The largest |a - b| / (|b| + 0.05 max|b| + 1e-6); infinite where dtype, shape or what is not finite differs.

    Relative error of single elements means nothing near zero, so the scale of the whole result counts too.
    """
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return float("inf")
    if found.size == 0:
        return 0.0
    a, b = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
        return float("inf")
    a, b = a[finite], b[finite]
    if b.size == 0:
        return 0.0
    scale = np.abs(b) + 0.05 * np.abs(b).max() + 1e-6
    return float((np.abs(a - b) / scale).max())


def assert_agree(found: Mapping[str, Array], expected: Mapping[str, Array], tolerance: float) -> None:
    """Fail unless both hold the same names, and results no further apart than `tolerance`."""
    assert set(found) == set(expected)
    far = {name: agreement(found[name], expected[name]) for name in expected}
    assert all(a <= tolerance for a in far.values()), f"further apart than {tolerance}: {far}"
