"""What a run of a model asks of a device: counted from a Program, or estimated from a Graph before there is one."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from intab.errors import ShapeError
from intab.graph.dims import Dim, Shape, evaluate, symbols_of
from intab.graph.ir import Graph, Node, Value, consumers
from intab.program.ir import ARENA, WEIGHTS, Program
from intab.program.memory import Lifetime, largest_live_set

# Sizes that are not known: the first axis of an input is usually a batch, the others length, height and width.
ASSUMED_FIRST, ASSUMED_OTHER = 1, 256
FLOAT_NBYTES = 4


@dataclass(frozen=True, slots=True)
class Variant:
    """A form in which a model is offered: "float32", "float16", "int8" or "int4", and the bytes of its weights."""

    precision: str
    weights_nbytes: int


@dataclass(frozen=True, slots=True)
class Demand:
    """Per run: floating-point operations, bytes of values read and written (weights apart, as 32-bit floats), steps.

    `arena_nbytes` are the most bytes of values alive at once, `largest_nbytes` those of the largest tensor, weights
    among them. `variants` are the forms that the model is offered in, the most exact first. `refused`: by back end
    why it cannot run the model, if so. `assumed` are sizes that were not known and what they were taken for.
    """

    flops: int
    values_nbytes: int
    steps: int
    arena_nbytes: int
    largest_nbytes: int
    variants: tuple[Variant, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    assumed: tuple[tuple[str, int], ...] = ()

    def offered_as(self, *variants: Variant) -> "Demand":
        """The same model in these forms."""
        return replace(self, variants=variants)


NO_DEMAND = Demand(0, 0, 0, 0, 0, (Variant("float32", 0),))
"""Of a model that has not been looked at."""


class Sizes:
    """Numbers for dims; a symbol that has none is taken for something usual, which is remembered."""

    def __init__(self, known: Mapping[str, int], inputs: Iterable[Shape]) -> None:
        self._bindings = dict(known)
        self._known = frozenset(known)
        for shape in inputs:
            for axis, dim in enumerate(shape):
                for name in symbols_of(dim):
                    self._bindings.setdefault(name, ASSUMED_OTHER if axis else ASSUMED_FIRST)

    def number(self, dim: Dim) -> int:
        """The size, 1 at least: with sizes that are only assumed a window may have no place."""
        for name in symbols_of(dim):
            self._bindings.setdefault(name, ASSUMED_OTHER)
        try:
            return max(1, evaluate(dim, self._bindings))
        except ShapeError:  # a division by zero, say
            return 1

    def count(self, dims: Iterable[Dim]) -> int:
        """The product of sizes."""
        return math.prod(map(self.number, dims))

    @property
    def assumed(self) -> tuple[tuple[str, int], ...]:
        return tuple(sorted((name, size) for name, size in self._bindings.items() if name not in self._known))


def demand_of_program(program: Program, sizes: Mapping[str, int] | None = None, precision: str = "float32") -> Demand:
    """Counted by the operators themselves. `precision`: what the program's weights are."""
    known = Sizes(sizes or {}, (port.shape for port in program.inputs))
    nbytes = [known.number(program.dims[buffer.nbytes_dim]) for buffer in program.buffers]
    weights_nbytes = sum(size for size, buffer in zip(nbytes, program.buffers, strict=True) if buffer.region == WEIGHTS)
    lives = [
        Lifetime(buffer.first_step, buffer.last_step, size)
        for size, buffer in zip(nbytes, program.buffers, strict=True)
        if buffer.region == ARENA
    ]
    works = [step.work for step in program.steps if step.work is not None]
    moved_nbytes = sum(known.count(tensor) for work in works for tensor in work.tensors)
    return Demand(
        flops=sum(known.count(work.flops) for work in works),
        values_nbytes=max(0, moved_nbytes - weights_nbytes),
        steps=len(program.steps),
        arena_nbytes=largest_live_set(lives),
        largest_nbytes=max(nbytes, default=0),
        variants=(Variant(precision, weights_nbytes),),
        assumed=known.assumed,
    )


