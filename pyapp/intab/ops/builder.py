"""Building graphs node by node, with inference at each: importers and passes use nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod

import numpy as np

from intab.dtypes import DType
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Shape
from intab.graph.ir import Array, Attribute, Constant, Equality, Graph, Node, Value
from intab.ops.registry import Operator, Result, operator_of

# Integer constants up to this many elements are known to shape arithmetic.
KNOWN_ELEMENTS = 64


class Builder:
    """Collects the parts of a graph. Value names are made unique by a number where they repeat."""

    def __init__(self, name: str, metadata: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.metadata = dict(metadata or {})
        self._inputs: list[Value] = []
        self._nodes: list[Node] = []
        self._constants: dict[str, Constant] = {}
        self._constant_values: list[Value] = []
        self._equalities: dict[Equality, None] = {}
        self._used: dict[str, int] = {}
        self._tables: dict[Value, Array] = {}
        """Whole numbers of two axes or more that shape arithmetic made of constants, for what is made of them."""

    def input(self, name: str, dtype: DType, shape: Shape) -> Value:
        """A value that the caller feeds."""
        value = Value(self._unique(name), dtype, shape)
        self._inputs.append(value)
        return value

    def constant(self, data: Constant | Array, name: str = "constant") -> Value:
        """A value fixed at load."""
        constant = data if isinstance(data, Constant) else Constant.of(data, name)
        value = Value(self._unique(name), constant.dtype, constant.shape, _known_elements(constant))
        self._constants[value.name] = constant
        self._constant_values.append(value)
        return value

    def constant_of(self, value: Value | None) -> Constant | None:
        """The constant that a value is, or None."""
        return None if value is None else self._constants.get(value.name)

    def emit(self, op: str, *inputs: Value | None, node: str = "", output: str = "", **attributes: Attribute) -> Value:
        """Add a node with one output and return it. `node` names the node and `output` the value, if given.

        Raises ShapeError, DTypeError or UnsupportedOpError that say which node is at fault.
        """
        (value,) = self.emit_all(op, *inputs, node=node, outputs=(output,), **attributes)
        return value

    def emit_all(
        self, op: str, *inputs: Value | None, node: str = "", outputs: tuple[str, ...] = (), **attributes: Attribute
    ) -> tuple[Value, ...]:
        """Add a node and return all its outputs."""
        try:
            operator = operator_of(op, attributes)
            inferred = operator.infer(*inputs)
            results = (inferred,) if isinstance(inferred, Result) else inferred
            table = self._computed(operator, inputs, results[0]) if len(results) == 1 else None
        except (ShapeError, DTypeError, UnsupportedOpError) as error:
            raise type(error)(f"{self.name}: node {node or op!r} ({op}): {error}") from error
        if table is not None and table.ndim < 2:
            results = (replace(results[0], elements=tuple(int(i) for i in table.reshape(-1))),)
        names = [name or f"{node or op}:{i}" for i, name in enumerate(outputs or ("",) * len(results))]
        values = tuple(
            Value(self._unique(n), r.dtype, r.shape, r.elements) for n, r in zip(names, results, strict=True)
        )
        if table is not None:
            self._tables[values[0]] = table
        for result in results:
            self._equalities.update({Equality(a, b, node or op): None for a, b in result.equal})
        self._nodes.append(Node(op, tuple(inputs), values, attributes, node))
        return values

    def _computed(self, operator: Operator, inputs: tuple[Value | None, ...], result: Result) -> Array | None:
        """The whole numbers that an operator makes of known ones, where inference does not track them: in tables."""
        if result.elements is not None or not result.dtype.is_integer or not inputs:
            return None
        sizes = [size for size in result.shape if isinstance(size, int)]
        if len(sizes) != len(result.shape) or prod(sizes) > KNOWN_ELEMENTS:
            return None
        arrays = [None if value is None else self._numbers(value) for value in inputs]
        if any(array is None and value is not None for array, value in zip(arrays, inputs, strict=True)):
            return None
        return np.asarray(operator.reference(*arrays))

    def _numbers(self, value: Value) -> Array | None:
        """The whole numbers that a small value is known to hold."""
        if value in self._tables:
            return self._tables[value]
        constant = self._constants.get(value.name)
        if constant is not None and constant.dtype.is_integer and prod(constant.shape) <= KNOWN_ELEMENTS:
            return constant.numpy()
        numbers = [number for number in value.elements or () if isinstance(number, int)]
        if value.elements is None or len(numbers) != len(value.elements):
            return None
        return np.array(numbers, value.dtype.numpy).reshape(() if value.rank == 0 else -1)

    def assume(self, equalities: Iterable[Equality]) -> None:
        """Carry over assumptions of an earlier graph."""
        self._equalities.update(dict.fromkeys(equalities))

    def graph(self, outputs: Iterable[tuple[str, Value]]) -> Graph:
        """The finished graph; `outputs` are the fetch names and their values."""
        pairs = tuple(outputs)
        return Graph(
            self.name,
            tuple(self._inputs),
            tuple(value for _, value in pairs),
            tuple(self._nodes),
            dict(self._constants),
            tuple(self._constant_values),
            tuple(name for name, _ in pairs),
            tuple(self._equalities),
            self.metadata,
        )

    def _unique(self, name: str) -> str:
        """The name, or the name with the first free number behind it."""
        if name not in self._used:
            self._used[name] = 0
            return name
        while True:
            self._used[name] += 1
            candidate = f"{name}~{self._used[name]}"
            if candidate not in self._used:
                self._used[candidate] = 0
                return candidate


def _known_elements(constant: Constant) -> tuple[int, ...] | None:
    """The numbers of a small integer constant of rank 0 or 1, else None."""
    if not constant.dtype.is_integer or len(constant.shape) > 1 or prod(constant.shape) > KNOWN_ELEMENTS:
        return None
    return tuple(int(i) for i in constant.numpy().reshape(-1))
