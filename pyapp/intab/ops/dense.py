"""What lowering matmul and convolution share: the packed right side and the epilogue's operands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from intab.dtypes import float32
from intab.errors import UnsupportedOpError
from intab.graph.dims import Dim, Shape, ceil_div, dense_strides, floor_div, maximum, minimum, product
from intab.graph.ir import Graph, Value
from intab.kernels.families.matmul import pack_right
from intab.kernels.families.register_tile import LANES, TILE_COLUMNS, TILE_ROWS, Epilogue, Tiles, pad_columns
from intab.ops.arrays import Numbers
from intab.ops.epilogue import body_function
from intab.ops.kernel_steps import copy_step
from intab.ops.layout import row_step
from intab.ops.lowering import Lowering, Place, Work
from intab.ops.packing import Packing, packing
from intab.ops.strides import broadcast_strides
from intab.target import Target

# Of the second-level cache, what the panels of a block may take, and what its rows may.
PANELS_NBYTES = 256 * 1024
ROWS_NBYTES = 128 * 1024
MOST_TILES_DOWN = 8
# So many let two threads end within a sixteenth of each other, and eight have two each.
ITEMS_FOR_THREADS = 16
MOST_REST_ROWS = 4
WORTH_A_TILE = 25  # a smaller tile for the last rows must save more than one of so many rows

packing("padded columns")(pad_columns)


@dataclass(frozen=True, slots=True)
class Blocking:
    """How a matrix of rows x columns is cut into items."""

    rows: Dim
    columns: Dim

    def items(self, rows: Dim, columns: Dim) -> Dim:
        return ceil_div(rows, self.rows) * ceil_div(columns, self.columns)

    def for_threads(self, target: Target, rows: Dim, columns: Dim, batches: Dim = 1) -> "Blocking":
        """Where threads share the items: blocks of one height, and narrower until there are enough of them.

        What is cut are columns, since a panel in the first-level cache is then still used by as many rows. Two panels
        are a line of the cache, which two threads had better not write to.
        """
        if not target.has("threads"):
            return self
        tiles, panels = ceil_div(rows, TILE_ROWS), ceil_div(columns, TILE_COLUMNS)
        down = maximum(1, ceil_div(tiles, floor_div(self.rows, TILE_ROWS)))
        pairs = floor_div(panels * down * batches, 2 * ITEMS_FOR_THREADS)
        across = minimum(floor_div(self.columns, TILE_COLUMNS), 2 * maximum(1, pairs))
        return Blocking(TILE_ROWS * maximum(1, ceil_div(tiles, down)), TILE_COLUMNS * across)


def blocking(depth: Dim, *, tiles_down: int = MOST_TILES_DOWN) -> Blocking:
    """Blocks whose panels, and whose rows, stay in the second-level cache. A depth not known yet is taken for 256."""
    row_nbytes = 4 * max(1, depth if isinstance(depth, int) else 256)
    down = min(tiles_down, max(1, ROWS_NBYTES // (row_nbytes * TILE_ROWS)))
    across = max(1, PANELS_NBYTES // (row_nbytes * TILE_COLUMNS))
    return Blocking(down * TILE_ROWS, across * TILE_COLUMNS)


def tiles_for(rows: Dim, columns: Dim, *, many_rows: bool = False) -> Tiles:
    """The tiles for a matrix of these sizes. Of rows not known yet there may be one, as where a text grows, unless
    they are `many_rows`, as those of pictures.

    A further kind of tile is more code to generate and compile: it must save some percent of the work.
    """
    narrow = isinstance(columns, int) and 0 < columns % TILE_COLUMNS <= LANES
    if not isinstance(rows, int):
        return Tiles(rest_rows=0 if many_rows else 1, narrow=narrow)
    if rows < TILE_ROWS:
        return Tiles(rows=max(1, rows), narrow=narrow)
    rest = rows % TILE_ROWS
    worth = 0 < rest <= MOST_REST_ROWS and (TILE_ROWS - rest) * WORTH_A_TILE > rows
    return Tiles(rest_rows=rest if worth else 0, narrow=narrow)


@dataclass(frozen=True, slots=True)
class OutputShape:
    """A result as batches of matrices: `batch` and `rows` are groups of axes, `columns` the last axis."""

    batch: Shape
    rows: Shape
    columns: Dim

    @property
    def shape(self) -> Shape:
        return (*self.batch, *self.rows, self.columns)


@dataclass(frozen=True, slots=True)
class EpilogueOperands:
    """A kernel's epilogue, and the buffers and words that a step gives for it; `tensors` are their sizes in Work."""

    epilogue: Epilogue
    buffers: Mapping[str, Place]
    words: Mapping[str, Dim]
    tensors: Mapping[str, Shape] = field(default_factory=dict)

    def shifted(self, columns: int, count: int) -> "EpilogueOperands":
        """The operands for `count` columns further right (the next group of a convolution)."""
        wide = {f"e{i}": w for i, w in enumerate(self.epilogue.wide)} | {"bias": True}
        moved = {
            name: Place(p.buffer, p.dtype, p.offset + columns) if wide[name] else p for name, p in self.buffers.items()
        }
        cut = {name: (*sizes[:-1], count) if wide[name] else sizes for name, sizes in self.tensors.items()}
        return EpilogueOperands(self.epilogue, moved, self.words, cut)

    def by_column(self) -> tuple[list[Place], list[Dim]]:
        """Where operands with a value for each column lie, and how far apart their rows and batches are."""
        wide = [f"e{i}" for i, w in enumerate(self.epilogue.wide) if w]
        places = [place for name, place in self.buffers.items() if name == "bias" or name in wide]
        return places, [self.words[f"{name}_{step}"] for name in wide for step in ("row", "batch")]

    def in_groups(self, columns: int) -> "EpilogueOperands":
        """The operands where each batch is a group of so many columns."""
        wide = {f"e{i}_batch": columns if w else 0 for i, w in enumerate(self.epilogue.wide)}
        return EpilogueOperands(self.epilogue, self.buffers, {**self.words, **wide}, self.tensors)


