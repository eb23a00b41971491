"""Integers that lie in a file as varints, as a storage of little-endian numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intab.dtypes import DType
from intab.errors import ModelFormatError
from intab.formats.onnx.schema import Piece
from intab.formats.onnx.wire import Span, WireReader
from intab.graph.storage import check_range

Bytes = NDArray[np.uint8]

_BLOCK_NBYTES = 64 << 10
_LONGEST_VARINT = 10


class VarintStorage:
    """The numbers of a typed data field, decoded at each `read`.

    A byte of the file can become eight of memory, so nothing is decoded before somebody asks; only the
    count is taken when the storage is made.
    """

    __slots__ = ("_dtype", "_pieces", "_reader", "name", "nbytes")

    def __init__(self, reader: WireReader, pieces: tuple[Piece, ...], dtype: DType, name: str) -> None:
        self.name = name
        self._reader = reader
        self._pieces = pieces
        self._dtype = dtype
        self.nbytes = sum(self._count(piece) for piece in pieces) * dtype.itemsize

    def read(self, offset: int, nbytes: int) -> memoryview:
        check_range(self.name, self.nbytes, offset, nbytes)
        numbers = np.empty(self.nbytes // self._dtype.itemsize, dtype=_carrier(self._dtype))
        filled = 0
        for piece in self._pieces:
            if isinstance(piece, int):
                numbers[filled] = np.array(piece, dtype=np.uint64).astype(numbers.dtype)
                filled += 1
            else:
                filled = self._decode(piece, numbers, filled)
        if self._dtype.kind == "bool":
            numbers = (numbers != 0).view(np.uint8)
        return numbers.view(np.uint8).data.toreadonly()[offset : offset + nbytes]

    def _count(self, piece: Piece) -> int:
        if isinstance(piece, int):
            return 1
        count = 0
        for start in range(piece.start, piece.stop, _BLOCK_NBYTES):
            block = self._block(start, piece.stop)
            count += int(np.count_nonzero(block < 128))
        if piece.nbytes and self._block(piece.stop - 1, piece.stop)[0] > 127:
            raise self._damaged("its last number is cut short")
        return count

    def _decode(self, span: Span, numbers: NDArray[Any], filled: int) -> int:
        start = span.start
        while start < span.stop:
            block = self._block(start, span.stop)
            ends = np.flatnonzero(block < 128)
            if not ends.size:
                raise self._damaged("one of its numbers takes more than 10 bytes")
            starts = np.concatenate(([0], ends[:-1] + 1))
            lengths = ends - starts + 1
            if lengths.max() > _LONGEST_VARINT:
                raise self._damaged("one of its numbers takes more than 10 bytes")
            values = _join(block, starts, lengths)
            numbers[filled : filled + values.size] = values.astype(numbers.dtype)
            filled += values.size
            start += int(ends[-1]) + 1
        return filled

    def _block(self, start: int, stop: int) -> Bytes:
        nbytes = min(_BLOCK_NBYTES, stop - start)
        return np.frombuffer(self._reader.storage.read(start, nbytes), dtype=np.uint8)

    def _damaged(self, what: str) -> ModelFormatError:
        return ModelFormatError(f"{self.name}: {what}. The file is damaged; fetch or export it again.")


def _join(block: Bytes, starts: NDArray[np.intp], lengths: NDArray[np.intp]) -> NDArray[np.uint64]:
    """Seven bits of each byte, the lowest first."""
    values = np.zeros(starts.size, dtype=np.uint64)
    for index in range(int(lengths.max())):
        longer = lengths > index
        bits = (block[starts[longer] + index] & 127).astype(np.uint64)
        values[longer] |= bits << np.uint64(7 * index)
    return values


def _carrier(dtype: DType) -> "np.dtype[Any]":
    """The integer type whose bits are stored: float16 lies as its 16 bits, bool as 0 or 1."""
    names = {"float": f"u{dtype.itemsize}", "bool": "u1", "signed": f"i{dtype.itemsize}"}
    return np.dtype("<" + names.get(dtype.kind, f"u{dtype.itemsize}"))
