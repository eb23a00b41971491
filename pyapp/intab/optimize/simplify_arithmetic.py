"""Cheaper operators for special numbers."""

import math

import numpy as np

from intab.graph.ir import Node, Value
from intab.optimize.editor import Editor, peephole
from intab.optimize.patterns import same_type


def _pow(editor: Editor, node: Node) -> Value | None:
    x, exponent = node.inputs
    number = editor.scalar(exponent)
    if x is None or number is None or not same_type(x, node):
        return None
    if number == 1.0:
        return x
    if number == 2.0:
        return editor.emit("Mul", x, x, like=node)
    if number == 3.0:
        return editor.emit("Mul", editor.emit("Mul", x, x, like=node), x, like=node)
    return editor.emit("Reciprocal", x, like=node) if number == -1.0 else None


def _div(editor: Editor, node: Node) -> Value | None:
    x, divisor = node.inputs
    number = editor.scalar(divisor)
    if x is None or divisor is None or number is None:
        return None
    if not number or not x.dtype.is_float or math.isinf(number) or _is_dequantized(editor, x):
        return None
    if all(size == 1 for size in x.shape):  # one division costs nothing
        return None
    limits = np.finfo(x.dtype.numpy_name)
    reciprocal = 1 / number
    # Of subnormal numbers some bits are missing, and some devices take them for zero.
    if abs(reciprocal) > float(limits.max) or min(abs(reciprocal), abs(number)) < float(limits.tiny):
        return None
    shape = tuple(d for d in divisor.shape if isinstance(d, int))
    shaped = np.full(shape, reciprocal, x.dtype.numpy)
    return editor.emit("Mul", x, editor.add_constant(shaped, divisor.name), like=node)


def _is_dequantized(editor: Editor, x: Value) -> bool:
    """Quotients of bytes become bytes again, where the last place decides ties, and by way of a table at no cost."""
    maker = editor.producer(x)
    return maker is not None and maker.op == "DequantizeLinear"


SIMPLIFY_ARITHMETIC = peephole("simplify_arithmetic", {"Pow": [_pow], "Div": [_div]})
"""pow(x, 2)   ->   mul(x, x)             pow(x, 3)   ->   mul(mul(x, x), x)
pow(x, 1)   ->   x                     pow(x, -1)  ->   reciprocal(x)
div(x, c)   ->   mul(x, 1 / c)

For numbers c; not where 1 / c or c is zero, infinite or subnormal, nor where x is one number or dequantized bytes.
Exact for powers of two as divisors and for exponents 1 and -1, else results differ by at most 2 units in the last
place.
"""
