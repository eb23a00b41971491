"""Putting numbers, or other sizes, in the place of symbols."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from intab.errors import ShapeError
from intab.graph.dims import Dim, DimExpr, Symbol, evaluate, substitute
from intab.graph.ir import Attribute, Equality, Graph, Node, Value


def bind(graph: Graph, bindings: Mapping[str, Dim]) -> Graph:
    """The graph with symbols replaced in shapes, known elements, attributes and bodies; other symbols stay.

    Raises ShapeError where two sizes that inference took for the same turn out to differ, or a size negative.
    """
    if not bindings:
        return graph
    return _Binder(graph.name, bindings).graph(graph)


def bindings_of(values: Iterable[Value], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The symbols of values (by name in `shapes`) as numbers, read off the shapes of what is fed.

    A size that is an expression is checked once all symbols are known. Raises ShapeError naming the value.
    """
    bindings: dict[str, int] = {}
    pairs: list[tuple[str, Dim, int]] = []
    for value in values:
        shape = shapes[value.name]
        if len(shape) != value.rank:
            raise ShapeError(f"{value.name!r} has shape {list(shape)}, but the model takes {list(value.shape)}.")
        pairs += [(value.name, dim, size) for dim, size in zip(value.shape, shape, strict=True)]
    for _, dim, size in pairs:
        name = _symbol_name(dim)
        if name is not None:
            bindings.setdefault(name, size)
    for value_name, dim, size in pairs:
        expected = evaluate(dim, bindings)
        if expected != size:
            raise ShapeError(
                f"{value_name!r} has a size of {size} where the model takes {dim}"
                f"{'' if isinstance(dim, int) else f' = {expected}'}. Feed arrays of the shapes that the model names."
            )
    return bindings


def bind_attributes(node: Node, bindings: Mapping[str, Dim]) -> Node:
    """The node with symbols replaced in its attributes; its values stay what they are."""
    binder = _Binder(node.name, bindings)
    return Node(
        node.op, node.inputs, node.outputs, {k: binder.attribute(a) for k, a in node.attributes.items()}, node.name
    )


def told_by(value: Value, shape: tuple[int, ...]) -> dict[str, int]:
    """The symbols that a value's sizes are, as numbers, once it is there."""
    names = map(_symbol_name, value.shape)
    return {name: size for name, size in zip(names, shape, strict=True) if name is not None}


def _symbol_name(dim: Dim) -> str | None:
    """The symbol's name, when a dim is nothing but a symbol."""
    if isinstance(dim, int) or len(dim.terms) != 1:
        return None
    monomial, coefficient = dim.terms[0]
    atom = monomial[0]
    return atom.name if coefficient == 1 and len(monomial) == 1 and isinstance(atom, Symbol) else None


class _Binder:
    """One binding of one graph. Sizes repeat from value to value, so each is worked out once."""

    def __init__(self, graph_name: str, bindings: Mapping[str, Dim]) -> None:
        self._graph_name = graph_name
        self._bindings = bindings
        self._known: dict[DimExpr, Dim] = {}

    def graph(self, graph: Graph) -> Graph:
        values: dict[Value, Value] = {}
        inputs = tuple(self._value(v, values) for v in graph.inputs)
        constants = tuple(self._value(v, values) for v in graph.constant_values)
        equalities = tuple(e for e in map(self._equality, graph.equalities) if e is not None)
        nodes = tuple(self._node(n, values) for n in graph.nodes)
        return replace(
            graph,
            inputs=inputs,
            constant_values=constants,
            nodes=nodes,
            outputs=tuple(values[v] for v in graph.outputs),
            equalities=equalities,
        )

    def _dim(self, dim: Dim) -> Dim:
        if isinstance(dim, int):
            return dim
        if dim not in self._known:
            self._known[dim] = substitute(dim, self._bindings)
        return self._known[dim]

    def _value(self, value: Value, values: dict[Value, Value]) -> Value:
        shape = tuple(map(self._dim, value.shape))
        if any(isinstance(d, int) and d < 0 for d in shape):
            raise ShapeError(
                f"{self._graph_name}: {value.name!r} would have the shape {list(shape)} with "
                f"{', '.join(f'{k} = {v}' for k, v in self._bindings.items())}. The feeds are too small for this model."
            )
        elements = None if value.elements is None else tuple(map(self._dim, value.elements))
        values[value] = Value(value.name, value.dtype, shape, elements)
        return values[value]

    def _node(self, node: Node, values: dict[Value, Value]) -> Node:
        inputs = tuple(None if v is None else values[v] for v in node.inputs)
        attributes = {key: self.attribute(a) for key, a in node.attributes.items()}
        return Node(node.op, inputs, tuple(self._value(v, values) for v in node.outputs), attributes, node.name)

    def attribute(self, attribute: Attribute) -> Attribute:
        if isinstance(attribute, DimExpr):
            return self._dim(attribute)
        if isinstance(attribute, tuple):
            return tuple(map(self.attribute, attribute))
        return self.graph(attribute) if isinstance(attribute, Graph) else attribute

    def _equality(self, equality: Equality) -> Equality | None:
        left, right = self._dim(equality.left), self._dim(equality.right)
        if left == right:
            return None
        if isinstance(left, int) and isinstance(right, int):
            raise ShapeError(
                f"{self._graph_name}: node {equality.node!r} needs {equality.left} and {equality.right} to be the same "
                f"size, but they are {left} and {right}. Feed arrays whose sizes fit each other."
            )
        return Equality(left, right, equality.node)
