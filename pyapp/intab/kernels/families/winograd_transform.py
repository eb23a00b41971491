"""Winograd's algorithm for windows of three: the matrices, and how a kernel multiplies with them.

F(m, 3) computes m neighbouring outputs of a window of three from n = m + 2 inputs d with n products instead of 3m:
outputs = At [(G g) * (Bt d)], g the window. In two dimensions each matrix is applied to lines, then to columns.
The matrices follow from n - 1 points, of which all but 0 come in pairs p, -p, and the point at infinity: the outer
sides are values of polynomials there (Toom and Cook). Source: A. Lavin, S. Gray, "Fast Algorithms for Convolutional
Neural Networks", 2016; for the choice of points B. Barabasz et al., "Error Analysis and Improving the Accuracy of
Winograd Convolution for Deep Neural Networks", 2020.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intab.errors import KernelError
from intab.kernels.block import Block
from intab.kernels.families.register_tile import TILE_COLUMNS
from intab.kernels.ir import Const, Expr, Fma

WINDOW = 3
Matrix = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True, slots=True)
class Transform:
    """F(outputs x outputs, 3 x 3) with points 0, p, -p for each p of `pairs`, and infinity."""

    outputs: int
    pairs: tuple[Fraction, ...]

    def __post_init__(self) -> None:
        if 2 * len(self.pairs) + 2 != self.inputs:
            raise ValueError(f"{self.outputs} outputs need {self.inputs // 2 - 1} pairs of points.")

    @property
    def inputs(self) -> int:
        """Inputs of a line, which are also the products of a line."""
        return self.outputs + WINDOW - 1

    @property
    def positions(self) -> int:
        """Products of a tile."""
        return self.inputs**2

    @property
    def points(self) -> tuple[Fraction, ...]:
        """All points but infinity; a pair's lie next to each other."""
        return (Fraction(0), *(sign * p for p in self.pairs for sign in (1, -1)))


# Points chosen by error: these give a third of that of 0, 1, -1, 2, -2. tests/backends/test_wasm_winograd.py bounds it.
SMALL = Transform(2, (Fraction(1),))
LARGE = Transform(4, (Fraction(3, 4), Fraction(3, 2)))


# Fractions are slow, and writers of kernels ask again and again.
@cache
def input_matrix(transform: Transform) -> Matrix:
    """Bt [inputs, inputs]: coefficients of the polynomial that is zero at all points but the row's."""
    rows = [_with_roots([q for q in transform.points if q != p]) for p in transform.points]
    return (*((*row, Fraction(0)) for row in rows), _with_roots(transform.points))


@cache
def filter_matrix(transform: Transform) -> Matrix:
    """G [inputs, 3]: the window's polynomial at the points, over what Bt's is there."""

    def row(p: Fraction) -> tuple[Fraction, ...]:
        scale = Fraction(1)
        for q in transform.points:
            scale *= p - q if q != p else 1
        return tuple(p**k / scale for k in range(WINDOW))

    return (*map(row, transform.points), (Fraction(0),) * (WINDOW - 1) + (Fraction(1),))


@cache
def output_matrix(transform: Transform) -> Matrix:
    """At [outputs, inputs]: powers of the points."""
    last = transform.outputs - 1
    return tuple((*(p**i for p in transform.points), Fraction(int(i == last))) for i in range(transform.outputs))


# Panels that are transformed at a time: what lies between is in float64, and had better stay in the cache.
PANELS_AT_ONCE = 4


