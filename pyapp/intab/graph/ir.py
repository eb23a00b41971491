"""What a model is: typed values in single assignment.

    Graph    inputs, nodes in execution order, outputs, constants
    Node     one use of an operator of `intab.ops`
    Value    what a node makes or a graph is given: name, dtype, shape
    Constant numbers fixed at load: a byte range of their file until somebody asks for them

All are frozen: a pass builds a new graph (see `ops.builder.Builder`). `graph.text` prints and parses
them, `graph.verify` states what a well-formed graph is.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Union

import numpy as np
from numpy.typing import NDArray

from intab.dtypes import DType, dtype_of
from intab.errors import ModelFormatError
from intab.graph.dims import Dim, DimExpr, Shape
from intab.graph.storage import MemoryStorage, Storage

Array = NDArray[np.generic]

# What an attribute may hold. Tuples hold one kind; a dim may be symbolic; a graph is the body of a
# fused or control-flow node.
Attribute = Union[None, bool, int, float, str, DimExpr, DType, "Graph", tuple["Attribute", ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor that flows through a graph. Two values are the same only if they are one object.

    `elements` are the numbers that an integer value of rank 0 or 1 is known to hold, as dims: they let
    shape arithmetic (Shape, Gather, Concat, Reshape) happen at compile time although sizes are symbols.
    """

    name: str
    dtype: DType
    shape: Shape
    elements: tuple[Dim, ...] | None = None

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"%{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One use of operator `op`. `inputs` holds None where an optional input is absent.

    `name` is the node's name in the file it came from; errors quote it.
    """

    op: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    name: str = ""

    @property
    def output(self) -> Value:
        """The only output. Raises ValueError when there are several."""
        (value,) = self.outputs
        return value

    def __repr__(self) -> str:
        return f"{', '.join(v.name for v in self.outputs)} = {self.op}"


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """Numbers fixed at load: little-endian, C order, at `offset` of `storage`, `nbytes` long."""

    dtype: DType
    shape: tuple[int, ...]
    storage: Storage
    offset: int
    nbytes: int

    @classmethod
    def of(cls, array: Array, name: str = "constant") -> "Constant":
        """A constant that holds a numpy array's numbers."""
        contiguous = np.ascontiguousarray(array).reshape(array.shape)
        data = contiguous.reshape(-1).view(np.uint8).data
        return cls(dtype_of(array), tuple(array.shape), MemoryStorage(name, data), 0, data.nbytes)

    def numpy(self) -> Array:
        """The numbers, read-only and copied only if the storage must. Raises ModelFormatError when cut short."""
        expected_nbytes = prod(self.shape) * self.dtype.itemsize
        if expected_nbytes != self.nbytes:
            raise ModelFormatError(
                f"{self.storage.name}: a {self.dtype} constant of shape {list(self.shape)} takes {expected_nbytes} "
                f"bytes, but {self.nbytes} are given. The file is damaged; fetch it again."
            )
        view = self.storage.read(self.offset, self.nbytes)
        return np.frombuffer(view, dtype=self.dtype.numpy).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Equality:
    """Two sizes that inference took to be the same, and for which node; checked when sizes are bound."""

    left: Dim
    right: Dim
    node: str


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A model, or the body of a node.

    `output_names` are the names under which a caller fetches `outputs` (a value may leave twice).
    `constants` is keyed by value name. `equalities` are the assumptions of shape inference.
    `metadata` is whatever text the file carries about itself.
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Constant] = field(default_factory=dict)
    constant_values: tuple[Value, ...] = ()
    output_names: tuple[str, ...] = ()
    equalities: tuple[Equality, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def signature(self) -> "Graph":
        """What a caller needs to know: the graph without its nodes and numbers, which hold the model's bytes."""
        return replace(self, nodes=(), constants={}, constant_values=())

    def constant_of(self, value: Value | None) -> Constant | None:
        """The constant that a value is, or None."""
        return None if value is None else self.constants.get(value.name)

    def values(self) -> Iterator[Value]:
        """Every value once: inputs, constants, then what nodes make."""
        yield from self.inputs
        yield from self.constant_values
        for node in self.nodes:
            yield from node.outputs


def consumers(graph: Graph) -> dict[Value, list[Node]]:
    """Which nodes read a value, in order, a node once for each use."""
    found: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        for value in node.inputs:
            if value is not None:
                found.setdefault(value, []).append(node)
    return found


def producers(nodes: Iterable[Node]) -> dict[Value, Node]:
    """Which node makes a value."""
    return {value: node for node in nodes for value in node.outputs}
