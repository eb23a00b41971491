"""Which steps of a plan several threads share, and in chunks of how many items."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intab.graph.dims import Dim, Shape, evaluate
from intab.program.bind import Plan
from intab.program.ir import Program, Step

# Nanoseconds of one thread, roughly. A meeting between two steps costs half a microsecond, a claim a tenth, and the
# data of a step that is shared out come from other cores' caches. Measured on two cores with steps of 3 to 100 us.
SMALL_STEP_NS = 10_000
SMALL_CHUNK_NS = 2_000
FLOPS_PER_NS = 40
NBYTES_PER_NS = 20
# Waking workers takes 30 us where they sleep lightly and a millisecond where they do not. Runs shorter than the first
# are one thread's, longer than the last all threads'; those between are timed both ways, and begin with the likely one.
SMALL_RUN_NS = 200_000
LIKELY_RUN_NS = 3_000_000
LARGE_RUN_NS = 30_000_000
# Many, so that a thread on a busy core leaves its part to the others; a claim costs a tenth of a microsecond.
CHUNKS_PER_THREAD = 16


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Items of a chunk of each step, 0 for one thread's; and whether a segment is worth calling the workers.

    Where that is not `certain`, time has to tell (`intab.backends.wasm.pace`).
    """

    chunks: NDArray[np.int64]
    together: tuple[bool, ...]
    certain: tuple[bool, ...]


class Sharing:
    """Shares out the steps of one program."""

    def __init__(self, program: Program, threads: int) -> None:
        self._program = program
        self._threads = threads

    def shares(self, plan: Plan, sizes: Mapping[str, int]) -> Shares:
        """The shares of a plan at these sizes; all of it one thread's when there is but one."""
        segments = self._program.segments
        if self._threads == 1:
            none = (False,) * len(segments)
            return Shares(np.zeros(len(self._program.steps), np.int64), none, (True,) * len(segments))
        times = self.times(plan, sizes)
        items = plan.items.astype(np.int64)
        smallest = np.ceil(SMALL_CHUNK_NS * items / times).astype(np.int64)
        chunks = np.maximum(-(-items // (self._threads * CHUNKS_PER_THREAD)), smallest)
        chunks[(times < SMALL_STEP_NS) | (chunks >= items)] = 0
        shared = np.where(chunks > 0, times, 0)
        sums = [float(shared[s.first_step : s.end_step].sum()) for s in segments]
        return Shares(
            chunks,
            tuple(ns >= LIKELY_RUN_NS for ns in sums),
            tuple(not SMALL_RUN_NS <= ns <= LARGE_RUN_NS for ns in sums),
        )

    def times(self, plan: Plan, sizes: Mapping[str, int]) -> NDArray[np.float64]:
        """Roughly how long each step takes one thread, in ns; from the bytes of its buffers where nobody counted."""
        values: dict[Dim, int] = {}

        def number(factors: Shape) -> int:
            for factor in factors:
                if factor not in values:
                    values[factor] = evaluate(factor, sizes)
            return math.prod([values[factor] for factor in factors])

        def time(step: Step) -> float:
            if step.work is None:
                return sum(int(plan.buffer_nbytes[w.buffer]) for w in step.words if w.buffer >= 0) / NBYTES_PER_NS
            return number(step.work.flops) / FLOPS_PER_NS + sum(map(number, step.work.tensors)) / NBYTES_PER_NS

        return np.array([max(1.0, time(step)) for step in self._program.steps])
