"""A Program on WebAssembly: one module, four regions of a pool's memory, and a step table.

Between runs at the same sizes nothing is allocated and nothing but feeds and fetches crosses over.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from statistics import median

import numpy as np

from intab.backends.engine import Instance, MemoryUse, StepTime
from intab.backends.segments import Guesses
from intab.backends.step_times import no_run, step_times
from intab.backends.wasm.pace import Paces
from intab.backends.wasm.packer import Packer, Recipe, packing_instances
from intab.backends.wasm.pool import Pool, Region
from intab.backends.wasm.sharing import Shares, Sharing
from intab.backends.wasm.warm_up import MOST_GUESSED_NBYTES, guesses, hot_steps, warm_up
from intab.browser import in_browser
from intab.errors import OutOfMemoryError, ShapeError
from intab.graph.ir import Array
from intab.kernels.wasm import STEP_NBYTES, generate
from intab.program.bind import Binder, Plan
from intab.program.ir import ARENA, INPUTS, OUTPUTS, REGIONS, WEIGHTS, Port, Program, Reading, Weight

# Plans kept for sizes seen before. A plan of 300 steps is about 30 KB.
PLANS_KEPT = 16
# A call that runs nothing still takes time, which a profile takes off each step: found as the median of so many.
EMPTY_CALLS = 25


class WasmExecutable:
    """A program made ready. Make one with `prepare`."""

    backend = "wasm"
    waits = False
    lost = False  # a thread may be: the next run has a new team

    def __init__(self, program: Program, pool: Pool, module: bytes, instance: Instance) -> None:
        # Numbers and kernels go into the device's memory; here they would keep the model's bytes from going.
        program = replace(program, weights=(), kernels=())
        self.program = program
        self._pool = pool
        self._instance = instance
        self._module_nbytes = len(module)
        self._binder = Binder(program)
        self._regions: list[Region | None] = [None] * len(REGIONS)
        words_nbytes = 4 * int(self._binder.word_starts[-1])
        self._table = pool.allocate(STEP_NBYTES * len(program.steps) + words_nbytes, f"{program.name}: its steps")
        self._plans: dict[tuple[int, ...], Plan] = {}
        self._sharing = Sharing(program, instance.team_size)
        self._shares: dict[Plan, Shares] = {}
        self._paces: dict[Plan, tuple[Paces | None, ...]] = {}
        self._ended = -inf  # when the last run did, in seconds of perf_counter
        self._loaded: Plan | None = None
        self._finished: Mapping[str, int] | None = None  # the sizes of the last run, once it has ended well
        self._guesses = Guesses(program)
        self._feeds: Mapping[str, Array] = {}  # of the run that goes on
        self._disposed = False

    @property
    def step_count(self) -> int:
        return len(self.program.steps)

    @property
    def kernel_count(self) -> int:
        return len(self.program.kernel_names)

    @property
    def threads(self) -> int:
        return self._instance.threads

    @property
    def team_size(self) -> int:
        return self._instance.team_size

    def about_threads(self) -> tuple[str, ...]:
        return self._instance.about_threads()

    async def run(
        self, feeds: Mapping[str, Array], sizes: Mapping[str, int], fetches: Sequence[str]
    ) -> dict[str, Array]:
        self._finished = None
        self._feeds = feeds
        plan, known = await self._guesses.run(self, sizes)
        self._binder.check_late(known)
        self._finished = known
        by_name = {port.name: port for port in self.program.outputs}
        return {name: self._fetch(plan, by_name[name]) for name in fetches}

    async def time_steps(self, repeats: int) -> tuple[StepTime, ...]:
        if self._finished is None or self._disposed:
            raise no_run(self.program.name)
        counted = self._binder.work(self._finished)
        alone = self._median_ms(repeats, together=False)
        threads = self._instance.threads
        together = self._median_ms(repeats, together=True) if threads > 1 else None
        return step_times(self.program, counted, alone, threads=threads, together=together)

    def _median_ms(self, repeats: int, *, together: bool) -> list[float]:
        """What each step takes on one thread or on all, in ms."""
        call_ms = median(self._timed(0, 0, together=together) for _ in range(EMPTY_CALLS))
        rounds = [[self._timed(n, 1, together=together) for n in range(self.step_count)] for _ in range(repeats)]
        return [max(0.0, median(times) - call_ms) for times in zip(*rounds, strict=True)]

    def memory(self) -> MemoryUse:
        sizes = [region.nbytes if region else 0 for region in self._regions]
        code = 0 if self._disposed else self._module_nbytes + self._table.nbytes
        return MemoryUse(sizes[WEIGHTS], sizes[ARENA], sizes[INPUTS], sizes[OUTPUTS], code)

    def dispose(self) -> None:
        if self._disposed:
            return
        self._disposed = True
        self._instance.dispose()
        self._pool.free(self._table)
        for number in range(len(REGIONS)):
            self._release(number)
        self._forget_plans()

    def write_weights(
        self,
        weights: Sequence[Weight],
        packing: Mapping[Recipe, Instance],
        progress: Callable[[float, float], None],
        *,
        warm: bool = False,
    ) -> None:
        """Pack the weights one by one into their region; `progress` hears the bytes done and in all.

        With `warm` hot kernels are run a little as soon as it is safe (`intab.backends.wasm.warm_up`).
        """
        offsets, nbytes = self._binder.fixed_places(WEIGHTS)
        self._make_room(WEIGHTS, nbytes)
        _, region = self.weight_places()
        packer = Packer(self._pool, packing, self.program.name, weights)
        # What kernels pack is multiplied only, so that a warm-up needs none of it; the rest may be indices.
        order = sorted(weights, key=packer.has_kernel)
        by_numpy = len(order) - sum(map(packer.has_kernel, order))
        try:
            for number, weight in enumerate(order):
                if number == by_numpy and warm:
                    self._warm_up()
                packer.write(weight, region.address + offsets[weight.buffer])
                progress(offsets[weight.buffer], nbytes)
            packer.finish()
        finally:
            packer.dispose()
        progress(nbytes, nbytes)

    def _warm_up(self) -> None:
        """Run hot kernels on a few items each, at the sizes of the first guess that can be had."""
        for sizes in guesses(self.program):
            try:
                plan = self._plan(sizes)
                if self._binder.symbols and sum(plan.region_nbytes) - plan.region_nbytes[WEIGHTS] > MOST_GUESSED_NBYTES:
                    continue
                self._load(plan)
            except (ShapeError, OutOfMemoryError):  # a run will tell, if its sizes are no better
                continue
            finally:
                if self._binder.symbols:  # sizes to come may be smaller
                    self._forget_plans()
            items = dict(enumerate(plan.items.tolist()))
            warm_up(hot_steps(self.program, self._sharing.times(plan, sizes).tolist()), items, self._run_part)
            break
        self._loaded = None
        for number in (ARENA, INPUTS, OUTPUTS):
            self._release(number)

    def _run_part(self, step: int, items: int) -> None:
        """Run a step on its first items, in place of the first step of the table."""
        words = self._table.address + STEP_NBYTES * len(self.program.steps) + 4 * int(self._binder.word_starts[step])
        record = np.array([self.program.steps[step].kernel, words, items, 0], np.int64)
        self._pool.machine.memory.write(self._table.address, _bytes_of(record.astype(np.uint32)))
        self._instance.run(self._table.address, 1)

    def _forget_plans(self) -> None:
        self._plans.clear()
        self._shares.clear()
        self._paces.clear()
        self._binder.forget_places()

    def _release(self, number: int) -> None:
        """Give a region back, if there is one."""
        region = self._regions[number]
        if region is not None:
            self._pool.free(region)
            self._regions[number] = None

    def weight_places(self) -> tuple[Mapping[int, int], Region]:
        """Where the weights lie: offsets in bytes by buffer, and their region."""
        region = self._regions[WEIGHTS]
        assert region is not None
        return self._binder.fixed_places(WEIGHTS)[0], region

    async def run_segment(self, plan: Plan, number: int) -> None:
        """Run a segment on one thread or on all, whichever is faster."""
        segment, paces = self.program.segments[number], self._paces[plan][number]
        first = self._table.address + STEP_NBYTES * segment.first_step
        if paces is None or self._instance.threads == 1:
            self._instance.run(first, segment.step_count, together=self._shares[plan].together[number])
            return
        begin = time.perf_counter()
        pace = paces.after(begin - self._ended)
        self._instance.run(first, segment.step_count, together=pace.together)
        self._ended = time.perf_counter()
        pace.note(self._ended - begin)

    def _timed(self, first_step: int, step_count: int, *, together: bool) -> float:
        """Run some steps of the table; how many ms that took."""
        begin = time.perf_counter()
        self._instance.run(self._table.address + STEP_NBYTES * first_step, step_count, together=together)
        return (time.perf_counter() - begin) * 1e3

    async def start(self, sizes: Mapping[str, int]) -> Plan:
        """Load the plan for these sizes and write the feeds."""
        plan = self._plan(sizes)
        if plan is not self._loaded:
            self._load(plan)
        for port in self.program.inputs:
            if port.buffer >= 0:
                self._pool.machine.memory.write(self._address(plan, port.buffer), _bytes_of(self._feeds[port.name]))
        return plan

    async def read_sizes(self, plan: Plan, readings: Sequence[Reading]) -> dict[str, int]:
        """The sizes that earlier steps have computed."""
        found: dict[str, int] = {}
        for reading in readings:
            numbers = np.empty(len(reading.symbols), reading.dtype.numpy)
            self._pool.machine.memory.read(self._address(plan, reading.buffer), numbers.view(np.uint8).data)
            found |= {symbol: int(size) for symbol, size in zip(reading.symbols, numbers, strict=True)}
        return found

    def _plan(self, sizes: Mapping[str, int]) -> Plan:
        key = tuple(sizes[s] for s in self._binder.symbols)
        plan = self._plans.pop(key, None) or self._binder.bind(sizes)
        self._plans[key] = plan  # the newest is last
        if plan not in self._shares:
            shares = self._shares[plan] = self._sharing.shares(plan, sizes)
            guesses = zip(shares.together, shares.certain, strict=True)
            self._paces[plan] = tuple(None if certain else Paces(together) for together, certain in guesses)
        if len(self._plans) > PLANS_KEPT:
            oldest = self._plans.pop(next(iter(self._plans)))
            del self._shares[oldest], self._paces[oldest]
        return plan

    def _load(self, plan: Plan) -> None:
        """Make room for a plan and write its step table with addresses in place of places."""
        self._loaded = None
        for number in (ARENA, INPUTS, OUTPUTS):
            self._make_room(number, plan.region_nbytes[number])
        bases = np.array([region.address if region else 0 for region in self._regions], np.int64)
        relocation, words = self._binder.relocation, plan.words.astype(np.int64)
        at = relocation.positions
        words[at] = words[at] * relocation.itemsizes + bases[relocation.regions]
        words_address = self._table.address + STEP_NBYTES * len(self.program.steps)
        records = np.zeros((len(self.program.steps), STEP_NBYTES // 4), np.int64)
        records[:, 0] = [step.kernel for step in self.program.steps]
        records[:, 1] = words_address + 4 * self._binder.word_starts[:-1]
        records[:, 2] = plan.items
        records[:, 3] = self._shares[plan].chunks
        table = np.concatenate([records.reshape(-1), words])
        # Addresses past 2 GiB do not fit i32 but have the same bits as u32.
        self._pool.machine.memory.write(self._table.address, _bytes_of((table & 0xFFFFFFFF).astype(np.uint32)))
        self._loaded = plan

    def _make_room(self, number: int, nbytes: int) -> None:
        region = self._regions[number]
        if region is not None and region.nbytes >= nbytes:
            return
        self._release(number)
        try:
            self._regions[number] = self._pool.allocate(nbytes, f"{self.program.name}: its {REGIONS[number]}")
        except OutOfMemoryError:
            self._binder.forget_places()  # or smaller input would be given the places that could not be had
            raise

    def _address(self, plan: Plan, buffer: int) -> int:
        region = self._regions[self.program.buffers[buffer].region]
        assert region is not None
        return region.address + int(plan.buffer_offsets[buffer])

    def _fetch(self, plan: Plan, port: Port) -> Array:
        out = np.empty(self._binder.shape_of(port, plan), port.dtype.numpy)
        self._pool.machine.memory.read(self._address(plan, port.buffer), out.reshape(-1).view(np.uint8).data)
        return out


def module_of(program: Program) -> bytes:
    """The WebAssembly module of a program's kernels."""
    return generate(program.kernels, program.target)


async def prepare(
    program: Program,
    pool: Pool,
    progress: Callable[[float, float], None] = lambda done, total: None,
    module: bytes | None = None,
    *,
    threads: int = 1,
    measured: bool = False,
) -> WasmExecutable:
    """Instantiate the program's module, generated when None, and write the weights.

    `threads` and `measured`: see `Machine.instantiate`. What was made is given back when one of them fails.
    """
    module = module_of(program) if module is None else module
    packing = await packing_instances(pool, program.weights)
    instance = await pool.machine.instantiate(module, threads, measured=measured)
    holder: WasmExecutable | Instance = instance
    try:
        holder = executable = WasmExecutable(program, pool, module, instance)
        # Wasmtime, on the desktop, has optimised all code before it runs any.
        executable.write_weights(program.weights, packing, progress, warm=in_browser())
    except BaseException:
        holder.dispose()
        raise
    return executable


def _bytes_of(array: Array) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
