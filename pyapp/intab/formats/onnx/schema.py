"""Which fields of onnx.proto3 are read, and the frozen records they become.

A field that is not named here is skipped. Source: onnx/onnx.proto of the ONNX project, IR version 13.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from intab.errors import ModelFormatError
from intab.formats.onnx.wire import FIXED32, FIXED64, LENGTH, VARINT, Span, WireReader, signed

T = TypeVar("T")

# A Python text can take four times the bytes of its UTF-8, so the length of one is bounded.
_LONGEST_TEXT_NBYTES = 4 << 20

# What a numeric data field of a tensor is made of: the span of a packed run or of one fixed-size number,
# or the number of one unpacked varint.
Piece = Span | int


@dataclass(frozen=True, slots=True)
class Kind:
    """How a field's payload becomes a value: from wire type `wire_type`, or several from a packed run.

    `read` gets the reader, the field's value and its stop (see `wire.Field`).
    """

    name: str
    wire_type: int
    read: Callable[[WireReader, int, int], object]
    read_packed: Callable[[WireReader, Span], list[object]] | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a field goes: the record's attribute, alone or as one of a tuple."""

    attribute: str
    kind: Kind
    many: bool = False


@dataclass(frozen=True, slots=True)
class Message(Generic[T]):
    """A message type: its record class and the fields that are read."""

    record: Callable[..., T]
    slots: Mapping[int, Slot]


def decode(reader: WireReader, message: Message[T], span: Span) -> T:
    """The record of the message in `span`. Raises ModelFormatError for nonsense."""
    values: dict[str, object] = {}
    lists: dict[str, list[object]] = {}
    slots = message.slots
    for number, wire_type, value, stop in reader.fields(span):
        slot = slots.get(number)
        if slot is None:
            continue
        kind = slot.kind
        if slot.many:
            found = lists.setdefault(slot.attribute, [])
            if wire_type == kind.wire_type:
                found.append(kind.read(reader, value, stop))
            elif wire_type == LENGTH and kind.read_packed is not None:
                found.extend(kind.read_packed(reader, Span(value, stop)))
            else:
                raise _wrong_wire_type(reader, slot, wire_type, stop)
        elif slot.attribute in values:
            raise reader.error(stop, f"{slot.attribute!r} is given twice")
        elif wire_type != kind.wire_type:
            raise _wrong_wire_type(reader, slot, wire_type, stop)
        else:
            values[slot.attribute] = kind.read(reader, value, stop)
    for attribute, items in lists.items():
        values[attribute] = tuple(items)
    return message.record(**values)


def _wrong_wire_type(reader: WireReader, slot: Slot, wire_type: int, stop: int) -> ModelFormatError:
    return reader.error(stop, f"{slot.attribute!r} has wire type {wire_type}, but {slot.kind.name} was expected")


def _read_int(reader: WireReader, value: int, stop: int) -> int:
    return signed(value)


def _read_ints(reader: WireReader, span: Span) -> list[object]:
    return [signed(value) for value in reader.varints(span)]


def _read_float(reader: WireReader, start: int, stop: int) -> float:
    (value,) = struct.unpack("<f", reader.copy(start, stop))
    return float(value)


def _read_floats(reader: WireReader, span: Span) -> list[object]:
    if span.nbytes % 4:
        raise reader.error(span.start, f"{span.nbytes} bytes do not hold whole 4-byte numbers")
    return list(struct.unpack(f"<{span.nbytes // 4}f", reader.copy(span.start, span.stop)))


def _read_text(reader: WireReader, start: int, stop: int) -> str:
    if stop - start > _LONGEST_TEXT_NBYTES:
        raise reader.error(start, f"a text has {stop - start} bytes, more than any name or note may have")
    try:
        return reader.copy(start, stop).decode()
    except UnicodeDecodeError:
        raise reader.error(start, "a text is not valid UTF-8") from None


def _read_bytes(reader: WireReader, start: int, stop: int) -> bytes:
    return reader.copy(start, stop)


def _read_span(reader: WireReader, start: int, stop: int) -> Span:
    return Span(start, stop)


def _read_varint(reader: WireReader, value: int, stop: int) -> int:
    return value


def _message(message: Message[T]) -> Kind:
    return Kind("a message", LENGTH, lambda reader, start, stop: decode(reader, message, Span(start, stop)))


INT = Kind("an integer", VARINT, _read_int, _read_ints)
FLOAT = Kind("a float", FIXED32, _read_float, _read_floats)
TEXT = Kind("a text", LENGTH, _read_text)
BYTES = Kind("bytes", LENGTH, _read_bytes)
SPAN = Kind("bytes", LENGTH, _read_span)
INT_DATA = Kind("integers", VARINT, _read_varint, lambda reader, span: [span])
FLOAT_DATA = Kind("floats", FIXED32, _read_span, lambda reader, span: [span])
DOUBLE_DATA = Kind("doubles", FIXED64, _read_span, lambda reader, span: [span])


@dataclass(frozen=True, slots=True)
class TextEntry:
    """StringStringEntryProto."""

    key: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """TensorProto; its numbers stay where they are."""

    name: str = ""
    dims: tuple[int, ...] = ()
    data_type: int = 0
    raw_data: Span | None = None
    float_data: tuple[Piece, ...] = ()
    int32_data: tuple[Piece, ...] = ()
    int64_data: tuple[Piece, ...] = ()
    double_data: tuple[Piece, ...] = ()
    uint64_data: tuple[Piece, ...] = ()
    string_data: tuple[Span, ...] = ()
    external_data: tuple[TextEntry, ...] = ()
    data_location: int = 0
    segment: Span | None = None


