"""Tensors of a file as constants: every way to store numbers, and every way to store them wrongly."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from intab.errors import DTypeError, ModelFormatError
from intab.formats.onnx.schema import TENSOR, decode
from intab.formats.onnx.tensors import TensorReader
from intab.formats.onnx.wire import LENGTH, WireReader
from intab.graph.ir import Constant
from intab.graph.storage import MemoryStorage, Storage
from tests.formats.test_wire import field, varint

DTYPES = [
    *(np.float32, np.float64, np.float16, np.bool_),
    *(np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
]


def constant_of(data: bytes, resolve: Callable[[str], Storage] | None = None) -> Constant:
    reader = WireReader(MemoryStorage("model.onnx", data))
    return TensorReader(reader, resolve).constant(decode(reader, TENSOR, reader.whole))


def example(dtype: Any) -> np.ndarray:
    if dtype == np.bool_:
        return np.array([[True, False, True]])
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return np.array([[0, 1, limits.max], [limits.min, 127, 3]], dtype)
    return np.array([[0, -1.5, np.inf], [np.nan, 1e-5, 3]], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("raw", [True, False])
def test_numbers_come_back(dtype: Any, raw: bool) -> None:
    array = example(dtype)
    if raw:
        tensor = numpy_helper.from_array(array, "w")
    else:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        tensor = helper.make_tensor("w", kind, array.shape, array.reshape(-1))
    constant = constant_of(tensor.SerializeToString())
    found = constant.numpy()
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_raw_numbers_are_not_copied() -> None:
    array = np.arange(1000, dtype=np.float32)
    data = numpy_helper.from_array(array, "w").SerializeToString()
    constant = constant_of(data)
    assert np.shares_memory(constant.numpy(), np.frombuffer(data, np.uint8))
    assert not constant.numpy().flags.writeable


def test_packed_floats_are_not_copied() -> None:
    data = helper.make_tensor("w", TensorProto.FLOAT, [1000], np.arange(1000)).SerializeToString()
    assert np.shares_memory(constant_of(data).numpy(), np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("count", [0, 1, 5, 40_000])
def test_many_varints(count: int) -> None:
    """More than one block, numbers across the ends of blocks."""
    array = np.random.default_rng(0).integers(-(2**62), 2**62, count) >> np.arange(count) % 60
    data = helper.make_tensor("w", TensorProto.INT64, [count], array).SerializeToString()
    constant = constant_of(data)
    np.testing.assert_array_equal(constant.numpy(), array)
    np.testing.assert_array_equal(np.frombuffer(constant.storage.read(0, min(16, count * 8)), np.int64), array[:2])


def test_numbers_that_are_not_packed() -> None:
    head = field(1, 0, 3) + field(2, 0, TensorProto.INT64)
    data = head + b"".join(field(7, 0, n) for n in (5, -6)) + field(7, LENGTH, varint(7))
    np.testing.assert_array_equal(constant_of(data).numpy(), [5, -6, 7])
    head = field(1, 0, 3) + field(2, 0, TensorProto.FLOAT)
    data = head + b"".join(field(4, 5, struct.pack("<f", x)) for x in (0.5, -2, 3))
    np.testing.assert_array_equal(constant_of(data).numpy(), np.array([0.5, -2, 3], np.float32))


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
def test_scalars_and_empty_tensors(shape: tuple[int, ...]) -> None:
    array = np.full(shape, 3, np.float32)
    for data in (
        numpy_helper.from_array(array).SerializeToString(),
        helper.make_tensor("w", TensorProto.FLOAT, shape, array.reshape(-1)).SerializeToString(),
    ):
        np.testing.assert_array_equal(constant_of(data).numpy(), array)


def tensor(*, dims: tuple[int, ...] = (2,), kind: int = 1, raw: bytes | None = bytes(8), rest: bytes = b"") -> bytes:
    head = b"".join(field(1, 0, dim) for dim in dims) + field(2, 0, kind)
    return head + (b"" if raw is None else field(9, LENGTH, raw)) + rest


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tensor(raw=bytes(7)), r"a f32 tensor of shape \[2\] takes 8 bytes, but 7 are given"),
        (tensor(dims=(3,)), "takes 12 bytes, but 8 are given"),
        (tensor(raw=None), "takes 8 bytes, but 0 are given"),
        (tensor(dims=(-1, 2)), "has a negative size"),
        (tensor(dims=(2**62, 2**62)), "larger than any memory"),
        (tensor(dims=(0, 2**62), raw=b""), "larger than any memory"),
        (tensor(dims=(1,) * 33), "has 33 axes"),
        (tensor(kind=0), "0 is not an element type"),
        (tensor(kind=99), "99 is not an element type"),
        (tensor(rest=field(4, LENGTH, bytes(8))), "given twice"),
        (tensor(rest=field(3, LENGTH, b"")), "one segment"),
        (tensor(rest=field(14, 0, 7)), "data location 7"),
        (tensor(kind=7, raw=None, rest=field(7, LENGTH, b"\x01\x80")), "cut short"),
        (tensor(kind=7, raw=None, rest=field(7, LENGTH, b"\x01\x01\x01")), "takes 16 bytes, but 24 are given"),
        (tensor(raw=None, rest=field(4, LENGTH, bytes(6))), "takes 8 bytes, but 6 are given"),
        (tensor(raw=None, rest=field(7, LENGTH, b"\x01\x01")), "takes 8 bytes, but 0 are given"),
    ],
)
def test_tensors_that_make_no_sense(data: bytes, message: str) -> None:
    with pytest.raises(ModelFormatError, match=message):
        constant_of(data)


def test_varints_that_are_too_long() -> None:
    constant = constant_of(tensor(dims=(1,), kind=7, raw=None, rest=field(7, LENGTH, b"\xff" * 11 + b"\x01")))
    with pytest.raises(ModelFormatError, match="more than 10 bytes"):
        constant.numpy()


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(("kind", "low"), [(TensorProto.INT4, -8), (TensorProto.UINT4, 0)])
def test_numbers_of_four_bits_become_bytes(kind: int, low: int, raw: bool) -> None:
    numbers = np.arange(low, low + 15).reshape(3, 5)
    packed = np.append(numbers.reshape(-1), 0).astype(np.uint8) & 15
    data = packed[0::2] | packed[1::2] << 4
    made = helper.make_tensor("w", kind, (3, 5), data.tobytes() if raw else numbers.reshape(-1), raw=raw)
    constant = constant_of(made.SerializeToString())
    assert constant.numpy().dtype == (np.int8 if low else np.uint8)
    np.testing.assert_array_equal(constant.numpy(), numbers)


def test_numbers_of_four_bits_that_are_not_all_there() -> None:
    with pytest.raises(ModelFormatError, match="take 2 bytes, but 8 are given"):
        constant_of(tensor(dims=(3,), kind=TensorProto.INT4))


@pytest.mark.parametrize(("kind", "name"), [(8, "string"), (16, "bfloat16"), (14, "complex64"), (23, "float4e2m1")])
def test_element_types_that_are_not_supported(kind: int, name: str) -> None:
    with pytest.raises(DTypeError, match=f"element type {name} is not supported"):
        constant_of(tensor(kind=kind))


def external(*entries: tuple[str, str], dims: tuple[int, ...] = (2,)) -> bytes:
    rest = b"".join(field(13, LENGTH, field(1, LENGTH, k.encode()) + field(2, LENGTH, v.encode())) for k, v in entries)
    return tensor(dims=dims, raw=None, rest=rest + field(14, 0, 1))


class Files:
    """Opens files from a dict, and notes which."""

    def __init__(self, **files: bytes) -> None:
        self.files = files
        self.opened: list[str] = []

    def __call__(self, location: str) -> Storage:
        self.opened.append(location)
        return MemoryStorage(location, self.files[location])


def test_external_numbers() -> None:
    weights = np.arange(4, dtype=np.float32)
    files = Files(weights=weights.tobytes())
    data = external(("location", "./weights"), ("offset", "4"), ("length", "8"))
    np.testing.assert_array_equal(constant_of(data, files).numpy(), weights[1:3])
    assert files.opened == ["weights"]
    np.testing.assert_array_equal(constant_of(external(("location", "weights")), files).numpy(), weights[:2])


def test_an_external_file_is_opened_once() -> None:
    files = Files(weights=bytes(64))
    reader = WireReader(MemoryStorage("model.onnx", external(("location", "weights"))))
    tensors = TensorReader(reader, files)
    record = decode(reader, TENSOR, reader.whole)
    assert tensors.constant(record).storage is tensors.constant(record).storage
    assert files.opened == ["weights"]


@pytest.mark.parametrize(
    "location",
    [
        "",
        "..",
        "../w",
        "a/../../w",
        "/etc/passwd",
        "a//b",
        "C:\\w",
        "C:w",
        "a\\..\\w",
        "http://host/w",
        "w\0",
        "x" * 2000,
    ],
)
def test_paths_that_leave_the_models_folder_are_refused(location: str) -> None:
    files = Files()
    with pytest.raises(ModelFormatError, match="not a relative path inside the model's folder"):
        constant_of(external(("location", location)), files)
    assert files.opened == []


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ((("offset", "60"), ("length", "8")), "bytes 60 to 68 of 'w' are named, but it has 64"),
        ((("offset", "-1"),), "external offset is '-1'"),
        ((("length", "ten"),), "external length is 'ten'"),
        ((("length", "12"),), "takes 8 bytes, but 12 are given"),
        ((("offset", "9" * 30),), "external offset is"),
        ((("offset", "٣"),), "external offset is"),
    ],
)
def test_external_ranges_that_make_no_sense(entries: tuple[tuple[str, str], ...], message: str) -> None:
    with pytest.raises(ModelFormatError, match=message):
        constant_of(external(("location", "w"), *entries), Files(w=bytes(64)))


def test_external_numbers_without_a_way_to_open_them() -> None:
    with pytest.raises(ModelFormatError, match="its numbers lie in the file 'w'"):
        constant_of(external(("location", "w")))
    with pytest.raises(ModelFormatError, match="both here and in another file"):
        constant_of(tensor(rest=field(14, 0, 1)))
