"""A graph that no device can run whole, as parts that run one after the other, each on a device that can.

    nodes + why each way refuses some   ->   Part, Part, ...

The fewest parts are sought, then places for the nodes at which little crosses from part to part: what is not refused
may wait for a later part, and what is small may go where its neighbours are. Whole numbers that follow from sizes
(`Value.elements`) never cross: whoever runs the parts works them out anew. A part from which sizes become known in
mid-run gives them to those after it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from intab.errors import UnsupportedOpError
from intab.graph.dims import symbol, symbols_of
from intab.graph.ir import Attribute, Graph, Node, Value
from intab.ops.inference import infer
from intab.program.levels import Levels, Whole


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A device that parts may run on: its name, and the nodes that it refuses, with the reason."""

    name: str
    refused: Mapping[Node, str]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Nodes for one device, as a graph whose inputs and outputs have the names that their values have in the whole.

    `sizes`: output -> the symbols that its numbers are. `why`: nodes that a preferred way refuses, with its reason.
    """

    way: str
    graph: Graph
    sizes: Mapping[str, tuple[str, ...]]
    why: tuple[str, ...]


def partition(graph: Graph, ways: Sequence[Way]) -> tuple[Part, ...]:
    """The parts of a graph; a node goes to the first way that does not refuse it. The last way refuses none.

    Raises UnsupportedOpError where a size is known to one part only.
    """
    whole = Whole(graph)
    groups = _groups(whole, whole.nodes, ways)
    return tuple(_part(whole, groups, number, ways) for number in range(len(groups)))


def _groups(
    whole: Whole, nodes: Sequence[Node], ways: Sequence[Way], *, keep: bool = True
) -> list[tuple[str, list[Node]]]:
    """Nodes in groups that run one after the other: (way, nodes)."""
    first, *others = ways
    if not nodes:  # what nobody computes may still be read from somewhere
        return [(ways[-1].name, [])]
    refused = {node for node in nodes if node in first.refused}
    if not others or not refused:
        return [(first.name, list(nodes))]
    found: list[tuple[str, list[Node]]] = []
    for is_first, group in Levels(whole, nodes, refused, others[0].refused, keep=keep).groups():
        found += [(first.name, group)] if is_first else _groups(whole, group, others, keep=False)
    return [group for group in found if group[1]]


def _part(whole: Whole, groups: Sequence[tuple[str, list[Node]]], number: int, ways: Sequence[Way]) -> Part:
    way, nodes = groups[number]
    graph = whole.graph
    made = dict.fromkeys(value for node in nodes for value in node.outputs)
    read = dict.fromkeys(v for node in nodes for v in node.inputs if v is not None)
    here = set(nodes)
    kept = [v for v in made if v in graph.outputs or any(reader not in here for reader in whole.readers.get(v, ()))]
    constants = [v for v in read if v.name in graph.constants]
    if number == 0:  # what is an output and a constant leaves here
        left = [v for v in dict.fromkeys(graph.outputs) if v.name in graph.constants]
        kept, constants = kept + left, list(dict.fromkeys(constants + left))
    shapes, sizes = _shapes_told(whole, nodes)
    kept += [node.output for node in shapes]
    inputs = tuple(v for v in read if v not in made and v.name not in graph.constants)
    names = {v.name: graph.constants[v.name] for v in constants}
    name = f"{graph.name}, part {number + 1}"
    body = Graph(name, inputs, tuple(kept), (*nodes, *shapes), names, tuple(constants), tuple(v.name for v in kept))
    preferred = ways[: [w.name for w in ways].index(way)]
    return Part(way, body, sizes, tuple(_why(preferred, nodes)))


def _why(preferred: Sequence[Way], nodes: Iterable[Node]) -> Iterable[str]:
    for node in nodes:
        reasons = [f"{way.name}: {way.refused[node]}" for way in preferred if node in way.refused]
        if len(reasons) == len(preferred) and reasons:
            yield f"node {node.name or node.outputs[0].name!r} ({node.op}), not on {'; '.join(reasons)}"


def _shapes_told(whole: Whole, nodes: Sequence[Node]) -> tuple[list[Node], dict[str, tuple[str, ...]]]:
    """Nodes that make outputs of the sizes that become known among `nodes`, and which symbols these are."""
    told: list[Node] = []
    sizes: dict[str, tuple[str, ...]] = {}
    for node in dict.fromkeys(whole.late.values()):
        if node not in nodes:
            continue
        wanted = {name for name, maker in whole.late.items() if maker is node}
        for value in node.outputs:
            axes = [axis for axis, dim in enumerate(value.shape) for name in wanted if dim == symbol(name)]
            for axis in axes:
                told.append(_size_of(value, axis))
                (name,) = symbols_of(value.shape[axis])
                sizes[told[-1].output.name] = (name,)
                wanted.discard(name)
        if wanted:
            raise UnsupportedOpError(
                f"{whole.graph.name}: node {node.name or node.op!r}: it computes the sizes {', '.join(sorted(wanted))} "
                'and shows them to nobody, so that the model cannot run in parts. Use backend="reference".'
            )
    return told, sizes


def _size_of(value: Value, axis: int) -> Node:
    attributes: dict[str, Attribute] = {"start": axis, "end": axis + 1}
    (result,) = infer("Shape", attributes, (value,))
    output = Value(f"{value.name}:size {axis}", result.dtype, result.shape, result.elements)
    return Node("Shape", (value,), (output,), attributes)
