"""Where the left side of a product lies, for the matrices and pictures of GPU kernels.

A row starts at `start(row)`; its depths lie from there at offsets that are the same for all rows, which a `DepthWalk`
steps through: one run for a matrix, one run for each tap of a window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from intab.kernels.block import KernelWriter
from intab.kernels.families.guard import GUARDED_AXES, guard_words
from intab.kernels.families.pixel_walk import place_of
from intab.kernels.ir import I32, U32, Bitcast, Const, Expr, Select, Var

# The words of up to three levels of pixels: how many there are in a line, a plane, a volume, and how far apart lie
# pixels, lines, planes and images.
PIXEL_COUNTS = ("out_width", "out_pixels", "out_voxels")
PIXEL_STEPS = ("pixel_step", "line_step", "plane_step", "image_step")
# The words of up to three levels of taps: depths in a run, then taps in the levels but the last.
TAP_COUNTS = ("run", "taps_0", "taps_1")
TAP_STEPS = ("tap_step_0", "tap_step_1", "tap_step_2")
# Where pixels of the result lie inside a larger one.
SPACED_STEPS = ("out_row", "out_line", "out_plane", "out_image")
# How far before the picture the first window lies.
BEFORE = "a_before"


def axis_of(level: int) -> str:
    """What the axis of a level of pixels is called."""
    return GUARDED_AXES[-1 - level]


def pixel_steps(levels: int) -> tuple[str, ...]:
    """The words for so many levels of pixels: the last step is always that of images."""
    return (*PIXEL_STEPS[:levels], PIXEL_STEPS[-1])


def spaced_steps(levels: int) -> tuple[str, ...]:
    """The same for a result inside a larger one."""
    return (*SPACED_STEPS[:levels], SPACED_STEPS[-1])


@dataclass(frozen=True, slots=True, eq=False)
class LeftRow:
    """Where a row starts, and along each guarded axis of the picture where its window does."""

    place: Expr
    corner: tuple[Expr, ...] = ()


class LeftSide:
    """Rows of a matrix, or with `pixels` levels, windows of a picture whose taps have `taps` levels.

    `guards` are the levels of pixels along which windows may reach beyond the picture, each with its level of taps (-1
    where there is but one). Words: depth; a_batch (elements between batches, of groups too); a_row, or those of pixels
    and of taps; then the `guard_words` of guarded axes, and a_before if there are any.
    """

    def __init__(self, kernel: KernelWriter, pixels: int, taps: int, guards: Sequence[tuple[int, int]] = ()) -> None:
        self._kernel, self._guards = kernel, guards
        self.depth = kernel.word("depth")
        self._batch_step = kernel.word("a_batch")
        self.counts: list[Expr] = [kernel.word(name) for name in PIXEL_COUNTS[:pixels]]
        self._steps: list[Expr] = [kernel.word(name) for name in (pixel_steps(pixels) if pixels else ("a_row",))]
        self._tap_counts: list[Expr] = [kernel.word(name) for name in TAP_COUNTS[:taps]]
        self._tap_steps: list[Expr] = [kernel.word(name) for name in TAP_STEPS[:taps]]
        self._axes = [[kernel.word(name) for name in guard_words(axis_of(level))] for level, _ in guards]
        self._before = kernel.word(BEFORE) if guards else None
        self._first: Expr = Const(0, I32)

    def set_batch(self, batch: Expr) -> None:
        """From here on rows are those of a batch."""
        self._first = self._kernel.let("a_first", batch * self._batch_step)

    def start(self, row: Expr) -> LeftRow:
        """A row."""
        kernel = self._kernel
        if not self.counts:
            return LeftRow(kernel.let("a_start", self._first + row * self._steps[0]))
        place = self._first + place_of(row, self.counts, self._steps)
        if self._before is not None:
            place = place - self._before
        corner: list[Expr] = []
        for (level, _), (_, before, stride, _) in zip(self._guards, self._axes, strict=True):
            index = row % self.counts[level]
            if level > 0:
                index = index // self.counts[level - 1]
            corner.append(kernel.let("window", index * stride - before))
        return LeftRow(kernel.let("a_start", place), tuple(corner))

    def walk(self, begin: Expr) -> "DepthWalk | None":
        """A walk through the taps from depth `begin` on; None for a matrix, where depths are offsets."""
        if not self._tap_counts:
            return None
        counts_all = any(level + 1 == len(self._tap_counts) for _, level in self._guards)
        return DepthWalk(self._kernel, begin, self._tap_counts, self._tap_steps, counts_all=counts_all)

    def guard(self, walk: "DepthWalk | None") -> "TapGuard | None":
        """Which rows see the picture with the tap that a walk is at; None where all do."""
        if not self._guards:
            return None
        kernel, limits = self._kernel, []
        for (_, level), (size, _, _, dilation) in zip(self._guards, self._axes, strict=True):
            tap = None if walk is None or level < 0 else kernel.let("tap_place", walk.taps[level] * dilation)
            limits.append((tap, kernel.let("tap_limit", Bitcast(size, U32))))
        return TapGuard(kernel, limits)


class TapGuard:
    """Whether rows see the picture with one tap; asked for of each row once.

    `limits` are the tap's place in the window along each guarded axis, None for the first, and the picture's size.
    """

    def __init__(self, kernel: KernelWriter, limits: Sequence[tuple[Expr | None, Expr]]) -> None:
        self._kernel, self._limits = kernel, limits
        self._known: dict[LeftRow, Var] = {}

    def sees(self, row: LeftRow) -> Var:
        """Whether a row does."""
        known = self._known.get(row)
        if known is None:
            # What lies before the picture is a large number without a sign.
            inside = [
                Bitcast(at if tap is None else at + tap, U32).lt(size)
                for at, (tap, size) in zip(row.corner, self._limits, strict=True)
            ]
            all_inside: Expr = inside[0]
            for further in inside[1:]:
                all_inside = all_inside & further
            known = self._known[row] = self._kernel.let("sees", all_inside)
        return known


class DepthWalk:
    """The offset of the depth that a loop is at, found by steps.

    `counts` are the depths of a run and the taps of each level but the last; `steps` say how far the starts of runs lie
    apart along each level.
    """

    def __init__(
        self,
        kernel: KernelWriter,
        begin: Expr,
        counts: Sequence[Expr],
        steps: Sequence[Expr],
        *,
        counts_all: bool = False,
    ) -> None:
        """`taps` will be the taps of each level; that of the last one, too, if it `counts_all`."""
        self._kernel, self._counts = kernel, counts
        sizes: list[Expr] = []
        for count in counts:
            sizes.append(kernel.let("tap_depths", sizes[-1] * count) if sizes else count)
        at_zero = isinstance(begin, Const) and begin.value == 0
        apart: list[Expr] = [Const(1, I32), *steps]
        self.offset: Var = kernel.let("offset", begin if at_zero else place_of(begin, sizes, apart))
        # How often each level has been stepped through since it last began anew.
        inner: list[Expr] = [Const(1, I32), *sizes]
        self._indices = [
            kernel.let("tap_index", begin if at_zero else begin // size % count)
            for size, count in zip(inner, counts, strict=False)
        ]
        self.taps = self._indices[1:]
        self._last: Var | None = None
        if counts_all:
            self._last = kernel.let("last_tap", begin if at_zero else begin // sizes[-1])
            self.taps.append(self._last)
        self._gaps = [
            kernel.let("tap_gap", outer - count * step)
            for count, (step, outer) in zip(counts, pairwise(apart), strict=True)
        ]

    def advance(self, depths: int) -> None:
        """Move on by `depths`, a divisor of the run."""
        kernel, nothing = self._kernel, Const(0, I32)
        distance: Expr = Const(depths, I32)
        ends: Var | None = None
        for index, count, gap in zip(self._indices, self._counts, self._gaps, strict=True):
            step: Expr = Const(depths, I32) if ends is None else Select(ends, Const(1, I32), nothing)
            following = kernel.let("following", index + step)
            ends = kernel.let("ends", following.equal(count))
            kernel.assign(index, Select(ends, nothing, following))
            distance = distance + Select(ends, gap, nothing)
        if self._last is not None and ends is not None:
            kernel.assign(self._last, self._last + Select(ends, Const(1, I32), nothing))
        kernel.assign(self.offset, self.offset + distance)
