"""Dispatches made ready once and replayed: a run is one crossing into JavaScript, which encodes, submits and maps."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from intab.browser._js import door
from intab.browser.gpu_device import WORDS_UNIT_NBYTES, Device, GpuBuffer, counted, round_up
from intab.browser.proxies import closed, opened
from intab.errors import KernelError

Upload = tuple[GpuBuffer, int, memoryview]
Download = tuple[GpuBuffer, int, int]


@dataclass(frozen=True, slots=True)
class GpuCopy:
    """Bytes from one buffer into another; places and their number are multiples of 4 (spec, copyBufferToBuffer)."""

    source: GpuBuffer
    start: int
    target: GpuBuffer
    offset: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class GpuShader:
    """A shader's text.

    access: "read" or "read_write" of each storage buffer, from binding 1 on. Binding 0 is a uniform buffer of words.
    entry: the function that runs. constants: values of the text's `override` declarations.
    """

    name: str
    text: str
    access: tuple[str, ...]
    entry: str = "main"
    constants: tuple[tuple[str, float], ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for shaders that may share a pipeline."""
        return self.text, self.access, self.entry, self.constants


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class GpuPipeline:
    """A compiled shader. The browser frees it with the last reference."""

    name: str
    access: tuple[str, ...]
    js: Any


@dataclass(frozen=True, slots=True)
class GpuCall:
    """One dispatch: `groups` are workgroups in x, y and z, of which any may be 0: then nothing is done.

    words_at: where its words begin in the buffer of words, in bytes, a multiple of the limit
    `minUniformBufferOffsetAlignment`. A buffer may not be both read and written, nor bound twice where it is written.
    bound_nbytes: how much of each buffer the shader sees, in whole words; all of it if not given.
    """

    pipeline: GpuPipeline
    buffers: tuple[GpuBuffer, ...]
    words_at: int
    words_nbytes: int
    groups: tuple[int, int, int]
    bound_nbytes: tuple[int, ...] = ()


class GpuCommands:
    """Calls in the order in which they run. Made by `Gpu.commands`; whoever asked disposes of it."""

    def __init__(self, device: Device, prepared: Any, count: int) -> None:
        self._device = device
        self._prepared: Any = prepared
        self._count = count
        opened("gpu commands")

    async def run(
        self,
        first: int,
        end: int,
        *,
        uploads: Sequence[Upload] = (),
        downloads: Sequence[Download] = (),
        before: Sequence[GpuCopy] = (),
        after: Sequence[GpuCopy] = (),
    ) -> list[bytes]:
        """Upload, run the calls first .. end, and read back the downloads (buffer, offset, bytes), in this order.

        Copies are made on the device, `before` the calls and `after` them, which downloads see.
        Returns when all of it is done. An upload's offset is a multiple of 4, and what is missing at its end to a
        multiple of 4 bytes becomes zeros. Raises DeviceLostError, at once when the device is gone and as soon as it
        is lost; OutOfMemoryError; KernelError when WebGPU refuses a call or a range lies outside its buffer.
        """
        doing = f"a run of {counted(end - first, 'GPU call')}"
        prepared = self._ready(doing, first, end)
        given = [
            [buffer.writable(offset, data.nbytes), offset, data.cast("B")]
            for buffer, offset, data in uploads
            if data.nbytes  # views of nothing cannot be cast
        ]
        with self._device.failures(doing):
            what = [first, end, given, listed(downloads), _copied(before), _copied(after)]
            ticket = prepared.run(door().to_js(what))
        return await fetched(self._device, doing, ticket)

    async def time(self, first: int, end: int, repeats: int = 1) -> list[float]:
        """Milliseconds that each of the calls first .. end takes, as the mean of `repeats` of them in a row.

        By the device's clock where it has "timestamp-query"; browsers may round it to 0.1 ms, so that repeats should
        last for 5 ms or more. Elsewhere by the wall clock, which counts the way to the device and back as well.
        Buffers are left as so many calls leave them. Raises as `run` does.
        """
        doing = f"timing {counted(end - first, 'GPU call')}"
        prepared = self._ready(doing, first, end)
        if repeats < 1:
            raise KernelError(f"{doing}: {repeats} repeats were asked for. Give 1 or more.")
        with self._device.failures(doing):
            times = await prepared.time(first, end, repeats)
        return [float(ms) for ms in times]

    @property
    def encode_ms(self) -> float:
        """Milliseconds that the device's last run took to upload, encode and submit."""
        self._device.check("the time of encoding")
        return float(self._device.script.encodeMs)

    def dispose(self) -> None:
        """Let go of the bind groups; a second call does nothing."""
        if self._prepared is not None:
            self._prepared = None
            closed("gpu commands")

    def _ready(self, doing: str, first: int, end: int) -> Any:
        self._device.check_open(doing)
        if self._prepared is None:
            raise KernelError(f"{doing}: these GPU commands were disposed of. Load the model again.")
        if first < 0 or end > self._count:
            raise KernelError(f"{doing}: calls {first} to {end} were asked for, and there are {self._count}.")
        return self._prepared


