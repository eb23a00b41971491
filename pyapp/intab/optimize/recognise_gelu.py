"""GELU as exporters spell it out."""

import math

from intab.graph.ir import Node, Value
from intab.optimize.editor import Editor, peephole
from intab.optimize.patterns import close, plus_number, product_of, same_type, scaled_by


def _mul(editor: Editor, node: Node) -> Value | None:
    product = product_of(editor, node)
    if len(product.factors) != 2 or not close(product.coefficient, 0.5):
        return None
    for x, other in (product.factors, product.factors[::-1]):
        if same_type(x, node):
            approximate = _distribution(editor, other, x)
            if approximate:
                return editor.emit("Gelu", x, like=node, approximate=approximate)
    return None


def _distribution(editor: Editor, value: Value, x: Value) -> str | None:
    """Which approximation of twice the normal distribution function of x a value is: "none", "tanh", or None."""
    found = plus_number(editor, value)
    if found is None or found[1] != 1.0:
        return None
    curve = editor.single(found[0], "Erf", "Tanh")
    if curve is None:
        return None
    if curve.op == "Tanh":
        return "tanh" if _is_cubic(editor, curve.inputs[0], x) else None
    argument = scaled_by(editor, curve.inputs[0])
    is_erf = argument is not None and argument[0] is x and close(argument[1], math.sqrt(0.5))
    return "none" if is_erf else None


def _is_cubic(editor: Editor, value: Value | None, x: Value) -> bool:
    """Is a value sqrt(2 / pi) * (x + 0.044715 * x ** 3)?"""
    scaled = scaled_by(editor, value)
    if scaled is None or not close(scaled[1], math.sqrt(2 / math.pi)):
        return False
    addition = editor.single(scaled[0], "Add")
    if addition is None or x not in addition.inputs:
        return False
    left, right = addition.inputs
    term = scaled_by(editor, right if left is x else left)
    if term is None or not close(term[1], 0.044715):
        return False
    cube = editor.single(term[0], "Pow", "Mul")
    if cube is None:
        return False
    if cube.op == "Pow":
        return cube.inputs[0] is x and editor.scalar(cube.inputs[1]) == 3.0
    return product_of(editor, cube).factors == (x, x, x)


RECOGNISE_GELU = peephole("recognise_gelu", {"Mul": [_mul], "Div": [_mul]})
"""mul(mul(x, add(erf(div(x, 1.4142135)), 1)), 0.5)   ->   gelu(x)
mul(mul(x, 0.5), add(tanh(mul(0.7978845, add(x, mul(0.044715, pow(x, 3))))), 1))   ->   gelu(x, tanh)

In whatever order the factors come, with divisions by 2 and multiplications by the reciprocal of sqrt(2) too;
requires that nobody else uses what lies between, and that numbers are the true ones to 1e-6. Results differ by
rounding of a few units in the last place.
"""
