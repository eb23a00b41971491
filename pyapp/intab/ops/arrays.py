"""What the numpy meanings of operators share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intab.dtypes import DType

# An array that is computed with; its element type is checked by `infer`, not by the type checker.
Numbers = NDArray[Any]


def accumulator(dtype: "np.dtype[Any]") -> "np.dtype[Any]":
    """The type that sums of many products are kept in: float32 for halves, else the type itself."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def lowest(dtype: "np.dtype[Any]") -> Any:
    """The neutral element of maximum."""
    if dtype.kind == "f":
        return dtype.type(-np.inf)
    return dtype.type(False) if dtype.kind == "b" else dtype.type(np.iinfo(dtype).min)


def highest(dtype: "np.dtype[Any]") -> Any:
    """The neutral element of minimum."""
    if dtype.kind == "f":
        return dtype.type(np.inf)
    return dtype.type(True) if dtype.kind == "b" else dtype.type(np.iinfo(dtype).max)


def convert(x: Numbers, to: DType) -> Numbers:
    """Numbers in another element type.

    Floats become integers by truncation towards zero and saturate, NaN gives 0: numpy leaves this to the
    processor, WebAssembly's saturating truncation does not. Integers wrap, as C does.
    """
    if x.dtype.kind != "f" or not to.is_integer:
        return x.astype(to.numpy)
    limits = np.iinfo(to.numpy_name)
    whole = np.trunc(np.where(np.isnan(x), 0, x).astype(np.float64))
    # float64 cannot hold 2**63 - 1, so what reaches the end of the range is replaced, not converted.
    inside = (whole > float(limits.min)) & (whole < float(limits.max))
    converted = np.where(inside, whole, 0).astype(to.numpy)
    return np.where(inside, converted, np.where(whole > 0, limits.max, limits.min).astype(to.numpy))


def pad_constant(x: Numbers, pads: tuple[int, ...], value: Any) -> Numbers:
    """x with `pads` (all begins, then all ends) elements of `value` added; negative pads cut off."""
    rank = x.ndim
    cut = tuple(slice(max(-pads[i], 0), x.shape[i] - max(-pads[rank + i], 0)) for i in range(rank))
    widths = [(max(pads[i], 0), max(pads[rank + i], 0)) for i in range(rank)]
    return np.pad(x[cut], widths, constant_values=value)


def channels_last(x: Numbers, layout: str) -> Numbers:
    """A view with the axis of channels last; layout "NCHW" or "NHWC" for any number of spatial axes."""
    return np.moveaxis(x, 1, -1) if layout == "NCHW" else x


def in_layout(x: Numbers, layout: str) -> Numbers:
    """The inverse of `channels_last`, contiguous."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1) if layout == "NCHW" else x)
