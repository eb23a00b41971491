"""Feeds of a model that is run from the command line: from an .npz file, or made up, the same every time."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intab.errors import FeedError, ShapeError
from intab.runtime import TensorInfo

Array = NDArray[Any]

SEED = 2026
BATCH = 1
OTHER = 64
"""Sizes of dimensions that nothing binds: as axis 0, and as any other axis."""


def read_feeds(data: bytes, name: str) -> dict[str, Array]:
    """The arrays of an .npz file. Raises FeedError when it is not one, or holds Python objects."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {entry.removesuffix(".npy"): _read_array(archive, entry) for entry in archive.namelist()}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise FeedError(f"{name}: this is not an .npz of arrays ({error}). Write it with numpy.savez.") from error


def _read_array(archive: zipfile.ZipFile, entry: str) -> Array:
    with archive.open(entry) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def write_fetches(arrays: Mapping[str, Array]) -> bytes:
    """The arrays as an .npz file, each under its name, which may hold slashes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:  # numpy.savez takes names as keywords, and one of them is "file"
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)
    return target.getvalue()


def made_up_feeds(inputs: Sequence[TensorInfo], dims: Mapping[str, int]) -> dict[str, Array]:
    """An array for every input: floats N(0, 1) x 0.5, anything else 0 or 1, from a fixed seed.

    dims: symbol -> size; a symbol that is not there is 1 as axis 0 and 64 as any other axis. Raises ShapeError
    for a name that is no dimension of the inputs.
    """
    known = {symbol(dim) for info in inputs for dim in info.shape if not isinstance(dim, int)}
    unknown = sorted(dims.keys() - known)
    if unknown:
        there = ", ".join(sorted(known)) or "none: all sizes are fixed"
        raise ShapeError(f"--dim {unknown[0]}: the model has no dimension of this name; it has {there}.")
    sizes = dict(dims)
    random = np.random.default_rng(SEED)
    return {info.name: _made_up(info, _shape(info, sizes), random) for info in inputs}


def check_dims(inputs: Sequence[TensorInfo], feeds: Mapping[str, Array], dims: Mapping[str, int]) -> None:
    """Raise ShapeError where a dimension bound by name is another size in the feeds."""
    for info in inputs:
        shape = feeds[info.name].shape if info.name in feeds else ()
        for dim, size in zip(info.shape, shape, strict=False):  # ranks that differ are told by the run itself
            wanted = dims.get(symbol(dim), size)
            if wanted != size:
                raise ShapeError(
                    f"--dim {symbol(dim)}={wanted}: {info.name!r} in the feeds has {size} there. "
                    "Leave out --dim or the feeds."
                )


def symbol(dim: object) -> str:
    """The name of a dimension as it is in the model; printed, names that are no words stand in backquotes."""
    return str(dim).strip("`")


def _shape(info: TensorInfo, sizes: dict[str, int]) -> tuple[int, ...]:
    """The shape of one input. A symbol keeps the size that it first gets here for all other inputs."""
    return tuple(
        dim if isinstance(dim, int) else sizes.setdefault(symbol(dim), OTHER if axis else BATCH)
        for axis, dim in enumerate(info.shape)
    )


def _made_up(info: TensorInfo, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    dtype = np.dtype(info.dtype.numpy)
    if np.issubdtype(dtype, np.floating):
        return (0.5 * random.standard_normal(shape)).astype(dtype)
    return random.integers(0, 2, shape).astype(dtype)
