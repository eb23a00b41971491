"""The wire reader: what it reads, what it refuses, how little of the storage it touches."""

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intab.errors import IntabError, ModelFormatError
from intab.formats.onnx.schema import ATTRIBUTE, GRAPH, MODEL, NODE, TENSOR, Message, decode
from intab.formats.onnx.wire import FIXED32, FIXED64, LENGTH, VARINT, Field, Span, WireReader, signed
from intab.graph.storage import MemoryStorage


def varint(number: int) -> bytes:
    number %= 1 << 64
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def field(number: int, wire_type: int, payload: int | bytes) -> bytes:
    """One encoded field."""
    head = varint(number << 3 | wire_type)
    if isinstance(payload, int):
        return head + varint(payload)
    return head + (varint(len(payload)) if wire_type == LENGTH else b"") + payload


class CountingStorage(MemoryStorage):
    """Notes what is read."""

    def __init__(self, data: bytes) -> None:
        super().__init__("counted", data)
        self.reads: list[int] = []

    def read(self, offset: int, nbytes: int) -> memoryview:
        self.reads.append(nbytes)
        return super().read(offset, nbytes)


def reader_of(data: bytes) -> WireReader:
    return WireReader(MemoryStorage("wire", data))


def fields_of(data: bytes) -> list[Field]:
    reader = reader_of(data)
    return list(reader.fields(reader.whole))


numbers = st.integers(0, 2**64 - 1)
payloads = st.one_of(
    st.tuples(st.just(VARINT), numbers),
    st.tuples(st.just(LENGTH), st.binary(max_size=300)),
    st.tuples(st.just(FIXED32), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just(FIXED64), st.binary(min_size=8, max_size=8)),
)


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), payloads), max_size=40))
def test_fields_are_read_back(message: list[tuple[int, tuple[int, int | bytes]]]) -> None:
    data = b"".join(field(number, wire_type, payload) for number, (wire_type, payload) in message)
    found = fields_of(data)
    assert len(found) == len(message)
    for (*head, value, stop), (number, (wire_type, payload)) in zip(found, message, strict=True):
        assert head == [number, wire_type]
        assert (value if wire_type == VARINT else data[value:stop]) == payload


@settings(max_examples=400)
@given(st.binary(max_size=400))
def test_nonsense_never_ends_in_anything_but_a_format_error(data: bytes) -> None:
    messages: tuple[Message[Any], ...] = (MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR)
    for message in messages:
        reader = reader_of(data)
        try:
            decode(reader, message, reader.whole)
        except ModelFormatError as error:
            assert str(error).startswith("wire: at byte ")


@given(st.lists(st.tuples(st.integers(1, 25), payloads), max_size=12), st.data())
def test_every_cut_of_a_message_is_refused_or_a_shorter_message(
    message: list[tuple[int, tuple[int, int | bytes]]], data: st.DataObject
) -> None:
    whole = b"".join(field(number, wire_type, payload) for number, (wire_type, payload) in message)
    cut = data.draw(st.integers(0, len(whole)))
    try:
        found = fields_of(whole[:cut])
    except ModelFormatError:
        return
    assert found == fields_of(whole)[: len(found)]


def test_signed_numbers() -> None:
    assert [signed(n) for n in (0, 2**63 - 1, 2**63, 2**64 - 1)] == [0, 2**63 - 1, -(2**63), -1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08", "cut short"),
        (b"\x08\x80", "cut short"),
        (b"\x80", "cut short"),
        (b"\x0a\x05abc", "ends at byte 7, but what holds it ends at byte 5"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "ends at byte"),
        (b"\x0d\x00\x00", "ends at byte 5"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "more than 10 bytes"),
        (b"\x0b\x0c", "old group encoding"),
        (b"\x0e\x00", "unknown wire type 6"),
        (b"\x0f\x00", "unknown wire type 7"),
        (b"\x00\x01", "number 0"),
        (varint(1 << 32) + b"\x01", "which is not allowed"),
    ],
)
def test_what_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ModelFormatError, match=message):
        fields_of(data)


def test_wrong_wire_types_and_repeated_fields_are_refused() -> None:
    with pytest.raises(ModelFormatError, match="'op_type' has wire type 0, but a text was expected"):
        decode(reader_of(field(4, VARINT, 3)), NODE, Span(0, 2))
    twice = field(4, LENGTH, b"Add") * 2
    with pytest.raises(ModelFormatError, match="'op_type' is given twice"):
        decode(reader_of(twice), NODE, Span(0, len(twice)))
    with pytest.raises(ModelFormatError, match="not valid UTF-8"):
        decode(reader_of(field(4, LENGTH, b"\xff")), NODE, Span(0, 3))


def test_packed_and_unpacked_numbers_are_the_same() -> None:
    ints = [0, 1, -1, 2**63 - 1, -(2**63)]
    floats = [0.5, -2.0, 1e10]
    unpacked = b"".join(field(8, VARINT, n) for n in ints)
    unpacked += b"".join(field(7, FIXED32, struct.pack("<f", x)) for x in floats)
    packed = field(8, LENGTH, b"".join(map(varint, ints))) + field(7, LENGTH, struct.pack("<3f", *floats))
    for data in (unpacked, packed):
        record = decode(reader_of(data), ATTRIBUTE, Span(0, len(data)))
        assert record.ints == tuple(ints)
        assert record.floats == pytest.approx(floats)


def test_unknown_fields_are_skipped() -> None:
    data = field(99, LENGTH, b"later") + field(4, LENGTH, b"Add") + field(98, VARINT, 1) + field(97, FIXED64, bytes(8))
    assert decode(reader_of(data), NODE, Span(0, len(data))).op_type == "Add"


def test_weights_are_jumped_over() -> None:
    tensor = field(8, LENGTH, b"w") + field(9, LENGTH, bytes(3 << 20))
    graph = b"".join(field(5, LENGTH, tensor) for _ in range(4))
    storage = CountingStorage(field(7, LENGTH, graph))
    reader = WireReader(storage)
    record = decode(reader, MODEL, reader.whole)
    assert record.graph is not None and len(record.graph.initializers) == 4
    assert sum(storage.reads) < 40_000 and len(storage.reads) < 20


def test_structure_is_read_in_windows() -> None:
    node = field(1, LENGTH, b"input") + field(4, LENGTH, b"Identity")
    data = field(7, LENGTH, b"".join(field(1, LENGTH, node) for _ in range(20_000)))
    storage = CountingStorage(data)
    reader = WireReader(storage)
    record = decode(reader, MODEL, reader.whole)
    assert record.graph is not None and len(record.graph.nodes) == 20_000
    assert max(storage.reads) <= 64 << 10
    assert sum(storage.reads) < 1.01 * len(data) and len(storage.reads) < 20


def test_a_file_of_nothing_but_tiny_fields_is_refused() -> None:
    """Each would become an object fifty times its size."""
    with pytest.raises(ModelFormatError, match="more fields than a model of this size can have"):
        fields_of(field(1, VARINT, 1) * 800_000)
    data = field(8, LENGTH, varint(1) * 900_000)
    with pytest.raises(IntabError, match="more fields than a model of this size can have"):
        decode(reader_of(data), ATTRIBUTE, Span(0, len(data)))
