"""WebGPU as loading sees it. Imported where it is asked for."""

from dataclasses import dataclass

from intab.backends.engine import Executable
from intab.backends.webgpu.device import shared_gpu, target_of, tuned_as
from intab.backends.webgpu.executable import prepare
from intab.backends.webgpu.refusals import check, refusals
from intab.backends.webgpu.shaders import shaders_of
from intab.browser.gpu import Gpu
from intab.browser.remedies import REMEDIES
from intab.browser.store import BrowserStore
from intab.errors import BackendUnavailableError
from intab.graph.ir import Graph, Node
from intab.program.halves import kept_exact
from intab.program.ir import Program
from intab.runtime.back_end import BackEnd, Progress
from intab.runtime.tunings import STORE, Tunings, with_found
from intab.target import HALVES, Target


async def webgpu_back_end(*, halves: bool = False) -> BackEnd:
    """The GPU of this tab; with `halves` it keeps weights and values in 16 bits.

    Raises BackendUnavailableError, saying why, where there is none or where it has no numbers of 16 bits.
    """
    gpu = await shared_gpu()
    tunings = tunings_of(gpu)
    target = with_found(target_of(gpu.info), await tunings.read())
    return _WebGpu(gpu, _in_halves(target, gpu.info.name) if halves else target, tunings)


def _in_halves(target: Target, adapter: str) -> Target:
    if not target.has("shader-f16"):
        raise BackendUnavailableError(
            f'precision="float16": this GPU ({adapter}) has no "shader-f16", so that nothing would take less memory. '
            f"{REMEDIES['shader-f16']} Leave precision out."
        )
    return target.with_feature(HALVES)


async def tunings_here() -> Tunings:
    """What was found on the GPU of this tab. Raises BackendUnavailableError where there is none."""
    return tunings_of(await shared_gpu())


def tunings_of(gpu: Gpu) -> Tunings:
    """The record of an adapter, in this browser."""
    return Tunings(BrowserStore(STORE), tuned_as(gpu.info))


@dataclass(frozen=True, slots=True)
class _WebGpu:
    gpu: Gpu
    target: Target
    tunings: Tunings
    name = "webgpu"
    whole_only = False

    @property
    def adapter(self) -> str:
        return self.gpu.info.name

    def check(self, graph: Graph) -> None:
        check(graph, self.target)

    def refusals(self, graph: Graph) -> dict[Node, str]:
        return refusals(graph, self.target)

    def module_of(self, program: Program) -> bytes:
        return shaders_of(program)

    async def prepare(self, program: Program, module: bytes, progress: Progress) -> Executable:
        halves = kept_exact(program) if program.target.has(HALVES) else ""
        notes = filter(None, (halves, self.tunings.note, _told(program)))
        executable = await prepare(program, self.gpu, module, progress, notes=tuple(notes))
        if refused := executable.program.target.refused - program.target.refused:
            await self.tunings.refuse(refused)
        return executable


def _told(program: Program) -> str:
    """How many products of a program have what was found fastest on this GPU."""
    choices = dict(program.target.choices)
    tuned = sum(choices.get(product.problem) == product.shape for product in program.products)
    count = len(program.products)
    return f"{tuned} of {count} products as they were found fastest on this GPU" if tuned else ""
