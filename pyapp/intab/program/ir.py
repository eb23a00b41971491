"""What a program is: kernels, the steps that use them, and the memory they use, with sizes still symbols.

    Program    kernels + steps + buffers + weights; everything that depends on sizes is a Dim of one table
    Segment    steps between two points at which sizes become known (most programs have one)
    Plan       a Program with its symbols bound: numbers only (see `program.bind`)

Memory has four regions, so that one program serves every device: weights (written once), arena (values
between steps, reused), inputs and outputs. A step names a buffer by its place in its region, never by an
address.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from intab.dtypes import DType
from intab.errors import KernelError
from intab.graph.dims import Dim, Shape
from intab.graph.ir import Array, Constant, Equality
from intab.kernels.ir import Kernel
from intab.ops.lowering import Work
from intab.ops.packing import Packing
from intab.ops.ways import Ways
from intab.target import Target

REGIONS = ("weights", "arena", "inputs", "outputs")
WEIGHTS, ARENA, INPUTS, OUTPUTS = range(4)
# Every buffer starts on a cache line; vectors may be read past a buffer's end by less than one line.
ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Buffer:
    """A run of memory: its region, size in bytes as an index into `Program.dims`, and the steps it must outlive."""

    region: int
    nbytes_dim: int
    first_step: int
    last_step: int


@dataclass(frozen=True, slots=True)
class Word:
    """One parameter word of a step: `constant` + dims[dim]; a buffer's word adds the buffer's place in elements.

    `constant` holds the bits of a float word. `buffer` is -1 for a word that names none.
    """

    constant: int
    dim: int
    buffer: int = -1
    itemsize: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One use of a kernel. `items` is an index into `Program.dims`; `label` names the node it came from.

    `work` says what it must do, None where its operator has not counted that.
    """

    kernel: int
    words: tuple[Word, ...]
    items: int
    label: str
    work: Work | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """Numbers for a buffer of the weights region: pack(the constants' numbers), computed when a device is loaded.

    `stored` is the type that they have in memory, None where that is what packing gives.
    """

    buffer: int
    constants: tuple[Constant, ...]
    shape: tuple[int, ...]
    pack: Packing | None
    stored: DType | None = None

    def numpy(self) -> Array:
        """The packed numbers."""
        arrays = [c.numpy() for c in self.constants]
        packed = arrays[0] if self.pack is None else self.pack(*arrays)
        if math.prod(self.shape) != packed.size:
            raise KernelError(f"A weight was announced as {list(self.shape)} and packed as {list(packed.shape)}.")
        return packed


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output: name, dtype, shape, the buffer that holds it (-1 for an input that nobody reads)."""

    name: str
    dtype: DType
    shape: Shape
    buffer: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Symbols that become known in mid-run: element i of an integer buffer is the size named symbols[i]."""

    symbols: tuple[str, ...]
    buffer: int
    dtype: DType


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps first_step .. end_step, which run once the readings before them have been made."""

    first_step: int
    end_step: int
    readings: tuple[Reading, ...] = ()

    @property
    def step_count(self) -> int:
        return self.end_step - self.first_step


@dataclass(frozen=True, slots=True)
class Product:
    """That a step solves a problem that there are several ways for, and which of them it was compiled for
    (`ops.ways`)."""

    step: int
    problem: str
    shape: str


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A compiled model for one target, for all sizes. `dims[0]` is 0.

    `kernels` are empty when the program comes from a store, with its module, and they and the weights once it is on a
    device; `kernel_names` are always there. `ways`, by step, say what else `products` could be; a store has none.
    `numeric_kernels` are those with tiles that may be run on any numbers.
    """

    name: str
    target: Target
    kernels: tuple[Kernel, ...]
    steps: tuple[Step, ...]
    segments: tuple[Segment, ...]
    buffers: tuple[Buffer, ...]
    weights: tuple[Weight, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    dims: tuple[Dim, ...]
    equalities: tuple[Equality, ...]
    kernel_names: tuple[str, ...]
    numeric_kernels: tuple[int, ...] = ()
    products: tuple[Product, ...] = ()
    ways: Mapping[int, Ways] = field(default_factory=dict)
