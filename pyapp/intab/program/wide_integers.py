"""Which nodes need all 64 bits of their integers: a device whose integers have 32 must not run them.

What numbers there can be is worked out from the inputs to the outputs, by what operators say (`ops.intervals`). Numbers
that are fed are those of `FED`, which the device sees to. Three more things are no loss where nothing is left out of 32
bits that anybody reads:

    index(add(mul(row, width), column))    the low 32 bits of an index decide, if it is one that there is
    cast(mul(a, b))                        to fewer bits: the low ones again
    clip(cast(float))                      a cast to 32 bits ends at their ends, between which it is clipped
"""

from collections.abc import Mapping

from intab.graph.ir import Constant, Graph, Node, Value, consumers
from intab.ops.intervals import ANY, WORD, Bounded, Interval, exactly, hull, of_dim, of_dtype
from intab.ops.registry import operator_of_node

FED = Interval(-(2**30), 2**30 - 1)
"""64-bit integers that may be fed: so that the sum of two of them fits, too."""

# The low bits of what these make follow from the low bits of what they are given.
_WRAPPING = frozenset(
    {"Add", "Sub", "Mul", "Neg", "CumSum", "ReduceSum", "Reshape", "Transpose", "Concat", "Slice", "Expand", "Where"},
)
# Operator -> which input holds indices, of which there are fewer than 2^31.
_INDICES: Mapping[str, int] = {
    "Gather": 1,
    "GatherElements": 1,
    "GatherND": 1,
    "ScatterElements": 1,
    "ScatterND": 1,
}


def beyond_32_bits(graph: Graph, *, alone: bool = True) -> dict[Node, str]:
    """The nodes that read or make integers of 64 bits that may not fit into 32, and why.

    With `alone` all other nodes run on one device; else numbers may leave it anywhere, so that every one has to fit.
    """
    if not any(_is_wide(value) for value in graph.values()):
        return {}
    spans = integer_spans(graph)
    harmless = _Uses(graph).harmless if alone else frozenset()
    found = {}
    for node in graph.nodes:
        reason = _inside(node) or _reason(node, spans, harmless)
        if reason:
            found[node] = reason
    return found


def integer_spans(graph: Graph) -> dict[Value, Interval]:
    """Between which numbers each value of a graph lies that holds integers or bools."""
    spans: dict[Value, Interval] = {}
    for value in graph.inputs:
        spans[value] = FED if _is_wide(value) else of_dtype(value.dtype)
    for value in graph.constant_values:
        spans[value] = _known(value) or _of_constant(value, graph.constants[value.name])
    for node in graph.nodes:
        for value, span in zip(node.outputs, _made(node, spans), strict=True):
            # What leaves its dtype wraps.
            spans[value] = _known(value) or (span if span in of_dtype(value.dtype) else of_dtype(value.dtype))
    return spans


def _made(node: Node, spans: Mapping[Value, Interval]) -> tuple[Interval, ...]:
    operator = operator_of_node(node)
    if not isinstance(operator, Bounded) or not any(v.dtype.is_integer for v in node.outputs):
        return tuple(of_dtype(value.dtype) for value in node.outputs)
    made = operator.bounds(node.inputs, tuple(ANY if v is None else spans[v] for v in node.inputs))
    return made if isinstance(made, tuple) else (made,)


def _known(value: Value) -> Interval | None:
    if value.elements is None or not value.dtype.is_integer:
        return None
    return hull(map(of_dim, value.elements)) if all(map(_is_size, value.elements)) else None


def _is_size(element: object) -> bool:
    """Whether an element is no number that 32 bits do not hold."""
    return not isinstance(element, int) or exactly(element) in WORD


def _of_constant(value: Value, constant: Constant) -> Interval:
    if not _is_wide(value):
        return of_dtype(value.dtype)
    numbers = constant.numpy()
    return Interval(int(numbers.min()), int(numbers.max())) if numbers.size else exactly(0)


def _is_wide(value: Value | None) -> bool:
    return value is not None and value.dtype.is_integer and value.dtype.itemsize == 8


def _inside(node: Node) -> str:
    """Bodies that compute in such integers are not looked into."""
    bodies = [body for body in node.attributes.values() if isinstance(body, Graph)]
    wide = any(_is_wide(value) for body in bodies for value in body.values())
    return "its body computes in integers of 64 bits" if wide else ""


def _reason(node: Node, spans: Mapping[Value, Interval], harmless: frozenset[Value]) -> str:
    for value in (*node.outputs, *node.inputs):
        if value is not None and _is_wide(value) and spans[value] not in WORD and value not in harmless:
            span = "any number" if ANY in spans[value] else f"{spans[value]}"
            return f"{value.name!r} may be {span}, and there are integers of 32 bits only"
    return ""


class _Uses:
    """A walk from the last node to the first: of which values less than all their numbers decides."""

    def __init__(self, graph: Graph) -> None:
        self._readers = consumers(graph)
        self._low: set[Value] = set()
        found = set()
        for node in reversed(graph.nodes):
            for value in node.outputs:
                if not _is_wide(value) or value in graph.outputs:
                    continue
                if all(self._needs_low_bits(reader, value) for reader in self._readers.get(value, ())):
                    self._low.add(value)
                    found |= {value} if node.op in _WRAPPING else set()
                if _is_cast_float(node) and all(_takes_ends(r, value) for r in self._readers.get(value, ())):
                    found.add(value)
        self.harmless = frozenset(found)

    def _needs_low_bits(self, reader: Node, value: Value) -> bool:
        if reader.op in _WRAPPING:
            return all(made in self._low for made in reader.outputs)
        if reader.op == "Cast":  # which wraps
            return reader.output.dtype.is_integer and reader.output.dtype.itemsize <= 4
        return _only_as_index(reader, value)


def _is_cast_float(node: Node) -> bool:
    return node.op == "Cast" and node.inputs[0] is not None and node.inputs[0].dtype.is_float


def _only_as_index(reader: Node, value: Value) -> bool:
    place = _INDICES.get(reader.op)
    return all(i == place for i, given in enumerate(reader.inputs) if given is value)


def _takes_ends(reader: Node, value: Value) -> bool:
    """Whether a node makes the same of numbers beyond 32 bits as of the ends of these."""
    if reader.op != "Clip":
        return _only_as_index(reader, value)
    ends = (reader.attributes["minimum"], reader.attributes["maximum"])
    return all(isinstance(end, float) and WORD.least <= end <= WORD.most for end in ends)
