"""What an author calls a kernel with, checked against what the kernel takes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from intab.backends.device_tensor import DeviceTensor, Fed
from intab.backends.webgpu.author_text import Array
from intab.backends.webgpu.elements import stored_nbytes
from intab.backends.webgpu.launch import Slot
from intab.dtypes import DType, dtype_of
from intab.errors import DTypeError, KernelError, ShapeError
from intab.kernels.wgsl import stored_as
from intab.kernels.wgsl.layout import MOST_WORKGROUPS
from intab.target import Target

Shapes = int | Sequence[int] | Mapping[str, int | Sequence[int]]


def named(name: str, order: Sequence[str], positional: Sequence[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name; those without one are the first of `order`. Raises KernelError."""
    if len(positional) > len(order):
        raise KernelError(f"{name}: {len(positional)} arrays were given, and it takes {', '.join(order) or 'none'}.")
    found = dict(zip(order, positional, strict=False))
    if twice := sorted(found.keys() & given.keys()):
        raise KernelError(f"{name}: {', '.join(twice)} was given twice, by place and by name.")
    return {**found, **given}


def check_names(name: str, wanted: Iterable[str], optional: Iterable[str], given: Mapping[str, Any]) -> None:
    """Raise KernelError unless all that is wanted is given, and nothing that a kernel does not know."""
    known = [*wanted, *optional]
    missing = [one for one in wanted if one not in given]
    extra = [one for one in given if one not in known]
    if missing or extra:
        said = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"unknown: {', '.join(extra)}"] * bool(extra)
        raise KernelError(f"{name} takes {', '.join(known) or 'nothing'}; {'; '.join(said)}.")


def fed_of(name: str, argument: str, value: Any, dtype: DType | None) -> tuple[Fed, DType]:
    """An array or tensor, and its dtype. Python's numbers and lists take the dtype that is wanted.

    Raises DTypeError when it has another.
    """
    if isinstance(value, DeviceTensor):
        fed: Fed = value
        found = value.dtype
    else:
        is_array = isinstance(value, (np.ndarray, np.generic))
        fed = np.asarray(value) if is_array or dtype is None else np.asarray(value, dtype.numpy)
        found = dtype_of(fed)
    if dtype is not None and found != dtype:
        raise DTypeError(
            f"{name}: {argument} is {found.numpy_name}, and it takes {dtype.numpy_name}. "
            f"Convert it: {argument}.astype({dtype.numpy_name!r})."
        )
    return fed, found


def slot_of(name: str, array: Array, value: Any, shape: tuple[int, ...] | None, target: Target) -> Slot:
    """A storage buffer of an author's text: with what is given, or else with zeros for a result of `shape`.

    Raises DTypeError or ShapeError for arrays that do not fit the text, KernelError where a shape is missing.
    """
    if value is None:
        if shape is None:
            raise KernelError(
                f"{name}: the shape of {array.name} is not known. Give shape=(...), or its first numbers."
            )
        dtype = array.dtype or array.stored
        assert dtype is not None  # an array of structures that is written has a dtype
        fed: Fed | None = None
    else:
        fed, dtype = fed_of(name, array.name, value, array.dtype)
        shape = tuple(fed.shape)
    stored = stored_as(dtype.name, target)
    if array.stored is not None and stored != array.stored:
        raise DTypeError(
            f"{name}: {array.name} is {dtype.numpy_name}, which lies on the GPU as {stored}, and its text says "
            f"{array.stored}. Convert it: {array.name}.astype({array.stored.numpy_name!r})."
        )
    count = math.prod(shape)
    if count < array.length:
        raise ShapeError(f"{name}: {array.name} has {count:,} numbers, and its text says {array.length:,}.")
    result = (dtype, shape) if array.access == "read_write" else None
    return Slot(array.name, stored_nbytes(count, dtype, target), fed, dtype, result)


def shapes_of(name: str, shape: Shapes | None, arrays: Sequence[Array]) -> dict[str, tuple[int, ...]]:
    """The shapes of what a kernel writes, by name. Raises KernelError for one that it does not write."""
    written = [array.name for array in arrays if array.access == "read_write"]
    given = shape if isinstance(shape, Mapping) else {} if shape is None else dict.fromkeys(written, shape)
    if strange := sorted(given.keys() - set(written)):
        raise KernelError(f"{name}: it writes {', '.join(written)}, and no {', '.join(strange)}.")
    found = {one: (int(size),) if isinstance(size, (int, np.integer)) else tuple(size) for one, size in given.items()}
    for one, sizes in found.items():
        if any(not isinstance(size, (int, np.integer)) or size < 0 for size in sizes):
            raise ShapeError(f"{name}: {sizes} is no shape for {one}. Give whole numbers, 0 or more.")
    return found


def groups_of(count: int, size: int) -> tuple[int, int, int]:
    """Workgroups of `size` invocations for `count` elements, in two dimensions when one does not do."""
    groups = -(-count // size)
    rows = max(-(-groups // MOST_WORKGROUPS), 1)
    return -(-groups // rows), rows, 1
