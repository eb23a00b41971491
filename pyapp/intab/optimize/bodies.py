"""Bodies of fused nodes and epilogues: elementwise graphs over single numbers."""

import math
from collections.abc import Iterable, Mapping

from intab.graph.ir import Constant, Graph, Node, Value
from intab.ops.elementwise import Elementwise
from intab.ops.registry import OPERATORS

# Operands of these change places in bodies, so that x + y and y + x are one kernel. Exact.
COMMUTATIVE = frozenset({"Add", "Mul", "Minimum", "Maximum"})

# Their scales and zero points, of which a model has hundreds, stay inputs: numbers in bodies make kernels differ.
QUANTIZING = frozenset({"Dequantize", "Quantize", "FakeQuantize", "AddBytes"})


def is_elementwise(node: Node) -> bool:
    """Does a node compute each element from the elements at the same place?"""
    return issubclass(OPERATORS[node.op], Elementwise)


def is_fusible(node: Node) -> bool:
    """Elementwise, of one dtype throughout, which is the one that fused kernels compute in."""
    return is_elementwise(node) and all(v is not None and v.dtype.name == "f32" for v in (*node.inputs, *node.outputs))


def is_fusible_element(node: Node) -> bool:
    """Fusible, or between bytes and floats: what a kernel of elementwise work alone can do."""
    return node.op in QUANTIZING or is_fusible(node)


def body_of(
    nodes: Iterable[Node], result: Value, constants: Mapping[str, Constant], first: Value | None = None
) -> tuple[Graph, tuple[Value, ...]]:
    """The body that does what elementwise `nodes` (in execution order) do up to `result`, and its inputs' values.

    Numbers that are constants go into the body; any other value that the nodes do not make becomes an input,
    `first` before the others. Names depend on nothing but the structure, so that equal work gives equal bodies.
    """
    body = _Body(constants)
    if first is not None:
        body.value(first)
    for node in nodes:
        inner = node.attributes.get("body")
        if isinstance(inner, Graph):
            body.inline(inner, node.inputs, node.output)
        else:
            body.add(node)
    return body.graph(result), tuple(body.outer)


def prepend(epilogue: Graph, extra: Iterable[Value], produced: Value, placeholder: Value) -> Node:
    """An epilogue as the Fused node that it would be, from what is produced before it to `placeholder`."""
    return Node("Fused", (produced, *extra), (placeholder,), {"body": epilogue})


def _rank(value: Value | None) -> tuple[int, str]:
    """Values that nodes made first, then inputs, then numbers."""
    name = "" if value is None else value.name
    return "txc".index(name[0]), name


class _Body:
    def __init__(self, constants: Mapping[str, Constant]) -> None:
        self.outer: list[Value] = []
        self._outer_constants = constants
        self._known: dict[Value, Value] = {}
        self._inputs: list[Value] = []
        self._nodes: list[Node] = []
        self._constants: dict[str, Constant] = {}
        self._constant_values: list[Value] = []

    def value(self, outer: Value, *, inside: bool = True) -> Value:
        """The body's value for one of the graph around it; numbers that are constant go inside unless told not to."""
        if outer not in self._known:
            constant = self._outer_constants.get(outer.name) if inside else None
            if constant is not None and math.prod(constant.shape) == 1:
                self._known[outer] = self._number(constant)
            else:
                self._known[outer] = Value(f"x{len(self._inputs)}", outer.dtype, ())
                self._inputs.append(self._known[outer])
                self.outer.append(outer)
        return self._known[outer]

    def add(self, node: Node) -> None:
        """Write a node of the graph around."""
        inside = node.op not in QUANTIZING
        arguments = tuple(None if v is None else self.value(v, inside=inside) for v in node.inputs)
        self._known[node.output] = self._append(node, arguments)

    def inline(self, inner: Graph, inputs: Iterable[Value | None], output: Value) -> None:
        """Write another body's nodes into this one. Each inlining gets values of its own, as bodies are shared."""
        known: dict[Value, Value] = {}
        for value, outer in zip(inner.inputs, inputs, strict=True):
            if outer is not None:
                known[value] = self.value(outer)
        for value in inner.constant_values:
            known[value] = self._number(inner.constants[value.name])
        for node in inner.nodes:
            arguments = tuple(None if v is None else known[v] for v in node.inputs)
            known[node.output] = self._append(node, arguments)
        self._known[output] = known[inner.outputs[0]]

    def graph(self, result: Value) -> Graph:
        return Graph(
            "body",
            tuple(self._inputs),
            (self._known[result],),
            tuple(self._nodes),
            self._constants,
            tuple(self._constant_values),
            ("result",),
        )

    def _append(self, node: Node, arguments: tuple[Value | None, ...]) -> Value:
        if node.op in COMMUTATIVE:
            arguments = tuple(sorted(arguments, key=_rank))
        made = Value(f"t{len(self._nodes)}", node.output.dtype, ())
        self._nodes.append(Node(node.op, arguments, (made,), node.attributes))
        return made

    def _number(self, constant: Constant) -> Value:
        value = Value(f"c{len(self._constant_values)}", constant.dtype, ())
        scalar = Constant(constant.dtype, (), constant.storage, constant.offset, constant.nbytes)
        self._constants[value.name] = scalar
        self._constant_values.append(value)
        return value
