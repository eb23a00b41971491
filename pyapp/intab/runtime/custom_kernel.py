"""Kernels that authors wrote, as they call them: `intab.gpu().kernel(...)` makes them."""

import math
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from intab.backends.device_tensor import Fed
from intab.backends.webgpu.author_arrays import Shapes, check_names, fed_of, groups_of, named, shapes_of, slot_of
from intab.backends.webgpu.author_function import AuthorFunction
from intab.backends.webgpu.author_text import AuthorText, complain
from intab.backends.webgpu.elements import stored_nbytes
from intab.backends.webgpu.launch import Launch, Launcher, Slot, check_groups, shared_launcher
from intab.browser.gpu import GpuPipeline, GpuShader, broken
from intab.errors import DeviceLostError, KernelError

# What a single dispatch is timed by: some of them in a row, since browsers round a device's clock.
TIMED_REPEATS = 10

Result = TypeVar("Result")


class Kernel(Protocol):
    """A kernel, compiled. It holds no memory between calls, and needs no `dispose()`."""

    @abstractmethod
    async def __call__(self, *arrays: Any, keep: bool = False, **given: Any) -> Any:
        """Run it on arrays and DeviceTensors, by name or in order. Returns the result, a dict where there are several.

        keep: results stay on the device, as DeviceTensors. What else is given depends on the kind of kernel, see
        `TabGpu.kernel` and docs/kernels.md. Raises KernelError, DTypeError or ShapeError for what does not fit.
        """

    @abstractmethod
    async def time(self, *arrays: Any, repeats: int = TIMED_REPEATS, **given: Any) -> float:
        """Milliseconds that one dispatch takes on the device, without the way there and back; called as the kernel is.

        It is the mean of `repeats` in a row after a first one, by the device's clock where it has "timestamp-query",
        else by the wall's.
        """

    @abstractmethod
    async def compile(self) -> None:
        """Compile it on the device that there is now. Raises KernelError with the compiler's words."""


class _Compiled:
    """Pipelines of the device that there is now; after a loss they are made anew."""

    def __init__(self) -> None:
        self._launcher: Launcher | None = None
        self._pipelines: dict[GpuShader, GpuPipeline] = {}

    async def launcher(self) -> Launcher:
        launcher = await shared_launcher()
        if launcher is not self._launcher:
            self._launcher = launcher
            self._pipelines.clear()
        return launcher

    async def use(self, work: Callable[[Launcher], Awaitable[Result]]) -> Result:
        """Do `work` on the device; where that is lost meanwhile, once more on a new one."""
        launcher = await self.launcher()
        try:
            return await work(launcher)
        except DeviceLostError:
            if launcher.gpu.lost is None:  # what was lost is a tensor that came with an earlier device
                raise
        return await work(await self.launcher())

    async def pipeline(self, shader: GpuShader) -> GpuPipeline | str:
        """The pipeline, or the compiler's words where it is refused."""
        launcher = await self.launcher()
        if (known := self._pipelines.get(shader)) is not None:
            return known
        (made,) = await launcher.gpu.compile([shader])
        if isinstance(made, GpuPipeline):
            self._pipelines[shader] = made
        return made


