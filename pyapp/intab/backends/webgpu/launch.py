"""One dispatch of an author's kernel: its arrays brought to the device, its results kept there or read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from intab.backends.device_tensor import DeviceTensor, Fed
from intab.backends.keeping import array_of
from intab.backends.webgpu.device import shared_gpu, target_of
from intab.backends.webgpu.elements import from_device, to_device
from intab.backends.webgpu.kept import GpuValue, KeptBuffers
from intab.browser.gpu import Gpu, GpuBuffer, GpuCall, GpuCommands, GpuCopy, GpuPipeline, Upload
from intab.dtypes import DType
from intab.errors import KernelError

# A binding is of whole words and never empty.
UNIT_NBYTES = 4
# Buffers of words that wait for the next call; an author's words are few.
SPARE_WORDS = 4
WORDS_NBYTES = 256


@dataclass(frozen=True, slots=True)
class Slot:
    """What is bound to a storage buffer of a kernel. `nbytes` is what the kernel sees of it.

    given: the numbers, or a tensor on a device; None where the kernel finds zeros. result: dtype and shape of what it
    leaves there, where somebody wants that.
    """

    name: str
    nbytes: int
    given: Fed | None = None
    dtype: DType | None = None
    result: tuple[DType, tuple[int, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """A dispatch: `slots` from binding 1 on, `words` in binding 0, `groups` workgroups in x, y and z."""

    name: str
    pipeline: GpuPipeline
    slots: tuple[Slot, ...]
    words: bytes
    groups: tuple[int, int, int]


class Launcher:
    """Runs authors' kernels on one device. What they need for a call waits for the next one."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self.target = target_of(gpu.info)
        self.kept = KeptBuffers(gpu, "kernels")
        self._words: list[GpuBuffer] = []

    async def run(self, launch: Launch, *, keep: bool) -> dict[str, Fed]:
        """The results by name: arrays, or with `keep` tensors on the device. Raises as `GpuCommands.run` does."""
        bound = await self._bind(launch)
        results = [(i, slot.name, slot.result) for i, slot in enumerate(launch.slots) if slot.result is not None]
        made: dict[str, Fed] = {}
        try:
            downloads = [] if keep else [(bound.buffers[i], 0, launch.slots[i].nbytes) for i, _, _ in results]
            _check_given(launch)
            read = await bound.commands.run(0, 1, uploads=bound.uploads, downloads=downloads, before=bound.copies)
            if keep:
                for i, name, (dtype, shape) in results:
                    buffer = bound.buffers[i]
                    bound.own.remove(buffer)
                    value = GpuValue(self.gpu, self.kept, buffer, dtype, shape, self.target)
                    made[name] = DeviceTensor(name, dtype, shape, value)
            else:
                for data, (_, name, (dtype, shape)) in zip(read, results, strict=True):
                    made[name] = from_device(data, shape, dtype, self.target)
        finally:
            self._free(bound)
        return made

    async def time(self, launch: Launch, repeats: int) -> float:
        """Milliseconds of one dispatch. Raises as `GpuCommands.time` does."""
        bound = await self._bind(launch)
        try:
            _check_given(launch)
            await bound.commands.run(0, 1, uploads=bound.uploads, before=bound.copies)  # the first one warms up
            (ms,) = await bound.commands.time(0, 1, repeats)
        finally:
            self._free(bound)
        return ms

    def close(self) -> None:
        """Destroy what waits for further calls."""
        self.kept.close()
        for buffer in self._words:
            buffer.destroy()
        self._words.clear()

    async def _bind(self, launch: Launch) -> "_Bound":
        """Buffers with what the kernel is given, and the list of one dispatch."""
        tensors = [await self._here(slot) for slot in launch.slots]
        made = [
            i for i, (slot, held) in enumerate(zip(launch.slots, tensors, strict=True)) if held is None or slot.result
        ]
        own = await self.kept.take([(launch.slots[i].name, _bound_nbytes(launch.slots[i].nbytes)) for i in made])
        words: GpuBuffer | None = None
        try:
            words = await self._take_words(len(launch.words))
            places = dict(zip(made, own, strict=True))
            uploads: list[Upload] = [(words, 0, memoryview(launch.words))]
            copies, buffers = [], []
            for i, (slot, held) in enumerate(zip(launch.slots, tensors, strict=True)):
                buffer = places.get(i)
                if buffer is None:
                    assert held is not None
                    buffer = held.buffer
                elif held is not None:
                    copies.append(GpuCopy(held.buffer, 0, buffer, 0, held.nbytes))
                elif slot.given is not None:
                    uploads.append((buffer, 0, self._data(slot, await array_of(slot.given))))
                else:
                    self.gpu.clear(buffer, _bound_nbytes(slot.nbytes))
                buffers.append(buffer)
            sizes = tuple(_bound_nbytes(slot.nbytes) for slot in launch.slots)
            call = GpuCall(launch.pipeline, tuple(buffers), 0, len(launch.words), launch.groups, sizes)
            commands = await self.gpu.commands([call], words)
        except BaseException:
            self._release(own, words)
            raise
        return _Bound(commands, words, buffers, list(own), uploads, copies)

    async def _here(self, slot: Slot) -> GpuValue | None:
        """The memory of a tensor on this very device; None for all else."""
        if not isinstance(slot.given, DeviceTensor):
            return None
        held = slot.given.held()
        return held if isinstance(held, GpuValue) and held.gpu is self.gpu else None

    def _data(self, slot: Slot, array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> memoryview:
        dtype = slot.dtype
        numbers = array if dtype is None else to_device(array, dtype, self.target, slot.name)
        return np.ascontiguousarray(numbers).reshape(-1).view(np.uint8).data

    async def _take_words(self, nbytes: int) -> GpuBuffer:
        if nbytes <= WORDS_NBYTES and self._words:
            return self._words.pop()
        (made,) = await self.gpu.buffers([("a kernel's words", max(nbytes, WORDS_NBYTES))], uniform=True)
        return made

    def _free(self, bound: "_Bound") -> None:
        bound.commands.dispose()
        self._release(bound.own, bound.words)

    def _release(self, own: Sequence[GpuBuffer], words: GpuBuffer | None) -> None:
        for buffer in own:
            self.kept.give_back(buffer)
        if words is None:
            return
        if words.nbytes == WORDS_NBYTES and len(self._words) < SPARE_WORDS and self.gpu.lost is None:
            self._words.append(words)
        else:
            words.destroy()


@dataclass(slots=True)
class _Bound:
    """A dispatch made ready. `own` are the buffers to give back."""

    commands: GpuCommands
    words: GpuBuffer
    buffers: list[GpuBuffer]
    own: list[GpuBuffer]
    uploads: list[Upload]
    copies: list[GpuCopy]


def _check_given(launch: Launch) -> None:
    """Raise for a tensor that was disposed of while the dispatch was made ready: its memory may be another's by now."""
    for slot in launch.slots:
        if isinstance(slot.given, DeviceTensor):
            slot.given.held()


def check_groups(name: str, groups: Sequence[int], limits: Mapping[str, int]) -> tuple[int, int, int]:
    """Workgroups in x, y and z, 1 where fewer are given. Raises KernelError for numbers that WebGPU does not take."""
    most = limits["maxComputeWorkgroupsPerDimension"]
    given = tuple(groups)
    if not 1 <= len(given) <= 3 or any(not isinstance(n, (int, np.integer)) or not 0 <= n <= most for n in given):
        raise KernelError(f"{name}: workgroups={given}; they are up to three numbers from 0 to {most:,}: (x, y, z).")
    x, y, z = (*(int(n) for n in given), 1, 1)[:3]
    return x, y, z


_launcher: Launcher | None = None


async def shared_launcher() -> Launcher:
    """The launcher of the device that all sessions share. Raises BackendUnavailableError where there is none."""
    global _launcher
    gpu = await shared_gpu()
    if _launcher is None or _launcher.gpu is not gpu:
        if _launcher is not None:
            _launcher.close()
        _launcher = Launcher(gpu)
    return _launcher


def _bound_nbytes(nbytes: int) -> int:
    return max(-(-nbytes // UNIT_NBYTES) * UNIT_NBYTES, UNIT_NBYTES)
