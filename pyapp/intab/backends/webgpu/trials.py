"""Products of a program in other shapes, compiled to be timed in the places that the last run has used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intab.backends.tuning import Problem
from intab.browser.gpu import Gpu, GpuPipeline, GpuShader
from intab.errors import KernelError, UnsupportedOpError
from intab.graph.dims import Dim, evaluate
from intab.kernels.ir import Kernel
from intab.kernels.wgsl import Shader, generate
from intab.program.ir import Program

# Of a problem so many steps are timed: those that differ, and do the most.
MOST_STEPS = 3


@dataclass(frozen=True, slots=True, eq=False)
class TrialCall:
    """A step of the program by a pipeline, its own or another."""

    step: int
    shader: Shader
    pipeline: GpuPipeline
    items: int


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A step that stands for `count` like it."""

    step: int
    count: int
    shader: Shader
    pipeline: GpuPipeline
    items: Dim


class Trials:
    """What was compiled of one program for timing."""

    def __init__(self, program: Program, gpu: Gpu) -> None:
        self._program = program
        self._gpu = gpu
        self._made: dict[tuple[str, str], list[_Made]] = {}
        self._steps: dict[str, list[int]] = {}
        for product in program.products if program.ways else ():
            self._steps.setdefault(product.problem, []).append(product.step)

    def problems(self) -> tuple[Problem, ...]:
        """As of `backends.tuning.Tunable`."""
        ways = self._program.ways
        return tuple(
            Problem(name, ways[steps[0]].shape, tuple(s.name for s in ways[steps[0]].shapes), len(steps))
            for name, steps in self._steps.items()
        )

    async def compile(self, problem: str, shape: str) -> str:
        """As `compile_way` of `backends.tuning.Tunable`."""
        if (problem, shape) in self._made:
            return ""
        steps = self._representatives(problem)
        ways = [self._program.ways[step] for step in steps]
        made = [one.make(next(s for s in one.shapes if s.name == shape)) for one in ways]
        try:
            shaders = [self._shader(kernel) for kernel, _ in made]
        except UnsupportedOpError as error:
            return str(error)
        names = [kernel.name for kernel, _ in made]
        compiled = await self._gpu.try_pipelines(
            [GpuShader(n, s.text, tuple(a for _, a in s.buffers)) for n, s in zip(names, shaders, strict=True)]
        )
        found = []
        rows = zip(steps.items(), shaders, compiled, made, strict=True)
        for (step, count), shader, pipeline, (_, items) in rows:
            if isinstance(pipeline, KernelError):
                return str(pipeline)
            found.append(_Made(step, count, shader, pipeline, items))
        self._made[problem, shape] = found
        return ""

    def calls(self, problem: str, shape: str, sizes: Mapping[str, int]) -> tuple[list[TrialCall], list[int]]:
        """What is to be timed, and how many steps each of it stands for."""
        made = self._made[problem, shape]
        calls = [TrialCall(one.step, one.shader, one.pipeline, evaluate(one.items, sizes)) for one in made]
        return calls, [one.count for one in made]

    def forget(self) -> None:
        """Let go of the pipelines."""
        self._made.clear()

    def _shader(self, kernel: Kernel) -> Shader:
        return generate(kernel, self._program.target)

    def _representatives(self, problem: str) -> dict[int, int]:
        """Steps that differ, and how many there are like each: with the same kernel and the same counts."""
        alike: dict[object, list[int]] = {}
        for number in self._steps[problem]:
            step = self._program.steps[number]
            sizes = tuple(word.dim for word in step.words if word.buffer < 0)
            alike.setdefault((step.kernel, step.items, sizes), []).append(number)
        commonest: Sequence[list[int]] = sorted(alike.values(), key=len, reverse=True)[:MOST_STEPS]
        return {steps[0]: len(steps) for steps in commonest}
