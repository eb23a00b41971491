"""Where the left side of a product lies, for the matrices and pictures of GPU kernels.

A row starts at `start(row)`; its depths lie from there at offsets that are the same for all rows, which a `DepthWalk`
steps through: one run for a matrix, one run for each tap of a window.
"""

from collections.abc import Sequence
from itertools import pairwise

from intab.kernels.block import KernelWriter
from intab.kernels.families.pixel_walk import place_of
from intab.kernels.ir import I32, Const, Expr, Select, Var

# The words of up to three levels of pixels: how many there are in a line, a plane, a volume, and how far apart lie
# pixels, lines, planes and images.
PIXEL_COUNTS = ("out_width", "out_pixels", "out_voxels")
PIXEL_STEPS = ("pixel_step", "line_step", "plane_step", "image_step")
# The words of up to three levels of taps: depths in a run, then taps in the levels but the last.
TAP_COUNTS = ("run", "taps_0", "taps_1")
TAP_STEPS = ("tap_step_0", "tap_step_1", "tap_step_2")
# Where pixels of the result lie inside a larger one.
SPACED_STEPS = ("out_row", "out_line", "out_plane", "out_image")


def pixel_steps(levels: int) -> tuple[str, ...]:
    """The words for so many levels of pixels: the last step is always that of images."""
    return (*PIXEL_STEPS[:levels], PIXEL_STEPS[-1])


def spaced_steps(levels: int) -> tuple[str, ...]:
    """The same for a result inside a larger one."""
    return (*SPACED_STEPS[:levels], SPACED_STEPS[-1])


class LeftSide:
    """Rows of a matrix, or with `pixels` levels, windows of a picture whose taps have `taps` levels.

    Words: depth; a_batch (elements between batches, of groups too); a_row, or those of pixels and of taps.
    """

    def __init__(self, kernel: KernelWriter, pixels: int, taps: int) -> None:
        self._kernel = kernel
        self.depth = kernel.word("depth")
        self._batch_step = kernel.word("a_batch")
        self.counts: list[Expr] = [kernel.word(name) for name in PIXEL_COUNTS[:pixels]]
        self._steps: list[Expr] = [kernel.word(name) for name in (pixel_steps(pixels) if pixels else ("a_row",))]
        self._tap_counts: list[Expr] = [kernel.word(name) for name in TAP_COUNTS[:taps]]
        self._tap_steps: list[Expr] = [kernel.word(name) for name in TAP_STEPS[:taps]]
        self._first: Expr = Const(0, I32)

    def set_batch(self, batch: Expr) -> None:
        """From here on rows are those of a batch."""
        self._first = self._kernel.let("a_first", batch * self._batch_step)

    def start(self, row: Expr) -> Expr:
        """Where a row starts."""
        if not self.counts:
            return self._first + row * self._steps[0]
        return self._first + place_of(row, self.counts, self._steps)

    def walk(self, begin: Expr) -> "DepthWalk | None":
        """A walk through the taps from depth `begin` on; None for a matrix, where depths are offsets."""
        return DepthWalk(self._kernel, begin, self._tap_counts, self._tap_steps) if self._tap_counts else None


class DepthWalk:
    """The offset of the depth that a loop is at, found by steps.

    `counts` are the depths of a run and the taps of each level but the last; `steps` say how far the starts of runs lie
    apart along each level.
    """

    def __init__(self, kernel: KernelWriter, begin: Expr, counts: Sequence[Expr], steps: Sequence[Expr]) -> None:
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
        kernel.assign(self.offset, self.offset + distance)
