"""Placing buffers: those alive at the same time side by side, others in the same bytes.

Greedy, as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference" (2020): one buffer
after the other, each at the lowest place where it overlaps no placed buffer that is alive with it. No one order
is the best for all graphs, so several are tried: size times lifetime keeps long-lived buffers from standing in
the middle (the OCR detector, exactly the lower bound where size alone takes a quarter more), size suits others.
Where none comes near the bound, buffers that others left no room for are placed first.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
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


# Orders in which buffers are placed, the first to be tried first; ties are placed in the order given.
ORDERS: tuple[Callable[[Lifetime], int], ...] = (
    lambda life: -life.nbytes * (life.last_step - life.first_step + 1),
    lambda life: -life.nbytes,
)
# A placement within this factor of the least possible is not worth a further try.
GOOD_ENOUGH = 1.02
# One above this is, a few times.
WORTH_A_TRY = 1.08
MOST_TRIES = 12


def place_reused(lifetimes: Sequence[Lifetime]) -> Placement:
    """Places for buffers that come and go: the best of several orders."""
    least = largest_live_set(lifetimes)
    tried: list[tuple[Placement, list[int]]] = []
    for order in ORDERS:
        numbers = sorted(range(len(lifetimes)), key=lambda i: order(lifetimes[i]))
        tried.append((_place(lifetimes, numbers), numbers))
        if tried[-1][0].nbytes <= GOOD_ENOUGH * least:
            return tried[-1][0]
    best, numbers = min(tried, key=lambda one: one[0].nbytes)
    placement = best
    for _ in range(MOST_TRIES):
        if best.nbytes <= WORTH_A_TRY * least:
            break
        # What lies highest comes first: it is what the others have left no room for.
        highest = max(numbers, key=lambda i: placement.offsets[i] + aligned(lifetimes[i].nbytes))
        numbers = [highest, *(i for i in numbers if i != highest)]
        placement = _place(lifetimes, numbers)
        best = min(best, placement, key=lambda one: one.nbytes)
    return best


def _place(lifetimes: Sequence[Lifetime], order: Iterable[int]) -> Placement:
    """Each buffer, in this order, at the lowest place that is free while it is alive."""
    offsets = [0] * len(lifetimes)
    placed: list[tuple[int, int, int, int]] = []  # start, end, first_step, last_step, by start
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
    changes: dict[int, int] = defaultdict(int)
    for life in lifetimes:
        changes[life.first_step] += aligned(life.nbytes)
        changes[life.last_step + 1] -= aligned(life.nbytes)
    largest = alive = 0
    for step in sorted(changes):
        alive += changes[step]
        largest = max(largest, alive)
    return largest