@dataclass(frozen=True, slots=True)
class AttributeRecord:
    """AttributeProto. Sub-graphs stay spans: only control flow needs them."""

    name: str = ""
    type: int = 0
    f: float | None = None
    i: int | None = None
    s: bytes | None = None
    t: TensorRecord | None = None
    g: Span | None = None
    floats: tuple[float, ...] = ()
    ints: tuple[int, ...] = ()
    strings: tuple[bytes, ...] = ()
    ref_attr_name: str = ""
    sparse_tensor: Span | None = None


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """NodeProto."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    name: str = ""
    op_type: str = ""
    domain: str = ""
    attributes: tuple[AttributeRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class DimensionRecord:
    """TensorShapeProto.Dimension: a number, a name, or neither."""

    value: int | None = None
    param: str = ""


@dataclass(frozen=True, slots=True)
class ShapeRecord:
    """TensorShapeProto."""

    dims: tuple[DimensionRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class TensorTypeRecord:
    """TypeProto.Tensor; `shape` is None when even the rank is unknown."""

    elem_type: int = 0
    shape: ShapeRecord | None = None


@dataclass(frozen=True, slots=True)
class TypeRecord:
    """TypeProto; all but dense tensors leave `tensor` None."""

    tensor: TensorTypeRecord | None = None


@dataclass(frozen=True, slots=True)
class ValueInfoRecord:
    """ValueInfoProto."""

    name: str = ""
    type: TypeRecord | None = None


@dataclass(frozen=True, slots=True)
class GraphRecord:
    """GraphProto."""

    name: str = ""
    nodes: tuple[NodeRecord, ...] = ()
    initializers: tuple[TensorRecord, ...] = ()
    inputs: tuple[ValueInfoRecord, ...] = ()
    outputs: tuple[ValueInfoRecord, ...] = ()
    sparse_initializers: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class OpsetRecord:
    """OperatorSetIdProto."""

    domain: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """ModelProto."""

    ir_version: int = 0
    graph: GraphRecord | None = None
    opsets: tuple[OpsetRecord, ...] = ()
    metadata: tuple[TextEntry, ...] = ()
    functions: tuple[Span, ...] = ()


TEXT_ENTRY = Message(TextEntry, {1: Slot("key", TEXT), 2: Slot("value", TEXT)})
TENSOR = Message(
    TensorRecord,
    {
        1: Slot("dims", INT, many=True),
        2: Slot("data_type", INT),
        3: Slot("segment", SPAN),
        4: Slot("float_data", FLOAT_DATA, many=True),
        5: Slot("int32_data", INT_DATA, many=True),
        6: Slot("string_data", SPAN, many=True),
        7: Slot("int64_data", INT_DATA, many=True),
        8: Slot("name", TEXT),
        9: Slot("raw_data", SPAN),
        10: Slot("double_data", DOUBLE_DATA, many=True),
        11: Slot("uint64_data", INT_DATA, many=True),
        13: Slot("external_data", _message(TEXT_ENTRY), many=True),
        14: Slot("data_location", INT),
    },
)
ATTRIBUTE = Message(
    AttributeRecord,
    {
        1: Slot("name", TEXT),
        2: Slot("f", FLOAT),
        3: Slot("i", INT),
        4: Slot("s", BYTES),
        5: Slot("t", _message(TENSOR)),
        6: Slot("g", SPAN),
        7: Slot("floats", FLOAT, many=True),
        8: Slot("ints", INT, many=True),
        9: Slot("strings", BYTES, many=True),
        20: Slot("type", INT),
        21: Slot("ref_attr_name", TEXT),
        22: Slot("sparse_tensor", SPAN),
    },
)
NODE = Message(
    NodeRecord,
    {
        1: Slot("inputs", TEXT, many=True),
        2: Slot("outputs", TEXT, many=True),
        3: Slot("name", TEXT),
        4: Slot("op_type", TEXT),
        5: Slot("attributes", _message(ATTRIBUTE), many=True),
        7: Slot("domain", TEXT),
    },
)
DIMENSION = Message(DimensionRecord, {1: Slot("value", INT), 2: Slot("param", TEXT)})
SHAPE = Message(ShapeRecord, {1: Slot("dims", _message(DIMENSION), many=True)})
TENSOR_TYPE = Message(TensorTypeRecord, {1: Slot("elem_type", INT), 2: Slot("shape", _message(SHAPE))})
TYPE = Message(TypeRecord, {1: Slot("tensor", _message(TENSOR_TYPE))})
VALUE_INFO = Message(ValueInfoRecord, {1: Slot("name", TEXT), 2: Slot("type", _message(TYPE))})
GRAPH = Message(
    GraphRecord,
    {
        1: Slot("nodes", _message(NODE), many=True),
        2: Slot("name", TEXT),
        5: Slot("initializers", _message(TENSOR), many=True),
        11: Slot("inputs", _message(VALUE_INFO), many=True),
        12: Slot("outputs", _message(VALUE_INFO), many=True),
        15: Slot("sparse_initializers", SPAN, many=True),
    },
)
OPSET = Message(OpsetRecord, {1: Slot("domain", TEXT), 2: Slot("version", INT)})
MODEL = Message(
    ModelRecord,
    {
        1: Slot("ir_version", INT),
        7: Slot("graph", _message(GRAPH)),
        8: Slot("opsets", _message(OPSET), many=True),
        14: Slot("metadata", _message(TEXT_ENTRY), many=True),
        25: Slot("functions", SPAN, many=True),
    },
)
