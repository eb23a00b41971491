"""Numbers between numpy and the memory of a GPU, where every element has 32 bits (f16 may have 16)."""

import math
from collections.abc import Mapping

import numpy as np

from intab.dtypes import DType
from intab.errors import DTypeError
from intab.graph.ir import Array
from intab.kernels.wgsl import stored_as
from intab.ops.intervals import Interval
from intab.program.wide_integers import FED
from intab.target import Target

WORD_NBYTES = 4


def fed_to_device(array: Array, dtype: DType, target: Target, name: str) -> Array:
    """A feed as it is written. Raises what `to_device` does, and for 64-bit integers beyond `FED`, within which kernels
    were found to need no more than 32 bits."""
    if dtype.is_integer and dtype.itemsize == 8 and array.size:
        least, most = int(array.min()), int(array.max())
        if Interval(least, most) not in FED:
            beyond = least if least < FED.least else most
            raise DTypeError(
                f"{name}: it holds {beyond}, and 64-bit integers that a GPU is fed lie in {FED}. Use smaller numbers, "
                'or backend="wasm".'
            )
    return to_device(array, dtype, target, name)


def to_device(array: Array, dtype: DType, target: Target, name: str) -> Array:
    """Numbers as they are written: contiguous, in the dtype that they are stored in.

    Raises DTypeError, naming the tensor, for 64-bit integers that 32 bits do not hold, UnsupportedOpError for a dtype
    that a GPU does not have.
    """
    stored = stored_as(dtype.name, target)
    if dtype.is_integer and dtype.itemsize > stored.itemsize and array.size:
        limits = np.iinfo(stored.numpy_name)
        least, most = int(array.min()), int(array.max())
        if least < limits.min or most > limits.max:
            beyond = least if least < limits.min else most
            raise DTypeError(
                f"{name}: it holds {beyond}, and integers on a GPU have 32 bits. Use smaller numbers, or "
                'backend="wasm".'
            )
    # By way of its own type: what is float16 is rounded also where it takes 32 bits.
    return np.ascontiguousarray(array).astype(dtype.numpy, copy=False).astype(stored.numpy, copy=False)


def stored_nbytes(count: int, dtype: DType, target: Target) -> int:
    """Bytes that so many numbers take on the device, up to a whole word."""
    return -(-count * target.stored_nbytes(dtype) // WORD_NBYTES) * WORD_NBYTES


def from_device(data: bytes, shape: tuple[int, ...], dtype: DType, target: Target) -> Array:
    """The numbers of bytes read back, up to a whole word, in the tensor's own dtype: a copy that may be written to."""
    stored = np.frombuffer(data, stored_as(dtype.name, target).numpy)
    return stored[: math.prod(shape)].reshape(shape).astype(dtype.numpy)


def fed_nan(feeds: Mapping[str, object]) -> bool:
    """Whether some array among the feeds holds NaN; of tensors on a device that is not known."""
    return any(_holds_nan(fed) for fed in feeds.values())


def _holds_nan(fed: object) -> bool:
    return isinstance(fed, np.ndarray) and fed.dtype.kind == "f" and bool(np.isnan(fed).any())


def check_numbers(model: str, feeds: Mapping[str, object], found: Mapping[str, Array]) -> None:
    """Raise DTypeError where outputs hold NaN though no array that was fed does: float16 did not hold some value."""
    for name, array in found.items():
        if not _holds_nan(array):
            continue
        if fed_nan(feeds):
            return
        raise DTypeError(
            f"{model}: {name!r} holds NaN. Values inside may have gone beyond 65504, the most that float16 holds. "
            'Load it with precision="float32".'
        )
