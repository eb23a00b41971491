"""What pattern passes share: products taken apart, and numbers that must be what they seem."""

import math
from dataclasses import dataclass

from intab.graph.ir import Node, Value
from intab.optimize.editor import Editor


@dataclass(frozen=True, slots=True)
class Product:
    """coefficient * factors[0] * factors[1] * ..."""

    coefficient: float
    factors: tuple[Value, ...]


def product_of(editor: Editor, node: Node) -> Product:
    """A Mul or Div node taken apart, through products and quotients by numbers that only it uses."""
    coefficient, factors = 1.0, []
    waiting: list[tuple[Node | None, Value | None]] = [(node, node.output)]
    while waiting:
        producer, value = waiting.pop()
        if producer is None or producer.op not in ("Mul", "Div"):
            if value is not None:
                factors.append(value)
            continue
        left, right = producer.inputs
        number = editor.scalar(right)
        if producer.op == "Div":
            if number is None or number == 0:
                factors.append(producer.output)
                continue
            coefficient /= number
            waiting.append((editor.single(left, "Mul", "Div"), left))
            continue
        for side in (left, right):
            number = editor.scalar(side)
            if number is None:
                waiting.append((editor.single(side, "Mul", "Div"), side))
            else:
                coefficient *= number
    return Product(coefficient, tuple(factors))


def scaled_by(editor: Editor, value: Value | None) -> tuple[Value, float] | None:
    """x and c, where a value is x * c or x / (1/c) for a number c."""
    node = editor.single(value, "Mul", "Div")
    if node is None:
        return None
    left, right = node.inputs
    number = editor.scalar(right)
    if number is not None and left is not None:
        if node.op == "Mul":
            return left, number
        return None if number == 0 else (left, 1 / number)
    number = editor.scalar(left)
    return (right, number) if node.op == "Mul" and number is not None and right is not None else None


def plus_number(editor: Editor, value: Value | None) -> tuple[Value, float] | None:
    """x and c, where a value is x + c for a number c."""
    node = editor.single(value, "Add")
    if node is None:
        return None
    left, right = node.inputs
    for x, number in ((left, editor.scalar(right)), (right, editor.scalar(left))):
        if x is not None and number is not None:
            return x, number
    return None


def close(number: float, expected: float) -> bool:
    """Is a number what was meant, as far as float32 can tell?"""
    return math.isclose(number, expected, rel_tol=1e-6)


def same_type(value: Value, node: Node) -> bool:
    """Has a value the dtype and shape of a node's output? Else broadcasting widened it on the way."""
    return value.dtype == node.output.dtype and value.shape == node.output.shape
