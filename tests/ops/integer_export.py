"""Integer products, and bytes as floats and back, as ONNX nodes."""

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from intab.dtypes import float32, int32
from intab.graph.ir import Node

if TYPE_CHECKING:
    from tests.ops.onnx_export import Export


def integer_product(export: "Export", node: Node) -> str:
    """MatMulInteger or ConvInteger and what is made of the sums in steps, or QLinearMatMul or QLinearConv."""
    names = [*export.inputs_of(node), *[""] * 7][:7]
    attributes = dict(node.attributes)
    to, window = attributes.pop("to", int32), node.op == "IntegerConv"
    last = attributes.pop("layout", "NCHW") == "NHWC"
    rank = len(node.output.shape)
    if last:
        first = [0, rank - 1, *range(1, rank - 1)]
        names[:2] = [export.node("Transpose", name, perm=first) for name in names[:2]]
    in_steps = to in (int32, float32) or (names[4] and not window)
    made = (_sums if in_steps else _bytes)(export, node, names, window, attributes)
    if in_steps and to != int32:
        made = export.node("Mul", export.node("Cast", made, to=TensorProto.FLOAT), _along(export, node, names[5]))
    if in_steps and names[6]:
        made = export.node("QuantizeLinear", made, export.constant(np.array(1, np.float32)), names[6])
    return export.node("Transpose", made, perm=[0, *range(2, rank), 1]) if last else made


def _sums(export: "Export", node: Node, names: list[str], window: bool, attributes: dict[str, object]) -> str:
    made = export.node("ConvInteger" if window else "MatMulInteger", *names[:4], **attributes)
    return export.node("Add", made, _along(export, node, names[4])) if names[4] else made


def _along(export: "Export", node: Node, name: str) -> str:
    """A number a column as it broadcasts over the result, whose channels are axis 1 in a convolution's."""
    if node.op != "IntegerConv":
        return name
    return export.node("Reshape", name, export.whole([-1, *[1] * (node.output.rank - 2)]))


def _bytes(export: "Export", node: Node, names: list[str], window: bool, attributes: dict[str, object]) -> str:
    one = export.constant(np.array(1, np.float32))
    left_zero = names[2] or export.constant(np.array(0, _numpy(node, 0)))
    right_zero = names[3] or export.constant(np.array(0, _numpy(node, 1)))
    left, right = (names[0], one, left_zero), (names[1], names[5], right_zero)
    if window:
        bias = [names[4]] if names[4] else []
        return export.node("QLinearConv", *left, *right, one, names[6], *bias, **attributes)
    return export.node("QLinearMatMul", *left, *right, one, names[6])


def _numpy(node: Node, index: int) -> "np.dtype[np.generic]":
    value = node.inputs[index]
    assert value is not None
    return value.dtype.numpy


def add_bytes(export: "Export", node: Node) -> str:
    a, b, a_ratio, b_ratio, offset = export.inputs_of(node)
    left, right = (export.node("Cast", name, to=TensorProto.FLOAT) for name in (a, b))
    total = export.node("Add", export.node("Mul", right, b_ratio), offset)
    total = export.node("Add", export.node("Mul", left, a_ratio), total)
    levels = export.constant(np.array(1, np.float32)), export.constant(np.array(0, node.output.dtype.numpy))
    return export.node("QuantizeLinear", total, *levels)


def mean_bytes(export: "Export", node: Node) -> str:
    axes, keep = (node.attributes[name] for name in ("axes", "keepdims"))
    real = export.node("DequantizeLinear", *export.inputs_of(node))
    return export.node("ReduceMean", real, export.whole(axes), keepdims=int(bool(keep)))


def lookup(export: "Export", node: Node) -> str:
    """Gather wants places of 32 bits; the first entry is for the smallest byte."""
    x, table = export.inputs_of(node)
    places = export.node("Cast", x, to=TensorProto.INT32)
    first = 128 if _numpy(node, 0) == np.int8 else 0
    return export.node("Gather", table, export.node("Add", places, export.constant(np.array(first, np.int32))))


def quantized_element(export: "Export", node: Node) -> str:
    """A scale that broadcasts is one for all, or one for each place along the last axis."""
    x, *levels = export.inputs_of(node)
    if node.op == "FakeQuantize":
        return export.node("DequantizeLinear", export.node("QuantizeLinear", x, *levels, axis=-1), *levels, axis=-1)
    return export.node(f"{node.op}Linear", x, *levels, axis=-1)
