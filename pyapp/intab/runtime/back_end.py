"""The back ends that run programs, as loading sees them: a target, a generator, and a way onto the device."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from intab.backends.engine import Executable
from intab.backends.wasm import executable as wasm
from intab.graph.ir import Graph, Node
from intab.program.build import refusals
from intab.program.ir import Program
from intab.runtime.device import Choice, choose, wasm_pool
from intab.target import Target

Progress = Callable[[float, float], None]


class BackEnd(Protocol):
    """A device that programs are compiled for."""

    @property
    def name(self) -> str: ...

    @property
    def whole_only(self) -> bool:
        """Whether a model that it cannot run whole is refused, rather than run in parts."""
        ...

    @property
    def target(self) -> Target: ...

    @property
    def adapter(self) -> str:
        """The name of the GPU, "" where there is none."""
        ...

    def check(self, graph: Graph) -> None:
        """Raise UnsupportedOpError for a graph with numbers that it has not."""
        ...

    def refusals(self, graph: Graph) -> dict[Node, str]:
        """The nodes that it cannot run beside others that run elsewhere, and why."""
        ...

    def module_of(self, program: Program) -> bytes:
        """The code of a program's kernels, as a cache keeps it."""
        ...

    async def prepare(self, program: Program, module: bytes, progress: Progress) -> Executable:
        """Bring the program onto the device. `progress` hears the bytes of weights done and in all."""
        ...


async def back_end_of(choice: Choice) -> BackEnd:
    """The device of a choice. Raises BackendUnavailableError where it cannot be had."""
    if choice.backend != "webgpu":
        return _Wasm(choice)
    # Here, so that pages without a GPU do not spend their start on it.
    from intab.runtime.webgpu_back_end import webgpu_back_end

    return await webgpu_back_end(halves=choice.precision == "float16")


def wasm_back_end(threads: int | None = None) -> BackEnd:
    """WebAssembly for parts of models that another back end cannot run whole, on the threads of any session of it."""
    return _Wasm(choose("wasm", threads))


@dataclass(frozen=True, slots=True)
class _Wasm:
    choice: Choice
    name = "wasm"
    whole_only = True
    adapter = ""

    @property
    def target(self) -> Target:
        return wasm_pool(self.choice.threads).machine.target

    def check(self, graph: Graph) -> None:
        pass  # building says what there is no kernel for

    def refusals(self, graph: Graph) -> dict[Node, str]:
        return refusals(graph, self.target)

    def module_of(self, program: Program) -> bytes:
        return wasm.module_of(program)

    async def prepare(self, program: Program, module: bytes, progress: Progress) -> Executable:
        pool, choice = wasm_pool(self.choice.threads), self.choice
        return await wasm.prepare(program, pool, progress, module, threads=choice.threads, measured=choice.measured)
