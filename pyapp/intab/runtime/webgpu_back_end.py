"""WebGPU as loading sees it. Imported where it is asked for."""

from dataclasses import dataclass

from intab.backends.engine import Executable
from intab.backends.webgpu.device import shared_gpu, target_of
from intab.backends.webgpu.executable import prepare
from intab.backends.webgpu.refusals import check, refusals
from intab.backends.webgpu.shaders import shaders_of
from intab.browser.gpu import Gpu
from intab.graph.ir import Graph, Node
from intab.program.ir import Program
from intab.runtime.back_end import BackEnd, Progress
from intab.target import Target


async def webgpu_back_end() -> BackEnd:
    """The GPU of this tab. Raises BackendUnavailableError, saying why, where there is none."""
    return _WebGpu(await shared_gpu())


@dataclass(frozen=True, slots=True)
class _WebGpu:
    gpu: Gpu
    name = "webgpu"
    whole_only = False

    @property
    def target(self) -> Target:
        return target_of(self.gpu.info)

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
        return await prepare(program, self.gpu, module, progress)
