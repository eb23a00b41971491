"""Activations as exporters spell them out."""

from intab.graph.ir import Node, Value
from intab.optimize.editor import Editor, peephole
from intab.optimize.patterns import close, plus_number, product_of, same_type


def _product(editor: Editor, node: Node) -> Value | None:
    product = product_of(editor, node)
    if len(product.factors) == 1 and close(product.coefficient, 1 / 6):
        x = _hard_sigmoid_of(editor, product.factors[0])
        if x is not None and same_type(x, node):
            return editor.emit("HardSigmoid", x, like=node, alpha=1 / 6, beta=0.5)
    if len(product.factors) != 2:
        return None
    for x, other in (product.factors, product.factors[::-1]):
        if not same_type(x, node):
            continue
        if close(product.coefficient, 1.0):
            sigmoid = editor.single(other, "Sigmoid", "HardSigmoid")
            if sigmoid is not None and sigmoid.inputs[0] is x and (sigmoid.op == "Sigmoid" or _is_sixth(sigmoid)):
                return editor.emit("Silu" if sigmoid.op == "Sigmoid" else "HardSwish", x, like=node)
        elif close(product.coefficient, 1 / 6) and _hard_sigmoid_of(editor, other) is x:
            return editor.emit("HardSwish", x, like=node)
    return None


def _hard_sigmoid_of(editor: Editor, value: Value) -> Value | None:
    """x, where a value is x + 3 kept within 0 .. 6."""
    clip = editor.single(value, "Clip")
    if clip is None or clip.attributes["minimum"] != 0.0 or clip.attributes["maximum"] != 6.0:
        return None
    found = plus_number(editor, clip.inputs[0])
    return found[0] if found is not None and found[1] == 3.0 else None


def _is_sixth(hard_sigmoid: Node) -> bool:
    alpha, beta = hard_sigmoid.attributes["alpha"], hard_sigmoid.attributes["beta"]
    return isinstance(alpha, float) and isinstance(beta, float) and close(alpha, 1 / 6) and close(beta, 0.5)


RECOGNISE_ACTIVATIONS = peephole("recognise_activations", {"Mul": [_product], "Div": [_product]})
"""mul(x, sigmoid(x))                        ->   silu(x)
mul(x, hard_sigmoid(x))                   ->   hard_swish(x)
div(mul(x, clip(add(x, 3), 0, 6)), 6)     ->   hard_swish(x)
div(clip(add(x, 3), 0, 6), 6)             ->   hard_sigmoid(x)

In whatever order the factors come; requires that nobody else uses what lies between, and that numbers are the
true ones to 1e-6. Results differ by rounding of a few units in the last place.
"""
