"""Work for when a session has nothing to do: begun some seconds after the last run, held up while there is one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from intab.errors import IntabError

IDLE_SECONDS = 3.0
# How often it is looked whether somebody runs the model, while that is waited for.
LOOK_SECONDS = 0.25

Gate = Callable[[], Awaitable[None]]
Work = Callable[[Gate], Awaitable[str]]


class IdleWork:
    """`work(gate)` is done once, in a task of its own, from the first idle time on; what it returns is kept as `note`.

    It awaits the gate before each of its pieces, which lets it through only while nobody uses the session. `is_wanted`
    is asked after each use until the work is begun.
    """

    def __init__(
        self,
        work: Work,
        is_wanted: Callable[[], bool],
        *,
        idle_seconds: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._work, self._is_wanted = work, is_wanted
        self._idle_seconds = idle_seconds
        self._clock, self._sleep = clock, sleep
        self._users = 0
        self._last_use = clock()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self.note = ""

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While somebody runs the session."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self._last_use = self._clock()
            if self._task is None and not self._stopped and self._is_wanted():
                self._task = asyncio.get_running_loop().create_task(self._do())

    def stop(self) -> None:
        """End the work, at the piece that it is at."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    async def _gate(self) -> None:
        while self._users or self._clock() - self._last_use < self._idle_seconds:
            await self._sleep(LOOK_SECONDS)

    async def _do(self) -> None:
        await self._gate()
        try:
            self.note = await self._work(self._gate)
        except IntabError as error:  # nobody waits for this work; whoever runs the session meets what is wrong
            self.note = f"not tuned while idle: {error}"