def listed(downloads: Sequence[Download]) -> list[list[Any]]:
    """The downloads as gpu_device.js takes them. Raises KernelError when one lies outside its buffer."""
    return [[buffer.range(offset, nbytes), offset, nbytes] for buffer, offset, nbytes in downloads]


def _copied(copies: Sequence[GpuCopy]) -> list[list[Any]]:
    """Copies as gpu_commands.js takes them. Raises KernelError when one lies outside a buffer or between words."""
    return [
        [
            copy.source.words(copy.start, copy.nbytes),
            copy.start,
            copy.target.words(copy.offset, copy.nbytes),
            copy.offset,
            copy.nbytes,
        ]
        for copy in copies
    ]


async def fetched(device: Device, doing: str, ticket: Any) -> list[bytes]:
    """What was read back, once it is there; the buffer that it came in goes back to where it was taken from."""
    with device.failures(doing):
        try:
            return [view.to_bytes() for view in await ticket.ready]
        finally:
            ticket.release()


async def prepare(device: Device, calls: Sequence[GpuCall], words: GpuBuffer) -> GpuCommands:
    """Make the bind groups of `calls`, one for all that bind the same. Raises as `Gpu.commands` says."""
    doing = f"preparing {counted(len(calls), 'GPU call')}"
    device.check(doing)
    listed = _Listed(calls, words)
    to_js = door().to_js
    with device.failures(doing):
        prepared = await device.prepare(
            to_js([pipeline.js for pipeline in listed.pipelines]),
            to_js([buffer.range(0, 0) for buffer in listed.buffers]),
            to_js(listed.bindings),
            to_js(listed.bound_nbytes),
            to_js(memoryview(listed.table)),
            to_js(memoryview(listed.offsets)),
            words.range(0, 0),
        )
    return GpuCommands(device, prepared, len(calls))


class _Listed:
    """Calls as gpu_commands.js takes them: each thing once, and tables of numbers that say which."""

    def __init__(self, calls: Sequence[GpuCall], words: GpuBuffer) -> None:
        self.pipelines: dict[GpuPipeline, int] = {}
        self.buffers: dict[GpuBuffer, int] = {}
        self.bindings: list[list[int]] = []
        self.bound_nbytes: list[list[int]] = []
        self.table, self.offsets = array("I"), array("I")
        groups: dict[tuple[object, ...], int] = {}
        for call in calls:
            words_nbytes = round_up(max(call.words_nbytes, 1), WORDS_UNIT_NBYTES)
            words.range(call.words_at, words_nbytes)
            pipeline = self.pipelines.setdefault(call.pipeline, len(self.pipelines))
            places = [self.buffers.setdefault(buffer, len(self.buffers)) for buffer in call.buffers]
            group = groups.setdefault((call.pipeline.access, words_nbytes, *places, call.bound_nbytes), len(groups))
            if group == len(self.bindings):
                self.bindings.append([pipeline, words_nbytes, *places])
                self.bound_nbytes.append(list(call.bound_nbytes))
            self.table.extend((pipeline, group, *call.groups))
            self.offsets.append(call.words_at)
