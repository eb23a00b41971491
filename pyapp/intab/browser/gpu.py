"""WebGPU as the kernels use it: a device with its memory, its compiler, and lists of dispatches to replay."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

from intab.browser._js import describe, door
from intab.browser.gpu_commands import (
    Download,
    GpuCall,
    GpuCommands,
    GpuCopy,
    GpuPipeline,
    GpuShader,
    Upload,
    fetched,
    listed,
    prepare,
)
from intab.browser.gpu_device import Device, GpuBuffer, adopt_buffer, broken, buffer_size, counted
from intab.browser.gpu_info import GpuInfo, adapter_info
from intab.browser.net import JsStorage
from intab.browser.wasm import Source
from intab.errors import BackendUnavailableError, KernelError, OutOfMemoryError

__all__ = [
    "Download",
    "Gpu",
    "GpuBuffer",
    "GpuCall",
    "GpuCommands",
    "GpuCopy",
    "GpuInfo",
    "GpuPipeline",
    "GpuShader",
    "Upload",
    "broken",
    "request_gpu",
]

# Asked of the device where the adapter has them.
WANTED_FEATURES = ("timestamp-query", "subgroups", "subgroup-size-control", "shader-f16")
# What Python holds crosses in such pieces, of which JavaScript has a copy each while they are on their way.
PIECE_NBYTES = 1 << 24
ELSEWHERE = 'Use backend="wasm", which every browser runs.'


class Gpu:
    """A device. Whoever has it disposes of it, after the buffers and commands that were had from it."""

    def __init__(self, device: Device, info: GpuInfo) -> None:
        self._device = device
        self._pipelines: WeakValueDictionary[tuple[object, ...], GpuPipeline] = WeakValueDictionary()
        self.info = info

    @property
    def device(self) -> Device:
        """The door to it, for the other modules of this folder."""
        return self._device

    @property
    def lost(self) -> str | None:
        """Why the device is gone; None while it is there."""
        return self._device.lost

    async def buffers(self, sizes: Sequence[tuple[str, int]], *, uniform: bool = False) -> list[GpuBuffer]:
        """A buffer, all zeros, for each (label, bytes): all of them or none.

        `uniform`: for words, otherwise for storage; both can be copied from and to. Raises OutOfMemoryError naming
        the label and the bytes of the first that cannot be had, DeviceLostError.
        """
        self._device.check("making GPU buffers")
        specs = [(label, nbytes, buffer_size(nbytes, uniform=uniform)) for label, nbytes in sizes]
        limit = self.info.limits["maxBufferSize"]
        for label, nbytes, size in specs:
            if size > limit:
                raise _no_memory(label, nbytes, f"a buffer of this device has {limit:,} bytes at most")
        usage = door().js.GPUBufferUsage
        flags = usage.COPY_DST | usage.COPY_SRC | (usage.UNIFORM if uniform else usage.STORAGE)
        with self._device.failures("making GPU buffers"):
            made = await self._made([[label, size, flags] for label, _, size in specs], specs)
        return [adopt_buffer(*spec, buffer) for spec, buffer in zip(specs, made, strict=True)]

    async def _made(self, descriptors: list[list[Any]], specs: Sequence[tuple[str, int, int]]) -> Any:
        """The GPUBuffers of `specs`. Raises OutOfMemoryError, and what JavaScript throws when the device is lost."""
        pending = self._device.script.createBuffers(door().to_js(descriptors))
        try:
            return await pending.ready
        except asyncio.CancelledError:
            pending.discard()
            raise
        except door().exception as error:
            if getattr(error, "name", "") == "lost":
                raise
            label, nbytes, _ = specs[int(getattr(error, "index", 0))]
            raise _no_memory(label, nbytes, str(getattr(error, "message", error))) from error

    def write(self, buffer: GpuBuffer, offset: int, data: memoryview) -> None:
        """Copy `data` to `offset` (bytes, a multiple of 4) of a buffer, before whatever is run afterwards.

        What is missing at the end to a multiple of 4 bytes becomes zeros. Raises KernelError when it lies outside,
        DeviceLostError.
        """
        if data.nbytes:  # views of nothing cannot be cast
            whole = data.cast("B")
            for at in range(0, whole.nbytes, PIECE_NBYTES):
                piece = whole[at : at + PIECE_NBYTES]
                self._write(buffer, offset + at, piece.nbytes, door().to_js(piece))

    def write_from(self, buffer: GpuBuffer, offset: int, storage: Source, start: int, nbytes: int) -> None:
        """As `write`, of bytes of a storage; what JavaScript holds does not pass through Python."""
        if isinstance(storage, JsStorage):
            self._write(buffer, offset, nbytes, storage.part(start, nbytes))
        else:
            self.write(buffer, offset, storage.read(start, nbytes))

    def _write(self, buffer: GpuBuffer, offset: int, nbytes: int, array: Any) -> None:
        doing = f"writing {nbytes:,} bytes to {buffer.label}"
        self._device.check(doing)
        with self._device.failures(doing):
            self._device.script.write(buffer.writable(offset, nbytes), offset, array)

    def clear(self, buffer: GpuBuffer, nbytes: int) -> None:
        """Make the first `nbytes` of a buffer zeros, in whole words, before whatever is run afterwards.

        Raises KernelError when they do not lie in it, DeviceLostError.
        """
        doing = f"clearing {buffer.label}"
        self._device.check(doing)
        with self._device.failures(doing):
            self._device.script.clear(buffer.writable(0, nbytes), nbytes)

    async def read(self, downloads: Sequence[Download]) -> list[bytes]:
        """The bytes of each (buffer, offset, bytes). Raises as `GpuCommands.run`."""
        doing = f"reading {counted(len(downloads), 'GPU buffer')}"
        self._device.check(doing)
        with self._device.failures(doing):
            ticket = self._device.script.read(door().to_js(listed(downloads)))
        return await fetched(self._device, doing, ticket)

    async def pipelines(self, shaders: Sequence[GpuShader]) -> list[GpuPipeline]:
        """Compile shaders beside each other. Raises KernelError, with the compiler's words, when one is refused."""
        compiled = await self.try_pipelines(shaders)
        for pipeline in compiled:
            if isinstance(pipeline, KernelError):
                raise pipeline
        return [pipeline for pipeline in compiled if isinstance(pipeline, GpuPipeline)]

    async def try_pipelines(self, shaders: Sequence[GpuShader]) -> list[GpuPipeline | KernelError]:
        """As `pipelines`, with the error in the place of each one that is refused. Raises DeviceLostError."""
        compiled = zip(shaders, await self.compile(shaders), strict=True)
        return [broken(f"shader {shader.name}", one) if isinstance(one, str) else one for shader, one in compiled]

    async def compile(self, shaders: Sequence[GpuShader]) -> list[GpuPipeline | str]:
        """As `pipelines`, with the compiler's words in the place of each one that is refused, one complaint a line:
        `line:column: what is wrong in: the line`. Raises DeviceLostError.

        Equal texts with equal access share a pipeline for as long as somebody holds it.
        """
        doing = f"compiling {counted(len(shaders), 'shader')}"
        self._device.check(doing)
        keys = [shader.key for shader in shaders]
        found: dict[tuple[object, ...], GpuPipeline | str] = {}
        missing: dict[tuple[object, ...], GpuShader] = {}
        for key, shader in zip(keys, shaders, strict=True):
            if (known := self._pipelines.get(key)) is not None:
                found[key] = known
            else:
                missing.setdefault(key, shader)
        specs = [[s.name, s.text, list(s.access), s.entry, dict(s.constants)] for s in missing.values()]
        with self._device.failures(doing):
            made = await self._device.script.createPipelines(door().to_js(specs))
        for (key, shader), one in zip(missing.items(), made, strict=True):
            if isinstance(one, str):
                found[key] = one
            else:
                found[key] = self._pipelines[key] = GpuPipeline(shader.name, shader.access, one)
        return [found[key] for key in keys]

    async def commands(self, calls: Sequence[GpuCall], words: GpuBuffer) -> GpuCommands:
        """Make `calls` ready to be run many times; `words` is the uniform buffer that each finds its words in.

        Bind groups are shared where they are equal. Raises KernelError when WebGPU refuses a binding,
        DeviceLostError.
        """
        return await prepare(self._device, calls, words)

    def dispose(self) -> None:
        """Destroy the device and all memory on it; a second call does nothing. What is running is a DeviceLostError."""
        self._device.close()


