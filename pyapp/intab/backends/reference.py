"""The slow back end that says what a graph means: node by node, with each operator's numpy meaning."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import intab.ops  # noqa: F401  (all families register themselves)
from intab.backends.engine import MemoryUse, StepTime
from intab.backends.feeds import checked_feeds, fetch_names
from intab.errors import BackendUnavailableError, IntabError
from intab.graph.bind import bind, bind_attributes, bindings_of, told_by
from intab.graph.ir import Array, Graph, Node, Value
from intab.ops.registry import operator_of_node


def evaluate(graph: Graph, feeds: Mapping[str, Array], fetches: Iterable[str] | None = None) -> dict[str, Array]:
    """What a graph gives for its inputs: fetch name -> array.

    Symbols are bound to the sizes of the feeds first. Raises FeedError for names, DTypeError for dtypes and
    ShapeError for shapes that the graph does not take; an operator's error names its node.
    """
    names = fetch_names(graph, None if fetches is None else tuple(fetches))
    arrays = checked_feeds(graph, feeds)
    bindings = bindings_of(graph.inputs, {name: array.shape for name, array in arrays.items()})
    bound = bind(graph, bindings)
    known: dict[Value, Array] = {v: arrays[v.name] for v in bound.inputs}
    outputs = dict(zip(bound.output_names, bound.outputs, strict=True))
    kept = set(outputs.values())
    late: dict[str, int] = {}  # sizes that become known in mid-run
    last_use = {v: index for index, node in enumerate(bound.nodes) for v in node.inputs if v is not None}
    for index, node in enumerate(bound.nodes):
        operands = tuple(None if v is None else _array(bound, v, known) for v in node.inputs)
        made = _run(bound, bind_attributes(node, late) if late else node, operands)
        for output, array in made.items():
            late |= told_by(output, array.shape)
        known.update(made)
        for value in {*node.inputs, *node.outputs}:
            if value is not None and value not in kept and last_use.get(value, index) == index:
                known.pop(value, None)
    return {name: _array(bound, outputs[name], known) for name in names}


def _array(graph: Graph, value: Value, known: Mapping[Value, Array]) -> Array:
    """The numbers of a value; those of a constant are read when they are needed."""
    if value in known:
        return known[value]
    return graph.constants[value.name].numpy()


def _run(graph: Graph, node: Node, arrays: tuple[Array | None, ...]) -> dict[Value, Array]:
    try:
        made = operator_of_node(node).reference(*arrays)
    except IntabError as error:
        raise type(error)(f"{graph.name}: node {node.name!r} ({node!r}): {error}") from error
    return dict(zip(node.outputs, made if isinstance(made, tuple) else (made,), strict=True))


class ReferenceExecutable:
    """A graph behind the `Executable` protocol. It reads its constants from the model's bytes at each run.

    release: lets go of those bytes, called by `dispose`.
    """

    backend = "reference"
    kernel_count = 0
    threads = 1
    team_size = 1
    waits = False
    lost = False

    def __init__(self, graph: Graph, release: Callable[[], None] = lambda: None) -> None:
        self._graph = graph
        self._release = release
        self.step_count = len(graph.nodes)

    async def run(
        self, feeds: Mapping[str, Array], sizes: Mapping[str, int], fetches: Sequence[str]
    ) -> dict[str, Array]:
        return evaluate(bind(self._graph, sizes), feeds, fetches)

    async def time_steps(self, repeats: int) -> tuple[StepTime, ...]:
        raise BackendUnavailableError(
            f'{self._graph.name}: the reference back end has no kernels to time. Load the model with backend="wasm".'
        )

    def about_threads(self) -> tuple[str, ...]:
        return ()

    def memory(self) -> MemoryUse:
        """Nothing outlives a run but the model's own bytes."""
        return MemoryUse(sum(c.nbytes for c in self._graph.constants.values()), 0, 0, 0, 0)

    def dispose(self) -> None:
        self._release()
