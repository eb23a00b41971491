"""A Program on WebGPU: its pipelines and its memory (`room`), and what is done with them.

A run is one crossing into JavaScript: feeds are written, the list is encoded and submitted, fetches are copied and
mapped. Between runs at the same sizes nothing is made anew.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from intab.backends.device_tensor import DeviceTensor, Fed
from intab.backends.engine import MemoryUse, StepTime
from intab.backends.keeping import array_of
from intab.backends.segments import Guesses
from intab.backends.step_times import no_run, step_times
from intab.backends.tuning import Problem
from intab.backends.webgpu.elements import check_numbers, fed_nan, from_device
from intab.backends.webgpu.kept import GpuValue, KeptBuffers
from intab.backends.webgpu.refused import compiled
from intab.backends.webgpu.room import Room, gone
from intab.backends.webgpu.run import Run
from intab.backends.webgpu.shaders import read_shaders
from intab.backends.webgpu.trials import Trials
from intab.browser.gpu import Gpu, GpuPipeline
from intab.dtypes import DType
from intab.errors import IntabError
from intab.graph.ir import Array
from intab.kernels.wgsl import Shader, stored_as
from intab.program.bind import Binder, Plan
from intab.program.ir import Program
from intab.program.pages import split_regions
from intab.target import HALVES


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
        self._room = Room(self.program, gpu, self._binder, self._shaders, tuple(pipelines))
        self.notes = tuple(notes)
        self._trials = Trials(self.program, gpu)
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
            run = Run(
                self._room, self.kept, feeds, [by_name[name] for name in fetches], [by_name[name] for name in keep]
            )
            try:
                plan, known = await self._guesses.run(run, sizes)
                self._binder.check_late(known)
            except BaseException as error:
                self._give_back(run)
                if self._disposed and isinstance(error, IntabError):
                    raise gone(self.program.name) from error
                raise
            finally:
                if self._disposed:  # meanwhile: what was made since then goes, too
                    self._free()
            self._finished = plan, known
        return run, plan

    def _check_there(self) -> None:
        if self._disposed:
            raise gone(self.program.name)

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
            times = await self._room.commands_of(plan).time(0, self.step_count, repeats)
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
            times = iter(await self._room.time_trials([call for calls, _ in asked for call in calls], plan, repeats))
        return [sum(count * next(times) for count in counts) for _, counts in asked]

    def forget_ways(self) -> None:
        self._trials.forget()

    def memory(self) -> MemoryUse:
        sizes = self._room.region_nbytes
        code = 0 if self._disposed else sum(len(shader.text) for shader in self._shaders)
        code += self._room.words_nbytes
        return MemoryUse(sizes[0], sizes[1], sizes[2], sizes[3], code, self.kept.nbytes)

    def dispose(self) -> None:
        if not self._disposed:
            self._disposed = True
            self._free()

    def _free(self) -> None:
        self._room.free()
        self.kept.close()

    async def write_weights(self, program: Program, progress: Callable[[float, float], None]) -> None:
        """As `Room.write_weights`."""
        await self._room.write_weights(program, progress)


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
