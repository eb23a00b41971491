"""TensorProto -> Constant: where a tensor's numbers lie, checked against its shape, and not read.

Raw bytes, packed floats and external files become byte ranges as they are. Integers in the typed fields
are varints in the file; they become a storage that decodes them when asked.
"""

from collections.abc import Callable
from math import prod

from intab import dtypes
from intab.dtypes import DType
from intab.errors import DTypeError, ModelFormatError
from intab.formats.onnx.limits import MOST_AXES
from intab.formats.onnx.schema import Piece, TensorRecord
from intab.formats.onnx.varints import VarintStorage
from intab.formats.onnx.wire import Span, WireReader
from intab.graph.derived import Unpacked, unpacked
from intab.graph.ir import Constant
from intab.graph.storage import MemoryStorage, Storage

Resolve = Callable[[str], Storage]

# TensorProto.DataType.
DATA_TYPES: dict[int, DType] = {
    1: dtypes.float32,
    2: dtypes.uint8,
    3: dtypes.int8,
    4: dtypes.uint16,
    5: dtypes.int16,
    6: dtypes.int32,
    7: dtypes.int64,
    9: dtypes.bool_,
    10: dtypes.float16,
    11: dtypes.float64,
    12: dtypes.uint32,
    13: dtypes.uint64,
}
# Two numbers to a byte, for constants only: in graphs they are a byte each, made when somebody reads them.
FOUR_BITS: dict[int, DType] = {21: dtypes.uint8, 22: dtypes.int8}
_OTHER_DATA_TYPES = {
    8: "string",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8e4m3fn",
    18: "float8e4m3fnuz",
    19: "float8e5m2",
    20: "float8e5m2fnuz",
    21: "uint4",
    22: "int4",
    23: "float4e2m1",
    24: "float8e8m0",
    25: "uint2",
    26: "int2",
}

# numpy and the kernels index with 64-bit signed numbers; a file of 2**48 bytes is 256 TB.
_MOST_NBYTES = 1 << 48
_EXTERNAL = 1


def dtype_of_data_type(data_type: int, where: str) -> DType:
    """The element type of a TensorProto.DataType number. Raises ModelFormatError or DTypeError."""
    dtype = DATA_TYPES.get(data_type)
    if dtype is not None:
        return dtype
    if data_type in _OTHER_DATA_TYPES:
        raise DTypeError(
            f"{where}: element type {_OTHER_DATA_TYPES[data_type]} is not supported. "
            "Export the model with one of float32, float16, int8 to int64, or bool."
        )
    raise ModelFormatError(
        f"{where}: {data_type} is not an element type of ONNX. The file is damaged; fetch or export it again."
    )


