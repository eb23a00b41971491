"""What a case of an operator is, and the one-node graphs made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intab.dtypes import dtype_of
from intab.graph.bind import bind
from intab.graph.dims import Dim, symbol
from intab.graph.ir import Attribute, Graph, Value
from intab.ops.builder import Builder

Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class OpCase:
    """One use of an operator.

    `inputs` are arrays, or None where an optional one is absent; those numbered in `constants` are fixed at load.
    `symbolic_axes` gives symbols to axes: (input, axis) -> name; `attributes` may be expressions over these.
    `kernel` is False where no kernel is meant to exist (the error is tested instead).
    """

    name: str
    op: str
    attributes: Mapping[str, Attribute]
    inputs: Sequence[Numbers | None]
    symbolic_axes: Mapping[tuple[int, int], str] = field(default_factory=dict)
    constants: tuple[int, ...] = ()
    kernel: bool = True
    tolerance: float = 2e-6

    @property
    def bindings(self) -> dict[str, int]:
        """The sizes that the symbols stand for."""
        found: dict[str, int] = {}
        for (index, axis), name in self.symbolic_axes.items():
            array = self.inputs[index]
            assert array is not None and found.setdefault(name, array.shape[axis]) == array.shape[axis]
        return found

    @property
    def feeds(self) -> dict[str, Numbers]:
        """The arrays fed under their names."""
        pairs = enumerate(self.inputs)
        return {f"x{i}": array for i, array in pairs if array is not None and i not in self.constants}

    def symbolic_graph(self) -> Graph:
        """The operator as a graph with symbols in its sizes. Its output is "y", or several are "y0", "y1" and so on."""
        builder = Builder(self.name)
        values: list[Value | None] = []
        for index, array in enumerate(self.inputs):
            if array is None:
                values.append(None)
            elif index in self.constants:
                values.append(builder.constant(array, f"x{index}"))
            else:
                values.append(builder.input(f"x{index}", dtype_of(array), self._shape(index, array)))
        outputs = builder.emit_all(self.op, *values, node=self.name, **self.attributes)
        names = ["y"] if len(outputs) == 1 else [f"y{i}" for i in range(len(outputs))]
        return builder.graph(zip(names, outputs, strict=True))

    def bound_graph(self) -> Graph:
        """The same with numbers in place of the symbols."""
        return bind(self.symbolic_graph(), self.bindings)

    def _shape(self, index: int, array: Numbers) -> tuple[Dim, ...]:
        names = self.symbolic_axes
        return tuple(symbol(names[index, i]) if (index, i) in names else n for i, n in enumerate(array.shape))


def floats(*shape: int, seed: int = 1) -> NDArray[np.float32]:
    """Numbers from the normal distribution."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def whole(*shape: int, low: int = -9, high: int = 10, dtype: str = "int32", seed: int = 1) -> Numbers:
    """Whole numbers from low to high - 1."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def flags(*shape: int, seed: int = 1) -> Numbers:
    """Bools."""
    return np.random.default_rng(seed).integers(0, 2, shape).astype(np.bool_)
