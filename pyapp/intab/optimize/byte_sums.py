"""The numbers of an AddBytes: those with which it rounds every pair of bytes as onnxruntime's QLinearAdd does.

On desktop machines that operator multiplies and adds in one instruction, with one rounding, which WebAssembly cannot
be relied upon to have. A pair of bytes has only 65,536 values, and only sums about halfway between two results can
come out otherwise: it is enough to move the offset or a ratio by a few units in the last place until none does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from intab.ops.arrays import Numbers

Floats = NDArray[np.float32]

# Sums this near to a half are looked at; rounding errors of sums of bytes are a tenth of it.
NEAR_HALF = 1e-3
OFFSET_STEPS = (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 8, -8, 10, -10)
RATIO_STEPS = tuple(sorted(product(range(-2, 3), repeat=2), key=lambda steps: abs(steps[0]) + abs(steps[1])))
BYTES = {"u8": (0, 256), "i8": (-128, 128)}


@dataclass(frozen=True, slots=True, eq=False)
class Sum:
    """Scales f32 [] and zero points of bytes [] of both sides and of their sum."""

    a_scale: Numbers
    a_zero: Numbers
    b_scale: Numbers
    b_zero: Numbers
    scale: Numbers
    zero: Numbers

    def numbers(self, a_dtype: str, b_dtype: str) -> tuple[np.float32, np.float32, np.float32]:
        """Ratio of a, ratio of b and offset, for sides of "u8" or "i8". Where no try rounds all alike, the best."""
        a_ratio, b_ratio = (np.float32(own / self.scale) for own in (self.a_scale, self.b_scale))
        taken = _fused(np.float32(self.a_zero), a_ratio, b_ratio * np.float32(self.b_zero))
        first = (a_ratio, b_ratio, np.float32(np.float32(self.zero) - taken))
        a, b = (np.arange(*BYTES[dtype], dtype=np.float32) for dtype in (a_dtype, b_dtype))
        a, b = _near_half(a, b, first, BYTES[f"{'i' if self.zero.dtype.kind == 'i' else 'u'}8"])
        wanted = np.rint(_fused(a, a_ratio, _fused(b, b_ratio, first[2])))
        best, fewest = first, len(a) + 1
        for tried in _around(*first):
            wrong = int(np.count_nonzero(np.rint(a * tried[0] + (b * tried[1] + tried[2])) != wanted))
            if wrong < fewest:
                best, fewest = tried, wrong
            if not wrong:
                break
        return best


def _near_half(
    a: Floats, b: Floats, numbers: tuple[np.float32, np.float32, np.float32], limits: tuple[int, int]
) -> tuple[Floats, Floats]:
    """The pairs whose sums are nearly halfway between whole numbers, and not beyond what saturates."""
    a_ratio, b_ratio, offset = numbers
    sums = np.add.outer(a * a_ratio, b * b_ratio + offset)
    near = np.abs(np.abs(sums - np.rint(sums)) - 0.5) < NEAR_HALF
    rows, columns = np.nonzero(near & (sums > limits[0] - 1) & (sums < limits[1]))
    return a[rows], b[columns]


def _fused(factor: Floats | np.float32, ratio: np.float32, addend: Floats | np.float32) -> Floats:
    """factor * ratio + addend, rounded once: in f64 the product of a byte and the sum are exact."""
    exact = np.asarray(factor, np.float64) * np.float64(ratio) + np.asarray(addend, np.float64)
    return np.asarray(exact, np.float32)


def _around(*numbers: np.float32) -> Iterator[tuple[np.float32, np.float32, np.float32]]:
    """The numbers, then others that lie a few units in the last place from them."""
    a_ratio, b_ratio, offset = numbers
    for a_steps, b_steps in RATIO_STEPS:
        for steps in OFFSET_STEPS:
            yield _moved(a_ratio, a_steps), _moved(b_ratio, b_steps), _moved(offset, steps)


def _moved(number: np.float32, steps: int) -> np.float32:
    return np.float32(number + np.float32(steps) * np.spacing(number))
