"""The back ends that run programs, as loading sees them: a target, a generator, and a way onto the device."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from intab.backends.engine import Executable
from intab.backends.wasm import executable as wasm
from intab.backends.webgpu import executable as webgpu
from intab.backends.webgpu.device import shared_gpu, target_of
from intab.backends.webgpu.shaders import shaders_of
from intab.browser.gpu import Gpu
from intab.program.ir import Program
from intab.runtime.device import Choice, wasm_pool
from intab.target import Target

Progress = Callable[[float, float], None]


class BackEnd(Protocol):
    """A device that programs are compiled for."""

    @property
    def target(self) -> Target: ...

    @property
    def adapter(self) -> str:
        """The name of the GPU, "" where there is none."""
        ...

    def module_of(self, program: Program) -> bytes:
        """The code of a program's kernels, as a cache keeps it."""
        ...

    async def prepare(self, program: Program, module: bytes, progress: Progress) -> Executable:
        """Bring the program onto the device. `progress` hears the bytes of weights done and in all."""
        ...


async def back_end_of(choice: Choice) -> BackEnd:
    """The device of a choice. Raises BackendUnavailableError where it cannot be had."""
    return _WebGpu(await shared_gpu()) if choice.backend == "webgpu" else _Wasm(choice)


@dataclass(frozen=True, slots=True)
class _Wasm:
    choice: Choice
    adapter = ""

    @property
    def target(self) -> Target:
        return wasm_pool(self.choice.threads).machine.target

    def module_of(self, program: Program) -> bytes:
        return wasm.module_of(program)

    async def prepare(self, program: Program, module: bytes, progress: Progress) -> Executable:
        pool, choice = wasm_pool(self.choice.threads), self.choice
        return await wasm.prepare(program, pool, progress, module, threads=choice.threads, measured=choice.measured)


@dataclass(frozen=True, slots=True)
class _WebGpu:
    gpu: Gpu

    @property
    def target(self) -> Target:
        return target_of(self.gpu.info)

    @property
    def adapter(self) -> str:
        return self.gpu.info.name

    def module_of(self, program: Program) -> bytes:
        return shaders_of(program)

    async def prepare(self, program: Program, module: bytes, progress: Progress) -> Executable:
        return await webgpu.prepare(program, self.gpu, module, progress)
