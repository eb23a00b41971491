"""Weights that a file stores as bytes stay bytes in memory."""

from intab.dtypes import float32
from intab.graph.dims import product
from intab.graph.ir import Constant, Node, Value
from intab.optimize.constants import reshaped
from intab.optimize.editor import Editor, peephole


def _scaled_cast(editor: Editor, node: Node) -> Value | None:
    left, right = node.inputs
    return _dequantized(editor, node, left, right) or _dequantized(editor, node, right, left)


def _dequantized(editor: Editor, node: Node, number: Value | None, scale: Value | None) -> Value | None:
    cast, factor = editor.producer(number), editor.constant(scale)
    if cast is None or cast.op != "Cast" or factor is None or factor.dtype != float32:
        return None
    stored = cast.inputs[0]
    if stored is None or editor.constant(stored) is None or stored.dtype.name not in ("i8", "u8"):
        return None
    axis = _axis_of(factor, stored)
    if axis is None or stored.shape != node.output.shape:
        return None
    sizes = () if axis < 0 else (max(factor.shape),)
    value = editor.add_constant(reshaped(factor, sizes), f"{node.output.name}.scale")
    return editor.emit("DequantizeLinear", stored, value, like=node, axis=max(axis, 0))


def _axis_of(factor: Constant, stored: Value) -> int | None:
    """Along which axis of a tensor a factor lies that broadcasts to it; -1 for one number, None for several axes."""
    if len(factor.shape) > stored.rank:
        return None
    long = [axis for axis, size in enumerate(factor.shape) if size != 1]
    if len(long) > 1:
        return None
    return long[0] + stored.rank - len(factor.shape) if long else -1


def _gather(editor: Editor, node: Node) -> Value | None:
    table, indices = node.inputs
    producer = editor.producer(table)
    if producer is None or producer.op != "DequantizeLinear" or len(producer.inputs) != 2 or indices is None:
        return None
    stored, scale = producer.inputs
    axis, along = node.attributes["axis"], producer.attributes["axis"]
    if stored is None or scale is None or not isinstance(axis, int) or not isinstance(along, int):
        return None
    by_row = bool(scale.rank) and along == axis
    if by_row and axis != 0:
        return None
    rows = editor.emit("Gather", stored, indices, like=node, axis=axis)
    if by_row:
        count = product(indices.shape)
        factors = editor.emit("Gather", scale, indices, like=node, axis=0)
        flat = editor.emit("Reshape", rows, like=node, shape=(count, *stored.shape[1:]))
        row_scale = editor.emit("Reshape", factors, like=node, shape=(count,))
        numbers = editor.emit("DequantizeLinear", flat, row_scale, like=node, axis=0)
        return editor.emit("Reshape", numbers, like=node, shape=node.output.shape)
    moved = along + indices.rank - 1 if along > axis else along
    return editor.emit("DequantizeLinear", rows, scale, like=node, axis=moved)


def _matmul(editor: Editor, node: Node) -> Value | None:
    a, right, *others = node.inputs
    producer = editor.producer(right)
    if producer is None or producer.op != "DequantizeLinear" or len(producer.inputs) != 2 or right is None:
        return None
    stored, scale = producer.inputs
    transposed = bool(node.attributes.get("transpose_b"))
    wanted = stored is not None and stored.dtype.name in ("i8", "u8") and editor.constant(stored) is not None
    if not wanted or a is None or a.rank < 2 or right.rank != 2 or node.attributes.get("transpose_a"):
        return None
    if scale is None or (scale.rank and producer.attributes["axis"] != int(not transposed)):
        return None
    if editor.constant(scale) is None:
        return None
    attributes = {"transpose_b": transposed, "epilogue": node.attributes.get("epilogue")}
    return editor.emit("CompressedMatMul", a, stored, scale, *others, like=node, **attributes)


RECOGNISE_DEQUANTIZED = peephole("recognise_dequantized", {"Mul": [_scaled_cast], "Gather": [_gather]})
"""mul(cast(bytes), scale)              ->   dequantize(bytes, scale)
gather(dequantize(bytes, scale), i)   ->   dequantize(gather(bytes, i), scale), or with gather(scale, i)

For constants, and scales that are one number or lie along one axis. Exact.
"""

COMPRESS_MATMUL = peephole("compress_matmul", {"MatMul": [_matmul]})
"""matmul(a, dequantize(bytes, scale), bias)   ->   compressed_matmul(a, bytes, scale, bias)

For a constant matrix with one scale, or one a column, and no zero point. After fusion, so that the epilogue comes
along. Exact: each weight becomes the same float, in the kernel.
"""
