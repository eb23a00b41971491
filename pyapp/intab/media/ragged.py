"""Groups of different sizes laid end to end in one array.

Integers here have 64 bits, whatever numpy's own are: 64 on a desktop, 32 in a browser, where keys made of an
owner, a row and a column would not fit and where np.repeat refuses wider counts.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)


def spread(values: NDArray[Scalar], counts: Ints) -> NDArray[Scalar]:
    """values[i] counts[i] times, one after the other. values, counts [N] -> [counts.sum()]."""
    return np.repeat(values, counts.astype(np.intp))


def numbers(count: int) -> Ints:
    """0 .. count - 1."""
    return np.arange(count, dtype=np.int64)


def groups(counts: Ints) -> Ints:
    """For each element the group it belongs to. counts [N] -> [counts.sum()]."""
    return spread(numbers(len(counts)), counts)


def begins(counts: Ints) -> Ints:
    """Where each group begins. counts [N] -> [N]."""
    return np.cumsum(counts, dtype=np.int64) - counts


def places(counts: Ints) -> Ints:
    """For each element its number within its group. counts [N] -> [counts.sum()]."""
    return numbers(int(counts.sum())) - spread(begins(counts), counts)


def smallest(values: NDArray[Scalar], begin: Ints) -> NDArray[Scalar]:
    """The smallest value of each group; `begin` as from `begins`, no group empty."""
    least: NDArray[Scalar] = np.minimum.reduceat(values, begin.astype(np.intp))
    return least
