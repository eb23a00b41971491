"""Which steps of a plan several threads share, and in chunks of how many items."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intab.graph.dims import Dim, Shape, evaluate
from intab.program.bind import Plan
from intab.program.ir import Program, Step

# Nanoseconds of one thread, roughly. A meeting between two steps costs about a microsecond, more when a thread has
# gone to sleep, and the data of a step that is shared out come from other cores' caches; workers join a run 100 us
# after they are called. Measured on two cores with steps of 10, 40 and 100 us and runs of 1 to 60 ms.
SMALL_STEP_NS = 40_000
SMALL_CHUNK_NS = 5_000
SMALL_RUN_NS = 2_000_000
FLOPS_PER_NS = 20
NBYTES_PER_NS = 10
# Many, so that a thread on a busy core leaves its part to the others; a claim costs a tenth of a microsecond.
CHUNKS_PER_THREAD = 16


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Items of a chunk of each step, 0 for one thread's; and whether a segment is worth calling the workers."""

    chunks: NDArray[np.int64]
    together: tuple[bool, ...]


class Sharing:
    """Shares out the steps of one program."""

    def __init__(self, program: Program, threads: int) -> None:
        self._program = program
        self._threads = threads

    def shares(self, plan: Plan, sizes: Mapping[str, int]) -> Shares:
        """The shares of a plan at these sizes; all of it one thread's when there is but one."""
        segments = self._program.segments
        if self._threads == 1:
            return Shares(np.zeros(len(self._program.steps), np.int64), (False,) * len(segments))
        times = self._times(plan, sizes)
        items = plan.items.astype(np.int64)
        smallest = np.ceil(SMALL_CHUNK_NS * items / times).astype(np.int64)
        chunks = np.maximum(-(-items // (self._threads * CHUNKS_PER_THREAD)), smallest)
        chunks[(times < SMALL_STEP_NS) | (chunks >= items)] = 0
        shared = np.where(chunks > 0, times, 0)
        together = tuple(bool(shared[s.first_step : s.end_step].sum() >= SMALL_RUN_NS) for s in segments)
        return Shares(chunks, together)

    def _times(self, plan: Plan, sizes: Mapping[str, int]) -> NDArray[np.float64]:
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
