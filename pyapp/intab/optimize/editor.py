"""Rewriting a graph in one walk over its nodes.

    rules: operator -> functions (editor, node) -> the value to put in place of the node's output, or None

The walk is in execution order and so are the new nodes, since a rule puts its nodes where the old one stood:
everything it may use exists by then. Counts of uses are kept exact, so that a rule can ask whether a value is
needed by others; what nobody needs any more is dropped. Nodes that no rule touches are taken over without
inferring their types again, unless the type of an input changed.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from intab.graph.dims import Dim
from intab.graph.ir import Array, Attribute, Constant, Equality, Graph, Node, Value
from intab.ops.builder import KNOWN_ELEMENTS
from intab.ops.inference import infer
from intab.optimize.passes import Pass
from intab.target import Target

Rule = Callable[["Editor", Node], Value | None]


def peephole(name: str, rules: Mapping[str, Sequence[Rule]]) -> Pass:
    """The pass that tries rules at each node of their operators; the first that answers wins."""

    def run(graph: Graph, _target: Target) -> Graph:
        return rewrite(graph, rules)

    return Pass(name, run)


def rewrite(graph: Graph, rules: Mapping[str, Sequence[Rule]]) -> Graph:
    """The graph after one walk with rules; itself when none answered."""
    if not any(node.op in rules for node in graph.nodes):
        return graph
    editor = Editor(graph)
    for old in graph.nodes:
        node = editor.current(old)
        if node is None:
            continue
        answer = None
        for rule in rules.get(node.op, ()):
            answer = rule(editor, node)
            if answer is not None:
                break
        if answer is None:
            editor.keep(old, node)
        else:
            editor.replace(old, answer)
    return editor.end()


class Writer:
    """A graph that grows out of another one, node by node in execution order."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._nodes: list[Node | None] = []
        self._index: dict[Value, int] = {}
        self._map: dict[Value, Value] = {}
        self._constants = dict(graph.constants)
        self._constant_values = list(graph.constant_values)
        self._names = {value.name for value in graph.values()}
        self._numbers: dict[str, int] = {}
        self._uses: dict[Value, int] = {}
        self._pairs: dict[tuple[Dim, Dim], str] = {}

    @property
    def constants(self) -> Mapping[str, Constant]:
        """All constants so far, by the names of their values."""
        return self._constants

    def constant(self, value: Value | None) -> Constant | None:
        """The constant that a value is, or None."""
        return None if value is None else self._constants.get(value.name)

    def producer(self, value: Value | None) -> Node | None:
        """The node of the new graph that makes a value; None for inputs and constants."""
        index = None if value is None else self._index.get(value)
        return None if index is None else self._nodes[index]

    def position(self, value: Value) -> int:
        """Which place among the new nodes the maker of a value has; -1 for inputs and constants."""
        return self._index.get(value, -1)

    def mapped(self, value: Value) -> Value:
        """What stands for a value of the old graph in the new one."""
        return self._map.get(value, value)

    def add_constant(self, data: Constant | Array, name: str) -> Value:
        constant = data if isinstance(data, Constant) else Constant.of(data, name)
        elements = None
        if constant.dtype.is_integer and len(constant.shape) <= 1 and sum(constant.shape) <= KNOWN_ELEMENTS:
            elements = tuple(int(i) for i in constant.numpy().reshape(-1))
        value = Value(self.unique(name), constant.dtype, constant.shape, elements)
        self._constants[value.name] = constant
        self._constant_values.append(value)
        return value

    def emit(self, op: str, *inputs: Value | None, like: Node, **attributes: Attribute) -> Value:
        """Add a node with one output, named after the node `like` that it is made for."""
        (result,) = infer(op, attributes, inputs)
        for pair in result.equal:
            self._pairs.setdefault(pair, like.name)
        value = Value(self.unique(like.outputs[0].name), result.dtype, result.shape, result.elements)
        self._append(Node(op, inputs, (value,), attributes, like.name))
        self._count(inputs)
        return value

    def again(self, node: Node, *inputs: Value | None, like: Node, **changes: Attribute) -> Value:
        """Add a node as another is, but with these inputs and changed attributes."""
        return self.emit(node.op, *inputs, like=like, **{**node.attributes, **changes})

    def take(self, old: Node, node: Node) -> None:
        """Take over a node of the old graph, whose inputs in the new one `node` has."""
        self._count(node.inputs)
        self._append(node if node is old else self._typed(old, node))

    def unique(self, name: str) -> str:
        """A name that no value has: the given one with a number behind it."""
        stem = name.split("~", 1)[0]
        count = self._numbers.get(stem, 0) + 1
        while f"{stem}~{count}" in self._names:
            count += 1
        self._numbers[stem] = count
        self._names.add(f"{stem}~{count}")
        return f"{stem}~{count}"

    def finish(self, outputs: Iterable[Value]) -> Graph:
        """The new graph with these outputs, without what nobody uses."""
        made = tuple(outputs)
        self._count(made)
        return self._finished(made)

    def _finished(self, outputs: tuple[Value, ...]) -> Graph:
        self._sweep()
        graph = self.graph
        kept = tuple(v for v in self._constant_values if self._uses.get(v))
        known = {(e.left, e.right) for e in graph.equalities}
        added = tuple(Equality(*pair, node) for pair, node in self._pairs.items() if pair not in known)
        return Graph(
            graph.name,
            graph.inputs,
            outputs,
            tuple(node for node in self._nodes if node is not None),
            {v.name: self._constants[v.name] for v in kept},
            kept,
            graph.output_names,
            graph.equalities + added,
            graph.metadata,
        )

    def _count(self, values: Iterable[Value | None]) -> None:
        for value in values:
            if value is not None:
                self._uses[value] = self._uses.get(value, 0) + 1

    def _append(self, node: Node) -> None:
        for value in node.outputs:
            self._index[value] = len(self._nodes)
        self._nodes.append(node)

    def _typed(self, old: Node, node: Node) -> Node:
        """The node, with types inferred again where those of its inputs changed."""
        if _same_types(old, node):
            return node
        results = infer(node.op, node.attributes, node.inputs)
        outputs = tuple(
            v
            if (v.dtype, v.shape, v.elements) == (r.dtype, r.shape, r.elements)
            else self._retyped(v, Value(self.unique(v.name), r.dtype, r.shape, r.elements))
            for v, r in zip(node.outputs, results, strict=True)
        )
        for result in results:
            for pair in result.equal:
                self._pairs.setdefault(pair, node.name)
        return Node(node.op, node.inputs, outputs, node.attributes, node.name)

    def _retyped(self, value: Value, again: Value) -> Value:
        self._uses[again] = self._uses.pop(value, 0)
        self._map[value] = again
        return again

    def _sweep(self) -> None:
        """Drop nodes that nobody uses."""
        for index in reversed(range(len(self._nodes))):
            node = self._nodes[index]
            if node is not None and not any(self._uses.get(v) for v in node.outputs):
                self._nodes[index] = None
                self._release(node.inputs)

    def _release(self, values: Iterable[Value | None]) -> None:
        """Count one use less of each value, and drop the nodes that nobody needs then."""
        waiting = [v for v in values if v is not None]
        while waiting:
            value = waiting.pop()
            self._uses[value] -= 1
            index = self._index.get(value)
            node = None if index is None else self._nodes[index]
            if node is not None and index is not None and not any(self._uses.get(v) for v in node.outputs):
                self._nodes[index] = None
                waiting += [v for v in node.inputs if v is not None]


