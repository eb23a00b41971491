"""Computing once what is written twice."""

from collections.abc import Hashable

from intab.graph.ir import Attribute, Constant, Graph, Node, Value
from intab.optimize.editor import Editor
from intab.optimize.passes import Pass
from intab.target import Target

# Constants up to this size are compared by their bytes, larger ones by where they lie.
COMPARED_NBYTES = 1024


def _run(graph: Graph, _target: Target) -> Graph:
    editor = Editor(graph)
    same = _equal_constants(graph)
    seen: dict[Hashable, Value] = {}
    for old in graph.nodes:
        node = editor.current(old)
        if node is None:
            continue
        key = _key(node, same)
        found = None if key is None else seen.get(key)
        if found is not None:
            editor.replace(old, found)
            continue
        editor.keep(old, node)
        if key is not None:
            seen[key] = editor.mapped(node.output)
    return editor.end()


def _key(node: Node, same: dict[Value, Value]) -> Hashable | None:
    """What a node computes, equal for nodes that compute the same; None for nodes that are not compared."""
    if len(node.outputs) != 1 or any(isinstance(a, Graph) for a in node.attributes.values()):
        return None
    attributes: tuple[tuple[str, Attribute], ...] = tuple(sorted(node.attributes.items(), key=lambda item: item[0]))
    return (node.op, tuple(v if v is None else same.get(v, v) for v in node.inputs), attributes)


def _equal_constants(graph: Graph) -> dict[Value, Value]:
    """Constant -> the first constant that is equal to it."""
    first: dict[Hashable, Value] = {}
    return {v: first.setdefault(_constant_key(graph.constants[v.name]), v) for v in graph.constant_values}


def _constant_key(constant: Constant) -> Hashable:
    numbers: Hashable = (id(constant.storage), constant.offset)
    if constant.nbytes <= COMPARED_NBYTES:
        numbers = bytes(constant.storage.read(constant.offset, constant.nbytes))
    return (constant.dtype, constant.shape, numbers)


SHARE_COMMON = Pass("share_common", _run)
"""a = f(x); b = f(x); g(a, b)   ->   a = f(x); g(a, a)

The same operator on the same inputs (or equal small constants) with the same attributes. Exact.
"""
