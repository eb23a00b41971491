"""Products of dequantized bytes as products of integers."""

import math
from typing import Literal

import numpy as np

from intab.dtypes import float32
from intab.graph.ir import Constant, Node, Value
from intab.ops.registry import operator_of_node
from intab.optimize.channels import is_plain
from intab.optimize.constants import derive, reshaped
from intab.optimize.editor import Editor, peephole

BYTES = ("u8", "i8")
# How far the scale of a bias may lie from the product of the scales of both sides, which rounding may have moved.
BIAS_TOLERANCE = 1e-5


def _conv(editor: Editor, node: Node) -> Value | None:
    x, w, *_ = node.inputs
    left, right = dequantized(editor, x), dequantized(editor, w)
    if left is None or right is None or not is_plain(node) or editor.constant(right.inputs[0]) is None:
        return None
    if not _is_single(left) or not (_is_single(right) or right.attributes.get("axis", 1) == 0):
        return None
    bias = _bias(editor, node, left, right)
    if bias is False:
        return None
    window = {key: node.attributes[key] for key in node.attributes if key != "epilogue"}
    operands = (left.inputs[0], right.inputs[0], _zero(left), _zero(right), bias)
    scale = editor.emit("Mul", left.inputs[1], right.inputs[1], like=node)
    return editor.emit("IntegerConv", *operands, scale, like=node, to=float32, **window)


def _matmul(editor: Editor, node: Node) -> Value | None:
    a, b, *_ = node.inputs
    left, right = dequantized(editor, a), dequantized(editor, b)
    if left is None or right is None or b is None or not is_plain(node) or node.attributes.get("transpose_a"):
        return None
    transposed = bool(node.attributes.get("transpose_b"))
    columns = b.rank - 2 if transposed else b.rank - 1
    if b.rank < 2 or not _is_single(left) or not (_is_single(right) or right.attributes.get("axis", 1) == columns):
        return None
    bias = _bias(editor, node, left, right)
    if bias is False:
        return None
    stored = right.inputs[0]
    if transposed:
        perm = (*range(b.rank - 2), b.rank - 1, b.rank - 2)
        stored = editor.emit("Transpose", stored, like=node, perm=perm)
    scale = editor.emit("Mul", left.inputs[1], right.inputs[1], like=node)
    operands = (left.inputs[0], stored, _zero(left), _zero(right), bias)
    return editor.emit("IntegerMatMul", *operands, scale, like=node, to=float32)


def _quantize(editor: Editor, node: Node) -> Value | None:
    """Rounding moves into the product that makes the floats."""
    product = editor.single(node.inputs[0], "IntegerConv", "IntegerMatMul")
    if product is None or product.attributes.get("to") != float32 or not _is_single(node):
        return None
    if node.output.dtype.name not in BYTES:
        return None
    scale = editor.emit("Div", product.inputs[5], node.inputs[1], like=node)
    zero = _zero(node) or editor.add_constant(np.zeros((), node.output.dtype.numpy), "zero")
    return editor.again(product, *product.inputs[:5], scale, zero, like=node, to=node.output.dtype)


def _float_weights(editor: Editor, node: Node) -> Value | None:
    """Weights that floats are multiplied with: convolutions pack them as floats when a device is loaded."""
    weights = node.inputs[1]
    maker = editor.producer(weights)
    if maker is None or maker.op != "DequantizeLinear" or weights is None:
        return None
    sources = [known(editor, value) for value in maker.inputs if value is not None]
    given = [source for source in sources if source is not None]
    shape = tuple(size for size in weights.shape if isinstance(size, int))
    if len(given) != len(sources) or len(shape) != weights.rank:
        return None
    operator = operator_of_node(maker)
    made = derive(lambda *arrays: np.asarray(operator.reference(*arrays)), float32, shape, weights.name, *given)
    floats = editor.add_constant(made, weights.name)
    return editor.again(node, node.inputs[0], floats, *node.inputs[2:], like=node)


def dequantized(editor: Editor, value: Value | None) -> Node | None:
    """The DequantizeLinear of bytes that makes a value, with scales of channels at most."""
    node = editor.producer(value)
    if node is None or node.op != "DequantizeLinear" or node.inputs[0] is None or node.attributes.get("block_size"):
        return None
    return node if node.inputs[0].dtype.name in BYTES else None


def _is_single(node: Node) -> bool:
    """Is there one scale for a whole tensor?"""
    return node.inputs[1] is not None and node.inputs[1].rank == 0


def _zero(node: Node) -> Value | None:
    return node.inputs[2] if len(node.inputs) > 2 else None


def _bias(editor: Editor, node: Node, left: Node, right: Node) -> Value | Literal[False] | None:
    """The bias as i32 in the scale of the sums, None where there is none, False where it is something else."""
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None:
        return None
    maker = editor.producer(bias)
    if maker is None or maker.op != "DequantizeLinear" or maker.inputs[0] is None or maker.inputs[0].rank != 1:
        return False
    scales = [known(editor, made.inputs[1]) for made in (maker, left, right)]
    zero = _zero(maker)
    zeros = None if zero is None else known(editor, zero)
    if maker.inputs[0].dtype.name != "i32" or any(scale is None for scale in scales):
        return False
    if zero is not None and (zeros is None or zeros.numpy().any()):
        return False
    own, *sides = (scale.numpy().astype(np.float64) for scale in scales if scale is not None)
    wanted = sides[0] * sides[1]
    return maker.inputs[0] if np.allclose(own, wanted, rtol=BIAS_TOLERANCE, atol=0) else False


def known(editor: Editor, value: Value | None) -> Constant | None:
    """The constant that a value is, also by way of a Reshape that nobody has folded yet."""
    constant, maker = editor.constant(value), editor.producer(value)
    if constant is not None or maker is None or maker.op != "Reshape" or value is None:
        return constant
    source = editor.constant(maker.inputs[0])
    shape = tuple(size for size in value.shape if isinstance(size, int))
    return None if source is None or math.prod(source.shape) != math.prod(shape) else reshaped(source, shape)


INTEGER_PRODUCTS = peephole(
    "integer_products",
    {
        "Conv": [_conv, _float_weights],
        "ConvTranspose": [_float_weights],
        "MatMul": [_matmul],
        "QuantizeLinear": [_quantize],
    },
)
"""quantize(conv(dequantize(x), dequantize(w), dequantize(b)))   ->   integer_conv(x, w, b)

Conv and MatMul whose both sides are dequantized bytes, the left one with one scale, the right one with one or one a
column, and whose bias, if any, is i32 in the scale of the sums; without the rounding behind them their result is
f32. Sums are exact then, so results differ by the rounding of the float sums before. Weights of other convolutions
become floats, as their kernels want them.
"""
