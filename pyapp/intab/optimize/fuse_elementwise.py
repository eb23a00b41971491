"""Chains and trees of elementwise work as one node."""

import math
from collections.abc import Iterator

from intab.graph.ir import Graph, Node, Value, consumers, producers
from intab.optimize.bodies import QUANTIZING, body_of, is_fusible_element
from intab.optimize.editor import Editor
from intab.optimize.passes import Pass
from intab.target import Target


def _run(graph: Graph, target: Target) -> Graph:
    absorbed = _absorbed(graph)
    if not absorbed:
        return graph
    editor, parts = Editor(graph), _parts(graph, absorbed, target.most_buffers)
    # A node that all its readers have taken is nobody's root.
    left = {maker for maker, reading in _readers(graph, absorbed) if not all(maker in parts[r] for r in reading)}
    for old in graph.nodes:
        node = editor.current(old)
        if node is None:
            continue
        tree = _tree(old, node, parts) if is_fusible_element(old) and (old not in absorbed or old in left) else []
        if len(tree) < 2:
            editor.keep(old, node)
            continue
        body, inputs = body_of(tree, old.output, graph.constants)
        # A number of more axes than all other inputs shapes the result, so it may not vanish in the body.
        if max((v.rank for v in inputs), default=-1) != old.output.rank:
            editor.keep(old, node)
        else:
            editor.replace(old, editor.emit("Fused", *map(editor.mapped, inputs), like=old, body=body))
    return editor.end()


def _absorbed(graph: Graph) -> set[Node]:
    """Nodes whose output only one elementwise node of the same shape wants: they become part of it."""
    readers, leaving = consumers(graph), set(graph.outputs)
    found = set()
    for node in graph.nodes:
        if not is_fusible_element(node) or node.output in leaving:
            continue
        reading = set(readers.get(node.output, ()))
        if node.op == "Dequantize" and any(
            is_fusible_element(r) and r.output.shape == node.output.shape for r in reading
        ):
            # Bytes are read and turned into floats by each reader sooner than floats are.
            found.add(node)
            continue
        # A smaller result would be computed again for each element that it is broadcast to.
        if len(reading) == 1 and all(is_fusible_element(r) and r.output.shape == node.output.shape for r in reading):
            found.add(node)
    return found


def _readers(graph: Graph, absorbed: set[Node]) -> Iterator[tuple[Node, list[Node]]]:
    """Absorbed nodes with the elementwise nodes that read them."""
    readers = consumers(graph)
    for node in absorbed:
        yield node, [reader for reader in readers.get(node.output, ()) if is_fusible_element(reader)]


def _parts(graph: Graph, absorbed: set[Node], most: int) -> dict[Node, set[Node]]:
    """For each elementwise node the absorbed nodes among its inputs' makers that it takes.

    With `most`, as many buffers as a kernel may have, those that read most stay nodes where there would be more.
    """
    made_by, parts = producers(graph.nodes), dict[Node, set[Node]]()
    reads: dict[Node, set[Value]] = {}
    for node in graph.nodes:
        if not is_fusible_element(node):
            continue
        makers = {made_by.get(value) for value in node.inputs if value is not None}
        taken = {maker for maker in makers if maker is not None and maker in absorbed}
        while True:
            own = {v for v in node.inputs if v is not None and made_by.get(v) not in taken}
            if node.op not in QUANTIZING:
                own = {v for v in own if not _is_number(graph, v)}
            reads[node] = own.union(*(reads[maker] for maker in taken))
            if not most or not taken or len(reads[node]) < most:
                break
            taken.remove(max(taken, key=lambda maker: (len(reads[maker]), maker.output.name)))
        parts[node] = taken
    return parts


def _is_number(graph: Graph, value: Value) -> bool:
    """Is it a number that bodies hold themselves?"""
    constant = graph.constant_of(value)
    return constant is not None and math.prod(constant.shape) == 1


def _tree(old: Node, root: Node, parts: dict[Node, set[Node]]) -> list[Node]:
    """The root and the nodes that it takes, in execution order. `old` is the root as `parts` knows it."""
    order: list[Node] = []
    seen: set[Value] = set()
    waiting: list[tuple[Node, bool]] = [(root, False)]
    while waiting:
        node, ready = waiting.pop()
        if ready:
            order.append(node)
            continue
        waiting.append((node, True))
        makers = {maker.output: maker for maker in parts[old if node is root else node]}
        for value in reversed(node.inputs):
            maker = None if value is None or value in seen else makers.get(value)
            if maker is not None and value is not None:
                seen.add(value)
                waiting.append((maker, False))
    return order


FUSE_ELEMENTWISE = Pass("fuse_elementwise", _run)
"""a = mul(x, y); b = add(a, z); return relu(b)   ->   fused(x, y, z) {relu(x0 * x1 + x2)}

The largest trees of elementwise nodes in float32, or between it and bytes, whose inner results nobody else wants and
that all have the shape of the result: what is smaller (a factor per channel, say) stays a node, lest it be computed
anew for each element. Numbers become part of the body; bytes are made floats by each of their readers. A tree reads no
more than a kernel of the target may have buffers. Exact.
"""
