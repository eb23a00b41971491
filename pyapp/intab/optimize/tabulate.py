"""Long work on single bytes as tables."""

import math

import numpy as np

from intab.graph.ir import Graph, Node, Value
from intab.ops.lookup import every_byte
from intab.ops.registry import operator_of_node
from intab.optimize.constants import derive
from intab.optimize.editor import Editor, peephole

# Less work than this is done in vectors sooner than bytes are looked up one by one; a Quantize, which divides, is two.
LEAST_WORK = 3
RESULTS = ("u8", "i8", "f32")


def _fused(editor: Editor, node: Node) -> Value | None:
    body, output = node.attributes["body"], node.output
    variable = [value for value in node.inputs if editor.constant(value) is None]
    if not isinstance(body, Graph) or _work(body) < LEAST_WORK or len(variable) != 1:
        return None
    x = variable[0]
    if x is None or x.dtype.name not in ("u8", "i8") or x.shape != output.shape or output.dtype.name not in RESULTS:
        return None
    constants = [editor.constant(value) for value in node.inputs if value is not x]
    known = [constant for constant in constants if constant is not None and math.prod(constant.shape) == 1]
    if len(known) != len(constants):
        return None
    operator, name = operator_of_node(node), x.dtype.name

    def table(*numbers: np.ndarray) -> np.ndarray:
        rest = (array.reshape(()) for array in numbers)
        return np.asarray(operator.reference(*(every_byte(name) if v is x else next(rest) for v in node.inputs)))

    made = derive(table, output.dtype, (256,), f"{output.name}.table", *known)
    return editor.emit("Lookup", x, editor.add_constant(made, f"{output.name}.table"), like=node)


def _work(body: Graph) -> int:
    return sum(2 if node.op == "Quantize" else 1 for node in body.nodes)


TABULATE = peephole("tabulate", {"Fused": [_fused]})
"""fused(x, scale, zero) {quantize(erf(dequantize(x)))}   ->   lookup(x, table)

For fused work of three operators or more on one tensor of bytes, all else being constant numbers. Exact: the
operators' own numpy meaning of all 256 bytes.
"""
