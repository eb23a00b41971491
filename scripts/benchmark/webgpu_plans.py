"""What GPUs that are not here would be given: programs compiled for them, on this machine, without running any."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.cases import Feeds
from intab import formats
from intab.errors import IntabError
from intab.graph.bind import bindings_of
from intab.graph.storage import MemoryStorage
from intab.kernels.ir import Kernel
from intab.kernels.wgsl import generate, stored_as, workgroups
from intab.optimize import optimize
from intab.program import build
from intab.program.bind import Binder
from intab.program.ir import ARENA, WEIGHTS, Program
from intab.target import WEBGPU, Target

_FEATURES = frozenset({"shader-f16", "packed-dot"})


def _typical(*, subgroup: int, team_limit: int, shared_nbytes: int, binding_nbytes: int) -> Target:
    return Target(
        "wgsl",
        lanes=WEBGPU.lanes,
        registers=WEBGPU.registers,
        features=_FEATURES,
        subgroup=subgroup,
        team_limit=team_limit,
        shared_nbytes=shared_nbytes,
        binding_nbytes=binding_nbytes,
        most_buffers=WEBGPU.most_buffers,
    )


TYPICAL = {
    # Limits that browsers tell of cards of NVIDIA's, and of Apple's GPUs beside the processor.
    "discrete": _typical(subgroup=32, team_limit=1024, shared_nbytes=48 * 1024, binding_nbytes=2**31 - 4),
    "integrated": _typical(subgroup=32, team_limit=1024, shared_nbytes=32 * 1024, binding_nbytes=2**30),
}


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """A model's plan for a device. uncounted: dispatches that do not say what they do. shared_nbytes: the most
    workgroup memory of one of its kernels; team: the most invocations of a workgroup that works together. refused: why
    there is no plan."""

    model: str
    device: str
    dispatches: int = 0
    kernels: int = 0
    flops: int = 0
    nbytes: int = 0
    uncounted: int = 0
    shared_nbytes: int = 0
    team: int = 0
    subgroup_kernels: int = 0
    arena_nbytes: int = 0
    weights_nbytes: int = 0
    refused: str = ""

    @property
    def intensity(self) -> float:
        """Floating-point operations a byte."""
        return self.flops / self.nbytes if self.nbytes else 0.0


def plan_figures(model: str, path: Path, feeds: Feeds, device: str) -> PlanFigures:
    """Compile the model at `path` for a typical device, at the sizes of `feeds`."""
    target = TYPICAL[device]
    try:
        graph = formats.read(MemoryStorage(path.name, path.read_bytes()))
        sizes = bindings_of(graph.inputs, {name: array.shape for name, array in feeds.items()})
        program = build(optimize(graph, target=target), target)
        for kernel in program.kernels:
            generate(kernel, target)  # refuses what the device could not run
        return _figures(model, device, program, sizes)
    except IntabError as error:
        return PlanFigures(model, device, refused=" ".join(str(error).split()))


def _figures(model: str, device: str, program: Program, sizes: Mapping[str, int]) -> PlanFigures:
    binder = Binder(program)
    plan = binder.bind(sizes)
    works = binder.work(sizes)
    kernels = program.kernels
    steps = zip(program.steps, plan.items, works, strict=True)
    run = [work for step, items, work in steps if workgroups(int(items), kernels[step.kernel].team)[0]]
    return PlanFigures(
        model,
        device,
        dispatches=len(run),
        kernels=len(kernels),
        flops=sum(work[0] for work in run if work),
        nbytes=sum(work[1] for work in run if work),
        uncounted=sum(work is None for work in run),
        shared_nbytes=max((_shared_nbytes(kernel, program.target) for kernel in kernels), default=0),
        team=max((kernel.team for kernel in kernels), default=1),
        subgroup_kernels=sum(kernel.in_subgroup for kernel in kernels),
        weights_nbytes=plan.region_nbytes[WEIGHTS],
        arena_nbytes=plan.region_nbytes[ARENA],
    )


def _shared_nbytes(kernel: Kernel, target: Target) -> int:
    return sum(shared.length * stored_as(shared.dtype, target).itemsize for shared in kernel.shared)


def plans(models: Mapping[str, tuple[Path, Feeds]]) -> list[PlanFigures]:
    """Every model for every typical device."""
    return [plan_figures(name, path, feeds, device) for name, (path, feeds) in models.items() for device in TYPICAL]