def demand_of_graph(graph: Graph, sizes: Mapping[str, int] | None = None, precision: str = "float32") -> Demand:
    """Estimated: products by their shapes, everything else as work on each element; fusion is taken for granted."""
    known = Sizes(sizes or {}, (value.shape for value in graph.inputs))
    flops = values_nbytes = steps = 0
    for node in graph.nodes:
        multiplications = MULTIPLICATIONS.get(node.op)
        flops += 2 * known.count(multiplications(node)) if multiplications else _elements(node.outputs, known)
        if multiplications is None and _is_fused(node):
            continue
        steps += 1
        read = [value for value in node.inputs if value is not None and value.name not in graph.constants]
        values_nbytes += FLOAT_NBYTES * (_elements(read, known) + _elements(node.outputs, known))
    lives = _lifetimes(graph, known)
    weights = [constant.nbytes for constant in graph.constants.values()]
    return Demand(
        flops=flops,
        values_nbytes=values_nbytes,
        steps=steps,
        arena_nbytes=largest_live_set(lives),
        largest_nbytes=max([*weights, *(life.nbytes for life in lives)], default=0),
        variants=(Variant(precision, sum(weights)),),
        assumed=known.assumed,
    )


def _elements(values: Iterable[Value], sizes: Sizes) -> int:
    return sum(sizes.count(value.shape) for value in values)


def _is_fused(node: Node) -> bool:
    """Whether a step of its own is unlikely: sizes, views, and work on elements in the order of an input."""
    if not node.outputs or node.outputs[0].elements is not None or node.op in VIEWS:
        return True
    return node.op not in ROWS and any(
        value is not None and value.shape == node.outputs[0].shape for value in node.inputs
    )


def _lifetimes(graph: Graph, sizes: Sizes) -> list[Lifetime]:
    """Of the values that are written: a fused one shares the bytes of what it is made of."""
    places = {id(node): place for place, node in enumerate(graph.nodes)}
    readers = consumers(graph)
    lives = []
    for place, node in enumerate(graph.nodes):
        if node.op not in MULTIPLICATIONS and _is_fused(node):
            continue
        for value in node.outputs:
            last = max((_last_use(reader, places, readers) for reader in readers.get(value, ())), default=place)
            lives.append(Lifetime(place, last, FLOAT_NBYTES * sizes.count(value.shape)))
    return lives


def _last_use(reader: Node, places: Mapping[int, int], readers: Mapping[Value, list[Node]]) -> int:
    """When a value that `reader` reads is last needed: later, where the reader only makes a view or is fused."""
    place = places[id(reader)]
    while reader.op not in MULTIPLICATIONS and _is_fused(reader) and reader.outputs:
        after = readers.get(reader.outputs[0], [])
        if not after:
            break
        reader = after[-1]
        place = places[id(reader)]
    return place


# Operators that only say how bytes are looked at.
VIEWS = frozenset({"Reshape", "Shape", "Identity", "Expand"})
# Operators whose result has its input's shape and that are steps of their own all the same.
ROWS = frozenset({"Softmax", "LogSoftmax", "LayerNorm", "CumSum", "MaxPool", "AveragePool", "Resize", "Transpose"})


def _operand(node: Node, index: int) -> Shape:
    value = node.inputs[index]
    return () if value is None else value.shape


def _of_convolution(node: Node) -> Shape:
    """Weights are [filters, channels of a group, window]: each result is a sum over all but the filters."""
    return (*node.outputs[0].shape, *_operand(node, 1)[1:])


def _of_transposed_convolution(node: Node) -> Shape:
    """Weights are [channels, filters of a group, window]: each number of the input is spread over a window."""
    return (*_operand(node, 0), *_operand(node, 1)[1:])


def _of_matmul(node: Node) -> Shape:
    left = _operand(node, 0)
    depth = left[-2 if node.attributes.get("transpose_a") and len(left) > 1 else -1] if left else 1
    return (*node.outputs[0].shape, depth)


def _of_recurrence(node: Node) -> Shape:
    """x [steps, batch, inputs], weights [directions, gates, inputs] and [directions, gates, units]."""
    steps, batch = _operand(node, 0)[:2]
    directions, gates, inputs = _operand(node, 1)
    return (steps, batch, directions, gates, inputs + _operand(node, 2)[2])


def _of_attention(node: Node) -> Shape:
    """Each query with each key, over its depth, and then with each value; k is [batch, heads, keys, depth] or so."""
    keys = _operand(node, 1)[3 if node.attributes.get("k_by_depth") else 1 if node.attributes.get("k_by_token") else 2]
    queries = _operand(node, 0)
    return (*queries[:-1], keys, queries[-1] + _operand(node, 2)[-1])


MULTIPLICATIONS: Mapping[str, Callable[[Node], Shape]] = {
    "Conv": _of_convolution,
    "IntegerConv": _of_convolution,
    "ConvTranspose": _of_transposed_convolution,
    "MatMul": _of_matmul,
    "IntegerMatMul": _of_matmul,
    "CompressedMatMul": _of_matmul,
    "LSTM": _of_recurrence,
    "GRU": _of_recurrence,
    "RNN": _of_recurrence,
    "Attention": _of_attention,
}
"""Operator -> the factors of its multiplications."""
