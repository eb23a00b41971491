"""Which way runs go when their times are known. The times are made up."""

from collections.abc import Callable

import pytest

from intab.backends.wasm.pace import FEWEST_BETWEEN, FIRST, KEPT, MOST_BETWEEN, SOON_SECONDS, Pace, Paces


def ways(pace: Pace, runs: int, seconds: Callable[[bool], float]) -> list[bool]:
    """The ways that so many runs go, each of which takes `seconds(together)`."""
    gone = []
    for _ in range(runs):
        gone.append(pace.together)
        pace.note(seconds(pace.together))
    return gone


@pytest.mark.parametrize("guess", [True, False])
@pytest.mark.parametrize("faster", [True, False])
def test_both_ways_are_tried_and_the_faster_is_kept(guess: bool, faster: bool) -> None:
    gone = ways(Pace(guess), 2000, lambda together: 1.0 if together == faster else 1.5)
    assert gone[: FIRST + KEPT] == [guess] * FIRST + [not guess] * KEPT
    assert gone[FIRST + KEPT : FIRST + KEPT + FEWEST_BETWEEN] == [faster] * FEWEST_BETWEEN
    assert gone[-MOST_BETWEEN:].count(not faster) <= KEPT


def test_what_becomes_slower_is_left() -> None:
    pace = Pace(guess=True)
    ways(pace, 100, lambda together: 1.0 if together else 2.0)
    after = ways(pace, 300, lambda together: 3.0 if together else 2.0)
    assert after[-2 * FEWEST_BETWEEN :].count(False) >= 2 * FEWEST_BETWEEN - KEPT


def test_workers_that_fall_asleep_are_given_the_time_to_wake() -> None:
    """The first run after one on one thread is late, and what comes after it is not."""
    pace, last = Pace(guess=False), [False]

    def seconds(together: bool) -> float:
        woken = together and not last[0]
        last[0] = together
        return 3.0 if woken else 1.0 if together else 2.0

    assert all(ways(pace, FIRST + KEPT + FEWEST_BETWEEN, seconds)[FIRST:])


def test_runs_on_end_and_runs_now_and_then_have_paces_of_their_own() -> None:
    paces = Paces(guess=True)
    assert paces.after(0.0) is paces.after(SOON_SECONDS / 2)
    assert paces.after(0.0) is not paces.after(1.0)
