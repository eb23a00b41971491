"""A graph as text that one can read; `graph.parse` reads it back.

    graph ocr_det(%x: f32[N, 3, H, W]) -> (fetch_name_0 = %y) {
      metadata "author" = "somebody"
      assume N == M "node name"
      %w = const f32[24, 3, 3, 3] @"det.onnx":1024+2592
      %half = const f32[] {0.5}
      %sizes: i64[2] <H, W> = Slice(%shape) {starts=[2], sizes=[2], steps=[1]}
      %y: f32[N, 24, (H + 1)//2, W] = Conv(%x, %w, _) {group=1, pads=[1, 1, 1, 1]} "node name"
    }

A value is written `%name`, or `%"any name"` where the name is not plain. `<...>` are known elements (see
`Value.elements`), `_` is an absent input, `#` starts a comment. Small constants stand in braces, large ones
are a byte range of a named storage (`storages_of` gives those). Attribute values: none, true, false, whole
numbers and dims, floats (with point, exponent, inf or nan), "strings", dtypes, [lists], nested graphs.
"""

import json
import re
from collections.abc import Iterator

import numpy as np

from intab.dtypes import DType
from intab.graph.dims import DimExpr, dim_text
from intab.graph.ir import Array, Attribute, Constant, Graph, Node, Value
from intab.graph.storage import Storage

PLAIN_NAME = re.compile(r"[A-Za-z0-9_.~/-](?::?[A-Za-z0-9_.~/-])*")
PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Constants of up to this many numbers are printed in full; whole numbers that shape arithmetic knows, always.
INLINE_ELEMENTS = 16


def graph_text(graph: Graph) -> str:
    """The graph as text, without a line break at the end."""
    return "\n".join(_lines(graph, _storage_names(graph)))


def storages_of(graph: Graph) -> dict[str, Storage]:
    """The storages that a graph's text refers to, by the names used there."""
    return {name: storage for storage, name in _storage_names(graph).values()}


def value_text(value: Value | None) -> str:
    """How a value is named: %name, or _ for an absent one."""
    if value is None:
        return "_"
    return f"%{value.name}" if PLAIN_NAME.fullmatch(value.name) else f"%{json.dumps(value.name)}"


def type_text(value: Value) -> str:
    """Dtype, shape and known elements: `i64[2] <H, W>`."""
    shape = ", ".join(map(dim_text, value.shape))
    elements = "" if value.elements is None else f" <{', '.join(map(dim_text, value.elements))}>"
    return f"{value.dtype}[{shape}]{elements}"


_StorageNames = dict[int, tuple[Storage, str]]


def _storage_names(graph: Graph) -> _StorageNames:
    """Storages by identity, each with a name of its own (a number is put behind a name that is taken)."""
    names: _StorageNames = {}
    used: set[str] = set()
    for constant in _constants(graph):
        storage = constant.storage
        if id(storage) in names:
            continue
        name, count = storage.name, 0
        while name in used:
            count += 1
            name = f"{storage.name}~{count}"
        used.add(name)
        names[id(storage)] = (storage, name)
    return names


def _constants(graph: Graph) -> Iterator[Constant]:
    """The constants that are printed as byte ranges, bodies included."""
    for value in graph.constant_values:
        if _inline_text(value, graph.constants[value.name]) is None:
            yield graph.constants[value.name]
    for node in graph.nodes:
        for attribute in node.attributes.values():
            if isinstance(attribute, Graph):
                yield from _constants(attribute)