def _no_memory(label: str, nbytes: int, reason: str) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"{label}: {nbytes:,} bytes of GPU memory cannot be had ({reason}). "
        "Use smaller input or a smaller model, dispose of sessions that are not needed, or close other tabs."
    )


async def request_gpu() -> Gpu:
    """A device of this browser's fastest GPU, with all that its adapter allows.

    Raises BackendUnavailableError, which says why there is none and what would help.
    """
    gpu = getattr(door().js.navigator, "gpu", None)
    if not gpu:
        raise BackendUnavailableError(_why_absent())
    try:
        adapter = await gpu.requestAdapter(door().to_js({"powerPreference": "high-performance"}))
        if not adapter:
            raise BackendUnavailableError(_why_refused())
        info = adapter_info(adapter)
        features = [name for name in WANTED_FEATURES if name in info.features]
        descriptor = {"label": "intab", "requiredFeatures": features, "requiredLimits": info.limits}
        device = await adapter.requestDevice(door().to_js(descriptor))
    except door().exception as error:
        raise BackendUnavailableError(
            f"WebGPU: the browser would not give a device ({describe(error)}). Close other tabs that use the GPU, or "
            f"reload the page. {ELSEWHERE}"
        ) from error
    return Gpu(Device(device), replace(info, features=frozenset(features)))


def _why_absent() -> str:
    if not getattr(door().js, "isSecureContext", True):
        return f"WebGPU: browsers offer it to pages from https:// or localhost only. Serve this page so. {ELSEWHERE}"
    return (
        "WebGPU: this browser does not have it, or it is turned off. Chrome and Edge have it from version 113 on, "
        f"Safari from 26, Firefox from 141 on some systems. {ELSEWHERE}"
    )


def _why_refused() -> str:
    return (
        "WebGPU: the browser has it, and no GPU that it would use: its driver may be too old or on the browser's "
        f"blocklist, or graphics acceleration turned off in the settings (chrome://gpu tells). {ELSEWHERE}"
    )