def require_float32(name: str, *values: Value | None) -> None:
    """Raise UnsupportedOpError unless all values are float32, which the dense kernels compute in."""
    for value in values:
        if value is not None and value.dtype != float32:
            raise UnsupportedOpError(
                f'{name} of {value.dtype} has no kernel on this back end. Cast to float32 or use backend="reference".'
            )


def dense_operands(operands: Sequence[Value | None]) -> tuple[Value, Value, Value | None, tuple[Value, ...]]:
    """The left side, the right side, the bias if there is one, and the epilogue's further operands."""
    left, right, bias, *extra = (*operands, None) if len(operands) < 3 else operands
    assert left is not None and right is not None
    return left, right, bias, tuple(value for value in extra if value is not None)


def epilogue_operands(
    lowering: Lowering, out: OutputShape, bias: Value | None, epilogue: Graph | None, extra: tuple[Value, ...]
) -> EpilogueOperands:
    """How a kernel reads the bias and the extra operands. Those that no stride describes are expanded first."""
    buffers: dict[str, Place] = {}
    words: dict[str, Dim] = {}
    tensors: dict[str, Shape] = {}
    wide = []
    if bias is not None:
        buffers["bias"] = padded_bias(lowering, bias)
        tensors["bias"] = (bias.dtype.itemsize, *bias.shape)
    for i, value in enumerate(extra):
        strides = _strides(out, value.shape)
        place = lowering.place(value)
        if place.layout is not None:
            step = row_step(place, value.shape)
            strides = (step * product(out.rows), step, True)
        if strides is None:
            buffers[f"e{i}"] = expanded(lowering, place, value.shape, out.shape)
            tensors[f"e{i}"] = (value.dtype.itemsize, *out.shape)
            strides = (out.columns * product(out.rows), out.columns, True)
        else:
            buffers[f"e{i}"] = place
            tensors[f"e{i}"] = (value.dtype.itemsize, *value.shape)
        words[f"e{i}_batch"], words[f"e{i}_row"], is_wide = strides
        wide.append(is_wide)
    function = None if epilogue is None else body_function(epilogue)
    return EpilogueOperands(Epilogue(bias is not None, function, tuple(wide)), buffers, words, tensors)


