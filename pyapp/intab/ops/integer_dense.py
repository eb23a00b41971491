"""What integer matmul and convolution share: rules of their operands, what becomes of sums, both sides in pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from intab.dtypes import DType, float32, int8, int32, uint8
from intab.errors import DTypeError, ShapeError
from intab.graph.dims import Dim, ceil_div
from intab.graph.ir import Value
from intab.kernels.families.integer_matmul import pack_right_pairs
from intab.kernels.families.integer_tile import LIMITS, TILE_COLUMNS, TILE_ROWS, Finish
from intab.kernels.families.widen_lines import widen_lines
from intab.ops.arrays import Numbers
from intab.ops.broadcast import Pairs, agree
from intab.ops.dense import MOST_TILES_DOWN, PANELS_NBYTES, ROWS_NBYTES, Blocking
from intab.ops.kernel_steps import tensor_work
from intab.ops.lowering import Lowering, Place
from intab.ops.packing import Packing, packing

BYTES = (uint8, int8)
# A little less than 2^22, since scaling rounds.
NEAR = 4_000_000


@dataclass(frozen=True, slots=True)
class Operands:
    """The inputs of an integer product, see `ops.quantized`. `columns` says how many columns the result has."""

    left: Value
    right: Value
    left_zero: Value | None = None
    right_zero: Value | None = None
    bias: Value | None = None
    scale: Value | None = None
    zero: Value | None = None

    def check(self, name: str, to: DType, columns: Dim) -> Pairs:
        """The sizes assumed equal. Raises DTypeError and ShapeError for operands that do not fit together."""
        dtypes = {
            "left zero point": (self.left_zero, self.left.dtype),
            "right zero point": (self.right_zero, self.right.dtype),
            "bias": (self.bias, int32),
            "scale": (self.scale, float32),
            "zero point": (self.zero, to),
        }
        if self.left.dtype not in BYTES or self.right.dtype not in BYTES:
            raise DTypeError(f"{name} takes u8 and i8 tensors, not {self.left} and {self.right}.")
        for what, (value, dtype) in dtypes.items():
            if value is not None and value.dtype != dtype:
                raise DTypeError(f"{name} takes a {what} of {dtype}, not {value}.")
        if to not in (int32, float32, *BYTES):
            raise DTypeError(f"{name} gives i32, f32, u8 or i8, not {to}.")
        if (self.scale is None) != (to == int32) or (self.zero is None) != (to not in BYTES):
            raise ShapeError(f"{name} to {to} has a scale unless it gives i32, and a zero point where it gives bytes.")
        for value in (self.left_zero, self.zero):
            if value is not None and not is_single(value):
                raise ShapeError(f"{name} takes one zero point for a whole tensor, not {value}.")
        pairs: Pairs = ()
        for value, may_be_single in ((self.right_zero, True), (self.bias, False), (self.scale, True)):
            if value is None or (may_be_single and is_single(value)):
                continue
            if value.rank != 1:
                raise ShapeError(f"{name} takes {value} with one number for each of {columns} columns.")
            pairs += agree(value.shape[0], columns, f"{value.name} and columns of {name}")[1]
        return pairs


def is_single(value: Value) -> bool:
    """Is one number for all?"""
    return all(dim == 1 for dim in value.shape) and value.rank <= 1


def operands_of(inputs: Sequence[Value | None]) -> Operands:
    """The inputs of a node; left and right are there."""
    left, right, *others = inputs
    assert left is not None and right is not None
    return Operands(left, right, *others)


def without_zero(numbers: Numbers, zero: Numbers | None = None) -> Numbers:
    """numbers - zero in float64, where sums of products of bytes are exact; zeros broadcast from the last axis."""
    wide = numbers.astype(np.float64)
    return wide if zero is None else np.asarray(wide - zero.astype(np.float64))


def without_zero_of_filters(weights: Numbers, zeros: Numbers | None = None) -> Numbers:
    """The same for weights [O, ...], with one zero point for all or one a filter."""
    return np.moveaxis(without_zero(np.moveaxis(weights, 0, -1), zeros), -1, 0)


def finished(sums: Numbers, bias: Numbers | None, scale: Numbers | None, zero: Numbers | None, to: DType) -> Numbers:
    """The numpy meaning of what becomes of exact sums [..., columns]."""
    total = sums.astype(np.int64) + (0 if bias is None else bias)
    # As 32-bit registers hold it.
    exact = total.astype(np.int32)
    if scale is None:
        return np.asarray(exact)
    value = np.asarray(exact.astype(np.float32) * scale)
    if zero is None:
        return value
    low, high = LIMITS[to.name]
    inside = np.clip(value, np.float32(low - int(zero.item())), np.float32(high - int(zero.item())))
    return np.asarray((np.rint(inside).astype(np.int32) + int(zero.item())).astype(to.numpy))


@dataclass(frozen=True, slots=True)
class FinishOperands:
    """A kernel's finish and the buffers that a step gives for it."""

    finish: Finish
    buffers: Mapping[str, Place]

    def shifted(self, columns: int) -> "FinishOperands":
        """The operands for columns further right (the next group of a convolution)."""
        a_column = {"bias": True, "scale": self.finish.scale_a_column, "zero": False}
        moved = {
            name: replace(place, offset=place.offset + columns) if a_column[name] else place
            for name, place in self.buffers.items()
        }
        return FinishOperands(self.finish, moved)


