"""Which nodes of a file are needed, and in which order they run."""

from intab.errors import ModelFormatError
from intab.formats.onnx.schema import GraphRecord, NodeRecord


def nodes_in_order(graph: GraphRecord, given: frozenset[str], model: str) -> list[NodeRecord]:
    """The nodes that the outputs depend on, each after those that feed it, in the file's order where that holds.

    `given` are the names that inputs and initializers have. Raises ModelFormatError for a name that is made
    twice, one that nothing makes, and for cycles.
    """
    maker = _makers(graph, given, model)
    finished: set[int] = set()
    entered: set[int] = set()
    # An explicit stack: files may chain more nodes than Python's own stack holds.
    waiting = [(_maker_of(o.name, maker, given, "the graph's outputs", model), False) for o in reversed(graph.outputs)]
    while waiting:
        index, feeders_done = waiting.pop()
        if index is None or index in finished:
            continue
        if feeders_done:
            finished.add(index)
            continue
        if index in entered:
            raise ModelFormatError(
                f"{model}: node {_label(graph.nodes[index])!r} needs its own output; nodes form a cycle. "
                "The model is damaged; export it again."
            )
        entered.add(index)
        waiting.append((index, True))
        node = graph.nodes[index]
        for name in node.inputs:
            if name:
                waiting.append((_maker_of(name, maker, given, f"node {_label(node)!r}", model), False))
    return _sorted_by_file(graph, finished, maker)


def _sorted_by_file(graph: GraphRecord, needed: set[int], maker: dict[str, int]) -> list[NodeRecord]:
    """The file's order if it runs as it is, else each node pulled in by the first that needs it."""
    order: list[int] = []
    placed: set[int] = set()
    for first in sorted(needed):
        waiting = [first]
        while waiting:
            index = waiting[-1]
            missing = [maker[name] for name in graph.nodes[index].inputs if name in maker]
            missing = [feeder for feeder in missing if feeder not in placed]
            if index in placed or not missing:
                waiting.pop()
                if index not in placed:
                    placed.add(index)
                    order.append(index)
            else:
                waiting.extend(missing)
    return [graph.nodes[index] for index in order]


def _makers(graph: GraphRecord, given: frozenset[str], model: str) -> dict[str, int]:
    makers: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        for name in node.outputs:
            if not name:
                continue
            if name in makers or name in given:
                raise ModelFormatError(
                    f"{model}: the value {name!r} is made twice, the second time by node {_label(node)!r}. "
                    "The model is damaged; export it again."
                )
            makers[name] = index
    return makers


def _maker_of(name: str, maker: dict[str, int], given: frozenset[str], where: str, model: str) -> int | None:
    if name in given:
        return None
    index = maker.get(name)
    if index is None:
        raise ModelFormatError(
            f"{model}: the value {name!r}, which {where} needs, is made nowhere. The model is damaged; export it again."
        )
    return index


def _label(node: NodeRecord) -> str:
    return node.name or next((name for name in node.outputs if name), "") or node.op_type
