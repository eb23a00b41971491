"""Chains and trees of elementwise work as one node."""

from intab.graph.ir import Graph, Node, Value, consumers, producers
from intab.optimize.bodies import body_of, is_fusible_element
from intab.optimize.editor import Editor
from intab.optimize.passes import Pass
from intab.target import Target


def _run(graph: Graph, _target: Target) -> Graph:
    absorbed = _absorbed(graph)
    if not absorbed:
        return graph
    editor, made_by = Editor(graph), producers(graph.nodes)
    for old in graph.nodes:
        node = editor.current(old)
        if node is None:
            continue
        tree = _tree(node, made_by, absorbed) if is_fusible_element(old) and old not in absorbed else []
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


def _tree(root: Node, made_by: dict[Value, Node], absorbed: set[Node]) -> list[Node]:
    """The root and the absorbed nodes it is made of, in execution order."""
    order: list[Node] = []
    seen: set[Value] = set()
    waiting: list[tuple[Node, bool]] = [(root, False)]
    while waiting:
        node, ready = waiting.pop()
        if ready:
            order.append(node)
            continue
        waiting.append((node, True))
        for value in reversed(node.inputs):
            maker = None if value is None or value in seen else made_by.get(value)
            if maker is not None and maker in absorbed and value is not None:
                seen.add(value)
                waiting.append((maker, False))
    return order


FUSE_ELEMENTWISE = Pass("fuse_elementwise", _run)
"""a = mul(x, y); b = add(a, z); return relu(b)   ->   fused(x, y, z) {relu(x0 * x1 + x2)}

The largest trees of elementwise nodes in float32, or between it and bytes, whose inner results nobody else wants and
that all have the shape of the result: what is smaller (a factor per channel, say) stays a node, lest it be computed
anew for each element. Numbers become part of the body; bytes are made floats by each of their readers. Exact.
"""
