"""Constants that follow from others by a rule that is data, so that they can be stored and computed by any device.

A rule is the `Storage` of its result, which it computes anew at each `read`: weights are read once, when they are
packed for a device, and optimising copies none.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intab.dtypes import float32, int8, uint8
from intab.graph.dims import dense_strides
from intab.graph.ir import Array, Constant
from intab.graph.storage import check_range


class _Derived:
    """Base of rules. A rule says its shape, and computes its numbers."""

    __slots__ = ()

    source: Constant

    @property
    def name(self) -> str:
        return self.source.storage.name

    @property
    def nbytes(self) -> int:
        return self.source.nbytes

    def numbers(self) -> Array:
        """The result, whose bytes are what is stored."""
        raise NotImplementedError

    def read(self, offset: int, nbytes: int) -> memoryview:
        check_range(self.name, self.nbytes, offset, nbytes)
        return bytes_of(self.numbers())[offset : offset + nbytes]


@dataclass(frozen=True, slots=True, eq=False)
class Transposed(_Derived):
    """Axis i of the result is axis perm[i] of the source."""

    source: Constant
    perm: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.source.shape[axis] for axis in self.perm)

    def numbers(self) -> Array:
        return np.transpose(self.source.numpy(), self.perm)


@dataclass(frozen=True, slots=True, eq=False)
class Scaled(_Derived):
    """The source times factor[i] at index i of an axis, multiplied in float64 and rounded once."""

    source: Constant
    factor: Constant
    axis: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape

    def numbers(self) -> Array:
        numbers = self.source.numpy().astype(np.float64)
        factor = self.factor.numpy().astype(np.float64).reshape(-1, *(1,) * (numbers.ndim - 1 - self.axis))
        return (numbers * factor).astype(self.source.dtype.numpy)


@dataclass(frozen=True, slots=True, eq=False)
class Widened(_Derived):
    """Numbers of 16 bits as float32, exactly."""

    source: Constant

    @property
    def nbytes(self) -> int:
        return self.source.nbytes // self.source.dtype.itemsize * float32.itemsize

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape

    def numbers(self) -> Array:
        return self.source.numpy().astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Unpacked(_Derived):
    """Whole numbers of four or eight bits of the source's bytes, the first in the low half, as a byte each.

    Every row along the last axis takes `width` of them in the source, or, if that is 0, they follow one another.
    Numbers of four bits are from -8 if `signed`; `middle` is taken off all. Bytes with a sign come of these two only.
    """

    source: Constant
    shape: tuple[int, ...]
    bits: int
    width: int = 0
    signed: bool = False
    middle: int = 0

    @property
    def nbytes(self) -> int:
        return prod(self.shape)

    def numbers(self) -> Array:
        numbers: NDArray[Any] = self.source.numpy().reshape(-1).view(np.uint8)
        if self.bits == 4:
            numbers = np.stack([numbers & 15, numbers >> 4], axis=1).reshape(-1)
        if self.width:
            numbers = numbers.reshape(-1, self.width)[:, : self.shape[-1]]
        numbers = numbers.reshape(-1)[: self.nbytes]
        if self.signed:
            numbers = (numbers ^ 8).view(np.int8) - np.int8(8) if self.bits == 4 else numbers.view(np.int8)
        if self.middle:
            numbers = (numbers.astype(np.int16) - self.middle).astype(np.int8)
        return numbers


def unpacked(rule: Unpacked) -> Constant:
    """The constant of a rule."""
    return Constant(int8 if rule.signed or rule.middle else uint8, rule.shape, rule, 0, rule.nbytes)


Rule = Transposed | Scaled | Widened | Unpacked


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Numbers that lie in a source, `strides` elements apart along each axis of `shape`, unless scaled on the way.

    `factor` holds a number for each index of axis `factor_axis`.
    """

    source: Constant
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    factor: Constant | None = None
    factor_axis: int = 0


def view_of(constant: Constant) -> View:
    """A constant seen through the rules that made it, as far down as one view can tell."""
    whole = View(constant, constant.shape, dense_strides(constant.shape))
    rule = constant.storage
    if not isinstance(rule, (Transposed, Scaled)) or rule.nbytes != constant.nbytes:
        return whole
    under = view_of(rule.source)
    if isinstance(rule, Transposed):
        strides = tuple(under.strides[axis] for axis in rule.perm)
        seen = View(under.source, rule.shape, strides, under.factor, rule.perm.index(under.factor_axis))
    elif under.factor is None and constant.dtype == rule.factor.dtype == float32:
        seen = View(under.source, rule.shape, under.strides, rule.factor, rule.axis)
    else:
        return whole
    return reshaped_view(seen, constant.shape) or whole


def reshaped_view(view: View, shape: tuple[int, ...]) -> View | None:
    """The view under another shape; None where more than axes of size 1 come and go."""
    if view.shape == shape:
        return view
    given = [axis for axis, size in enumerate(view.shape) if size != 1]
    wanted = [axis for axis, size in enumerate(shape) if size != 1]
    if [view.shape[axis] for axis in given] != [shape[axis] for axis in wanted]:
        return None
    moved = dict(zip(given, wanted, strict=True))
    if view.factor is not None and view.factor_axis not in moved:
        return None
    axes = {axis: view.strides[before] for before, axis in moved.items()}
    strides = tuple(axes.get(axis, 0) for axis in range(len(shape)))
    return View(view.source, shape, strides, view.factor, moved.get(view.factor_axis, 0))


def bytes_of(array: Array) -> memoryview:
    """The bytes of an array's numbers in C order."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
