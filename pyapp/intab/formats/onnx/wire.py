"""Protocol-buffer wire format, read in place.

A message is a run of fields: a varint tag (field number * 8 + wire type), then a varint, 4 or 8 bytes,
or a length and that many bytes. The reader walks structure through a small window of the storage and
jumps over payloads, so weights are never touched. Source: protobuf.dev, "Encoding".
"""

from collections.abc import Iterator
from typing import NamedTuple

from intab.errors import ModelFormatError
from intab.graph.storage import Storage

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

# A window starts small, because after a jump over weights only a few bytes of structure follow, and grows
# while the walk is sequential: in a browser every read crosses into JavaScript.
_FIRST_WINDOW_NBYTES = 2 << 10
_LAST_WINDOW_NBYTES = 64 << 10

# A tag and a value are two varints of at most 10 bytes.
_LONGEST_HEAD_NBYTES = 20

# Every field that is read becomes a Python object of about a hundred bytes, so a file made of nothing but
# two-byte fields would cost fifty times its size. No real model comes near this many fields.
_ALWAYS_ALLOWED_FIELDS = 500_000
_NBYTES_PER_FURTHER_FIELD = 32

# Field numbers have 29 bits, wire types three.
_TAG_LIMIT = 1 << 32
_TOO_MANY = "there are more fields than a model of this size can have"
_DAMAGED = "The file is damaged or not an ONNX model; fetch or export it again."


class Span(NamedTuple):
    """Bytes start .. stop of a storage."""

    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        return self.stop - self.start


# One field as it lies: number, wire type, value, stop. The value is the number of a varint, else the offset where
# the payload starts. A plain tuple, because a model has tens of thousands.
Field = tuple[int, int, int, int]


class WireReader:
    """Walks the messages of one storage. Positions are offsets in the storage."""

    __slots__ = ("_base", "_fields_left", "_last_safe_index", "_window", "_window_nbytes", "storage")

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._window = b""
        self._base = 0
        self._last_safe_index = -1
        self._window_nbytes = _FIRST_WINDOW_NBYTES
        self._fields_left = _ALWAYS_ALLOWED_FIELDS + storage.nbytes // _NBYTES_PER_FURTHER_FIELD

    @property
    def whole(self) -> Span:
        """The span of the whole storage."""
        return Span(0, self.storage.nbytes)

    def fields(self, span: Span) -> Iterator[Field]:
        """The fields of the message in `span`, in order. Raises ModelFormatError where they make no sense."""
        position, stop = span
        while position < stop:
            start = position
            index = position - self._base
            if index < 0 or index > self._last_safe_index:
                self._fill(position)
                index = 0
            window = self._window
            try:
                tag = window[index]
                index += 1
                if tag > 127:
                    tag, index = self._varint(window, index - 1)
                wire_type = tag & 7
                if wire_type == LENGTH or wire_type == VARINT:
                    value = window[index]
                    index += 1
                    if value > 127:
                        value, index = self._varint(window, index - 1)
                    position = self._base + index
                    if wire_type == LENGTH:
                        value, position = position, position + value
                else:
                    value = self._base + index
                    position = value + self._fixed_nbytes(wire_type, start)
            except IndexError:
                raise self.error(start, "a field is cut short") from None
            self._fields_left -= 1
            if position > stop or not 8 <= tag < _TAG_LIMIT or self._fields_left < 0:
                raise self._nonsense(tag >> 3, start, position, stop)
            yield tag >> 3, wire_type, value, position

    def copy(self, start: int, stop: int) -> bytes:
        """A copy of the bytes start .. stop."""
        base = self._base
        if base <= start and stop <= base + len(self._window):
            return self._window[start - base : stop - base]
        return bytes(self.storage.read(start, stop - start))

    def varints(self, span: Span) -> Iterator[int]:
        """The numbers of a packed field, each 0 .. 2**64 - 1."""
        data = self.copy(span.start, span.stop)
        index = 0
        while index < len(data):
            try:
                value, index = self._varint(data, index)
            except IndexError:
                raise self.error(span.start, "a packed number is cut short") from None
            self._fields_left -= 1
            if self._fields_left < 0:
                raise self.error(span.start, _TOO_MANY)
            yield value

    def error(self, position: int, what: str) -> ModelFormatError:
        """The error to raise for nonsense at `position`."""
        return ModelFormatError(f"{self.storage.name}: at byte {position}, {what}. {_DAMAGED}")

    def _fill(self, position: int) -> None:
        follows = self._base <= position <= self._base + len(self._window)
        grown = min(2 * self._window_nbytes, _LAST_WINDOW_NBYTES)
        self._window_nbytes = grown if follows else _FIRST_WINDOW_NBYTES
        available = self.storage.nbytes - position
        nbytes = min(self._window_nbytes, available)
        self._window = bytes(self.storage.read(position, nbytes))
        self._base = position
        self._last_safe_index = nbytes if nbytes == available else nbytes - _LONGEST_HEAD_NBYTES

    def _varint(self, data: bytes, index: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            byte = data[index]
            index += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value & 0xFFFFFFFFFFFFFFFF, index
        raise self.error(self._base + index, "a number takes more than 10 bytes")

    def _fixed_nbytes(self, wire_type: int, position: int) -> int:
        if wire_type == FIXED32:
            return 4
        if wire_type == FIXED64:
            return 8
        kind = "the old group encoding" if wire_type in (3, 4) else f"unknown wire type {wire_type}"
        raise self.error(position, f"a field has {kind}")

    def _nonsense(self, number: int, start: int, position: int, stop: int) -> ModelFormatError:
        if position > stop:
            return self.error(start, f"a field ends at byte {position}, but what holds it ends at byte {stop}")
        if not 0 < number < _TAG_LIMIT >> 3:
            return self.error(start, f"a field has number {number}, which is not allowed")
        return self.error(start, _TOO_MANY)


def signed(value: int) -> int:
    """A varint's number read as int64, which is how protobuf stores negative numbers."""
    return value - (1 << 64) if value >> 63 else value
