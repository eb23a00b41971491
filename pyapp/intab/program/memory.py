"""Placing buffers: those alive at the same time side by side, others in the same bytes.

Greedy by size, as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference" (2020):
the largest buffer first, each at the lowest place where it overlaps no placed buffer that is alive with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from intab.program.ir import ALIGNMENT


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The steps during which a buffer must keep its bytes, both ends included."""

    first_step: int
    last_step: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Placement:
    """Where each buffer starts, in bytes, and how many bytes all take together."""

    offsets: tuple[int, ...]
    nbytes: int


def aligned(nbytes: int) -> int:
    """nbytes up to the next whole number of cache lines."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def place_reused(lifetimes: Sequence[Lifetime]) -> Placement:
    """Places for buffers that come and go; the order of equal sizes is the order of first use."""
    offsets = [0] * len(lifetimes)
    placed: list[tuple[int, int, int, int]] = []  # start, end, first_step, last_step, by start
    order = sorted(range(len(lifetimes)), key=lambda i: (-lifetimes[i].nbytes, lifetimes[i].first_step))
    total = 0
    for index in order:
        life = lifetimes[index]
        size = aligned(life.nbytes)
        start = 0
        for other_start, other_end, first, last in placed:
            if first > life.last_step or last < life.first_step:
                continue
            if other_start - start >= size:
                break
            start = max(start, other_end)
        offsets[index] = start
        total = max(total, start + size)
        placed.append((start, start + size, life.first_step, life.last_step))
        placed.sort()
    return Placement(tuple(offsets), total)


def place_apart(sizes: Sequence[int]) -> Placement:
    """Places for buffers that all stay."""
    offsets, total = [], 0
    for nbytes in sizes:
        offsets.append(total)
        total += aligned(nbytes)
    return Placement(tuple(offsets), total)


def largest_live_set(lifetimes: Sequence[Lifetime]) -> int:
    """The most bytes alive at one step: no placement takes less."""
    steps = {life.first_step for life in lifetimes}
    return max(
        (sum(aligned(b.nbytes) for b in lifetimes if b.first_step <= s <= b.last_step) for s in steps), default=0
    )
