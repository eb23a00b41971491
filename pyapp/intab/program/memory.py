"""Placing buffers: those alive at the same time side by side, others in the same bytes.

Greedy, as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference" (2020): one buffer
after the other, each at the lowest place where it overlaps no placed buffer that is alive with it. No one order
is the best for all graphs, so several are tried: size times lifetime keeps long-lived buffers from standing in
the middle (the OCR detector, exactly the lower bound where size alone takes a quarter more), size suits others.
Where none comes near the bound, buffers that others left no room for are placed first.
"""

from bisect import insort
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
    filled = _Filled()
    for index in order:
        offsets[index] = filled.put(lifetimes[index])
    return Placement(tuple(offsets), max((end for _, end, _, _ in filled.placed), default=0))


class _Filled:
    """Memory with buffers in it: start, end, first step and last step of each, by start."""

    def __init__(self) -> None:
        self.placed: list[tuple[int, int, int, int]] = []

    def place_of(self, life: Lifetime) -> int:
        """The lowest place where there is room for a buffer while it is alive."""
        size, start = aligned(life.nbytes), 0
        for other_start, other_end, first, last in self.placed:
            if first > life.last_step or last < life.first_step:
                continue
            if other_start - start >= size:
                break
            start = max(start, other_end)
        return start

    def put(self, life: Lifetime) -> int:
        """Put a buffer there; where that is."""
        start = self.place_of(life)
        insort(self.placed, (start, start + aligned(life.nbytes), life.first_step, life.last_step))
        return start


def spread_over_pages(lifetimes: Sequence[Lifetime], limit: int) -> tuple[int, ...]:
    """The page of each buffer, where pages have room for `limit` bytes: the first in which there is a place for it.

    Each page is filled as `place_reused` would first try to. A buffer that is larger than a page has one to itself.
    """
    pages, filled = [0] * len(lifetimes), list[_Filled]()
    for index in sorted(range(len(lifetimes)), key=lambda i: ORDERS[0](lifetimes[i])):
        life = lifetimes[index]
        has_room = (n for n, one in enumerate(filled) if one.place_of(life) + aligned(life.nbytes) <= limit)
        page = next(has_room, len(filled))
        if page == len(filled):
            filled.append(_Filled())
        filled[page].put(life)
        pages[index] = page
    return tuple(pages)


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
