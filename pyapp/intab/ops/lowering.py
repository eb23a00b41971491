"""What an operator sees of program building while it chooses kernels."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol

from intab.dtypes import DType
from intab.graph.dims import Dim, Shape
from intab.graph.ir import Constant, Value
from intab.kernels.ir import Kernel
from intab.ops.packing import Packing
from intab.ops.ways import Ways
from intab.target import Target


@dataclass(frozen=True, slots=True)
class Layout:
    """How a value lies inside a larger tensor: `strides` in elements along each of its axes, that of the last 1.

    `border` are the zeros that surround it, in elements of each axis: all begins, then all ends.
    """

    strides: Shape
    border: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where elements lie at run time: a buffer of the program and an offset in elements into it.

    `layout` is None where they lie one after the other (see `ops.layout` for when they do not).
    """

    buffer: int
    dtype: DType
    offset: Dim = 0
    layout: Layout | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What a step must do, for profiles; a run does not look at it.

    `flops` are the factors of its floating-point operations: a multiply-add counts two, each operation of an
    elementwise function one, what an epilogue adds nothing; products of whole numbers count as those of floats.
    `tensors` are (bytes of an element, *sizes) of each tensor read or written. Both stay factors, since multiplying
    symbols takes time that only a profile needs.
    """

    flops: Shape
    tensors: tuple[Shape, ...]


class Lowering(Protocol):
    """Program building, as an operator's `lower` uses it."""

    @property
    def target(self) -> Target: ...

    @property
    def written(self) -> set[Hashable]:
        """What families were asked for by the steps before, for those that can do with one kernel or another."""
        ...

    def constant(self, value: Value | None) -> Constant | None:
        """The constant that a value is, or None."""
        ...

    def place(self, value: Value) -> Place:
        """Where a value lies: an input, a constant, an earlier node's output, or this node's own output."""
        ...

    def view(self, output: Value, source: Value) -> None:
        """Say that an output is the same bytes as an input (a reshape): no step is needed."""
        ...

    def weight(
        self,
        constants: tuple[Value, ...],
        name: str,
        shape: tuple[int, ...],
        pack: Packing,
        dtype: DType | None = None,
    ) -> Place:
        """pack(numpy arrays of the constants), computed once at load and of shape `shape`.

        `name` tells one packing of the same constants from another; `dtype` is the first constant's if not given.
        """
        ...

    def scratch(self, dtype: DType, count: Dim) -> Place:
        """Room for `count` elements that live only within this node."""
        ...

    def step(
        self,
        kernel: Kernel,
        buffers: Mapping[str, Place],
        words: Mapping[str, Dim | float],
        items: Dim,
        *,
        work: Work | None = None,
        ways: Ways | None = None,
    ) -> None:
        """Run a kernel over `items` items, after all steps before it. `work` is None where nobody has counted it.

        `ways`: the problem that it solves and how else, where it is known that there are other ways.
        """
        ...

    def read_sizes(self, value: Value, symbols: tuple[str, ...]) -> None:
        """From here on the elements of an integer value are known as sizes of these names (a new segment)."""
        ...