def _lines(graph: Graph, storages: _StorageNames) -> Iterator[str]:
    inputs = ", ".join(f"{value_text(v)}: {type_text(v)}" for v in graph.inputs)
    outputs = ", ".join(
        f"{_word_text(name)} = {value_text(v)}" for name, v in zip(graph.output_names, graph.outputs, strict=True)
    )
    yield f"graph {_word_text(graph.name)}({inputs}) -> ({outputs}) {{"
    for key, text in graph.metadata.items():
        yield f"  metadata {json.dumps(key)} = {json.dumps(text)}"
    for equality in graph.equalities:
        left, right = dim_text(equality.left), dim_text(equality.right)
        yield f"  assume {left} == {right} {json.dumps(equality.node)}"
    for value in graph.constant_values:
        yield f"  {value_text(value)} = const {_constant_text(value, graph.constants[value.name], storages)}"
    for node in graph.nodes:
        yield f"  {_node_text(node, storages)}"
    yield "}"


def _node_text(node: Node, storages: _StorageNames) -> str:
    outputs = ", ".join(f"{value_text(v)}: {type_text(v)}" for v in node.outputs)
    inputs = ", ".join(map(value_text, node.inputs))
    attributes = ", ".join(f"{key}={_attribute_text(a, storages)}" for key, a in node.attributes.items())
    braces = f" {{{attributes}}}" if attributes else ""
    name = f" {json.dumps(node.name)}" if node.name else ""
    return f"{outputs} = {node.op}({inputs}){braces}{name}"


def _word_text(name: str) -> str:
    return name if PLAIN_WORD.fullmatch(name) else json.dumps(name)


def _attribute_text(attribute: Attribute, storages: _StorageNames) -> str:
    if attribute is None or isinstance(attribute, bool):
        return str(attribute).lower()
    if isinstance(attribute, str):
        return json.dumps(attribute)
    if isinstance(attribute, (int, float, DType)):
        return repr(attribute)
    if isinstance(attribute, DimExpr):
        return dim_text(attribute)
    if isinstance(attribute, tuple):
        return f"[{', '.join(_attribute_text(a, storages) for a in attribute)}]"
    return "\n  ".join(_lines(attribute, storages))


def _constant_text(value: Value, constant: Constant, storages: _StorageNames) -> str:
    dtype_and_shape = f"{constant.dtype}[{', '.join(map(str, constant.shape))}]"
    inline = _inline_text(value, constant)
    if inline is not None:
        return f"{dtype_and_shape} {{{inline}}}"
    name = storages[id(constant.storage)][1]
    return f"{dtype_and_shape} @{json.dumps(name)}:{constant.offset}+{constant.nbytes}"


def _inline_text(value: Value, constant: Constant) -> str | None:
    """The numbers of a small constant, or None for one that is to be printed as a byte range."""
    if value.elements is not None:
        return ", ".join(map(dim_text, value.elements))
    count = int(np.prod(constant.shape, dtype=np.int64))
    may_have_elements = constant.dtype.is_integer and len(constant.shape) <= 1
    # A damaged constant (too few bytes) prints as the byte range that it is.
    if count > INLINE_ELEMENTS or may_have_elements or count * constant.dtype.itemsize != constant.nbytes:
        return None
    numbers = constant.numpy()
    words = [_number_text(n) for n in numbers.reshape(-1)]
    read_back = np.array([parse_number(w) for w in words], dtype=numbers.dtype)
    # Not-a-numbers of odd bits do not survive decimal digits.
    return ", ".join(words) if read_back.tobytes() == numbers.tobytes() else None


def _number_text(number: np.generic) -> str:
    """The shortest digits that read back to the same number."""
    if not isinstance(number, np.floating):
        return str(number).lower()
    short = str(number)
    exact = repr(float(number))
    return short if number.dtype.type(float(short)) == number else exact


def parse_number(word: str) -> float:
    """The number that a word of a constant's braces stands for."""
    if word in ("true", "false"):
        return word == "true"
    try:
        return int(word)
    except ValueError:
        return float(word)


def constant_array(words: list[str], shape: tuple[int, ...], dtype: DType) -> Array:
    """The array that a constant's braces stand for. Raises ValueError where a number does not fit."""
    try:
        return np.array([parse_number(w) for w in words], dtype=dtype.numpy).reshape(shape)
    except OverflowError as error:
        raise ValueError(str(error)) from error
