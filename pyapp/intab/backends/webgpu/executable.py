"""A Program on WebGPU: pipelines, pages of memory, and for each plan a list of dispatches that JavaScript replays.

A run is one crossing into JavaScript: feeds are written, the list is encoded and submitted, fetches are copied and
mapped. Between runs at the same sizes nothing is made anew.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from intab.backends.device_tensor import DeviceTensor, Fed
from intab.backends.engine import MemoryUse, StepTime
from intab.backends.keeping import array_of
from intab.backends.segments import Guesses
from intab.backends.step_times import no_run, step_times
from intab.backends.tuning import Problem
from intab.backends.webgpu.elements import check_numbers, fed_nan, from_device, stored_nbytes
from intab.backends.webgpu.kept import GpuValue, KeptBuffers
from intab.backends.webgpu.refused import compiled
from intab.backends.webgpu.run import Run
from intab.backends.webgpu.shaders import read_shaders
from intab.backends.webgpu.trials import TrialCall, Trials
from intab.backends.webgpu.weights import WeightWriter
from intab.browser.gpu import Gpu, GpuBuffer, GpuCall, GpuCommands, GpuPipeline
from intab.dtypes import DType
from intab.errors import IntabError, OutOfMemoryError
from intab.graph.ir import Array
from intab.kernels.wgsl import Shader, stored_as, workgroups
from intab.program.bind import Binder, Plan
from intab.program.ir import ALIGNMENT, REGIONS, WEIGHTS, Port, Program
from intab.program.memory import aligned
from intab.program.pages import split_regions
from intab.target import HALVES

# Plans kept for sizes seen before, each with its words and its list of dispatches.
PLANS_KEPT = 8
WORD_NBYTES = 4

_Block = np.ndarray[tuple[int, ...], np.dtype[np.int32]]


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """A plan on the device: its commands, and the pages that they name."""

    words: GpuBuffer
    commands: GpuCommands
    pages: tuple[GpuBuffer | None, ...]

    def dispose(self) -> None:
        self.commands.dispose()
        self.words.destroy()


class WebGpuExecutable:
    """A program made ready. Make one with `prepare`."""

    backend = "webgpu"
    threads = 1
    team_size = 1
    waits = True

    def __init__(
        self,
        program: Program,
        gpu: Gpu,
        shaders: Sequence[Shader],
        pipelines: Sequence[GpuPipeline],
        notes: Sequence[str] = (),
    ) -> None:
        accesses = [tuple(access for _, access in shader.buffers) for shader in shaders]
        self._binder = Binder(program, split_regions(program, accesses))
        # Numbers and kernels go to the device; here they would keep the model's bytes from going.
        self.program = replace(program, weights=(), kernels=())
        self._gpu = gpu
        self._shaders = tuple(shaders)
        self._pipelines = tuple(pipelines)
        self.notes = tuple(notes)
        self._trials = Trials(self.program, gpu)
        self._pages: list[GpuBuffer | None] = [None] * len(self._binder.pages.regions)
        self._plans: dict[tuple[int, ...], Plan] = {}
        self._loaded: dict[Plan, _Loaded] = {}
        self._guesses = Guesses(program)
        self.kept = KeptBuffers(gpu, program.name)
        self._finished: tuple[Plan, Mapping[str, int]] | None = None
        self._turn = asyncio.Lock()  # runs wait for the device, and they share its memory: one after the other
        self._disposed = False

    @property
    def lost(self) -> bool:
        return self._gpu.lost is not None

    @property
    def step_count(self) -> int:
        return len(self.program.steps)

    @property
    def kernel_count(self) -> int:
        return len(self._shaders)

    def about_threads(self) -> tuple[str, ...]:
        return self.notes

    @property
    def worth_tuning(self) -> bool:
        return not self._gpu.info.is_software

    async def run(
        self, feeds: Mapping[str, Array], sizes: Mapping[str, int], fetches: Sequence[str]
    ) -> dict[str, Array]:
        run, plan = await self._run(feeds, sizes, fetches, ())
        return self._arrays(run, plan)

    async def run_keeping(
        self, feeds: Mapping[str, Fed], sizes: Mapping[str, int], fetches: Sequence[str], keep: Sequence[str]
    ) -> dict[str, Fed]:
        here = {
            name: fed if isinstance(fed, DeviceTensor) and not self._why_read(fed) else await array_of(fed)
            for name, fed in feeds.items()
        }
        run, plan = await self._run(here, sizes, fetches, keep)
        try:
            arrays = self._arrays(run, plan)
        except BaseException:
            self._give_back(run)
            raise
        return {**arrays, **self._tensors(run, plan, arrays)}

    def why_read(self, name: str, tensor: DeviceTensor) -> str:
        return self._why_read(tensor)

    def keeps(self, dtype: DType) -> bool:
        return not (dtype.is_integer and dtype.itemsize == 8)

    def kept_names(self) -> tuple[str, ...]:
        return self.kept.names

    def _why_read(self, tensor: DeviceTensor) -> str:
        held, dtype = tensor.held(), tensor.dtype
        if not isinstance(held, GpuValue) or held.gpu is not self._gpu:
            return "it lies on another device"
        if not self.keeps(dtype):
            return "64-bit integers are checked before a GPU computes with them in 32 bits"
        stored = stored_as(dtype.name, self.program.target)
        return "" if held.stored == stored else f"it lies there as {held.stored}, which this model takes as {stored}"

    async def _run(
        self, feeds: Mapping[str, Fed], sizes: Mapping[str, int], fetches: Sequence[str], keep: Sequence[str]
    ) -> tuple[Run, Plan]:
        async with self._turn:
            self._check_there()
            self._finished = None
            by_name = {port.name: port for port in self.program.outputs}
            run = Run(self, feeds, [by_name[name] for name in fetches], [by_name[name] for name in keep])
            try:
                plan, known = await self._guesses.run(run, sizes)
                self._binder.check_late(known)
            except BaseException as error:
                self._give_back(run)
                if self._disposed and isinstance(error, IntabError):
                    raise self._gone() from error
                raise
            finally:
                if self._disposed:  # meanwhile: what was made since then goes, too
                    self._free()
            self._finished = plan, known
        return run, plan

    def _check_there(self) -> None:
        if self._disposed:
            raise self._gone()

    def _gone(self) -> IntabError:
        return IntabError(f"{self.program.name}: this session was disposed of. Load the model again.")

    def _give_back(self, run: Run) -> None:
        for buffer in run.buffers:
            self.kept.give_back(buffer)

    def _arrays(self, run: Run, plan: Plan) -> dict[str, Array]:
        """What was read back."""
        results = [(port, self._binder.shape_of(port, plan), data) for port, data in run.read()]
        found = {port.name: from_device(data, shape, port.dtype, self.program.target) for port, shape, data in results}
        if self.program.target.has(HALVES):
            check_numbers(self.program.name, run.feeds, found)
        return found

    def _tensors(self, run: Run, plan: Plan, arrays: Mapping[str, Array]) -> dict[str, DeviceTensor]:
        """What stays here."""
        tensors = {}
        is_checked = self.program.target.has(HALVES) and bool(run.kept) and not fed_nan(run.feeds)
        for port, buffer in zip(run.kept, run.buffers, strict=True):
            shape = self._binder.shape_of(port, plan)
            value = GpuValue(self._gpu, self.kept, buffer, port.dtype, shape, self.program.target)
            value.array = arrays.get(port.name)
            if is_checked:
                value.check = partial(_check_kept, self.program.name, port.name)
            tensors[port.name] = DeviceTensor(port.name, port.dtype, shape, value)
        return tensors

    async def time_steps(self, repeats: int) -> tuple[StepTime, ...]:
        async with self._turn:
            if self._finished is None or self._disposed:
                raise no_run(self.program.name)
            plan, known = self._finished
            times = await self._loaded[plan].commands.time(0, self.step_count, repeats)
        return step_times(self.program, self._binder.work(known), times)

    @property
    def lacks_ways(self) -> bool:
        """Whether its program came from a store, which does not say what else its products could be."""
        return len(self.program.ways) < len(self.program.products)

    def learn_ways(self, built: Program) -> None:
        """Learn that from the same program, compiled anew."""
        if built.products == self.program.products:  # else something was found or refused since
            self.program = replace(self.program, ways=built.ways)
            self._trials = Trials(self.program, self._gpu)

    def problems(self) -> tuple[Problem, ...]:
        return self._trials.problems()

    async def compile_way(self, problem: str, shape: str) -> str:
        return await self._trials.compile(problem, shape)

    async def time_ways(self, ways: Sequence[tuple[str, str]], repeats: int) -> list[float]:
        async with self._turn:
            if self._finished is None or self._disposed:
                raise no_run(self.program.name)
            plan, known = self._finished
            asked = [self._trials.calls(*way, known) for way in ways]
            times = iter(await self._time_trials([call for calls, _ in asked for call in calls], plan, repeats))
        return [sum(count * next(times) for count in counts) for _, counts in asked]

    def forget_ways(self) -> None:
        self._trials.forget()

    async def _time_trials(self, trials: Sequence[TrialCall], plan: Plan, repeats: int) -> list[float]:
        """Milliseconds of steps by other pipelines, over the memory of a plan that is loaded."""
        block, stride = self._words(plan)
        rows = block[[trial.step for trial in trials]]
        rows[:, 0] = [trial.items for trial in trials]
        calls = [self._call(trial, number * stride) for number, trial in enumerate(trials)]
        words, commands = await self._prepared(rows, calls)
        try:
            return await commands.time(0, len(calls), repeats)
        finally:
            commands.dispose()
            words.destroy()

    def memory(self) -> MemoryUse:
        sizes = [0] * len(REGIONS)
        for page, region in zip(self._pages, self._binder.pages.regions, strict=True):
            sizes[region] += page.nbytes if page is not None else 0
        code = 0 if self._disposed else sum(len(shader.text) for shader in self._shaders)
        code += sum(one.words.nbytes for one in self._loaded.values())
        return MemoryUse(sizes[0], sizes[1], sizes[2], sizes[3], code, self.kept.nbytes)

    def dispose(self) -> None:
        if not self._disposed:
            self._disposed = True
            self._free()

    def _free(self) -> None:
        for one in self._loaded.values():
            one.dispose()
        self._loaded.clear()
        self._plans.clear()
        self.kept.close()
        for number, page in enumerate(self._pages):
            if page is not None:
                page.destroy()
                self._pages[number] = None

    async def write_weights(self, program: Program, progress: Callable[[float, float], None]) -> None:
        """Pack the weights one by one into their pages; `progress` hears the bytes done and in all."""
        pages = [page for page, region in enumerate(self._binder.pages.regions) if region == WEIGHTS]
        places = {page: self._binder.fixed_places(page) for page in pages}
        await self._make_pages({page: nbytes for page, (_, nbytes) in places.items()})
        total, done = sum(nbytes for _, nbytes in places.values()), 0
        writer = WeightWriter(self._gpu, program.target, program.name, program.weights)
        try:
            for weight in program.weights:
                page = self._binder.pages.of_buffer[weight.buffer]
                buffer, place = self._pages[page], places[page][0][weight.buffer]
                assert buffer is not None
                done += aligned(await writer.write(weight, buffer, place))
                progress(done, total)
            await writer.finish()
        finally:
            writer.dispose()
        progress(total, total)

    async def load_plan(self, sizes: Mapping[str, int]) -> Plan:
        """The plan for these sizes, with room for it and its list of dispatches on the device."""
        plan = self._plan(sizes)
        await self._load(plan)
        return plan

    def commands_of(self, plan: Plan) -> GpuCommands:
        """The list of dispatches of a plan that is loaded."""
        return self._loaded[plan].commands

    def place(self, plan: Plan, buffer: int) -> tuple[GpuBuffer, int]:
        """Where a buffer lies: its page and the first byte in it."""
        return self._page(buffer), int(plan.buffer_offsets[buffer])

    def nbytes_of(self, plan: Plan, port: Port) -> int:
        """Bytes that an input or output takes on the device, in whole words."""
        return stored_nbytes(math.prod(self._binder.shape_of(port, plan)), port.dtype, self.program.target)

    def _plan(self, sizes: Mapping[str, int]) -> Plan:
        key = tuple(sizes[s] for s in self._binder.symbols)
        plan = self._plans.pop(key, None) or self._bind(sizes)
        self._plans[key] = plan  # the newest is last
        if len(self._plans) > PLANS_KEPT:
            self._unload(self._plans.pop(next(iter(self._plans))))
        return plan

    def _bind(self, sizes: Mapping[str, int]) -> Plan:
        """A new plan. Where it takes more pages than there were, earlier plans have values in other pages: they go."""
        pages = self._binder.pages
        plan = self._binder.bind(sizes)
        if self._binder.pages is not pages:
            for old in self._plans.values():
                self._unload(old)
            self._plans.clear()
            self._pages += [None] * (len(self._binder.pages.regions) - len(self._pages))
        return plan

    async def _load(self, plan: Plan) -> None:
        """Make room for a plan, and its list of dispatches."""
        wanted = enumerate(plan.region_nbytes)
        await self._make_pages({p: nbytes for p, nbytes in wanted if self._binder.pages.regions[p] != WEIGHTS})
        loaded = self._loaded.get(plan)
        if loaded is not None and loaded.pages == tuple(self._pages):
            return
        self._unload(plan)
        block, stride = self._words(plan)
        words, commands = await self._prepared(block, self._calls(plan, stride))
        self._loaded[plan] = _Loaded(words, commands, tuple(self._pages))

    async def _prepared(self, block: _Block, calls: Sequence[GpuCall]) -> tuple[GpuBuffer, GpuCommands]:
        """Words on the device, and the calls that read them. What was made is given back where that fails."""
        (words,) = await self._gpu.buffers([(f"{self.program.name}: its words", block.nbytes)], uniform=True)
        try:
            self._gpu.write(words, 0, block.reshape(-1).view(np.uint8).data)
            return words, await self._gpu.commands(calls, words)
        except BaseException:
            words.destroy()
            raise

    def _unload(self, plan: Plan) -> None:
        loaded = self._loaded.pop(plan, None)
        if loaded is not None:
            loaded.dispose()

    def _words(self, plan: Plan) -> tuple[_Block, int]:
        """Each step's words, each at an offset that a uniform buffer may be bound at; and how far these are apart."""
        starts = self._binder.word_starts
        lengths = np.diff(starts)
        most = 1 + int(lengths.max(initial=0))
        step = self._gpu.info.limits["minUniformBufferOffsetAlignment"]
        stride = -(-most * WORD_NBYTES // step) * step
        block = np.zeros((max(1, self.step_count), stride // WORD_NBYTES), np.int32)
        block[: self.step_count, 0] = plan.items
        rows = np.repeat(np.arange(self.step_count), lengths)
        columns = np.arange(len(plan.words)) - np.repeat(starts[:-1], lengths)
        block[rows, 1 + columns] = plan.words
        return block, stride

    def _calls(self, plan: Plan, stride: int) -> list[GpuCall]:
        calls = []
        for number, step in enumerate(self.program.steps):
            shader, pipeline = self._shaders[step.kernel], self._pipelines[step.kernel]
            calls.append(self._call(TrialCall(number, shader, pipeline, int(plan.items[number])), number * stride))
        return calls

    def _call(self, call: TrialCall, words_at: int) -> GpuCall:
        words = self.program.steps[call.step].words[: len(call.shader.buffers)]
        pages = tuple(self._page(word.buffer) for word in words)
        groups = workgroups(call.items, call.shader.team)
        return GpuCall(call.pipeline, pages, words_at, call.shader.words_nbytes, groups)

    async def _make_pages(self, sizes: Mapping[int, int]) -> None:
        """Larger buffers for the pages that are too small. Their contents are lost."""
        held = {p: page.nbytes if (page := self._pages[p]) else 0 for p in sizes}
        wanted = {p: max(nbytes, ALIGNMENT) for p, nbytes in sizes.items()}  # something must be there to be bound
        grown = {p: nbytes for p, nbytes in wanted.items() if nbytes > held[p]}
        if not grown:
            return  # nearly every run: nothing is asked of JavaScript
        for number in grown:
            old, self._pages[number] = self._pages[number], None
            if old is not None:
                old.destroy()
        regions = self._binder.pages.regions
        try:
            made = await self._gpu.buffers(
                [(f"{self.program.name}: {REGIONS[regions[p]]}", n) for p, n in grown.items()]
            )
        except OutOfMemoryError:
            self._binder.forget_places()  # or smaller input would be given the places that could not be had
            raise
        for number, buffer in zip(grown, made, strict=True):
            self._pages[number] = buffer

    def _page(self, buffer: int) -> GpuBuffer:
        page = self._pages[self._binder.pages.of_buffer[buffer]]
        if page is None:  # in mid-run, which has all of its pages before its first step
            raise self._gone()
        return page


def _check_kept(model: str, name: str, array: Array) -> None:
    """`check_numbers` for a tensor that is read when its run is long over."""
    check_numbers(model, {}, {name: array})


async def prepare(
    program: Program,
    gpu: Gpu,
    module: bytes,
    progress: Callable[[float, float], None] = lambda done, total: None,
    *,
    notes: Sequence[str] = (),
) -> WebGpuExecutable:
    """Make pipelines of the program's shaders (`shaders_of`) and write its weights.

    What was made is given back when one of them fails. Products whose shader the browser refuses take another, which
    the executable tells; for any other shader KernelError is raised.
    """
    ready = await compiled(program, gpu, read_shaders(module))
    executable = WebGpuExecutable(ready.program, gpu, ready.shaders, ready.pipelines, (*notes, *ready.notes))
    try:
        await executable.write_weights(program, progress)
    except BaseException:
        executable.dispose()
        raise
    return executable