def dense_work(flops: Shape, operands: EpilogueOperands, *tensors: Shape) -> Work:
    """The work of a kernel of float32 with these operands; `tensors` are the sizes of its other tensors."""
    return Work(flops, (*((float32.itemsize, *sizes) for sizes in tensors), *operands.tensors.values()))


def padded_bias(lowering: Lowering, bias: Value) -> Place:
    """A bias with room up to a whole panel. One that is computed is read as it is: what lies behind is not used."""
    constant = lowering.constant(bias)
    if constant is None:
        return lowering.place(bias)
    length = -(-constant.shape[0] // TILE_COLUMNS) * TILE_COLUMNS
    return lowering.weight((bias,), "padded to panels", (length,), Packing("padded columns"))


def pack_computed(
    lowering: Lowering, source: Place, *, batches: Dim, depth: Dim, columns: Dim, strides: tuple[Dim, Dim, Dim]
) -> Place:
    """Pack a right side that is computed at run time; strides are those of batches, depths and columns."""
    size = packed_batch(depth, columns)
    packed = lowering.scratch(float32, batches * size)
    lowering.step(
        pack_right(),
        {"b": source, "out": packed},
        {
            "depth": depth,
            "columns": columns,
            "b_batch": strides[0],
            "b_row": strides[1],
            "b_column": strides[2],
            "out_batch": size,
        },
        batches * ceil_div(columns, TILE_COLUMNS),
        work=Work((0,), ((float32.itemsize, 2, batches, depth, columns),)),
    )
    return packed


def expanded(lowering: Lowering, source: Place, shape: Shape, target: Shape) -> Place:
    """A dense copy of a tensor broadcast to `target`."""
    copied = lowering.scratch(source.dtype, product(target))
    copy_step(lowering, source, broadcast_strides(shape, target), copied, dense_strides(target), target)
    return copied


def packed_batch(depth: Dim, columns: Dim) -> Dim:
    """Elements of one packed right side."""
    return ceil_div(columns, TILE_COLUMNS) * (depth * TILE_COLUMNS)


def matmul_words(rows: Dim, depth: Dim, columns: Dim, blocks: Blocking) -> dict[str, Dim]:
    """The words of one dense matmul without batches."""
    return {
        "rows": rows,
        "depth": depth,
        "columns": columns,
        "a_row": depth,
        "out_row": columns,
        "a_batch": 0,
        "b_batch": 0,
        "bias_batch": 0,
        "out_batch": 0,
        "block_rows": blocks.rows,
        "block_columns": blocks.columns,
    }


def panels_shape(depth: int, columns: int) -> tuple[int, int, int]:
    """The shape of a packed constant."""
    return (-(-columns // TILE_COLUMNS), depth, TILE_COLUMNS)


def as_matrix(array: Numbers, depth: int) -> Numbers:
    """[columns, ...depth axes] -> [depth, columns], float32."""
    return np.ascontiguousarray(array.reshape(-1, depth).T)


def _strides(out: OutputShape, shape: Shape) -> tuple[Dim, Dim, bool] | None:
    """(batch stride, row stride, a value for each column) of an operand that broadcasts to `out`, or None."""
    padded = (*(1,) * (len(out.shape) - len(shape)), *shape)
    batch, rows, last = padded[: len(out.batch)], padded[len(out.batch) : -1], padded[-1]
    column_count: Dim = last
    row_count = product(rows)
    row_stride = _group_stride(rows, out.rows, column_count)
    batch_stride = _group_stride(batch, out.batch, row_count * column_count)
    if row_stride is None or batch_stride is None or last not in (1, out.columns):
        return None
    return batch_stride, row_stride, last == out.columns and last != 1


def _group_stride(given: Shape, wanted: Shape, step: Dim) -> Dim | None:
    """The distance between neighbours of a group of axes: `step`, 0 where they repeat, None where some do."""
    if all(dim == 1 for dim in given):
        return 0
    return step if given == wanted else None