def pack_filters(transform: Transform, filters: NDArray[np.float32]) -> NDArray[np.float32]:
    """[count, 3, 3, depth] -> G filter Gt of each in panels [positions, panels, depth, TILE_COLUMNS], rounded once."""
    count, _, _, depth = filters.shape
    n, panels = transform.inputs, -(-count // TILE_COLUMNS)
    packed = np.zeros((n, n, panels, depth, TILE_COLUMNS), np.float32)
    for first in range(0, panels, PANELS_AT_ONCE):
        some = filters[first * TILE_COLUMNS : (first + PANELS_AT_ONCE) * TILE_COLUMNS]
        whole = np.zeros((-(-len(some) // TILE_COLUMNS) * TILE_COLUMNS, *some.shape[1:]))
        whole[: len(some)] = some
        taps = np.ascontiguousarray(whole.reshape(-1, TILE_COLUMNS, *some.shape[1:]).transpose(2, 3, 0, 4, 1))
        for i, line in enumerate(transform_filters(transform, taps)):
            for j, values in enumerate(transform_filters(transform, line)):
                packed[i, j, first : first + len(values)] = values
    return packed.reshape(n * n, panels, depth, TILE_COLUMNS)


def transform_filters(transform: Transform, taps: Any, keep: Callable[[Any], Any] = lambda part: part) -> list[Any]:
    """G times the first axis of an array, or a sequence of expressions, whose parts a kernel would `keep`.

    Rows of a pair have the same even part and opposite odd parts.
    """
    matrix = filter_matrix(transform)
    results = [taps[0] * float(matrix[0][0])]
    for row in matrix[1:-1:2]:
        scales = [float(c) for c in row]
        odd = keep(taps[1] * scales[1])
        even = keep(taps[0] * scales[0] + taps[2] * scales[2])
        results += [even + odd, even - odd]
    return [*results, taps[2]]


def transform_inputs(block: Block, transform: Transform, values: Sequence[Expr]) -> list[Expr]:
    """Bt times a vector. Rows of a pair have the same even part and opposite odd parts."""
    matrix = input_matrix(transform)
    results = [combination(block, matrix[0], values)]
    for i in range(1, transform.inputs - 1, 2):
        both = tuple(zip(matrix[i], matrix[i + 1], strict=True))
        even = combination(block, [(a + b) / 2 for a, b in both], values)
        odd = combination(block, [(a - b) / 2 for a, b in both], values)
        results += [block.let("t", even + odd), block.let("t", even - odd)]
    return [*results, combination(block, matrix[-1], values)]


def transform_outputs(block: Block, transform: Transform, values: Sequence[Expr]) -> list[Expr]:
    """At times a vector. Powers of a pair are equal or opposite, so that its sum or its difference is what counts."""
    pairs = range(1, transform.inputs - 1, 2)
    sums = [block.let("s", values[i] + values[i + 1]) for i in pairs]
    differences = [block.let("d", values[i] - values[i + 1]) for i in pairs]
    results = []
    for power, row in enumerate(output_matrix(transform)):
        parts = differences if power % 2 else sums
        coefficients = [row[0], *(row[i] for i in pairs), row[-1]]
        results.append(combination(block, coefficients, [values[0], *parts, values[-1]]))
    return results


def combination(block: Block, coefficients: Sequence[Fraction], values: Sequence[Expr]) -> Expr:
    """The sum of coefficient * value, in as few instructions as it takes."""
    terms = [(c, v) for c, v in zip(coefficients, values, strict=True) if c]
    terms.sort(key=lambda term: (abs(term[0]) != 1, term[0] < 0))  # first one that needs no product and no sign
    factor, total = terms[0]
    if factor != 1:
        total = _times(block, total, factor)
    for factor, value in terms[1:]:
        if abs(factor) == 1:
            total = total + value if factor == 1 else total - value
        elif value.type.scalar == "f32":
            total = Fma(Const(float(factor), value.type), value, total)
        else:
            part = _times(block, value, abs(factor))
            total = total + part if factor > 0 else total - part
    return block.let("t", total)


def _times(block: Block, value: Expr, factor: Fraction) -> Expr:
    """factor * value; of integers, for small whole factors, by sums: there is no product of eight i16."""
    if value.type.scalar == "f32":
        return Const(float(factor), value.type) * value
    if factor.denominator != 1 or factor < 1:
        raise KernelError(f"Vectors of {value.type} are multiplied with whole numbers from 1 on, not with {factor}.")
    total = value
    for bit in f"{factor.numerator:b}"[1:]:
        total = block.let("twice", total + total)
        if bit == "1":
            total = block.let("t", total + value)
    return total


def _with_roots(roots: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Coefficients, lowest power first, of the product of (x - root)."""
    result = [Fraction(1)]
    for root in roots:
        lower = [-root * c for c in result] + [Fraction(0)]
        result = [a + b for a, b in zip(lower, [Fraction(0), *result], strict=True)]
    return tuple(result)
