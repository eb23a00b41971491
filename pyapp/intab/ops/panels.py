"""Packings that kernels can do: along which axes a constant is read, and in what pieces."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from intab.graph.derived import View, reshaped_view
from intab.kernels.families.register_tile import TILE_COLUMNS
from intab.kernels.families.winograd_transform import WINDOW
from intab.ops.strides import collapse

# Columns of a panel as they come.
IN_ORDER = tuple(range(TILE_COLUMNS))


@dataclass(frozen=True, slots=True)
class Axis:
    """Numbers in a row, `stride` elements apart."""

    size: int
    stride: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What one step packs: of `count` elements from `start` on, sizes of columns, outer and inner depths.

    `column`: the first of its columns, counted through all groups. `place`: where it goes, in packed elements.
    """

    start: int
    count: int
    sizes: tuple[int, int, int]
    column: int
    place: int


@dataclass(frozen=True, slots=True)
class Panels:
    """Groups of columns in panels, as `kernels.families.pack_panels` makes them; `order` is that of its columns.

    The axes say how what is packed lies; they pass each of its elements once. If it is scaled on the way, then by one
    factor for each column, those of all groups one after the other. With `outputs` they are Winograd's for so many:
    columns are windows, whose taps are the outer axis, and lie furthest apart; a position holds all groups.
    """

    groups: Axis
    columns: Axis
    outer: Axis
    inner: Axis
    order: tuple[int, ...] = IN_ORDER
    outputs: int = 0

    @property
    def depth(self) -> int:
        """Lines of a panel."""
        return self.inner.size * (1 if self.outputs else self.outer.size)

    @property
    def _panels_count(self) -> int:
        """Elements of the panels of all columns of a group."""
        return -(-self.columns.size // TILE_COLUMNS) * TILE_COLUMNS * self.depth

    @property
    def packed_count(self) -> int:
        """Elements once it is packed."""
        return self.groups.size * self._panels_count * ((self.outputs + WINDOW - 1) ** 2 if self.outputs else 1)

    @property
    def gaps(self) -> tuple[int, int]:
        """Packed elements from panel to panel, and from one outer index, or position, to the next."""
        positions = self.groups.size * self._panels_count
        return self.depth * TILE_COLUMNS, positions if self.outputs else self.inner.size * TILE_COLUMNS

    def least_count(self) -> int:
        """Elements that the smallest piece reads."""
        axis, step = self._slowest()
        axes = (self.columns, self.outer, self.inner)
        return min(step, axes[axis].size) * max(1, axes[axis].stride)

    def pieces(self, most: int) -> Iterator[Piece]:
        """Pieces that read up to `most` elements, which lie together; more only where one panel needs more."""
        axes = (self.columns, self.outer, self.inner)
        slowest, step = self._slowest()
        along = axes[slowest]
        places = (self.depth, self.inner.size * TILE_COLUMNS, TILE_COLUMNS)  # from one index to the next
        length = max(1, most // (max(1, along.stride) * step)) * step
        for group in range(self.groups.size):
            for first in range(0, along.size, length):
                sizes = [axis.size for axis in axes]
                sizes[slowest] = min(length, along.size - first)
                yield Piece(
                    group * self.groups.stride + first * along.stride,
                    prod(sizes),
                    (sizes[0], sizes[1], sizes[2]),
                    group * self.columns.size + (first if slowest == 0 else 0),
                    group * self._panels_count + first * places[slowest],
                )

    def _slowest(self) -> tuple[int, int]:
        """Which of columns, outer and inner lies furthest apart, and in steps of how many it is cut."""
        axes = (self.columns, self.outer, self.inner)
        slowest = max(range(3), key=lambda i: axes[i].stride if axes[i].size > 1 else -1)
        return slowest, 1 if slowest else TILE_COLUMNS


def depth_axes(sizes: tuple[int, ...], strides: tuple[int, ...]) -> tuple[Axis, Axis] | None:
    """Axes of depth as an outer and an inner one; None where they are more."""
    walk = collapse(sizes, [strides])
    both = zip(walk.sizes, walk.strides[0], strict=True)
    found = [Axis(size, stride) for size, stride in both if isinstance(size, int) and isinstance(stride, int)]
    if len(found) > 2:
        return None
    return (found[0], found[1]) if len(found) == 2 else (Axis(1, 0), found[0])


def matrix_axes(view: View, depth: int, columns: int, transposed: int) -> Panels | None:
    """A matrix [depth, columns], or its transpose, seen through rules; None where that cannot be said."""
    matrix = reshaped_view(view, (columns, depth) if transposed else (depth, columns))
    if matrix is None or (matrix.factor is not None and matrix.factor_axis == transposed):
        return None
    down, across = matrix.strides[::-1] if transposed else matrix.strides
    return Panels(Axis(1, 0), Axis(columns, across), Axis(1, 0), Axis(depth, down))


def filter_axes(view: View, groups: int) -> Panels | None:
    """Filters [O, *kernel, I/group], a group's outputs being its columns."""
    if view.factor is not None and view.factor_axis != 0:
        return None
    depth = depth_axes(view.shape[1:], view.strides[1:])
    columns, stride = view.shape[0] // groups, view.strides[0]
    return depth and Panels(Axis(groups, columns * stride), Axis(columns, stride), *depth)
