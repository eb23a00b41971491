"""How many threads are worth having here: a loop of multiplications timed on one, two and more of them.

Processors that a browser tells of may be twins that share their arithmetic, or be busy with something else.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from intab.kernels.block import KernelWriter
from intab.kernels.ir import F32, Const, Expr, Fma, Kernel
from intab.kernels.wasm import STEP_NBYTES

ITEMS = 32
SUMS = 8
LANES = 4
TABLE_NBYTES = STEP_NBYTES + 8
# The table of one step, its two words, and a vector for each item.
ROOM_NBYTES = 64 + 4 * LANES * ITEMS
# What the loop is to take one thread. Of so many tries the fastest counts, since only that was not disturbed.
TARGET_MS = 1.0
TRIES = 5
# Fewer threads that come this near the most speed are better: others have use for a processor.
NEAR = 0.9
# When threads gain less, a second look is taken later and for longer: the browser may still have been compiling in the
# background, and schedulers that put workers on the processor that calls them part them after some milliseconds.
LITTLE = 1.5
LATER_SECONDS = 0.02
LONGER = 16
LONG_TRIES = 2


@dataclass(frozen=True, slots=True)
class Speeds:
    """Counts of threads, and how many times as fast as one thread each is."""

    of: tuple[tuple[int, float], ...]

    @property
    def best(self) -> int:
        """The fewest threads that come near the most speed."""
        most = max(speed for _, speed in self.of)
        return min(count for count, speed in self.of if speed >= NEAR * most)

    def __str__(self) -> str:
        """For people: `measured: 2 threads 1.93 times as fast as one, so that 2 compute`."""
        speeds = ", ".join(f"{count} threads {speed:.2f}" for count, speed in self.of[1:])
        return f"measured: {speeds} times as fast as one, so that {self.best} compute{'s' * (self.best == 1)}"


def counts_up_to(most: int) -> tuple[int, ...]:
    """1, 2, 4, ... and `most`."""
    doubled = [1 << power for power in range(most.bit_length()) if 1 << power < most]
    return (*doubled, most)


def multiply_loop() -> Kernel:
    """y[item] = a vector of what so many turns of multiply-adds make. Buffer y; word turns."""
    kernel = KernelWriter("multiply_loop")
    kernel.buffer("y", "f32", "write")
    turns = kernel.word("turns")
    with kernel.tile("body"):
        wide = F32.wide(LANES)
        half = kernel.let("half", Const(0.5, wide))
        sums = [kernel.let(f"sum{i}", Const(float(i), wide)) for i in range(SUMS)]
        with kernel.loop("turn", 0, turns):
            for sum_ in sums:
                kernel.assign(sum_, Fma(sum_, half, half))
        total: Expr = sums[0]
        for sum_ in sums[1:]:
            total = total + sum_
        kernel.store("y", kernel.item * LANES, total)
    return kernel.kernel()


def loop_table(address: int, turns: int) -> memoryview:
    """The step table of the loop when it lies at `address`, shared out item by item, and its words."""
    words = [0, address + STEP_NBYTES, ITEMS, 1, address + 64, turns]
    return np.array(words, np.int32).view(np.uint8).data


async def measure(run: Callable[[int], None], set_turns: Callable[[int], None], most: int) -> Speeds:
    """The speeds of 1 to `most` threads. `run(count)` runs the loop on so many, `set_turns` says how long it is."""
    turns = _calibrated(run, set_turns)
    run(most)
    speeds = _measured(run, most, TRIES)
    if speeds.of[-1][1] < LITTLE:
        await asyncio.sleep(LATER_SECONDS)
        set_turns(LONGER * turns)
        again = _measured(run, most, LONG_TRIES)
        pairs = zip(speeds.of, again.of, strict=True)
        speeds = Speeds(tuple((count, max(first, second)) for (count, first), (_, second) in pairs))
    return speeds


def _calibrated(run: Callable[[int], None], set_turns: Callable[[int], None]) -> int:
    """Turns that take one thread about TARGET_MS."""
    turns = 1024
    while True:
        set_turns(turns)
        run(1)
        if _timed(run, 1) >= TARGET_MS / 1e3 / 2:
            return turns
        turns *= 2


def _measured(run: Callable[[int], None], most: int, tries: int) -> Speeds:
    counts = counts_up_to(most)
    seconds = {count: min(_timed(run, count) for _ in range(tries)) for count in counts}
    return Speeds(tuple((count, seconds[1] / seconds[count]) for count in counts))


def _timed(run: Callable[[int], None], count: int) -> float:
    begin = time.perf_counter()
    run(count)
    return time.perf_counter() - begin
