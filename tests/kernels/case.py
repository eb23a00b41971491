"""What a kernel case is, and what makes one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intab.kernels.ir import Kernel
from tests.agreement import agreement

Array = NDArray[Any]
LANES = 4


@dataclass(frozen=True)
class KernelCase:
    """A kernel, `buffers` as they are before it runs, and `expected`: some of them as they are after.

    A buffer's first element lies at `offsets[name]` of its array. `tolerance` is of the agreement measure.
    """

    name: str
    kernel: Kernel
    buffers: dict[str, Array]
    words: Mapping[str, float]
    items: int
    expected: dict[str, Array]
    offsets: dict[str, int] = field(default_factory=dict)
    tolerance: float = 0.0
    needs_nan: bool = False  # shading languages may take NaN for any number
    scratch: frozenset[str] = frozenset()  # buffers that hold nothing before and nobody knows what after

    def __str__(self) -> str:
        return self.name


def far(found: Array, expected: Array) -> float:
    """The agreement measure; integers and bools agree only where they are the same."""
    if expected.dtype.kind != "f":
        return 0.0 if found.dtype == expected.dtype and np.array_equal(found, expected) else np.inf
    return agreement(found, expected)


_random = np.random.default_rng(3)


def normal(*shape: int) -> Array:
    return _random.normal(size=shape).astype(np.float32)


def integers(dtype: str, *shape: int) -> Array:
    return _random.integers(-9 if dtype[0] == "i" else 0, 9, shape).astype(dtype)


def case(
    name: str,
    kernel: Kernel,
    inputs: dict[str, Array],
    words: Mapping[str, float],
    items: int,
    expected: Array,
    *,
    tolerance: float = 0.0,
    output: str = "y",
    spare: int = 3,
) -> KernelCase:
    """A case of one output, which starts `spare` elements into its buffer and has as many behind it."""
    result = np.ones(expected.size + 2 * spare, expected.dtype)
    result[spare : spare + expected.size] = expected.reshape(-1)
    before = np.ones(result.size, expected.dtype)
    buffers = {n: np.ascontiguousarray(a).reshape(-1) for n, a in inputs.items()}
    return KernelCase(
        name,
        kernel,
        {**buffers, output: before},
        words,
        items,
        {output: result},
        offsets={output: spare},
        tolerance=tolerance,
    )


def contiguous_strides(name: str, shape: tuple[int, ...]) -> dict[str, float]:
    """Words for the strides of a contiguous tensor's outer axes."""
    return {f"{name}_stride_{axis}": int(np.prod(shape[axis + 1 :])) for axis in range(len(shape) - 1)}


def sizes(shape: tuple[int, ...], together: int = 1) -> dict[str, float]:
    """The words of an elementwise kernel over two axes or more, `together` rows an item."""
    words: dict[str, float] = {"length": shape[-1], "rows": shape[-2], "together": together}
    words.update({f"size_{axis}": shape[axis] for axis in range(1, len(shape) - 2)})
    return words


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)
