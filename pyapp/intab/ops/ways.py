"""Products as problems that a device solves in several ways, of which one may be found fastest by trying.

A problem has a name that serves all products like it, of models not seen yet, too: sizes in classes, and what decides
which loads a kernel can make. Results are kept by these names (`runtime.tunings`), and lowering looks them up.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from intab.graph.dims import Dim
from intab.kernels.families.grid_shape import GridShape
from intab.kernels.ir import Kernel
from intab.target import Target

# Up to here every size is a class of its own: so few rows or columns fill a tile or leave most of it empty.
EXACT = 16


@dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """Of a step: its problem, the shape that was taken, all that could be (the likeliest first), and what each makes
    of it: a kernel and its count of items, with the step's own words and buffers."""

    problem: str
    shape: str
    shapes: tuple[GridShape, ...]
    make: Callable[[GridShape], tuple[Kernel, Dim]]


def problem_name(
    *, rows: Dim, columns: Dim, depth: Dim, batches: Dim, likely_rows: Dim, windows: bool, vector: bool
) -> str:
    """The name of a product: what it reads, and its sizes. Those that are not known stand as "?", rows as "?" and how
    many are likely."""
    many = size_class(rows) if isinstance(rows, int) else f"?{size_class(likely_rows)}"
    kind = f"{'windows' if windows else 'matrix'}{'' if vector else ' by single numbers'}"
    return f"{kind}: {size_class(batches)} x {many} rows, {size_class(depth)} deep, {size_class(columns)} columns"


def size_class(size: Dim) -> str:
    """The class of a size: the nearest half step of powers of two, from 16 on."""
    if not isinstance(size, int):
        return "?"
    if size <= EXACT:
        return str(size)
    return f"~{round(2 ** (round(2 * math.log2(size)) / 2))}"


def taken(target: Target, problem: str, shapes: Sequence[GridShape]) -> GridShape:
    """The shape for a problem: the one found fastest, else the first that the device has not refused.

    `shapes` are all that it could be, the likeliest first. A choice that is none of them, or refused, is no choice.
    """
    left = [shape for shape in shapes if (problem, shape.name) not in target.refused] or list(shapes)
    chosen = dict(target.choices).get(problem)
    return next((shape for shape in left if shape.name == chosen), left[0])
