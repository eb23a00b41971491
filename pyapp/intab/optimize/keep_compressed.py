"""Weights that a file stores as bytes stay bytes in memory."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from intab.dtypes import float32, uint8
from intab.graph.derived import Unpacked, unpacked
from intab.graph.dims import product
from intab.graph.ir import Constant, Graph, Node, Value, consumers
from intab.ops.compressed_lines import has_four_bits
from intab.ops.registry import operator_of_node
from intab.optimize.constants import derive, reshaped
from intab.optimize.editor import Editor, peephole
from intab.optimize.passes import Pass
from intab.target import Target

MIDDLE = 128  # of the unsigned bytes


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


def _without_zero(editor: Editor, node: Node) -> Value | None:
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return None
    stored, scale, zero = node.inputs
    numbers, middle = editor.constant(stored), editor.constant(zero)
    if numbers is None or middle is None or stored is None:
        return None
    points = middle.numpy()
    if not np.any(points):
        return editor.again(node, stored, scale, like=node)
    lowest = MIDDLE // 16 if has_four_bits(numbers) else MIDDLE
    if stored.dtype != uint8 or not np.all(points == lowest):
        return None
    return editor.again(node, editor.add_constant(_signed(numbers, lowest), stored.name), scale, like=node)


def _signed(numbers: Constant, middle: int) -> Constant:
    """Unsigned bytes, or numbers of four bits, less their middle."""
    rule = numbers.storage
    if isinstance(rule, Unpacked) and not rule.middle and rule.shape == numbers.shape:
        return unpacked(replace(rule, middle=middle))
    return unpacked(Unpacked(numbers, numbers.shape, 8, middle=middle))


def _gather(editor: Editor, node: Node) -> Value | None:
    table, indices = node.inputs
    producer = editor.producer(table)
    if producer is None or producer.op != "DequantizeLinear" or indices is None:
        return None
    stored, scale, zero = (*producer.inputs, None)[:3]
    axis, along = node.attributes["axis"], producer.attributes["axis"]
    if stored is None or scale is None or not isinstance(axis, int) or not isinstance(along, int):
        return None
    blocks = producer.attributes.get("block_size", 0)
    by_row = bool(scale.rank) and (bool(blocks) or along == axis)
    if (by_row and axis != 0) or (blocks and along == 0):
        return None
    rows = editor.emit("Gather", stored, indices, like=node, axis=axis)
    if not by_row:
        moved = along + indices.rank - 1 if along > axis else along
        return editor.again(producer, rows, scale, *([zero] if zero else []), like=node, axis=moved)
    count = product(indices.shape)
    flat = editor.emit("Reshape", rows, like=node, shape=(count, *stored.shape[1:]))
    given = [scale, zero] if zero is not None else [scale]
    taken = [editor.emit("Gather", value, indices, like=node, axis=0) for value in given]
    sides = [
        editor.emit("Reshape", side, like=node, shape=(count, *value.shape[1:]))
        for side, value in zip(taken, given, strict=True)
    ]
    numbers = editor.again(producer, flat, *sides, like=node, axis=along)
    return editor.emit("Reshape", numbers, like=node, shape=node.output.shape)


def _matmul(editor: Editor, node: Node) -> Value | None:
    a, right, bias, *extra = (*node.inputs, None)[: max(3, len(node.inputs))]
    producer = editor.producer(right)
    if producer is None or a is None or any(v is not None and editor.constant(v) is None for v in producer.inputs):
        return None
    if not _fits(producer, node, transposed=False):
        return None
    stored, scale, zero = (*producer.inputs, None)[:3]
    others = [zero, bias, *extra]
    while others and others[-1] is None:
        others.pop()
    attributes = {
        "transpose_b": bool(node.attributes.get("transpose_b")),
        "block_size": producer.attributes.get("block_size", 0),
        "epilogue": node.attributes.get("epilogue"),
    }
    return editor.emit("CompressedMatMul", a, stored, scale, *others, like=node, **attributes)


def _fits(made: Node, reader: Node, *, transposed: bool) -> bool:
    """Can a MatMul take what a DequantizeLinear makes, or its transpose, as bytes on its right side?"""
    if reader.op != "MatMul" or made.op != "DequantizeLinear":
        return False
    (stored, scale), (a, right) = made.inputs[:2], reader.inputs[:2]
    if stored is None or scale is None or a is None or right is None or a is right:
        return False
    if stored.dtype.name not in ("i8", "u8") or stored.rank != 2 or right.rank != 2 or a.rank < 2:
        return False
    turned = bool(reader.attributes.get("transpose_b")) != transposed
    depth, columns = (1, 0) if turned else (0, 1)
    along = depth if made.attributes.get("block_size") else columns
    return not reader.attributes.get("transpose_a") and (not scale.rank or made.attributes["axis"] == along)


def _expand(graph: Graph, _target: Target) -> Graph:
    if not any(node.op == "DequantizeLinear" for node in graph.nodes):
        return graph
    editor, readers = Editor(graph), consumers(graph)
    for old in graph.nodes:
        node = editor.current(old)
        if node is None:
            continue
        given = [editor.constant(value) for value in node.inputs if value is not None]
        sources = [constant for constant in given if constant is not None]
        if old.op != "DequantizeLinear" or len(sources) < len(given) or _stays(old, readers):
            editor.keep(old, node)
            continue
        name, meaning = old.output.name, operator_of_node(node).reference
        floats = derive(lambda *arrays, f=meaning: f(*arrays), float32, sources[0].shape, name, *sources)
        editor.replace(old, editor.add_constant(floats, name))
    return editor.end()


def _stays(made: Node, readers: Mapping[Value, list[Node]]) -> bool:
    """Do all that read what a DequantizeLinear makes take the bytes themselves?"""
    found = readers.get(made.output, [])
    for reader in found:
        if reader.op == "Transpose" and reader.attributes["perm"] == (1, 0):
            further = readers.get(reader.output, [])
            if not further or not all(_reads(reader.output, r) and _fits(made, r, transposed=True) for r in further):
                return False
        elif not (_reads(made.output, reader) and _fits(made, reader, transposed=False)):
            return False
    return bool(found)


def _reads(value: Value, reader: Node) -> bool:
    """Does a node read a value as its second input only?"""
    return [i for i, given in enumerate(reader.inputs) if given is value] == [1]


RECOGNISE_DEQUANTIZED = peephole(
    "recognise_dequantized", {"Mul": [_scaled_cast], "Gather": [_gather], "DequantizeLinear": [_without_zero]}
)
"""mul(cast(bytes), scale)              ->   dequantize(bytes, scale)
dequantize(bytes, scale, 0)           ->   dequantize(bytes, scale), and bytes - 128 for a zero of 128 (four bits: 8)
gather(dequantize(bytes, scale), i)   ->   dequantize(gather(bytes, i), scale), or with gather(scale, i)

For constants, and scales that are one number or lie along one axis, or one for each block of a row. Exact.
"""

EXPAND_DEQUANTIZED = Pass("expand_dequantized", _expand)
"""dequantize(bytes, scale, zero)   ->   floats

For constants that something reads which cannot take bytes, such as a convolution: computed once, when weights are
packed, not in every run. Those that only matrix products read stay. Exact.
"""

COMPRESS_MATMUL = peephole("compress_matmul", {"MatMul": [_matmul]})
"""matmul(a, dequantize(bytes, scale, zero), bias)   ->   compressed_matmul(a, bytes, scale, zero, bias)

For a constant matrix with one scale, one a column, or one for each block of a column's depths. After fusion, so that
the epilogue comes along. Exact: each weight becomes the same float, in the kernel.
"""