def finish_operands(lowering: Lowering, operands: Operands, to: DType, depth: Dim) -> FinishOperands:
    """How a kernel reads bias, scale and zero point, for sums of `depth` products."""
    buffers: dict[str, Place] = {}
    scale = operands.scale
    a_column = scale is not None and not is_single(scale)
    if operands.bias is not None:
        buffers["bias"] = _padded(lowering, operands.bias)
    if scale is not None:
        buffers["scale"] = _padded(lowering, scale) if a_column else lowering.place(scale)
    if operands.zero is not None:
        buffers["zero"] = lowering.place(operands.zero)
    near = to in BYTES and _stays_near(lowering, operands, depth)
    return FinishOperands(Finish(to.name, operands.bias is not None, a_column, near=near), buffers)


def _stays_near(lowering: Lowering, operands: Operands, depth: Dim) -> bool:
    """Are scaled sums sure to lie within NEAR, whatever bytes come?"""
    scale, bias = lowering.constant(operands.scale), lowering.constant(operands.bias)
    if not isinstance(depth, int) or scale is None or (bias is None and operands.bias is not None):
        return False
    # Of each column by itself: where weights are tiny the scale is, too, and the bias is large.
    largest = 0.0 if bias is None else np.abs(bias.numpy().astype(np.float64))
    scaled = (depth * 255.0 * 255.0 + largest) * np.abs(scale.numpy().astype(np.float64))
    return bool(scaled.max(initial=0) < NEAR)


def _padded(lowering: Lowering, value: Value) -> Place:
    """A number a column with room up to a whole panel; one that is computed as it is, what lies behind is not used."""
    constant = lowering.constant(value)
    if constant is None:
        return lowering.place(value)
    missing = -constant.shape[0] % TILE_COLUMNS
    length = constant.shape[0] + missing
    return lowering.weight((value,), "in panels", (length,), Packing("padded", (missing,)))


@packing("padded")
def _with_zeros(array: Numbers, missing: int) -> Numbers:
    return np.pad(array, (0, missing))


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of bytes: pictures of `height` of them, each of `runs` runs of `run` numbers."""

    images: Dim
    height: Dim
    runs: Dim
    run: Dim


@dataclass(frozen=True, slots=True)
class Border:
    """Where lines lie among zeros: sizes of the larger picture and what is above and to the left, in pairs."""

    height: Dim
    line: Dim
    top: Dim = 0
    left: Dim = 0


def widened(lowering: Lowering, x: Place, zero: Value | None, lines: Lines, border: Border) -> Place:
    """Bytes as pairs of 16-bit numbers without their zero point."""
    count = lines.images * border.height
    pairs = lowering.scratch(int32, count * border.line)
    buffers = {"x": x, "out": pairs} | ({} if zero is None else {"zero": lowering.place(zero)})
    words: dict[str, Dim | float] = {"height": lines.height, "runs": lines.runs, "run": lines.run}
    words |= {"out_height": border.height, "out_line": border.line, "top": border.top, "left": border.left}
    work = tensor_work((0,), (x, (lines.images, lines.height, lines.runs, lines.run)), (pairs, (count, border.line)))
    lowering.step(widen_lines(x.dtype.name, zero=zero is not None), buffers, words, count, work=work)
    return pairs


def pack_computed_pairs(
    lowering: Lowering,
    right: Place,
    zero: Place | None,
    *,
    zero_a_column: bool,
    batches: Dim,
    depth: Dim,
    columns: Dim,
    strides: tuple[Dim, Dim, Dim],
) -> Place:
    """Pack a right side that is computed at run time; strides are those of batches, depths and columns."""
    size = panels_size(depth, columns)
    packed = lowering.scratch(int32, batches * size)
    kernel = pack_right_pairs(right.dtype.name, zero_a_column=None if zero is None else zero_a_column)
    words: dict[str, Dim | float] = {"depth": depth, "columns": columns, "out_batch": size}
    words |= dict(zip(("b_batch", "b_row", "b_column"), strides, strict=True))
    buffers = {"b": right, "out": packed} | ({} if zero is None else {"zero": zero})
    work = tensor_work((0,), (right, (batches, depth, columns)), (packed, (batches, size)))
    lowering.step(kernel, buffers, words, batches * ceil_div(columns, TILE_COLUMNS), work=work)
    return packed


def panels_size(depth: Dim, columns: Dim) -> Dim:
    """Elements of one packed right side."""
    return ceil_div(columns, TILE_COLUMNS) * (ceil_div(depth, 2) * TILE_COLUMNS)


def packed_constant(
    lowering: Lowering, constants: tuple[Value, ...], name: str, depth: int, columns: int, pack: Packing
) -> Place:
    """A constant right side in panels; `pack` makes them of the constants' numbers."""
    shape = (-(-columns // TILE_COLUMNS), -(-depth // 2), TILE_COLUMNS)
    return lowering.weight(constants, name, shape, pack, int32)


def rows_of_tiles(rows: Dim) -> int:
    """The height of tiles: few rows, where it is known that there are few, repeat none."""
    return rows if isinstance(rows, int) and 0 < rows < TILE_ROWS else TILE_ROWS


def integer_blocking(depth: Dim, *, tiles_down: int = MOST_TILES_DOWN) -> Blocking:
    """Blocks as `dense.blocking` cuts them, for a tile of other rows and two bytes a number."""
    row_nbytes = 2 * max(1, depth if isinstance(depth, int) else 256)
    down = min(tiles_down, max(1, ROWS_NBYTES // (row_nbytes * TILE_ROWS)))
    across = max(1, PANELS_NBYTES // (row_nbytes * TILE_COLUMNS))
    return Blocking(down * TILE_ROWS, across * TILE_COLUMNS)
