"""Layer normalisation as exporters spell it out."""

from intab.graph.ir import Node, Value
from intab.optimize.editor import Editor, peephole
from intab.optimize.patterns import plus_number, same_type


def _div(editor: Editor, node: Node) -> Value | None:
    """centred / sqrt(mean(centred ** 2) + epsilon)"""
    centred, deviation = node.inputs
    root = editor.single(deviation, "Sqrt")
    variance = plus_number(editor, root.inputs[0]) if root is not None else None
    if variance is None or centred is None or not same_type(centred, node):
        return None
    mean_square = editor.single(variance[0], "ReduceMean")
    centring = editor.producer(centred)
    if mean_square is None or centring is None or centring.op != "Sub":
        return None
    axis = _trailing_axis(mean_square)
    x, mean = centring.inputs
    mean_node = editor.single(mean, "ReduceMean")
    if axis is None or x is None or mean_node is None or mean_node.inputs[0] is not x:
        return None
    if _trailing_axis(mean_node) != axis or not _is_square(editor, mean_square.inputs[0], centred):
        return None
    # The division, the square (a product uses its factor twice) and nothing else may want the centred numbers.
    square = editor.producer(mean_square.inputs[0])
    if square is None or editor.uses(centred) != 1 + square.inputs.count(centred):
        return None
    return editor.emit("LayerNorm", x, like=node, axis=axis, epsilon=variance[1])


def _trailing_axis(mean: Node) -> int | None:
    """The first of the axes that a mean runs over, if these are the last ones and are kept."""
    axes, x = mean.attributes["axes"], mean.inputs[0]
    if not isinstance(axes, tuple) or not axes or x is None or not mean.attributes["keepdims"]:
        return None
    first = x.rank - len(axes)
    return first if sorted(map(str, axes)) == sorted(map(str, range(first, x.rank))) else None


def _is_square(editor: Editor, value: Value | None, x: Value) -> bool:
    square = editor.single(value, "Pow", "Mul")
    if square is None or square.inputs[0] is not x:
        return False
    return editor.scalar(square.inputs[1]) == 2.0 if square.op == "Pow" else square.inputs[1] is x


def _scale(editor: Editor, node: Node) -> Value | None:
    """A factor over the normalised axes becomes the norm's scale."""
    for norm_value, factor in (node.inputs, node.inputs[::-1]):
        norm = editor.single(norm_value, "LayerNorm")
        if norm is not None and len(norm.inputs) == 1 and _fits(editor, norm, factor, node):
            return editor.again(norm, norm.inputs[0], factor, like=node)
    return None


def _bias(editor: Editor, node: Node) -> Value | None:
    """A constant over the normalised axes, added, becomes the norm's bias."""
    for norm_value, addend in (node.inputs, node.inputs[::-1]):
        norm = editor.single(norm_value, "LayerNorm")
        if norm is not None and len(norm.inputs) < 3 and _fits(editor, norm, addend, node):
            x, *scale = norm.inputs
            return editor.again(norm, x, scale[0] if scale else None, addend, like=node)
    return None


def _fits(editor: Editor, norm: Node, value: Value | None, node: Node) -> bool:
    axis = norm.attributes["axis"]
    if value is None or editor.constant(value) is None or not isinstance(axis, int):
        return False
    return value.shape == norm.output.shape[axis:] and same_type(norm.output, node)


RECOGNISE_LAYER_NORM = peephole("recognise_layer_norm", {"Div": [_div], "Mul": [_scale], "Add": [_bias]})
"""c = sub(x, mean(x)); add(mul(div(c, sqrt(add(mean(pow(c, 2)), eps))), scale), bias)   ->   layer_norm(x, scale, bias)

Over the last axis or axes, with the square as a power or a product, with or without constant scale and bias;
requires that nobody else uses what lies between. Results differ by rounding.
"""
