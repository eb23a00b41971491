"""Values that lie inside larger tensors: in the result of a Concat, or within a border of zeros.

    plain      row-major, nothing between its elements: `Place.layout` is None
    inside     elements of the last axis side by side, gaps between others: `Place.layout` says how far apart

Program building puts a value inside only where the operator that makes it and all that read it say that they can do
with it (`Spacious`); others never meet one.
"""

from typing import Protocol, runtime_checkable

from intab.graph.dims import Dim, Shape, dense_strides
from intab.graph.ir import Value
from intab.ops.lowering import Layout, Lowering, Place
from intab.ops.strides import broadcast_strides, collapse


@runtime_checkable
class Spacious(Protocol):
    """An operator that reads values inside larger tensors, or makes them there."""

    def reads_inside(
        self, lowering: Lowering, inputs: tuple[Value | None, ...], output: Value, position: int, layout: Layout
    ) -> bool:
        """Can it read input number `position` where it lies so?"""
        ...

    def writes_inside(
        self, lowering: Lowering, inputs: tuple[Value | None, ...], output: Value, layout: Layout
    ) -> bool:
        """Can it make its output so?"""
        ...


@runtime_checkable
class Bordered(Protocol):
    """An operator that likes its first input with zeros around it."""

    def border(self, lowering: Lowering, inputs: tuple[Value | None, ...], output: Value) -> tuple[int, ...] | None:
        """The elements of zeros at the begins of all axes, then at the ends; None where it can do without."""
        ...


class Anywhere:
    """For operators that walk by strides whatever they read and write."""

    __slots__ = ()

    def reads_inside(
        self, lowering: Lowering, inputs: tuple[Value | None, ...], output: Value, position: int, layout: Layout
    ) -> bool:
        return True

    def writes_inside(
        self, lowering: Lowering, inputs: tuple[Value | None, ...], output: Value, layout: Layout
    ) -> bool:
        return True


class WritesOnly:
    """For operators that make values inside larger tensors, where they say so, and read none there."""

    __slots__ = ()

    def reads_inside(
        self, lowering: Lowering, inputs: tuple[Value | None, ...], output: Value, position: int, layout: Layout
    ) -> bool:
        return False


def in_rows(shape: Shape, layout: Layout) -> bool:
    """Are all rows (runs along the last axis) equally far apart?"""
    return collapse(shape[:-1], (layout.strides[:-1],)).rank == 1


def strides_of(place: Place, shape: Shape) -> Shape:
    """How far apart the elements of a value of `shape` lie along each axis."""
    return dense_strides(shape) if place.layout is None else place.layout.strides


def row_step(place: Place, shape: Shape) -> Dim:
    """How far apart its rows lie, where all are equally far apart."""
    if place.layout is None:
        return shape[-1]
    return collapse(shape[:-1], (place.layout.strides[:-1],)).strides[0][0]


def broadcast_walk(place: Place, shape: Shape, target: Shape) -> Shape:
    """The strides with which a value is walked along the axes of `target`, to which it broadcasts."""
    if place.layout is None:
        return broadcast_strides(shape, target)
    strides = (0 if dim == 1 else stride for dim, stride in zip(shape, place.layout.strides, strict=True))
    return ((0,) * (len(target) - len(shape))) + tuple(strides)
