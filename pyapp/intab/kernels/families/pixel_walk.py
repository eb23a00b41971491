"""Where consecutive output pixels lie: found by divisions once, then by steps.

A division takes as long as a dozen multiply-adds, and each pixel needs several.
"""

from collections.abc import Sequence
from itertools import pairwise

from intab.kernels.block import KernelWriter
from intab.kernels.ir import I32, Const, Expr, Select, Var


def place_of(row: Expr, counts: Sequence[Expr], steps: Sequence[Expr]) -> Expr:
    """Where a pixel lies, see `PixelWalk`."""
    place = row // counts[-1] * steps[-1] + row % counts[0] * steps[0]
    for inner, outer, step in zip(counts, counts[1:], steps[1:], strict=False):
        place = place + row % outer // inner * step
    return place


class PixelWalk:
    """A place for each of several buffers, which `step` moves on to the next pixel; from the last pixel it stays.

    `counts` are the pixels of a line, of a plane and so on up to a whole image; `steps` say for each buffer how far
    pixels, lines and so on up to images lie apart: one more than counts.
    """

    def __init__(
        self, kernel: KernelWriter, row: Expr, last: Expr, counts: Sequence[Expr], steps: Sequence[Sequence[Expr]]
    ) -> None:
        self._kernel, self._last, self._counts, self._steps = kernel, last, counts, steps
        self._row = kernel.let("walk_row", row)
        self._indices = [kernel.let(f"walk_index{level}", row % count) for level, count in enumerate(counts)]
        lengths = [counts[0], *(outer // inner for inner, outer in pairwise(counts))]
        self._gaps = [
            [
                kernel.let("gap", outer - length * inner)
                for length, inner, outer in zip(lengths, of, of[1:], strict=False)
            ]
            for of in steps
        ]
        self.places = [kernel.let(f"walk_place{number}", place_of(row, counts, of)) for number, of in enumerate(steps)]

    def take(self, count: int) -> list[list[Var]]:
        """The places of the next `count` pixels, [pixel][buffer]."""
        taken = []
        for _ in range(count):
            taken.append([self._kernel.let("pixel", place) for place in self.places])
            self._step()
        return taken

    def _step(self) -> None:
        kernel, nothing = self._kernel, Const(0, I32)
        more = kernel.let("more", self._row.lt(self._last))
        kernel.assign(self._row, self._row + 1)
        ends = []
        for index, count in zip(self._indices, self._counts, strict=True):
            following = kernel.let("following", index + 1)
            ends.append(kernel.let("ends", following.equal(count)))
            kernel.assign(index, Select(ends[-1], nothing, following))
        for place, steps, gaps in zip(self.places, self._steps, self._gaps, strict=True):
            distance: Expr = steps[0]
            for end, gap in zip(ends, gaps, strict=True):
                distance = distance + Select(end, gap, nothing)
            kernel.assign(place, place + Select(more, distance, nothing))
