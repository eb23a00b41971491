"""The memory of a program on a GPU, and lists of dispatches over it that JavaScript replays: one for each plan."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from intab.backends.webgpu.elements import stored_nbytes
from intab.backends.webgpu.trials import TrialCall
from intab.backends.webgpu.weights import WeightWriter
from intab.browser.gpu import Gpu, GpuBuffer, GpuCall, GpuCommands, GpuPipeline
from intab.errors import IntabError, OutOfMemoryError
from intab.kernels.wgsl import Shader, workgroups
from intab.program.bind import Binder, Plan
from intab.program.ir import ALIGNMENT, REGIONS, WEIGHTS, Port, Program
from intab.program.memory import aligned

# Plans kept for sizes seen before, each with its words and its list of dispatches.
PLANS_KEPT = 8
WORD_NBYTES = 4

_Block = np.ndarray[tuple[int, ...], np.dtype[np.int32]]


def gone(model: str) -> IntabError:
    """What using a session that was disposed of comes to."""
    return IntabError(f"{model}: this session was disposed of. Load the model again.")


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """A plan on the device: its commands, and the pages that they name."""

    words: GpuBuffer
    commands: GpuCommands
    pages: tuple[GpuBuffer | None, ...]

    def dispose(self) -> None:
        self.commands.dispose()
        self.words.destroy()


class Room:
    """Pages for weights, arena, inputs and outputs, which grow with the plans that are loaded."""

    def __init__(
        self,
        program: Program,
        gpu: Gpu,
        binder: Binder,
        shaders: Sequence[Shader],
        pipelines: Sequence[GpuPipeline],
    ) -> None:
        """`program` needs no weights or kernels."""
        self.program = program
        self._gpu = gpu
        self._binder = binder
        self._shaders = shaders
        self._pipelines = pipelines
        self._pages: list[GpuBuffer | None] = [None] * len(binder.pages.regions)
        self._plans: dict[tuple[int, ...], Plan] = {}
        self._loaded: dict[Plan, _Loaded] = {}

    @property
    def region_nbytes(self) -> list[int]:
        """Bytes held for each of `REGIONS`."""
        sizes = [0] * len(REGIONS)
        for page, region in zip(self._pages, self._binder.pages.regions, strict=True):
            sizes[region] += page.nbytes if page is not None else 0
        return sizes

    @property
    def words_nbytes(self) -> int:
        return sum(one.words.nbytes for one in self._loaded.values())

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
        block = np.zeros((max(1, len(self.program.steps)), stride // WORD_NBYTES), np.int32)
        block[: len(self.program.steps), 0] = plan.items
        rows = np.repeat(np.arange(len(self.program.steps)), lengths)
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
            raise gone(self.program.name)
        return page

    async def time_trials(self, trials: Sequence[TrialCall], plan: Plan, repeats: int) -> list[float]:
        """Milliseconds of each step by another pipeline, over the memory of a plan that is loaded."""
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

    def free(self) -> None:
        """Give all of it back. What is loaded afterwards is made anew."""
        for one in self._loaded.values():
            one.dispose()
        self._loaded.clear()
        self._plans.clear()
        for number, page in enumerate(self._pages):
            if page is not None:
                page.destroy()
                self._pages[number] = None
