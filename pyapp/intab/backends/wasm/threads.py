"""The compute workers of a tab: one team that serves every session, and how it is spoken to.

A team is a control block in the shared memory (`intab.kernels.wasm.together` says what lies in it) and workers that
run `web/compute.js`. Between runs they sleep at a word of that block, where a call wakes them at once, and after a
while in their event loops, where a message does. The leader, thread 0, is the kernel worker.

    to a worker    {kind: "join", memory, control, place, ...} once, first; the rest says what lies where
                   {kind: "add", number, module}               make an instance of a compiled module
                   {kind: "drop", number}                      forget it
                   0                                           a run has begun
    from a worker  {kind: "ready", number}                     the module can be run
                   {kind: "failed", reason}                    a module could not be made, or its code stopped

A worker is called to runs only when it has reported a module ready: a worker does not even start while the worker
that made it is busy. A team in which a thread has died is not used again: its memory stays, a new one takes over.
Nothing tells of a worker that was ended between runs, so it is looked after: who follows no call is lost.
"""

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intab.browser.wasm import WasmInstance, WasmMemory
from intab.browser.workers import Worker
from intab.errors import DeviceLostError, KernelError
from intab.kernels.wasm.together import CONTROL_NBYTES, MOST_WORKERS, SLICE_MS, Control, State, Status

SCRIPT = "./compute.js"
# No chunk takes this long, not even in baseline code on a slow phone.
DEADLINE_MS = 10_000
# A worker whose script is on its way; a run does not wait for it, a load does, so that first runs are whole.
READY_SECONDS = 5.0
# Long enough for the next frame of a camera or the next sentence; then the browser has the worker to itself.
SLEEP_MS = 2_000
# Within this the next of many short runs begins. Longer would keep others from this processor.
AWAKE_MS = 0.1
MOST_THREADS = MOST_WORKERS + 1
# A worker that lives follows a call within a millisecond, on a machine that has other things to do within some.
ANSWER_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Mark:
    """A call that the first `helpers` workers are to have followed soon after `made_at` (seconds)."""

    call: int
    helpers: int
    made_at: float