class TensorReader:
    """Makes constants of the tensors of one file. `resolve` opens the files that external weights lie in."""

    def __init__(self, reader: WireReader, resolve: Resolve | None = None) -> None:
        self._reader = reader
        self._resolve = resolve
        self._external: dict[str, Storage] = {}

    def constant(self, tensor: TensorRecord, name: str = "") -> Constant:
        """The constant of a tensor. Raises ModelFormatError or DTypeError when it makes no sense."""
        where = f"{self._reader.storage.name}: tensor {(name or tensor.name)!r}"
        dtype = FOUR_BITS.get(tensor.data_type) or dtype_of_data_type(tensor.data_type, where)
        shape = _shape(tensor, dtype, where)
        count = prod(shape)
        if tensor.data_type in FOUR_BITS:
            return unpacked(Unpacked(self._bytes(tensor, -(-count // 2), where), shape, 4, signed=dtype == dtypes.int8))
        storage, start, nbytes = self._place(tensor, dtype, count, where)
        if nbytes != count * dtype.itemsize:
            raise _damaged(
                where,
                f"a {dtype} tensor of shape {list(shape)} takes {count * dtype.itemsize} bytes, but {nbytes} are given",
            )
        return Constant(dtype, shape, storage, start, nbytes)

    def _bytes(self, tensor: TensorRecord, nbytes: int, where: str) -> Constant:
        """The bytes that numbers of four bits lie in."""
        storage, start, given_nbytes = self._place(tensor, dtypes.uint8, nbytes, where)
        if given_nbytes != nbytes:
            raise _damaged(where, f"its numbers of four bits take {nbytes} bytes, but {given_nbytes} are given")
        return Constant(dtypes.uint8, (nbytes,), storage, start, nbytes)

    def _place(self, tensor: TensorRecord, dtype: DType, count: int, where: str) -> tuple[Storage, int, int]:
        """Storage, offset and length of a tensor's numbers."""
        if tensor.segment is not None:
            raise _damaged(where, "it is one segment of a tensor, which no exporter writes")
        if tensor.data_location == _EXTERNAL:
            return self._external_place(tensor, count * dtype.itemsize, where)
        if tensor.data_location != 0:
            raise _damaged(where, f"data location {tensor.data_location} is unknown")
        pieces = _typed_pieces(tensor, dtype)
        if tensor.raw_data is not None:
            if pieces:
                raise _damaged(where, "its numbers are given twice")
            return self._reader.storage, tensor.raw_data.start, tensor.raw_data.nbytes
        if not pieces:
            return MemoryStorage(where, b""), 0, 0
        if dtype.name in ("f32", "f64"):
            return self._float_place(pieces)
        storage = VarintStorage(self._reader, pieces, dtype, where)
        return storage, 0, storage.nbytes

    def _float_place(self, pieces: tuple[Piece, ...]) -> tuple[Storage, int, int]:
        spans = [piece for piece in pieces if isinstance(piece, Span)]
        if len(spans) == 1:
            return self._reader.storage, spans[0].start, spans[0].nbytes
        data = b"".join(self._reader.copy(span.start, span.stop) for span in spans)
        return MemoryStorage(self._reader.storage.name, data), 0, len(data)

    def _external_place(self, tensor: TensorRecord, nbytes: int, where: str) -> tuple[Storage, int, int]:
        if tensor.raw_data is not None:
            raise _damaged(where, "its numbers are both here and in another file")
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = _safe_location(entries.get("location", ""), where)
        offset = _entry_number(entries, "offset", 0, where)
        length = _entry_number(entries, "length", nbytes, where)
        storage = self._external.get(location)
        if storage is None:
            if self._resolve is None:
                raise ModelFormatError(
                    f"{where}: its numbers lie in the file {location!r}. Load the model from a place where that file "
                    "lies beside it, or pass `resolve`."
                )
            storage = self._external[location] = self._resolve(location)
        if offset + length > storage.nbytes:
            raise _damaged(
                where, f"bytes {offset} to {offset + length} of {location!r} are named, but it has {storage.nbytes}"
            )
        return storage, offset, length


def _shape(tensor: TensorRecord, dtype: DType, where: str) -> tuple[int, ...]:
    dims = tensor.dims
    if len(dims) > MOST_AXES:
        raise _damaged(where, f"it has {len(dims)} axes; at most {MOST_AXES} are possible")
    if any(dim < 0 for dim in dims):
        raise _damaged(where, f"its shape {list(dims)} has a negative size")
    if prod(dim for dim in dims if dim) * dtype.itemsize > _MOST_NBYTES:
        raise _damaged(where, f"its shape {list(dims)} is larger than any memory")
    return dims


def _typed_pieces(tensor: TensorRecord, dtype: DType) -> tuple[Piece, ...]:
    """The typed data field that the ONNX standard gives to this element type."""
    if dtype.name == "f32":
        return tensor.float_data
    if dtype.name == "f64":
        return tensor.double_data
    if dtype.name == "i64":
        return tensor.int64_data
    if dtype.name in ("u32", "u64"):
        return tensor.uint64_data
    return tensor.int32_data


def _safe_location(location: str, where: str) -> str:
    """A relative path inside the model's folder; anything else could read files that are not the model's."""
    parts = location.split("/")
    unsafe = not location or "\\" in location or ":" in location or "\0" in location
    if unsafe or ".." in parts or "" in parts or len(location) > 1024:
        raise ModelFormatError(
            f"{where}: its numbers are said to lie in {location[:200]!r}, which is not a relative path inside the "
            "model's folder. It is refused; export the model again with the weights beside it."
        )
    return "/".join(part for part in parts if part != ".")


def _entry_number(entries: dict[str, str], key: str, default: int, where: str) -> int:
    text = entries.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise _damaged(where, f"its external {key} is {text[:40]!r}, not a number of bytes")
    return int(text)


def _damaged(where: str, what: str) -> ModelFormatError:
    return ModelFormatError(f"{where}: {what}. The file is damaged; fetch or export it again.")