class Editor(Writer):
    """A writer that starts from all uses of the old graph, so that rules can count on what is still to come."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self._changed = False
        for node in graph.nodes:
            self._count(node.inputs)
        self._count(graph.outputs)

    # What rules ask

    def uses(self, value: Value) -> int:
        """How often nodes and outputs of the graph use a value, the current node included."""
        return self._uses.get(value, 0)

    def single(self, value: Value | None, *ops: str) -> Node | None:
        """The node that makes a value, if it is one of `ops` and the value is used only once."""
        node = self.producer(value)
        if node is None or node.op not in ops or value is None or self.uses(value) != 1:
            return None
        return node

    def scalar(self, value: Value | None) -> float | None:
        """The number, if a value is a float constant of one element."""
        constant = self.constant(value)
        if constant is None or not constant.dtype.is_float or math.prod(constant.shape) != 1:
            return None
        return float(constant.numpy().reshape(-1)[0])

    # The walk

    def current(self, old: Node) -> Node | None:
        """A node of the old graph with its inputs in the new one; None if nobody needs its outputs."""
        for value in old.outputs:
            if self._uses.get(value):
                break
        else:
            self._release([v and self.mapped(v) for v in old.inputs])
            self._changed = True
            return None
        if not self._map or not any(v in self._map for v in old.inputs):
            return old
        inputs = tuple(None if v is None else self._map.get(v, v) for v in old.inputs)
        return Node(old.op, inputs, old.outputs, old.attributes, old.name)

    def keep(self, old: Node, node: Node) -> None:
        """Take over a node; its uses of values are counted already."""
        self._append(node if node is old else self._typed(old, node))

    def replace(self, old: Node, answer: Value) -> None:
        """Put a value in the place of a node's only output."""
        (output,) = old.outputs
        self._changed = True
        self._uses[answer] = self._uses.get(answer, 0) + self._uses.get(output, 0)
        self._uses[output] = 0
        self._map[output] = answer
        self._release([v and self.mapped(v) for v in old.inputs])

    def end(self) -> Graph:
        """The new graph; the old one when nothing changed."""
        if not self._changed and all(self._uses.get(v) for v in self._constant_values):
            return self.graph
        return self._finished(tuple(self.mapped(v) for v in self.graph.outputs))


def _same_types(old: Node, node: Node) -> bool:
    return all(
        a is b or (a is not None and b is not None and (a.dtype, a.shape, a.elements) == (b.dtype, b.shape, b.elements))
        for a, b in zip(old.inputs, node.inputs, strict=True)
    )
