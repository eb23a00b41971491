"""Numbers on their way to the memory of a GPU."""

import numpy as np
import pytest

from intab.backends.webgpu.elements import fed_to_device, from_device, to_device
from intab.dtypes import DTYPES, dtype_of
from intab.errors import DTypeError, UnsupportedOpError
from intab.target import WEBGPU


@pytest.mark.parametrize("dtype", ["f32", "f16", "i64", "i32", "i16", "i8", "u32", "u16", "u8", "bool"])
def test_numbers_come_back(dtype: str) -> None:
    array = np.array([[0, 1, 2], [100, 1, 0]]).astype(DTYPES[dtype].numpy)
    stored = to_device(array, dtype_of(array), WEBGPU, "x")
    assert stored.itemsize == 4
    back = from_device(stored.tobytes(), (2, 3), dtype_of(array), WEBGPU)
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1])
def test_integers_of_more_than_32_bits_are_refused(number: int) -> None:
    array = np.array([1, number])
    with pytest.raises(DTypeError, match=f"x: it holds {number}, and integers on a GPU have 32 bits"):
        to_device(array, dtype_of(array), WEBGPU, "x")
    with pytest.raises(DTypeError, match=f"x: it holds {number}"):
        fed_to_device(array, dtype_of(array), WEBGPU, "x")


@pytest.mark.parametrize("number", [2**30, -(2**30) - 1])
def test_feeds_leave_room_for_a_sum(number: int) -> None:
    array = np.array([1, number])
    with pytest.raises(
        DTypeError, match=f"holds {number}, and 64-bit integers that a GPU is fed lie in -1073741824 .. "
    ):
        fed_to_device(array, dtype_of(array), WEBGPU, "x")
    near = np.array([2**30 - 1, -(2**30)])
    np.testing.assert_array_equal(fed_to_device(near, dtype_of(near), WEBGPU, "x"), near)
    whole = np.array([number], np.int32)
    np.testing.assert_array_equal(fed_to_device(whole, dtype_of(whole), WEBGPU, "x"), whole)


def test_what_a_gpu_has_not() -> None:
    with pytest.raises(UnsupportedOpError, match="no f64"):
        to_device(np.ones(2), DTYPES["f64"], WEBGPU, "x")
