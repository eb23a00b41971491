"""Concats that begin with what another has joined already."""

from intab.graph.ir import Graph, Node, Value
from intab.optimize.editor import Editor
from intab.optimize.passes import Pass
from intab.target import Target

_Parts = tuple[int, tuple[Value, ...]]


def _run(graph: Graph, _target: Target) -> Graph:
    if sum(node.op == "Concat" for node in graph.nodes) < 2:
        return graph
    editor = Editor(graph)
    joined: dict[_Parts, Value] = {}  # axis and parts -> the Concat of just these
    for old in graph.nodes:
        node = editor.current(old)
        if node is None:
            continue
        parts = _parts(node)
        found = None if parts is None else _longest(joined, *parts)
        if found is None or parts is None:
            editor.keep(old, node)
            result = editor.mapped(old.outputs[0])
        else:
            value, count = found
            result = editor.again(node, value, *parts[1][count:], like=old)
            editor.replace(old, result)
        if parts is not None:
            joined.setdefault(parts, result)
    return editor.end()


def _parts(node: Node) -> _Parts | None:
    if node.op != "Concat":
        return None
    axis = node.attributes["axis"]
    assert isinstance(axis, int)
    return axis % node.output.rank, tuple(value for value in node.inputs if value is not None)


def _longest(joined: dict[_Parts, Value], axis: int, parts: tuple[Value, ...]) -> tuple[Value, int] | None:
    """The Concat of the most of the first parts, and of how many; never of all, which is no Concat more."""
    for count in range(len(parts) - 1, 1, -1):
        value = joined.get((axis, parts[:count]))
        if value is not None:
            return value, count
    return None


NEST_CONCATS = Pass("nest_concats", _run)
"""p = concat(a, b); q = concat(a, b, c)   ->   p = concat(a, b); q = concat(p, c)

What each layer of a densely connected network reads is then made inside what the next one reads: nothing is copied
(`program.inside`). Exact.
"""
