"""Lowering of products for GPUs: of matrices, and of windows of pictures with filters.

What differs from WebAssembly: the right side lies as it is, one depth after the other (each padded to whole vectors),
and how invocations share the work is part of the kernel (`ops.grid_shapes`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from intab.dtypes import float32
from intab.graph.dims import Dim, ceil_div, remainder
from intab.graph.ir import Value
from intab.kernels.families.grid_product import Known, grid_product
from intab.kernels.families.grid_right import Compressed
from intab.kernels.families.grid_shape import LANES, GridShape
from intab.kernels.families.register_tile import Epilogue
from intab.kernels.ir import Kernel
from intab.ops.arrays import Numbers
from intab.ops.dense import EpilogueOperands
from intab.ops.grid_shapes import UNKNOWN, by_estimate, fitted
from intab.ops.kernel_steps import copy_step
from intab.ops.lowering import Lowering, Place, Work
from intab.ops.packing import Packing, packing
from intab.ops.panels import filter_axes, matrix_axes
from intab.ops.ways import Ways, problem_name, taken

BYTE_BITS = 8


@dataclass(frozen=True, slots=True)
class LeftRows:
    """The left side of a product: its first row starts at `place`, and `run` depths of a row lie side by side.

    `words` are the kernel's for it (`grid_left`), `steps` those of them that are distances; `pixels` and `taps` are the
    levels of a picture and its windows, `guards` those along which windows may reach beyond the picture.
    """

    place: Place
    run: Dim
    steps: Mapping[str, Dim]
    counts: Mapping[str, Dim] = field(default_factory=dict)
    pixels: int = 0
    taps: int = 0
    guards: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RightLines:
    """The right side: depths `row` elements apart, batches `batch`; all of them, and the place, multiples of four.

    Of a `compressed` one `row` is the count of columns, and scales lie at `scale`, those of batches `scale_batch`
    apart.
    """

    place: Place
    row: Dim
    batch: Dim = 0
    compressed: Compressed | None = None
    scale: Place | None = None
    scale_batch: Dim = 0

    @property
    def buffers(self) -> dict[str, Place]:
        return {"b": self.place} if self.scale is None else {"b": self.place, "scale": self.scale}

    @property
    def words(self) -> dict[str, Dim]:
        words = {"b_row": self.row, "b_batch": self.batch}
        return words if self.scale is None else words | {"scale_batch": self.scale_batch}

    def tensor(self, depth: Dim, columns: Dim) -> tuple[Dim, ...]:
        """What of it a step reads, for its `Work`."""
        if self.compressed is None:
            return float32.itemsize, depth, columns
        return (1, depth, columns) if self.compressed.bits == BYTE_BITS else (1, ceil_div(depth, 2), columns)

    @property
    def kind(self) -> str:
        """What tells apart products whose other sizes are the same."""
        return "" if self.compressed is None else f" of {self.compressed.bits} bits"


@dataclass(frozen=True, slots=True)
class OutRows:
    """The result: rows equally far apart, or, `spaced`, pixels inside a larger one."""

    place: Place
    steps: Mapping[str, Dim]
    spaced: bool = False


def product_step(
    lowering: Lowering,
    left: LeftRows,
    right: RightLines,
    out: OutRows,
    operands: EpilogueOperands,
    *,
    sizes: tuple[Dim, Dim, Dim, Dim],
    bias_batch: Dim = 0,
    likely_rows: Dim = UNKNOWN,
    work: Work,
) -> None:
    """The step of a product; `sizes` are batches, rows, depth and columns; `likely_rows` as in `by_estimate`."""
    batches, rows, depth, columns = sizes
    vector = in_vectors((left.place.offset, left.run, *left.steps.values()))
    known = Known(
        left_vector=vector,
        out_vector=in_vectors(_of_columns(out, operands, columns, bias_batch)),
        pixels=left.pixels,
        taps=left.taps,
        spaced=out.spaced,
        guards=left.guards,
        compressed=right.compressed,
    )
    block = 0 if right.compressed is None else right.compressed.block

    def key(shape: GridShape) -> tuple[GridShape, Known, Epilogue]:
        suited, whole = fitted(shape, left.run, vector=vector, walks=left.taps > 0, block=block)
        return suited, replace(known, whole=whole), operands.epilogue

    def make(shape: GridShape) -> tuple[Kernel, Dim]:
        items = batches * ceil_div(rows, shape.tile_rows) * ceil_div(columns, shape.tile_columns)
        return grid_product(*key(shape)), items

    asked = {"rows": rows, "columns": columns, "depth": depth, "batches": batches, "likely_rows": likely_rows}
    problem = problem_name(**asked, windows=left.pixels > 0, vector=vector) + right.kind
    shapes = by_estimate(lowering.target, **asked, is_written=lambda shape: key(shape) in lowering.written)
    shape = taken(lowering.target, problem, shapes)
    lowering.written.add(key(shape))
    kernel, items = make(shape)
    words: dict[str, Dim | float] = {"rows": rows, "columns": columns, "depth": depth, **left.steps, **left.counts}
    words |= {**right.words, **out.steps, **operands.words}
    if operands.epilogue.bias:
        words["bias_batch"] = bias_batch
    lowering.step(
        kernel,
        {"a": left.place, **right.buffers, "out": out.place, **operands.buffers},
        words,
        items,
        work=work,
        ways=Ways(problem, shape.name, tuple(shapes), make),
    )


def in_vectors(numbers: Iterable[Dim]) -> bool:
    """Whether all of them are known to be multiples of four."""
    return all(remainder(number, LANES) == 0 for number in numbers)


def _of_columns(out: OutRows, operands: EpilogueOperands, columns: Dim, bias_batch: Dim) -> list[Dim]:
    """What must be multiples of four for columns to be stored in vectors."""
    places, strides = operands.by_column()
    return [columns, out.place.offset, *out.steps.values(), bias_batch, *strides, *(place.offset for place in places)]


def padded(columns: Dim) -> Dim:
    """Columns up to whole vectors."""
    return ceil_div(columns, LANES) * LANES


def matrix_lines(lowering: Lowering, matrix: Value, depth: int, columns: int, *, transposed: bool) -> RightLines:
    """A constant matrix [depth, columns], or its transpose, as a right side."""
    if not transposed and columns % LANES == 0:
        return RightLines(lowering.place(matrix), columns)
    shape = (depth, padded_count(columns))
    name = "lines of the transpose" if transposed else "lines"
    packed = lowering.weight((matrix,), name, shape, Packing("matrix in lines", (depth, columns, int(transposed))))
    return RightLines(packed, shape[1])


def filter_lines(lowering: Lowering, filters: Value, groups: int, depth: int, columns: int) -> RightLines:
    """Constant filters [groups * columns, *kernel, channels of a group] as one right side for each group."""
    shape = (groups, depth, padded_count(columns))
    packed = lowering.weight((filters,), "lines", shape, Packing("filters in lines", (groups,)))
    return RightLines(packed, shape[2], depth * shape[2])


def computed_lines(
    lowering: Lowering, source: Place, *, batches: Dim, depth: Dim, columns: Dim, strides: tuple[Dim, Dim, Dim]
) -> RightLines:
    """A right side that is known at run time only; strides are those of batches, depths and columns.

    It is read where it is if it lies in vectors, else from a copy.
    """
    batch, down, across = strides
    if across == 1 and in_vectors((source.offset, batch, down)):
        return RightLines(source, down, batch)
    line = padded(columns)
    copied = lowering.scratch(float32, batches * depth * line)
    copy_step(lowering, source, strides, copied, (depth * line, line, 1), (batches, depth, columns))
    return RightLines(copied, line, depth * line)


def padded_count(columns: int) -> int:
    """The same of a number."""
    return -(-columns // LANES) * LANES


@packing("matrix in lines", matrix_axes, in_lines=True)
def _matrix_in_lines(array: Numbers, depth: int, columns: int, transposed: int) -> Numbers:
    return in_lines(array.reshape(columns, depth).T if transposed else array.reshape(depth, columns))


@packing("filters in lines", filter_axes, in_lines=True)
def _filters_in_lines(array: Numbers, groups: int) -> Numbers:
    """Filters [O, *kernel, I/group]: the lines of each group, one group after the other."""
    filters = array.reshape(groups, array.shape[0] // groups, -1)
    return np.stack([in_lines(group.T) for group in filters])


def in_lines(matrix: Numbers) -> Numbers:
    """[depth, columns] with zeros up to whole vectors."""
    return np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % LANES)))
