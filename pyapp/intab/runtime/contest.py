"""Two ways of one model that estimates do not tell apart: both run the first feeds, and the faster one stays.

It is bounded: the rival is built once, and each runs at most `MOST_RUNS` times after a first run, or for `TRIAL_MS`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from intab.backends.engine import Executable
from intab.graph.ir import Array
from intab.runtime.choose import rivals, settle
from intab.runtime.device import Candidate, Choice

MOST_RUNS = 3
TRIAL_MS = 500.0
# Workers are on their way while a session of several threads begins to run; longer than this nobody waits for them.
THREADS_SECONDS = 1.0
GLANCE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Contender:
    """A model made ready one way, the name of the GPU that runs it, if one does, and what else is to be known of it."""

    executable: Executable
    adapter: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """What was chosen, and how to try its rivals. `first` is the chosen way made ready; `prepare` makes another so.

    `remember` keeps what is found, and may add a note. `close` lets go of the model's bytes, which `prepare` reads.
    """

    choice: Choice
    first: Contender
    prepare: Callable[[Candidate], Awaitable[Contender]]
    remember: Callable[[Choice], Awaitable[Choice]]
    close: Callable[[], None]

    @property
    def rivals(self) -> tuple[str, ...]:
        """The back ends that are tried beside the chosen one."""
        return tuple(one.backend for one in rivals(self.choice)[1:])

    async def held(
        self, executable: Executable, feeds: Mapping[str, Array], sizes: Mapping[str, int], names: Sequence[str]
    ) -> tuple[Contender, Choice]:
        """The fastest way over these feeds, and the choice of it. All others are disposed of.

        `executable` is the first way's, which has run these feeds. Raises what the runs raise, where no way can run
        them; then it is still there. Nothing is kept of the choice before `remember`.
        """
        first = replace(self.first, executable=executable)
        made = {self.choice.backend: first}

        async def trial(one: Candidate) -> float:
            if one.backend not in made:
                made[one.backend] = await self.prepare(one)
                await made[one.backend].executable.run(feeds, sizes, names)
            return await _timed(made[one.backend].executable, feeds, sizes, names)

        winner = first
        try:
            choice = await settle(self.choice, trial)
            winner = made[choice.backend]
        finally:
            for one in made.values():
                if one is not winner:
                    one.executable.dispose()
            self.close()
        return winner, choice


async def _timed(
    executable: Executable, feeds: Mapping[str, Array], sizes: Mapping[str, int], names: Sequence[str]
) -> float:
    """The least ms of a few runs."""
    begin = time.perf_counter()
    while executable.threads < executable.team_size and time.perf_counter() - begin < THREADS_SECONDS:
        await asyncio.sleep(GLANCE_SECONDS)
    times: list[float] = []
    while len(times) < MOST_RUNS and sum(times) < TRIAL_MS:
        begin = time.perf_counter()
        await executable.run(feeds, sizes, names)
        times.append((time.perf_counter() - begin) * 1e3)
    return min(times)
