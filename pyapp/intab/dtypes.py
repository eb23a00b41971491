"""The one table of element types.

A `DType` is known by its short name (`f32`), which graphs and kernels print, and by numpy's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intab.errors import DTypeError

KINDS = ("float", "signed", "unsigned", "bool", "string")


@dataclass(frozen=True, slots=True)
class DType:
    """An element type: `name` as printed, `kind` one of `KINDS`, `itemsize` in bytes."""

    name: str
    kind: str
    itemsize: int
    numpy_name: str

    @property
    def numpy(self) -> "np.dtype[np.generic]":
        return np.dtype(self.numpy_name)

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        return self.kind in ("signed", "unsigned")

    def __repr__(self) -> str:
        return self.name


float64 = DType("f64", "float", 8, "float64")
float32 = DType("f32", "float", 4, "float32")
float16 = DType("f16", "float", 2, "float16")
int64 = DType("i64", "signed", 8, "int64")
int32 = DType("i32", "signed", 4, "int32")
int16 = DType("i16", "signed", 2, "int16")
int8 = DType("i8", "signed", 1, "int8")
uint64 = DType("u64", "unsigned", 8, "uint64")
uint32 = DType("u32", "unsigned", 4, "uint32")
uint16 = DType("u16", "unsigned", 2, "uint16")
uint8 = DType("u8", "unsigned", 1, "uint8")
bool_ = DType("bool", "bool", 1, "bool")
string = DType("str", "string", 0, "object")

DTYPES: dict[str, DType] = {
    d.name: d
    for d in (
        float64,
        float32,
        float16,
        int64,
        int32,
        int16,
        int8,
        uint64,
        uint32,
        uint16,
        uint8,
        bool_,
        string,
    )
}
_BY_NUMPY_NAME = {d.numpy_name: d for d in DTYPES.values()}


def dtype_of(array: "NDArray[np.generic] | np.dtype[np.generic]") -> DType:
    """The `DType` of a numpy array or dtype. Raises DTypeError for one that has no entry here."""
    numpy_dtype = array if isinstance(array, np.dtype) else array.dtype
    found = _BY_NUMPY_NAME.get(numpy_dtype.name)
    if found is None:
        raise DTypeError(
            f"numpy dtype {numpy_dtype.name!r} has no counterpart in intab. "
            f"Convert the array to one of {', '.join(sorted(_BY_NUMPY_NAME))}."
        )
    return found
