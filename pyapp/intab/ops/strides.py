"""Sizes and strides of what a kernel goes through, with as few axes as there can be.

A kernel of few axes serves many shapes and has long rows. Sizes may be symbols: axes are merged only where
that is right whatever the symbols are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from intab.graph.dims import Dim, Shape, dense_strides, product, total


@dataclass(frozen=True, slots=True)
class Walk:
    """Axes with their `sizes`, and for each operand its `strides` along them, in elements (0 repeats)."""

    sizes: Shape
    strides: tuple[Shape, ...]

    @property
    def rank(self) -> int:
        return len(self.sizes)

    @property
    def count(self) -> Dim:
        """How many places are visited."""
        return product(self.sizes)


def broadcast_strides(shape: Shape, target: Shape) -> Shape:
    """The strides with which a dense tensor of `shape` is walked along the axes of `target`.

    Sizes other than 1 count as the target's: inference took them for equal, even where the symbols differ.
    """
    missing = len(target) - len(shape)
    full = tuple(1 if dim == 1 else target[missing + i] for i, dim in enumerate(shape))
    strides = (0 if dim == 1 else stride for dim, stride in zip(full, dense_strides(full), strict=True))
    return ((0,) * missing) + tuple(strides)


def offset_of(places: Sequence[Dim], strides: Shape) -> Dim:
    """Where the element at these places lies."""
    return total(place * stride for place, stride in zip(places, strides, strict=True))


def collapse(sizes: Shape, strides: Sequence[Shape]) -> Walk:
    """The same walk with axes of size 1 left out and neighbours merged that every operand passes in one go.

    At least one axis is left, of stride 1 where a single place is visited.
    """
    axes = [axis for axis, size in enumerate(sizes) if size != 1]
    if not axes:
        return Walk((1,), ((1,),) * len(strides))
    kept = [axes[0]]
    merged: list[Dim] = [sizes[axes[0]]]
    for axis in axes[1:]:
        if all(own[kept[-1]] == own[axis] * sizes[axis] for own in strides):
            kept[-1] = axis
            merged[-1] = merged[-1] * sizes[axis]
        else:
            kept.append(axis)
            merged.append(sizes[axis])
    return Walk(tuple(merged), tuple(tuple(own[axis] for axis in kept) for own in strides))