class Team:
    """Workers over one shared memory, with a control block at `control`. `broken` says why it is not to be used."""

    def __init__(self, memory: WasmMemory, control: int, size: int, *, script: str, deadline_ms: int) -> None:
        """Start `size` workers of `script`, which answer within `deadline_ms` when they are in a run."""
        self.broken: str | None = None
        self.was_ready = False
        self._memory = memory
        self._control = control
        self._script = script
        self._modules: dict[int, Any] = {}
        self._ready: dict[int, set[int]] = {}
        self._changed = asyncio.Event()
        self._workers: list[Worker] = []
        self._sent: list[int] = []
        self._mark: Mark | None = None
        words = np.zeros(CONTROL_NBYTES // 4, np.int32)
        words[Control.PATIENCE // 4] = max(1, deadline_ms // SLICE_MS)
        memory.write(control, words.view(np.uint8).data)
        self.grow_to(size)

    def grow_to(self, size: int) -> None:
        """Have at least `size` workers."""
        while len(self._workers) < size:
            place = len(self._workers)
            worker = Worker(self._script, f"compute {place + 1}", partial(self._receive, place), self._break)
            self._workers.append(worker)
            self._sent.append(0)
            self._tell(place, {"kind": "join", "memory": self._memory.js, "control": self._control, "place": place})
            for number, module in self._modules.items():
                self._tell(place, {"kind": "add", "number": number, "module": module})

    def add(self, number: int, module: Any) -> None:
        """Give all workers a compiled module, which is called `number` from now on."""
        self._modules[number] = module
        self._ready[number] = set()
        for place in range(len(self._workers)):
            self._tell(place, {"kind": "add", "number": number, "module": module})

    def drop(self, number: int) -> None:
        """Forget a module."""
        del self._modules[number], self._ready[number]
        for place in range(len(self._workers)):
            self._tell(place, {"kind": "drop", "number": number})

    def is_ready(self, number: int, helpers: int) -> bool:
        """Whether the first `helpers` workers can run a module; not when it has been dropped."""
        return self.broken is None and self._ready.get(number, set()).issuperset(range(helpers))

    async def wait_until_ready(self, number: int, helpers: int) -> None:
        """Wait until `is_ready`, or until that is not to be expected any more."""
        end = asyncio.get_running_loop().time() + READY_SECONDS
        while self.broken is None and not self.is_ready(number, helpers):
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), end - asyncio.get_running_loop().time())
            except TimeoutError:
                return  # they join the first run that finds them ready

    def run(self, instance: WasmInstance, number: int, helpers: int, table: int, steps: int) -> None:
        """Run a table with the first `helpers` workers. Raises DeviceLostError when one of them is lost on the way."""
        away = instance.call("open", self._control, table, steps, number, helpers)
        for place in range(helpers):
            if away >> place & 1:
                self._workers[place].post(0)
        try:
            status = instance.call("lead", self._control)
        except KernelError:
            self._break("its leader's code stopped")
            raise
        if status != Status.WELL:
            late = "did not answer in time" if status == Status.LATE else "stopped in the generated module"
            self._break(f"a compute worker {late}")
            raise DeviceLostError(
                f"browser: a compute worker {late}, in a run of {steps} steps on {helpers + 1} threads. Run again: "
                "new workers are started. If it happens again, load with threads=1 and please report it."
            )

    def look_after(self, helpers: int) -> None:
        """Find workers that have followed none of the calls made since a while ago: then the team is broken."""
        now = time.monotonic()
        mark = self._mark
        if mark is not None and now - mark.made_at < ANSWER_SECONDS:
            return
        if mark is not None and (self._words(Control.ANSWERS, mark.helpers) - mark.call < 0).any():
            self._break("a compute worker was ended between runs")
        # The call that comes next.
        self._mark = Mark(int(self._words(Control.CALLS, 1)[0]) + 1, helpers, now)

    def dispose(self) -> None:
        """End all workers; a second call does nothing."""
        self._break("disposed of")
        for worker in self._workers:
            worker.terminate()
        self._workers.clear()

    def _tell(self, place: int, message: dict[str, object]) -> None:
        """Send a message that is to be read, also by a worker that waits for runs."""
        self._workers[place].post(_JOINING | message if message["kind"] == "join" else message)
        self._sent[place] += 1
        self._write(Control.SENT + 4 * place, self._sent[place])
        self._memory.signal(self._control + Control.CALLS)

    def _words(self, offset: int, count: int) -> NDArray[np.int32]:
        words = np.empty(count, np.int32)
        self._memory.read(self._control + offset, words.view(np.uint8).data)
        return words

    def _write(self, offset: int, number: int) -> None:
        self._memory.write(self._control + offset, np.array([number], np.int32).view(np.uint8).data)

    def _receive(self, place: int, message: Any) -> None:
        if message.kind == "failed":
            self._break(str(message.reason))
        elif message.number in self._ready:
            self._ready[message.number].add(place)
            self.was_ready = True
            self._changed.set()

    def _break(self, reason: str) -> None:
        if self.broken is None:
            self.broken = reason
            self._write(Control.POISON, Status.LATE)  # whoever is still in a run leaves it at the next look
        self._changed.set()


_JOINING: dict[str, object] = {
    "words": {
        word.name.lower(): word.value
        for word in (
            Control.CALLS,
            Control.MODULE,
            Control.STEP,
            Control.POISON,
            Control.SENT,
            Control.ANSWERS,
            Control.STATES,
        )
    },
    "states": {state.name.lower(): state.value for state in State},
    "trapped": Status.TRAPPED.value,
    "awake_ms": AWAKE_MS,
    "sleep_ms": SLEEP_MS,
}
