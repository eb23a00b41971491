"""Which values of a graph had better stay in 32 bits where others are kept in 16.

float16 has 11 bits and ends at 65504. Three kinds of values ask for more:

    positions     what follows from whole numbers, powers and exponentials alone (angles of positions, counts, sums of
                  exponentials): exact to 24 bits, and often larger than 2048, beyond which halves skip numbers
    out of range  what a number beyond 65504 went into (masks of -1e9), until an operator ends it (Softmax)
    exponents     what exponentials are taken of: an error of 1 % of 10 is one of 10 % of e^10
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from intab.dtypes import float16
from intab.graph.ir import Constant, Graph, Node, Value

LARGEST = 65504.0
# Constants whose sizes add up to more are weights, which have their own rule, and no masks.
MOST_SIZES = 4096

# What makes numbers of any size out of small ones.
GROWING = frozenset({"Exp", "Pow", "Reciprocal", "ReduceProd", "ReduceSum", "CumSum", "Range"})
# What is of the size of 1 whatever it is given, or of that of its parameters.
BOUNDED = frozenset(
    {"Softmax", "LogSoftmax", "LayerNorm", "Sigmoid", "HardSigmoid", "Tanh", "Sin", "Cos", "Atan", "Erf", "Sign"}
    | {"Softsign", "Attention", "LSTM", "GRU", "RNN"}
)
EXPONENTIALS = frozenset({"Softmax", "LogSoftmax", "Exp"})
# Products mix so many numbers that one out of range would have ruined them anyway.
PRODUCTS = frozenset({"Conv", "ConvTranspose", "MatMul", "CompressedMatMul"})


@dataclass(frozen=True, slots=True)
class _Nature:
    """What is known of a value. `neutral`: it takes no side, as constants do."""

    exact: bool = False
    beyond: bool = False
    neutral: bool = False

    @property
    def needs_float32(self) -> bool:
        return self.exact or self.beyond


_PLAIN, _NUMBER = _Nature(), _Nature(neutral=True)


def needing_float32(graph: Graph) -> set[Value]:
    """The float32 values that nodes make and that had better not be rounded to 16 bits."""
    natures = _natures(graph, dict.fromkeys(graph.inputs, _PLAIN))
    exponents = {node.inputs[0] for node in graph.nodes if node.op in EXPONENTIALS}
    made = (value for node in graph.nodes for value in node.outputs if value.dtype.is_float)
    return {value for value in made if natures[value].needs_float32 or value in exponents}


def _natures(graph: Graph, natures: dict[Value, _Nature]) -> dict[Value, _Nature]:
    """Of all values; `natures` are those of the inputs, and grow."""
    for value in graph.constant_values:
        natures[value] = _of_constant(graph.constants[value.name])
    for node in graph.nodes:
        made = _made(node, natures)
        natures.update((value, made) for value in node.outputs)
    return natures


def _of_constant(constant: Constant) -> _Nature:
    if not constant.dtype.is_float or sum(constant.shape) > MOST_SIZES:
        return _NUMBER
    numbers = constant.numpy()
    finite = numbers[np.isfinite(numbers)]
    return _Nature(beyond=bool((np.abs(finite) > LARGEST).any()), neutral=True)


def _made(node: Node, natures: Mapping[Value, _Nature]) -> _Nature:
    given = [natures[value] for value in node.inputs if value is not None]
    body, epilogue = node.attributes.get("body"), node.attributes.get("epilogue")
    if isinstance(body, Graph):
        return _inside(body, given)
    plain = _of_operator(node, natures)
    if isinstance(epilogue, Graph):
        # Its further operands are the node's last, whatever comes before them or is left out.
        return _inside(epilogue, [plain, *given[len(given) - len(epilogue.inputs) + 1 :]])
    return plain


def _inside(body: Graph, given: Iterable[_Nature]) -> _Nature:
    natures = _natures(body, dict(zip(body.inputs, given, strict=True)))
    return natures[body.outputs[0]]


def _of_operator(node: Node, natures: Mapping[Value, _Nature]) -> _Nature:
    if node.op in BOUNDED or not node.outputs[0].dtype.is_float:
        return _PLAIN
    values = [value for value in node.inputs if value is not None]
    floats = [natures[value] for value in values if value.dtype.is_float]
    beyond = any(nature.beyond for nature in floats) and node.op not in PRODUCTS
    sides = [nature for nature in floats if not nature.neutral]
    grown = node.op in GROWING or _is_square(node) or _counts(node)
    exact = grown or (bool(sides) and all(nature.exact for nature in sides))
    return _Nature(exact, beyond, neutral=bool(floats) and not sides and not exact)


def _is_square(node: Node) -> bool:
    return node.op == "Mul" and node.inputs[0] is node.inputs[1]


def _counts(node: Node) -> bool:
    """Does it make floats of whole numbers beyond those of a byte?"""
    value = node.inputs[0] if node.inputs else None
    if node.op not in ("Cast", "Dequantize", "DequantizeLinear") or value is None or node.outputs[0].dtype == float16:
        return False
    return value.dtype.is_integer and value.dtype.itemsize > 1
