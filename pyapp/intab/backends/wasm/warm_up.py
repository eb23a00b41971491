"""Kernels run a little before anybody waits for them, so that engines optimise their code meanwhile.

V8 compiles a function quickly and badly, counts what it executes, and lets a thread in the background compile it well
once that is about half a millisecond's worth; until then it takes eight times as long. So each kernel in which a run
spends much time is run on a few items, before the weights are packed, which goes on while the background is at work.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from intab.graph.dims import evaluate, symbols_of
from intab.program.ir import Program

# What a kernel is run for at least, and all of them at most.
KERNEL_MS = 0.3
MOST_MS = 60.0
# A kernel that a run spends less time in, once it is optimised, is not worth it.
LEAST_NS = 500_000
# Sizes that only feeds will tell are taken for these, the first that the model can have in so much memory.
GUESSED_SIZES = (256, 64)
MOST_GUESSED_NBYTES = 64 << 20


def guesses(program: Program) -> Iterator[dict[str, int]]:
    """Sizes that feeds may have: one of what is counted along the first axis, sides of GUESSED_SIZES."""
    symbols = {symbol for dim in program.dims for symbol in symbols_of(dim)}
    first = {s for port in program.inputs if len(port.shape) > 1 for s in symbols_of(port.shape[0])}
    computed = {s for part in program.segments for reading in part.readings for s in reading.symbols}
    for side in GUESSED_SIZES if symbols - first - computed else GUESSED_SIZES[:1]:
        sizes = {s: 0 if s in computed else 1 if s in first else side for s in symbols}
        known = {s for s in symbols if s not in computed}
        pairs = [(e.left, e.right) for e in program.equalities if symbols_of(e.left) | symbols_of(e.right) <= known]
        if all(evaluate(left, sizes) == evaluate(right, sizes) for left, right in pairs):
            yield sizes


def hot_steps(program: Program, times: Sequence[float]) -> list[int]:
    """The largest step of each kernel that is worth it and may be run on any numbers; most time first.

    `times`: nanoseconds of each step, roughly.
    """
    totals: dict[int, float] = {}
    largest: dict[int, int] = {}
    for number, (step, ns) in enumerate(zip(program.steps, times, strict=True)):
        if step.kernel in program.numeric_kernels:
            totals[step.kernel] = totals.get(step.kernel, 0.0) + ns
            if ns > times[largest.setdefault(step.kernel, number)]:
                largest[step.kernel] = number
    worth = [kernel for kernel, ns in totals.items() if ns >= LEAST_NS]
    return [largest[kernel] for kernel in sorted(worth, key=lambda kernel: -totals[kernel])]


def warm_up(steps: Sequence[int], items: Mapping[int, int], run: Callable[[int, int], None]) -> None:
    """`run(step, items)` on more and more items, until the time is up or there are no more."""
    begin = time.perf_counter()
    for step in steps:
        started, count = time.perf_counter(), 1
        if started - begin > MOST_MS / 1e3:
            return
        while time.perf_counter() - started < KERNEL_MS / 1e3:
            run(step, min(count, items[step]))
            count *= 2
