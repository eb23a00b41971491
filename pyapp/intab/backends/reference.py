"""The slow back end that says what a graph means: node by node, with each operator's numpy meaning."""

from collections.abc import Iterable, Mapping

import numpy as np

import intab.ops  # noqa: F401  (all families register themselves)
from intab.dtypes import dtype_of
from intab.errors import DTypeError, FeedError, IntabError
from intab.graph.bind import bind, bindings_of
from intab.graph.ir import Array, Graph, Node, Value
from intab.ops.registry import operator_of_node


def evaluate(graph: Graph, feeds: Mapping[str, Array], fetches: Iterable[str] | None = None) -> dict[str, Array]:
    """What a graph gives for its inputs: fetch name -> array.

    Symbols are bound to the sizes of the feeds first. Raises FeedError for names, DTypeError for dtypes and
    ShapeError for shapes that the graph does not take; an operator's error names its node.
    """
    names = tuple(graph.output_names if fetches is None else fetches)
    check_feeds(graph, feeds, names)
    bindings = bindings_of(graph.inputs, {v.name: feeds[v.name].shape for v in graph.inputs})
    bound = bind(graph, bindings)
    known: dict[Value, Array] = {v: np.asarray(feeds[v.name]) for v in bound.inputs}
    outputs = dict(zip(bound.output_names, bound.outputs, strict=True))
    kept = set(outputs.values())
    last_use = {v: index for index, node in enumerate(bound.nodes) for v in node.inputs if v is not None}
    for index, node in enumerate(bound.nodes):
        arrays = tuple(None if v is None else _array(bound, v, known) for v in node.inputs)
        known.update(_run(bound, node, arrays))
        for value in {*node.inputs, *node.outputs}:
            if value is not None and value not in kept and last_use.get(value, index) == index:
                known.pop(value, None)
    return {name: _array(bound, outputs[name], known) for name in names}


def check_feeds(graph: Graph, feeds: Mapping[str, Array], fetches: Iterable[str]) -> None:
    """Raise FeedError unless every input is fed once and every fetch exists, DTypeError for a feed of another dtype."""
    wanted = {v.name: v for v in graph.inputs}
    if set(feeds) != set(wanted):
        raise FeedError(f"{graph.name} takes the feeds {sorted(wanted)}; given are {sorted(feeds)}.")
    for name in fetches:
        if name not in graph.output_names:
            raise FeedError(f"{graph.name} has no output {name!r}; it has {list(graph.output_names)}.")
    for name, value in wanted.items():
        if dtype_of(feeds[name]) != value.dtype:
            raise DTypeError(
                f"{graph.name}: {name!r} is {feeds[name].dtype}, but the model takes {value.dtype.numpy}. "
                f"Convert it: array.astype({value.dtype.numpy_name!r})."
            )


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
