"""The compute workers of a tab: one team that serves every session, and how it is spoken to.

A team is a control block in the shared memory (`intab.kernels.wasm.together` says what lies in it) and workers that
run `web/compute.js`. They wait in their event loops between runs, so that they can be told of another session's
module, and take part in a run from the moment its message reaches them. The leader, thread 0, is the kernel worker.

    to a worker    {kind: "join", memory, control, layout}     once, first; layout: offsets in the control block
                   {kind: "add", number, module}               make an instance of a compiled module
                   {kind: "drop", number}                      forget it
                   number                                      a run of that module has begun (a bare number, since
                                                               it is sent for each run and costs least)
    from a worker  {kind: "ready", number}                     the module can be run
                   {kind: "failed", reason}                    a module could not be made, or its code stopped

A worker is called to runs only when it has reported a module ready: a worker does not even start while the worker
that made it is busy. A team in which a thread has died is not used again: its memory stays, a new one takes over.
"""

import asyncio
from functools import partial
from typing import Any

import numpy as np

from intab.browser.wasm import WasmInstance, WasmMemory
from intab.browser.workers import Worker
from intab.errors import DeviceLostError, KernelError
from intab.kernels.wasm.together import CONTROL_NBYTES, SLICE_MS, Control, Status

SCRIPT = "./compute.js"
# No chunk takes this long, not even in baseline code on a slow phone.
DEADLINE_MS = 10_000
# A worker whose script is on its way; a run does not wait for it, a load does, so that first runs are whole.
READY_SECONDS = 5.0


class Team:
    """Workers over one shared memory, with a control block at `control`. `broken` says why it is not to be used."""

    def __init__(self, memory: WasmMemory, control: int, size: int, *, script: str, deadline_ms: int) -> None:
        """Start `size` workers of `script`, which answer within `deadline_ms` when they are in a run."""
        self.broken: str | None = None
        self._memory = memory
        self._control = control
        self._script = script
        self._modules: dict[int, Any] = {}
        self._ready: dict[int, set[int]] = {}
        self._changed = asyncio.Event()
        self._workers: list[Worker] = []
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
            layout = {"step": Control.STEP.value, "poison": Control.POISON.value, "trapped": Status.TRAPPED.value}
            worker.post({"kind": "join", "memory": self._memory.js, "control": self._control, "layout": layout})
            for number, module in self._modules.items():
                worker.post({"kind": "add", "number": number, "module": module})

    def add(self, number: int, module: Any) -> None:
        """Give all workers a compiled module, which is called `number` from now on."""
        self._modules[number] = module
        self._ready[number] = set()
        for worker in self._workers:
            worker.post({"kind": "add", "number": number, "module": module})

    def drop(self, number: int) -> None:
        """Forget a module."""
        del self._modules[number], self._ready[number]
        for worker in self._workers:
            worker.post({"kind": "drop", "number": number})

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
        instance.call("open", self._control, table, steps, number)
        for worker in self._workers[:helpers]:
            worker.post(number)
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

    def dispose(self) -> None:
        """End all workers; a second call does nothing."""
        self._break("disposed of")
        for worker in self._workers:
            worker.terminate()
        self._workers.clear()

    def _receive(self, place: int, message: Any) -> None:
        if message.kind == "failed":
            self._break(str(message.reason))
        elif message.number in self._ready:
            self._ready[message.number].add(place)
            self._changed.set()

    def _break(self, reason: str) -> None:
        if self.broken is None:
            self.broken = reason
            # Whoever is still in a run leaves it at the next look.
            poison = np.array([Status.LATE], np.int32)
            self._memory.write(self._control + Control.POISON, poison.view(np.uint8).data)
        self._changed.set()
