"""Inside Pyodide: machines with a team of compute workers, and what becomes of their runs."""

import asyncio
import sys
from contextlib import contextmanager
from typing import Any

import numpy as np

from intab.backends.wasm import threads
from intab.backends.wasm.browser import BrowserMachine, SharedMachine
from intab.backends.wasm.pool import Pool
from intab.browser import proxies
from intab.errors import IntabError
from intab.kernels.block import KernelWriter, load
from intab.kernels.ir import I32, Const
from intab.kernels.wasm import STEP_NBYTES, generate
from intab.runtime import load as load_model
from intab.runtime.device import wasm_pool
from intab.target import WASM_SIMD

ITEMS = 64
LONG = 1 << 28  # turns of a loop that take a good part of a second
READY_TRIES = 200


def count_up(name, *, one_cell):
    """y[item] += 1, or y[0] += 1 for all items, after `turns` turns of a loop, a division by `divisor` among them."""
    kernel = KernelWriter(name)
    kernel.buffer("y", "i32", "read_write")
    turns, divisor = kernel.word("turns"), kernel.word("divisor")
    sum_ = kernel.let("sum", kernel.item * 1)
    with kernel.loop("turn", 0, turns) as turn:
        kernel.assign(sum_, sum_ * 3 + turn // divisor)
    # What the loop makes is stored, or it would not be run.
    place = Const(0, I32) if one_cell else kernel.item
    kernel.store("y", place, load("y", place, I32) + 1)
    kernel.store("y", kernel.item + ITEMS, sum_)
    return kernel.kernel()


KERNELS = (count_up("own_cell", one_cell=False), count_up("one_cell", one_cell=True))


class Bench:
    """Both kernels on a machine, with a place for their numbers and a table of steps."""

    def __init__(self, machine, pool, instance, kinds, words):
        self.machine, self.pool, self.instance = machine, pool, instance
        self.steps = len(kinds)
        self.y = pool.allocate(8 * ITEMS)
        self.table = pool.allocate(STEP_NBYTES * self.steps + 12)
        self.clear()
        at = self.table.address + STEP_NBYTES * self.steps
        records = [[kind, at, ITEMS, 0 if kind else ITEMS // 8] for kind in kinds]
        numbers = np.array([n for record in records for n in record] + [self.y.address, *words], np.int32)
        machine.memory.write(self.table.address, numbers.view(np.uint8).data)

    def clear(self):
        self.machine.memory.write(self.y.address, np.zeros(8 * ITEMS, np.uint8).data)

    def counts(self):
        out = np.empty(ITEMS, np.int32)
        self.machine.memory.read(self.y.address, out.view(np.uint8).data)
        return out.tolist()

    def run(self):
        self.instance.run(self.table.address, self.steps, together=True)

    async def run_together(self):
        """A run for which all threads are there."""
        for _ in range(READY_TRIES):
            if self.instance.threads > 1:
                break
            await asyncio.sleep(0.02)
        threads = self.instance.threads
        self.run()
        return threads


@contextmanager
def machine_of(**settings):
    """A machine of the test's own, ended afterwards; nothing of it may be left."""
    before = proxies.live()
    machine = SharedMachine()
    for name, value in settings.items():
        setattr(machine, name, value)
    try:
        yield machine
    finally:
        machine.dispose()
    assert proxies.live() == before


async def bench_on(machine, kinds, words):
    """A bench whose steps are `kinds`: 0 for a step shared out, 1 for one thread's; words: turns and divisor."""
    pool = Pool(machine)
    instance = await machine.instantiate(generate(KERNELS, machine.target), 2)
    return Bench(machine, pool, instance, kinds, words)


async def many_runs(runs):
    """What each cell was counted up to by `runs` runs of two shared steps and two of one thread's, and the threads."""
    with machine_of() as machine:
        bench = await bench_on(machine, (0, 1, 1, 0), (20, 1))
        found = await bench.run_together()
        for _ in range(runs - 1):
            bench.run()
        counts = bench.counts()
        bench.instance.dispose()
        assert bench.instance.threads == 1  # what is left of a session may still be asked
    return found, counts


async def lost_worker(script):
    """A run whose worker is killed by `script`, then runs of the team after it: the error, threads and counts."""
    with machine_of(script=script, deadline_ms=300) as machine:
        bench = await bench_on(machine, (0,), (LONG, 1))
        first = bench.instance.threads
        machine.script = SharedMachine.script
        error = caught(bench.run)
        turns = np.array([20], np.int32)
        machine.memory.write(bench.table.address + STEP_NBYTES + 4, turns.view(np.uint8).data)
        bench.clear()
        at_once = bench.instance.threads
        bench.run()
        again = await bench.run_together()
        counts = bench.counts()
        bench.instance.dispose()
    return first, error, at_once, again, counts


async def lost_between_runs(script):
    """Runs around the end of a worker, which `script` ends after the first: threads before and after it, and counts."""
    with machine_of(script=script) as machine:
        bench = await bench_on(machine, (0,), (20, 1))
        first = await bench.run_together()
        machine.script = SharedMachine.script
        runs = 1
        while bench.instance.threads > 1:  # until it is missed
            await asyncio.sleep(0.1)
            bench.run()
            runs += 1
        again = await bench.run_together()
        counts = [count - runs for count in bench.counts()]
        bench.instance.dispose()
    return first, again, counts


async def sessions_in_turn(url, shape, runs):
    """Sessions over one team, run in turn and disposed of in another order: whether all gave the same, and workers."""
    feed = {"x": np.random.default_rng(4).standard_normal(shape, np.float32)}
    alone = await load_model(url, threads=1)
    expected = await alone.run(feed)
    alone.dispose()
    sessions = [await load_model(url, threads=threads) for threads in (2, 3, 2)]
    most = proxies.live()["worker"]
    same = True
    for number in range(runs):
        found = await sessions[number % len(sessions)].run(feed)
        same &= all(np.array_equal(found[name], value) for name, value in expected.items())
    for number in (1, 2, 0):
        sessions[number].dispose()
        if number:
            found = await sessions[0].run(feed)
            same &= all(np.array_equal(found[name], value) for name, value in expected.items())
    return same, most, proxies.live().get("worker", 0)


@contextmanager
def workers_of(script, ready_seconds):
    """Have this tab's workers run another script, and loads wait less for them."""
    machine, before = wasm_pool(2).machine, threads.READY_SECONDS
    assert isinstance(machine, SharedMachine)
    machine.script = script
    threads.READY_SECONDS = ready_seconds
    try:
        yield
    finally:
        del machine.script
        threads.READY_SECONDS = before


async def late_workers(url, shape, script):
    """A session that is ready before its workers: threads and choice then and later, and whether outputs agree."""
    feed = {"x": np.random.default_rng(5).standard_normal(shape, np.float32)}
    with workers_of(script, 0.05):
        async with await load_model(url, threads=2) as session:
            first = session.stats().threads, str(session.choice)
            alone = await session.run(feed)
            for _ in range(READY_TRIES):
                if session.stats().threads > 1:
                    break
                await asyncio.sleep(0.02)
            together = await session.run(feed)
            same = all(np.array_equal(together[name], value) for name, value in alone.items())
            return first, (session.stats().threads, str(session.choice)), same


async def chosen_threads(url):
    """The choice for a session whose threads are not asked for, and the threads it has."""
    async with await load_model(url) as session:
        return str(session.choice), session.choice.threads, session.stats().threads


async def trap():
    """A run that divides by zero, and the threads of the run after it."""
    with machine_of() as machine:
        bench = await bench_on(machine, (0,), (20, 0))
        error = caught(bench.run)
        machine.memory.write(bench.table.address + STEP_NBYTES + 8, np.ones(1, np.int32).view(np.uint8).data)
        bench.clear()
        threads = await bench.run_together()
        counts = bench.counts()
        bench.instance.dispose()
    return error, threads, counts


async def no_script():
    """Threads and counts where the workers' script is missing."""
    with machine_of(script="/nothing.js") as machine:
        bench = await bench_on(machine, (0,), (20, 1))
        bench.run()
        threads, counts = bench.instance.threads, bench.counts()
        bench.instance.dispose()
    return threads, counts


def caught(action):
    """The name and words of the IntabError that an action ends in."""
    try:
        action()
    except IntabError as error:
        return type(error).__name__, str(error)
    return None


async def same_outputs(url, shapes, runs):
    """Runs of a model on one thread and on two: whether outputs are the same each time, threads, and the choice."""
    random = np.random.default_rng(3)
    feeds = [{"x": random.standard_normal(shape, np.float32)} for shape in shapes]
    async with await load_model(url, threads=1) as one, await load_model(url, threads=2) as two:
        expected = [await one.run(feed) for feed in feeds]
        same = True
        for number in range(runs):
            found = await two.run(feeds[number % len(feeds)])
            same &= all(np.array_equal(found[name], value) for name, value in expected[number % len(feeds)].items())
        return same, one.stats().threads, two.stats().threads, str(two.choice)


@contextmanager
def plain_simd():
    """Pools that generate for plain SIMD128, in place of this tab's, which have relaxed SIMD."""
    assert wasm_pool(2).machine.target.has("relaxed-simd"), "this browser was to have relaxed SIMD"
    machines = BrowserMachine(), SharedMachine()
    machines[0].target, machines[1].target = WASM_SIMD, WASM_SIMD.with_feature("threads")
    pools = [Pool(machine) for machine in machines]
    module: Any = sys.modules["intab.runtime.back_end"]
    module.wasm_pool = lambda threads=1: pools[threads > 1]
    try:
        yield
    finally:
        module.wasm_pool = wasm_pool
        for machine in machines:
            machine.dispose()


async def same_plain_outputs(url, shapes, runs):
    """The same for plain SIMD128."""
    with plain_simd():
        return await same_outputs(url, shapes, runs)
