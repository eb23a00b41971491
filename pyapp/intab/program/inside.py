"""Which values lie inside larger tensors from the start, so that nothing need be copied there.

    concat(a, b)        a and b are written where the result has them
    conv(x, pads)       x is written within its border of zeros

Both where the operator that makes the value, and all that read it, can do with it (`ops.layout`). A value inside a
result that lies inside another itself ends up in the outermost.
"""

import itertools
from dataclasses import dataclass

from intab.graph.dims import Dim, Shape, dense_strides, symbols_of, total
from intab.graph.ir import Graph, Node, Value, consumers
from intab.ops.layout import Bordered, Spacious
from intab.ops.lowering import Layout, Lowering
from intab.ops.registry import Operator, operator_of_node
from intab.ops.strides import offset_of

# What may turn out to be the same elements under another shape, which then lie where they did; so may reductions be.
VIEWS = frozenset({"Reshape", "Transpose", "Resize"})


@dataclass(frozen=True, slots=True)
class Home:
    """Where a value lies: at an offset in elements in the buffer of `root`, a value that is not inside another.

    `room` is the shape of that buffer: the root's with its border.
    """

    root: Value
    room: Shape
    offset: Dim
    layout: Layout | None


def find_homes(graph: Graph, lowering: Lowering) -> dict[Value, Home]:
    """The values of a graph that lie inside others, or within a border of their own."""
    return _Finding(graph, lowering).homes


class _Finding:
    """A walk from the last node to the first: where a result lies is known before where its parts do."""

    def __init__(self, graph: Graph, lowering: Lowering) -> None:
        self._lowering = lowering
        self._readers = consumers(graph)
        self._kept = {*graph.outputs, *graph.inputs, *graph.constant_values}
        # Sizes that become known in mid-run are not known yet when a part of them is written.
        self._known = frozenset(s for value in graph.inputs for dim in value.shape for s in symbols_of(dim))
        self._operators: dict[Node, Operator] = {}
        self.homes: dict[Value, Home] = {}
        for node in reversed(graph.nodes):
            operator = self._operator(node)
            if isinstance(operator, Spacious) and len(node.outputs) == 1 and node.output not in self._kept:
                home = self._in_concat(node, operator) or self._in_border(node, operator)
                if home is not None:
                    self.homes[node.output] = home

    def _in_concat(self, node: Node, writer: Spacious) -> Home | None:
        value = node.output
        for reader in reversed(self._readers.get(value, [])):
            if reader.op != "Concat":
                continue
            result = reader.output
            around = self.homes.get(result) or Home(result, result.shape, 0, None)
            strides = dense_strides(result.shape) if around.layout is None else around.layout.strides
            axis = reader.attributes["axis"]
            assert isinstance(axis, int)
            before = itertools.takewhile(lambda v: v is not value, reader.inputs)
            offset = around.offset + strides[axis] * total(v.shape[axis] for v in before if v is not None)
            home = Home(around.root, around.room, offset, _layout(value.shape, strides))
            if not self._aliases(value, reader, home.root) and self._fits(node, writer, home):
                return home
        return None

    def _in_border(self, node: Node, writer: Spacious) -> Home | None:
        value, rank = node.output, node.output.rank
        wanted = [0] * (2 * rank)
        for reader in self._readers.get(value, []):
            operator = self._operator(reader)
            if isinstance(operator, Bordered) and reader.inputs[0] is value:
                border = operator.border(self._lowering, reader.inputs, reader.output)
                wanted = [max(a, b) for a, b in zip(wanted, border or wanted, strict=True)]
        if not any(wanted):
            return None
        room = tuple(size + wanted[axis] + wanted[rank + axis] for axis, size in enumerate(value.shape))
        strides = dense_strides(room)
        home = Home(value, room, offset_of(wanted[:rank], strides), Layout(strides, tuple(wanted)))
        return home if self._fits(node, writer, home) else None

    def _fits(self, node: Node, writer: Spacious, home: Home) -> bool:
        value, layout = node.output, home.layout
        if any(symbols_of(dim) - self._known for dim in home.room):
            return False
        if layout is None:
            return True
        if layout.strides[-1] != 1 or not writer.writes_inside(self._lowering, node.inputs, value, layout):
            return False
        return all(self._reads(reader, value, layout) for reader in self._readers.get(value, []))

    def _reads(self, reader: Node, value: Value, layout: Layout) -> bool:
        operator = self._operator(reader)
        if not isinstance(operator, Spacious):
            return False
        places = (i for i, v in enumerate(reader.inputs) if v is value)
        return all(operator.reads_inside(self._lowering, reader.inputs, reader.output, i, layout) for i in places)

    def _aliases(self, value: Value, concat: Node, root: Value) -> bool:
        """Would a step that reads a value of `concat` in its place write into the same buffer, on a device that must
        not? So would `concat` itself, were the value there a second time, or under another shape."""
        if self._lowering.target.may_alias:
            return False
        return concat.inputs.count(value) > 1 or any(
            self._writes_to(root, reader) for reader in self._readers[value] if reader is not concat
        )

    def _writes_to(self, root: Value, reader: Node) -> bool:
        """Does a node write into the buffer of `root`, or one that reads what may be but a view?"""
        for output in reader.outputs:
            home = self.homes.get(output)
            if (home.root if home else output) is root:
                return True
        is_view = reader.op in VIEWS or reader.op.startswith("Reduce")
        return is_view and any(self._writes_to(root, further) for further in self._readers.get(reader.output, []))

    def _operator(self, node: Node) -> Operator:
        found = self._operators.get(node)
        if found is None:
            found = self._operators[node] = operator_of_node(node)
        return found


def _layout(shape: Shape, strides: Shape) -> Layout | None:
    """None where nothing lies between the elements. Axes of size 1 may have any stride."""
    pairs = zip(shape, strides, dense_strides(shape), strict=True)
    if all(size == 1 or stride == dense for size, stride, dense in pairs):
        return None
    return Layout(strides, (0,) * (2 * len(shape)))
