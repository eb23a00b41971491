"""Whether steps run faster on all threads or on one, found by timing both: short runs gain little or lose.

What calling workers costs differs between machines tenfold, and from one minute to the next: where they sleep deeply,
where they are put on the processor that calls them, where something else keeps it busy. After a run on one thread they
sleep, so that each way is timed in several runs on end.
"""

from collections import deque
from statistics import median

# Shorter than what a page does between two frames, longer than what it does between two parts of one.
SOON_SECONDS = 0.001
# Runs on end that are timed.
KEPT = 3
# The first runs, whose code is not yet optimised, tell nothing.
FIRST = 16
# Runs between looks at the other way: more each time that nothing has changed.
FEWEST_BETWEEN = 16
MOST_BETWEEN = 512


class Paces:
    """The paces of one part of a plan: one for runs soon after another, when workers are awake, and one for others."""

    def __init__(self, guess: bool) -> None:
        self._soon, self._later = Pace(guess), Pace(guess)

    def after(self, seconds: float) -> "Pace":
        """The pace of runs that begin so long after the one before."""
        return self._soon if seconds < SOON_SECONDS else self._later


class Pace:
    """The times of runs of one kind. Run `together` or not, then tell `note` how long it took.

    `guess`: the way of the first runs.
    """

    def __init__(self, guess: bool) -> None:
        self.together = guess
        self._faster = guess
        self._times = {True: deque[float](maxlen=KEPT), False: deque[float](maxlen=KEPT)}
        self._between = FEWEST_BETWEEN
        self._left = FIRST

    def note(self, seconds: float) -> None:
        """A run went this way and took so long."""
        self._times[self.together].append(seconds)
        self._left -= 1
        if self._left > 0:
            return
        if self.together == self._faster:  # time for a look at the other way
            self.together, self._left = not self._faster, KEPT
            return
        faster = median(self._times[True]) <= median(self._times[False])
        self._between = FEWEST_BETWEEN if faster != self._faster else min(2 * self._between, MOST_BETWEEN)
        self.together = self._faster = faster
        self._left = self._between