class TextKernel(Kernel):
    """A kernel written in WGSL. `per_element`: invocations of a workgroup, where its text is of one element."""

    def __init__(self, text: AuthorText, constants: Mapping[str, float], *, per_element: int = 0) -> None:
        self._text = text
        self._shader = GpuShader(text.name, text.text, text.access, text.entry, tuple(constants.items()))
        self._per_element = per_element
        self._compiled = _Compiled()

    @property
    def text(self) -> str:
        """The whole shader as it is compiled."""
        return self._text.text

    async def compile(self) -> None:
        await self._pipeline()

    async def __call__(
        self,
        *arrays: Any,
        shape: Shapes | None = None,
        workgroups: int | Sequence[int] | None = None,
        keep: bool = False,
        **given: Any,
    ) -> Any:
        async def work(launcher: Launcher) -> dict[str, Fed]:
            return await launcher.run(await self._launch(launcher, arrays, given, shape, workgroups), keep=keep)

        results = await self._compiled.use(work)
        return results if len(results) != 1 else next(iter(results.values()))

    async def time(
        self,
        *arrays: Any,
        repeats: int = TIMED_REPEATS,
        shape: Shapes | None = None,
        workgroups: int | Sequence[int] | None = None,
        **given: Any,
    ) -> float:
        async def work(launcher: Launcher) -> float:
            return await launcher.time(await self._launch(launcher, arrays, given, shape, workgroups), repeats)

        return await self._compiled.use(work)

    async def _launch(
        self,
        launcher: Launcher,
        positional: Sequence[Any],
        by_name: Mapping[str, Any],
        shape: Shapes | None,
        workgroups: int | Sequence[int] | None,
    ) -> Launch:
        text, name = self._text, self._text.name
        pipeline = await self._pipeline()
        given = named(name, [array.name for array in text.arrays if array.access == "read"], positional, by_name)
        numbers = [field.name for field in text.fields if not self._per_element or field.name != "count"]
        wanted = [*(array.name for array in text.arrays if array.access == "read"), *numbers]
        check_names(name, wanted, [array.name for array in text.arrays if array.access == "read_write"], given)
        shapes = shapes_of(name, self._shape(given) if shape is None else shape, text.arrays)
        slots = tuple(
            slot_of(name, array, given.get(array.name), shapes.get(array.name), launcher.target)
            for array in text.arrays
        )
        count = max((math.prod(slot.result[1]) for slot in slots if slot.result), default=0)
        groups = self._groups(count, workgroups, launcher)
        words = text.pack({**given, "count": count} if self._per_element else given) if text.fields else bytes(16)
        return Launch(name, pipeline, slots, words, groups)

    def _shape(self, given: Mapping[str, Any]) -> Shapes | None:
        """Where nobody says what shape results have: that of all inputs, in text of one element."""
        shapes = {np.shape(given[a.name]) for a in self._text.arrays if a.name in given}
        return shapes.pop() if self._per_element and len(shapes) == 1 else None

    def _groups(self, count: int, workgroups: int | Sequence[int] | None, launcher: Launcher) -> tuple[int, int, int]:
        limits = launcher.gpu.info.limits
        if self._per_element:
            if workgroups is not None:
                raise KernelError(
                    f"{self._text.name}: text for one element is run for every element of shape=. Leave out "
                    "workgroups=, or write a whole shader."
                )
            return groups_of(count, self._per_element)
        if workgroups is None:
            raise KernelError(f"{self._text.name}: how many workgroups are to run? Give workgroups=(x, y, z).")
        given = workgroups if isinstance(workgroups, Sequence) else (workgroups,)
        return check_groups(self._text.name, given, limits)

    async def _pipeline(self) -> GpuPipeline:
        made = await self._compiled.pipeline(self._shader)
        if isinstance(made, str):
            raise complain(self._text, made)
        return made


class FunctionKernel(Kernel):
    """A kernel of a Python function: elementwise, its arrays broadcast."""

    def __init__(self, function: AuthorFunction) -> None:
        self._function = function
        self._compiled = _Compiled()

    async def compile(self) -> None:
        await self._launch(await self._compiled.launcher(), [[0] * 4 for _ in self._function.dtypes], {})

    async def __call__(self, *arrays: Any, keep: bool = False, **given: Any) -> Any:
        async def work(launcher: Launcher) -> dict[str, Fed]:
            return await launcher.run(await self._launch(launcher, arrays, given), keep=keep)

        (result,) = (await self._compiled.use(work)).values()
        return result

    async def time(self, *arrays: Any, repeats: int = TIMED_REPEATS, **given: Any) -> float:
        async def work(launcher: Launcher) -> float:
            return await launcher.time(await self._launch(launcher, arrays, given), repeats)

        return await self._compiled.use(work)

    async def _launch(self, launcher: Launcher, positional: Sequence[Any], by_name: Mapping[str, Any]) -> Launch:
        function, name = self._function, self._function.name
        given = named(name, list(function.dtypes), positional, by_name)
        check_names(name, function.dtypes, (), given)
        feds: list[Fed] = [fed_of(name, one, given[one], dtype)[0] for one, dtype in function.dtypes.items()]
        target = launcher.target
        written = function.write([tuple(fed.shape) for fed in feds], target)
        access = tuple(kind for _, kind in written.shader.buffers)
        pipeline = await self._compiled.pipeline(GpuShader(name, written.shader.text, access))
        if isinstance(pipeline, str):
            raise broken(f"kernel {name}", pipeline)
        slots = [
            Slot(one, stored_nbytes(math.prod(fed.shape), dtype, target), fed, dtype)
            for fed, (one, dtype) in zip(feds, function.dtypes.items(), strict=True)
        ]
        nbytes = stored_nbytes(math.prod(written.shape), function.dtype, target)
        slots.append(Slot(f"{name}'s result", nbytes, None, None, (function.dtype, written.shape)))
        return Launch(name, pipeline, tuple(slots), written.words, written.groups)
