"""Programs whose values and weights of float32 lie in memory as float16.

Only memory changes: a kernel loads halves as f32 and stores f32 rounded (`kernels.ir.Buffer`), so that every sum, norm
and share is what it was, whatever the family. Inputs and outputs stay as the model declares them.
"""

import math
from collections.abc import Set
from dataclasses import dataclass, field, replace

import numpy as np

from intab.dtypes import float16, float32
from intab.graph.dims import Dim, floor_div
from intab.graph.ir import Constant
from intab.kernels.families.grid_shape import GridShape
from intab.kernels.ir import Kernel
from intab.kernels.numeric import is_numeric
from intab.ops.ways import Ways
from intab.program.ir import ARENA, Buffer, Program, Step, Weight

LARGEST = 65504.0
# A packing may transform what it packs (Winograd's adds several numbers up), which needs room above; and numbers of
# which the largest is nearly subnormal have few bits.
LARGEST_WEIGHT, LEAST_WEIGHT = LARGEST / 16, 2.0**-12
# Fewer numbers than this weigh little; filters of few numbers, rounded, are a third of what is lost in all.
LEAST_COUNT = 4096


def in_halves(program: Program, exact: Set[int]) -> Program:
    """The program with 16 bits for each element of the buffers of float32, but for those named in `exact`."""
    halves = _halved(program) - exact
    if not halves:
        return program
    return _Halving(program, halves).program()


def keeps_bits(constant: Constant) -> bool:
    """Whether a weight is to have 16 bits: it is a large matrix or filters, and its numbers neither too large nor tiny.

    Vectors (biases, scales, statistics) stay, since every number of theirs has a scale of its own.
    """
    is_large = math.prod(constant.shape) >= LEAST_COUNT and sum(size > 1 for size in constant.shape) > 1
    if constant.dtype != float32 or not is_large:
        return False
    largest = float(np.abs(constant.numpy()).max(initial=0.0))
    return largest == 0 or LEAST_WEIGHT <= largest <= LARGEST_WEIGHT


def _halved(program: Program) -> set[int]:
    """Buffers of nothing but float32, as kernels see them, that no port and no reading has."""
    outside = {port.buffer for port in (*program.inputs, *program.outputs)}
    outside |= {reading.buffer for part in program.segments for reading in part.readings}
    seen: dict[int, set[str]] = {}
    for step in program.steps:
        for buffer, word in zip(program.kernels[step.kernel].buffers, step.words, strict=False):
            seen.setdefault(word.buffer, set()).add(buffer.dtype)
    floats = {buffer for buffer, dtypes in seen.items() if dtypes == {float32.name}} - outside
    weights = {w.buffer for w in program.weights if all(map(keeps_bits, w.constants))}
    return {b for b in floats if program.buffers[b].region == ARENA} | (floats & weights)


@dataclass(slots=True)
class _Halving:
    """The parts of the new program as they grow."""

    old: Program
    halves: Set[int]
    kernels: dict[tuple[int, tuple[bool, ...]], Kernel] = field(default_factory=dict)
    dims: dict[Dim, int] = field(default_factory=dict)

    def program(self) -> Program:
        old = self.old
        self.dims = {dim: number for number, dim in enumerate(old.dims)}
        steps = tuple(self._step(step) for step in old.steps)
        buffers = tuple(self._buffer(number, buffer) for number, buffer in enumerate(old.buffers))
        kernels = tuple(self.kernels.values())
        return replace(
            old,
            kernels=kernels,
            steps=steps,
            buffers=buffers,
            weights=tuple(self._weight(weight) for weight in old.weights),
            dims=tuple(self.dims),
            kernel_names=tuple(kernel.name for kernel in kernels),
            numeric_kernels=tuple(number for number, kernel in enumerate(kernels) if is_numeric(kernel)),
            ways={number: self._ways(old.steps[number], ways) for number, ways in old.ways.items()},
        )

    def _step(self, step: Step) -> Step:
        kernel, halved = self.old.kernels[step.kernel], self._halved(step)
        count = len(halved)
        key = (step.kernel, halved)
        if key not in self.kernels:
            self.kernels[key] = _with_halves(kernel, halved)
        number = list(self.kernels).index(key)
        nbytes = self.old.target.stored_nbytes(float16)
        words = (
            replace(word, itemsize=nbytes) if half else word for word, half in zip(step.words, halved, strict=False)
        )
        return replace(step, kernel=number, words=(*words, *step.words[count:]))

    def _halved(self, step: Step) -> tuple[bool, ...]:
        """For each buffer of a step's kernel, whether it holds halves."""
        count = len(self.old.kernels[step.kernel].buffers)
        return tuple(word.buffer in self.halves for word in step.words[:count])

    def _ways(self, step: Step, ways: Ways) -> Ways:
        """What else the step could be, with the same buffers."""
        halved = self._halved(step)

        def make(shape: GridShape) -> tuple[Kernel, Dim]:
            kernel, items = ways.make(shape)
            return _with_halves(kernel, halved), items

        return replace(ways, make=make)

    def _buffer(self, number: int, buffer: Buffer) -> Buffer:
        if number not in self.halves:
            return buffer
        target = self.old.target
        count = floor_div(self.old.dims[buffer.nbytes_dim], target.stored_nbytes(float32))
        nbytes = count * target.stored_nbytes(float16)
        return replace(buffer, nbytes_dim=self.dims.setdefault(nbytes, len(self.dims)))

    def _weight(self, weight: Weight) -> Weight:
        return replace(weight, stored=float16) if weight.buffer in self.halves else weight


def _with_halves(kernel: Kernel, halved: tuple[bool, ...]) -> Kernel:
    if not any(halved):
        return kernel
    buffers = zip(kernel.buffers, halved, strict=True)
    return replace(
        kernel,
        name=f"{kernel.name}_f16",
        buffers=tuple(replace(buffer, dtype=float16.name) if half else buffer for buffer, half in buffers),
    )


def kept_exact(program: Program) -> str:
    """How much of a program's weights is in 16 bits, and what is not, for people."""
    nbytes = dict.fromkeys((True, False), 0)
    for weight in program.weights:
        dim = program.dims[program.buffers[weight.buffer].nbytes_dim]
        assert isinstance(dim, int), "weights have sizes that are known"
        nbytes[weight.stored == float16] += dim
    whole = sum(weight.stored is None for weight in program.weights)
    return (
        f"float16: {nbytes[True] / 2**20:.1f} MiB of weights in 16 bits; {whole} vectors, numbers, bytes or weights "
        f"that do not fit ({nbytes[False] / 2**20:.1f} MiB), sums, inputs and outputs as they are"
    )
