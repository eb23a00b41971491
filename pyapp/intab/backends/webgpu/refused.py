"""Kernels that a GPU's compiler refuses: the products that they are of take their next shape."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from intab.browser.gpu import Gpu, GpuPipeline, GpuShader
from intab.errors import KernelError
from intab.kernels.wgsl import Shader, generate
from intab.program.ir import Product, Program

# Shapes in a row that a product may lose: a compiler that refuses them all is not to be kept busy.
MOST_ROUNDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A program, changed where need was, with its shaders and pipelines. `notes` say what was refused, and
    `refused` are the problems and shapes of it."""

    program: Program
    shaders: tuple[Shader, ...]
    pipelines: tuple[GpuPipeline, ...]
    notes: tuple[str, ...] = ()
    refused: frozenset[tuple[str, str]] = frozenset()


async def compiled(program: Program, gpu: Gpu, shaders: Sequence[Shader]) -> Compiled:
    """Pipelines of the program's shaders, or of other shaders for those products whose own are refused.

    Raises KernelError, with the compiler's words, where there is no other shape, DeviceLostError.
    """
    shaders = tuple(shaders)
    notes: list[str] = []
    for round_number in range(MOST_ROUNDS + 1):
        pipelines = await gpu.try_pipelines(
            [
                GpuShader(name, shader.text, tuple(access for _, access in shader.buffers))
                for name, shader in zip(program.kernel_names, shaders, strict=True)
            ]
        )
        failed = {number: one for number, one in enumerate(pipelines) if isinstance(one, KernelError)}
        if not failed:
            good = tuple(one for one in pipelines if isinstance(one, GpuPipeline))
            return Compiled(program, shaders, good, tuple(notes), program.target.refused)
        if round_number == MOST_ROUNDS or not _have_others(program, failed):
            break
        for number, error in failed.items():
            program, told = _otherwise(program, number, error)
            notes += told
        shaders += tuple(generate(kernel, program.target) for kernel in program.kernels[len(shaders) :])
        program, shaders = _without_unused(program, shaders)
    raise next(iter(failed.values()))


def _have_others(program: Program, failed: dict[int, KernelError]) -> bool:
    """Whether all steps of the refused kernels are products that have a shape left."""
    refused = program.target.refused
    for number, step in enumerate(program.steps):
        ways = program.ways.get(number)
        if step.kernel in failed and (
            ways is None
            or not any(s.name != _shape(program, number) and (ways.problem, s.name) not in refused for s in ways.shapes)
        ):
            return False
    return True


def _shape(program: Program, step: int) -> str:
    return next(product.shape for product in program.products if product.step == step)


def _otherwise(program: Program, refused: int, error: KernelError) -> tuple[Program, list[str]]:
    """The program with other kernels in place of one, and what there is to say of it."""
    steps, products = list(program.steps), {product.step: product for product in program.products}
    kernels, dims = list(program.kernels), {dim: number for number, dim in enumerate(program.dims)}
    places = {id(kernel): number for number, kernel in enumerate(kernels)}  # families remember what they made
    lost, notes = set(program.target.refused), {}
    for number, step in enumerate(program.steps):
        if step.kernel != refused:
            continue
        ways = program.ways[number]
        lost.add((ways.problem, products[number].shape))
        shape = next(s for s in ways.shapes if (ways.problem, s.name) not in lost)
        kernel, items = ways.make(shape)
        place = places.setdefault(id(kernel), len(kernels))
        if place == len(kernels):
            kernels.append(kernel)
        steps[number] = replace(step, kernel=place, items=dims.setdefault(items, len(dims)))
        notes[ways.problem] = (
            f"the GPU's compiler refused {program.kernel_names[refused]} in the shape {products[number].shape} "
            f"({error}): {ways.problem} takes {shape.name} instead"
        )
        products[number] = Product(number, ways.problem, shape.name)
    changed = replace(
        program,
        target=replace(program.target, refused=frozenset(lost)),
        kernels=tuple(kernels),
        kernel_names=tuple(kernel.name for kernel in kernels),
        steps=tuple(steps),
        dims=tuple(dims),
        products=tuple(products.values()),
    )
    return changed, list(notes.values())


def _without_unused(program: Program, shaders: tuple[Shader, ...]) -> tuple[Program, tuple[Shader, ...]]:
    """Without kernels that no step runs any more."""
    used = sorted({step.kernel for step in program.steps})
    places = {number: place for place, number in enumerate(used)}
    changed = replace(
        program,
        kernels=tuple(program.kernels[number] for number in used),
        kernel_names=tuple(program.kernel_names[number] for number in used),
        steps=tuple(replace(step, kernel=places[step.kernel]) for step in program.steps),
        numeric_kernels=tuple(places[number] for number in program.numeric_kernels if number in places),
    )
    return changed, tuple(shaders[number] for number in used)
