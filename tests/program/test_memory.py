"""Placing buffers."""

from hypothesis import given
from hypothesis import strategies as st

from intab.program.ir import ALIGNMENT
from intab.program.memory import Lifetime, aligned, largest_live_set, place_apart, place_reused

lifetimes = st.lists(
    st.builds(
        lambda first, length, nbytes: Lifetime(first, first + length, nbytes),
        st.integers(0, 20),
        st.integers(0, 8),
        st.integers(0, 1000),
    ),
    max_size=30,
)


@given(lifetimes)
def test_buffers_alive_together_lie_apart(lives: list[Lifetime]) -> None:
    placement = place_reused(lives)
    for i, a in enumerate(lives):
        start, end = placement.offsets[i], placement.offsets[i] + a.nbytes
        assert start % ALIGNMENT == 0 and end <= placement.nbytes
        for j, b in enumerate(lives[:i]):
            if a.first_step <= b.last_step and b.first_step <= a.last_step and a.nbytes and b.nbytes:
                other = placement.offsets[j]
                assert end <= other or other + b.nbytes <= start


@given(lifetimes)
def test_no_better_than_possible_no_worse_than_no_reuse(lives: list[Lifetime]) -> None:
    placement = place_reused(lives)
    assert largest_live_set(lives) <= placement.nbytes <= sum(aligned(life.nbytes) for life in lives)


@given(lifetimes)
def test_the_largest_live_set_is_that_of_one_step(lives: list[Lifetime]) -> None:
    steps = range(max((life.last_step for life in lives), default=0) + 1)
    alive = [sum(aligned(b.nbytes) for b in lives if b.first_step <= s <= b.last_step) for s in steps]
    assert largest_live_set(lives) == max(alive)


def test_a_chain_takes_two_buffers() -> None:
    chain = [Lifetime(i, i + 1, 640) for i in range(10)]
    assert place_reused(chain).nbytes == 1280


def test_what_stays_lies_side_by_side() -> None:
    assert place_apart([1, 64, 65, 0]).offsets == (0, 64, 128, 256)
    assert place_apart([]).nbytes == 0
