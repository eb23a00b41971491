"""Elementwise work at the end of the kernel that makes what it works on."""

from collections.abc import Iterator

from intab.graph.ir import Graph, Node, Value
from intab.optimize.bodies import body_of, is_fusible, prepend
from intab.optimize.channels import PRODUCERS
from intab.optimize.editor import Editor
from intab.optimize.passes import Pass
from intab.target import Target

# Buffers of a producer's kernel beside the operands of its epilogue: both sides, a bias, the result, and one more.
_OWN_BUFFERS = 5


def _run(graph: Graph, target: Target) -> Graph:
    editor = Editor(graph)
    for old in graph.nodes:
        node = editor.current(old)
        if node is None:
            continue
        answer = _fused(editor, old, node, target.most_buffers) if is_fusible(old) else None
        if answer is None:
            editor.keep(old, node)
        else:
            editor.replace(old, answer)
    return editor.end()


def _fused(editor: Editor, old: Node, node: Node, most_buffers: int) -> Value | None:
    """The producer with the node as its epilogue. Of several that could take it, the one that runs last does.

    None where none can, or where its kernel would have more than `most_buffers` (0: as many as it likes).
    """
    found = max(_producers(editor, node), key=lambda p: editor.position(p.output), default=None)
    if found is None:
        return None
    produced = found.output
    nodes, first = [node], produced
    earlier = found.attributes.get("epilogue")
    if isinstance(earlier, Graph):
        first = Value("", produced.dtype, produced.shape)
        nodes = [prepend(earlier, [v for v in found.inputs[3:] if v is not None], first, produced), node]
    body, (_, *extra) = body_of(nodes, node.output, editor.constants, first)
    if most_buffers and len(extra) + _OWN_BUFFERS > most_buffers:
        return None
    plain = (*found.inputs[:3], *(None,) * (3 - len(found.inputs)))
    return editor.again(found, *plain, *extra, like=old, epilogue=body)


def _producers(editor: Editor, node: Node) -> Iterator[Node]:
    """Nodes that make an input of just this shape for this node only."""
    for value in dict.fromkeys(node.inputs):
        producer = editor.producer(value)
        if producer is None or value is None or producer.op not in PRODUCERS:
            continue
        if editor.uses(value) == node.inputs.count(value) and value.shape == node.output.shape:
            yield producer


FUSE_EPILOGUE = Pass("fuse_epilogue", _run)
"""add(gelu(conv(x, w, b)), y)   ->   conv(x, w, b, y) {epilogue: gelu(x0) + x1}

For Conv, ConvTranspose and MatMul in float32 whose result only this elementwise node wants, in the same shape.
What else the node reads becomes further inputs, broadcast to the result; the producer moves to where they all
exist. Exact.
"""
