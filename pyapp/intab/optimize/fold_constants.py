"""Computing at compile time what depends on no input."""

import numpy as np

from intab.errors import IntabError
from intab.graph.ir import Array, Constant, Graph, Node, Value
from intab.ops.registry import operator_of_node
from intab.optimize.constants import derive, nbytes_of, reshaped, transposed
from intab.optimize.editor import Editor
from intab.optimize.passes import Pass
from intab.target import Target

# A folded constant may be this many times larger than what it is made of, and this many bytes more.
GROWTH, GROWTH_NBYTES = 4, 64 << 10


def _run(graph: Graph, _target: Target) -> Graph:
    if not graph.constants and not any(v.elements for n in graph.nodes for v in n.outputs):
        return graph
    editor = Editor(graph)
    for old in graph.nodes:
        node = editor.current(old)
        if node is None:
            continue
        constant = _known(node) or _folded(editor, node)
        if constant is None:
            editor.keep(old, node)
        else:
            editor.replace(old, editor.add_constant(constant, node.output.name))
    return editor.end()


def _known(node: Node) -> Constant | None:
    """The constant that inference knows an output to be, however it is computed."""
    if len(node.outputs) != 1:
        return None
    output = node.outputs[0]
    if output.elements is None or output.rank > 1 or not all(isinstance(e, int) for e in output.elements):
        return None
    shape = tuple(d for d in output.shape if isinstance(d, int))
    return Constant.of(np.array(output.elements, output.dtype.numpy).reshape(shape), output.name)


def _folded(editor: Editor, node: Node) -> Constant | None:
    """The constant that a node makes of constants, unless it would be too large."""
    if len(node.outputs) != 1 or not node.inputs:
        return None
    output = node.outputs[0]
    sources = [editor.constant(v) for v in node.inputs]
    if any(s is None and v is not None for s, v in zip(sources, node.inputs, strict=True)):
        return None
    shape = tuple(d for d in output.shape if isinstance(d, int))
    given = [s for s in sources if s is not None]
    allowed = GROWTH * sum(s.nbytes for s in given) + GROWTH_NBYTES
    # What a model holds as bytes stays bytes, see keep_compressed.
    allowed = GROWTH_NBYTES if node.op == "DequantizeLinear" else allowed
    if len(shape) != output.rank or nbytes_of(output.dtype, shape) > allowed or output.dtype.kind == "string":
        return None
    if node.op == "Reshape":
        return reshaped(given[0], shape)
    if node.op == "Transpose":
        perm = node.attributes["perm"]
        assert isinstance(perm, tuple)
        return transposed(given[0], tuple(axis for axis in perm if isinstance(axis, int)), output.name)
    try:
        return derive(_Meaning(node, node.inputs), output.dtype, shape, output.name, *given)
    except IntabError as error:
        raise type(error)(f"{editor.graph.name}: node {node.name!r} ({node!r}): {error}") from error


class _Meaning:
    """The numpy meaning of a node, as a function of the inputs that are there."""

    def __init__(self, node: Node, inputs: tuple[Value | None, ...]) -> None:
        self._operator = operator_of_node(node)
        self._present = tuple(v is not None for v in inputs)

    def __call__(self, *arrays: Array) -> Array:
        remaining = iter(arrays)
        made = self._operator.reference(*(next(remaining) if there else None for there in self._present))
        return made[0] if isinstance(made, tuple) else made


FOLD_CONSTANTS = Pass("fold_constants", _run)
"""y = f(constant, constant)   ->   y = constant

Also whole numbers that shape arithmetic knows (the sizes of static shapes). A constant that would be more than
four times and 64 KB larger than what it is made of stays a node. Exact: the operator's own numpy meaning.
"""
