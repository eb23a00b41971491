"""Models in 16-bit floats run in 32-bit ones, on targets that compute in nothing narrower."""

from collections.abc import Mapping

from intab.dtypes import float16, float32
from intab.graph.ir import Attribute, Graph, Node, Value
from intab.ops.builder import Builder
from intab.optimize.constants import widened
from intab.optimize.passes import Pass
from intab.target import HALVES, Target


def _run(graph: Graph, target: Target) -> Graph:
    kept = target.has("shader-f16") and not target.has(HALVES)
    if kept or all(value.dtype != float16 for value in graph.values()):
        return graph
    return _Widening(graph).graph()


class _Widening:
    """The graph built anew: what stands for each value in it."""

    def __init__(self, graph: Graph) -> None:
        self._old = graph
        self._builder = Builder(graph.name, graph.metadata)
        self._builder.assume(graph.equalities)
        self._given: dict[Value, Value] = {}  # inputs and constants as they are
        self._values: dict[Value, Value] = {}

    def graph(self) -> Graph:
        for value in self._old.inputs:
            self._given[value] = self._builder.input(value.name, value.dtype, value.shape)
        for value in self._old.constant_values:
            self._given[value] = self._builder.constant(self._old.constants[value.name], value.name)
        for node in self._old.nodes:
            self._take(node)
        outputs = [self._output(value) for value in self._old.outputs]
        return self._builder.graph(zip(self._old.output_names, outputs, strict=True))

    def _take(self, node: Node) -> None:
        inputs = [None if value is None else self._wide(value) for value in node.inputs]
        names = tuple(value.name for value in node.outputs)
        made = self._builder.emit_all(node.op, *inputs, node=node.name, outputs=names, **_with_float32(node.attributes))
        self._values.update(zip(node.outputs, made, strict=True))

    def _wide(self, value: Value) -> Value:
        """What nodes read in the place of a value; inputs and constants are widened when the first asks for them."""
        if value not in self._values:
            self._values[value] = self._given[value] if value.dtype != float16 else self._widened_given(value)
        return self._values[value]

    def _widened_given(self, value: Value) -> Value:
        constant = self._old.constant_of(value)
        if constant is None:
            return self._builder.emit("Cast", self._given[value], node=value.name, to=float32)
        return self._builder.constant(widened(constant, value.name), value.name)

    def _output(self, value: Value) -> Value:
        if value in self._given:
            return self._given[value]
        wide = self._values[value]
        return wide if value.dtype != float16 else self._builder.emit("Cast", wide, node=value.name, to=float16)


def _with_float32(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {key: float32 if value == float16 else value for key, value in attributes.items()}


WIDEN_HALVES = Pass("widen_halves", _run)
"""y: f16 = add(x: f16, w: f16)   ->   y: f16 = cast(add(cast(x), cast(w)))

Everything that is f16 becomes f32; inputs and outputs keep their type and are converted. Constants are widened when
they are packed. What 16 bits would round, or make infinite, is kept: results are nearer to the exact ones.
"""
