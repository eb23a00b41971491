"""Products of 8-bit integers with exact 32-bit sums.

IntegerMatMul and IntegerConv take, after the two sides: the zero point of the left side (one number), that of the
right side (one, or one a column), a bias i32 [columns], a scale f32 (one, or one a column), and the zero point of the
result. Sums are those of (left - its zero) * (right - its zero), plus the bias, in 32 bits; `to` says what is made of
them:

    i32      nothing; there is no scale
    f32      float(sum) * scale
    u8, i8   round(float(sum) * scale), half to even, plus the zero point, saturated
"""

from typing import Any

import numpy as np

from intab.dtypes import DType, int32
from intab.errors import UnsupportedOpError
from intab.graph.dims import Dim, Shape, product
from intab.graph.ir import Value
from intab.kernels.families.integer_matmul import integer_matmul
from intab.kernels.families.integer_tile import pack_pairs
from intab.ops.arrays import Numbers
from intab.ops.broadcast import broadcast, channel_axis
from intab.ops.conv import Conv
from intab.ops.dense import expanded
from intab.ops.integer_conv_lowering import lower_integer_conv
from intab.ops.integer_dense import (
    Border,
    Lines,
    Operands,
    finish_operands,
    finished,
    integer_blocking,
    is_single,
    operands_of,
    pack_computed_pairs,
    packed_constant,
    panels_size,
    rows_of_tiles,
    widened,
    without_zero,
)
from intab.ops.integer_grid_lowering import lower_grid_matmul
from intab.ops.kernel_steps import tensor_work
from intab.ops.lowering import Lowering, Place
from intab.ops.matmul import matmul_shape
from intab.ops.packing import Packing, packing
from intab.ops.registry import Result, op


@op("IntegerMatMul")
class IntegerMatMul:
    """a [..., M, K] @ b [..., K, N] of bytes -> [..., M, N], numpy's matmul; see the module for the operands.

    Source: ONNX MatMulInteger-10, QLinearMatMul-10.
    """

    to: DType = int32

    def infer(self, a: Value, b: Value, *others: Value | None) -> Result:
        shape, pairs = matmul_shape(a.shape, b.shape)
        columns = shape[-1] if b.rank > 1 else 1
        return Result(self.to, shape, equal=pairs + Operands(a, b, *others).check("IntegerMatMul", self.to, columns))

    def reference(
        self,
        a: Numbers,
        b: Numbers,
        a_zero: Numbers | None = None,
        b_zero: Numbers | None = None,
        bias: Numbers | None = None,
        scale: Numbers | None = None,
        zero: Numbers | None = None,
    ) -> Numbers:
        sums = np.asarray(np.matmul(without_zero(a, a_zero), without_zero(b, b_zero)))
        return finished(sums, bias, scale, zero, self.to).reshape(sums.shape)

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        operands = operands_of(inputs)
        left, right = operands.left.shape, operands.right.shape
        left = (1, *left) if len(left) == 1 else left
        right = (*right, 1) if len(right) == 1 else right
        # One right side for all: every leading axis is rows.
        batch = () if all(dim == 1 for dim in right[:-2]) else broadcast(left[:-2], right[:-2])[0]
        rows: Dim = left[-2] if batch else product(left[:-1])
        if lowering.target.small_items:
            a, left = _in_batches(lowering, operands.left, left, batch, may_repeat=True)
            b, right = _in_batches(lowering, operands.right, right, batch)
            lower_grid_matmul(lowering, operands, a, b, (left, right, batch), lowering.place(outputs[0]), self.to)
            return
        depth, columns = left[-1], right[-1]
        a, a_batch = _left_side(lowering, operands, left, batch)
        blocks = integer_blocking(depth)
        finish = finish_operands(lowering, operands, self.to, depth)
        pairs = (depth + 1) // 2
        words: dict[str, Dim | float] = {"rows": rows, "pairs": pairs, "columns": columns, "a_row": pairs}
        words |= {"out_row": columns, "a_batch": a_batch, "b_batch": panels_size(depth, columns)}
        words |= {"out_batch": rows * columns, "block_rows": blocks.rows, "block_columns": blocks.columns}
        b = _right_side(lowering, operands, right, batch)
        buffers = {"a": a, "b": b, "out": lowering.place(outputs[0]), **finish.buffers}
        items = product(batch) * blocks.items(rows, columns)
        shape = product(batch), rows, columns
        sides = (a, (product(left[:-1]), pairs)), (b, (product(right[:-2]), pairs, columns))
        work = tensor_work((2, depth, *shape), *sides, (buffers["out"], shape))
        lowering.step(integer_matmul(finish.finish, rows_of_tiles(rows)), buffers, words, items, work=work)


def _in_batches(
    lowering: Lowering, side: Value, shape: Shape, batch: Shape, *, may_repeat: bool = False
) -> tuple[Place, Shape]:
    """A side repeated for all batches, unless there are none or, where it `may_repeat`, one serves all; its shape."""
    place = lowering.place(side)
    if not batch or shape[:-2] == batch or (may_repeat and all(dim == 1 for dim in shape[:-2])):
        return place, shape
    target = (*batch, *shape[-2:])
    return expanded(lowering, place, shape, target), target


def _left_side(lowering: Lowering, operands: Operands, left: Shape, batch: Shape) -> tuple[Place, Dim]:
    """The left side's rows in pairs, and how far its batches lie apart (0 for one that serves all)."""
    place, depth = lowering.place(operands.left), left[-1]
    repeats = bool(batch) and all(dim == 1 for dim in left[:-2])
    if batch and left[:-2] != batch and not repeats:
        place = expanded(lowering, place, left, (*batch, *left[-2:]))
        left = (*batch, *left[-2:])
    rows, pairs = product(left[:-1]), (depth + 1) // 2
    wide = widened(lowering, place, operands.left_zero, Lines(1, rows, 1, depth), Border(rows, pairs))
    return wide, 0 if repeats else left[-2] * pairs


def _right_side(lowering: Lowering, operands: Operands, right: Shape, batch: Shape) -> Place:
    """The right side in panels: packed once at load when it is one constant matrix, else by a step."""
    b, zero = operands.right, operands.right_zero
    depth, columns = right[-2], right[-1]
    constants = (b,) if zero is None else (b, zero)
    fixed = all(lowering.constant(value) is not None for value in constants)
    if fixed and not batch and isinstance(depth, int) and isinstance(columns, int):
        pack = Packing("matrix in pairs", (depth, columns))
        return packed_constant(lowering, constants, "panels of pairs", depth, columns, pack)
    place = lowering.place(b)
    if batch and right[:-2] != batch:
        place = expanded(lowering, place, right, (*batch, *right[-2:]))
    return pack_computed_pairs(
        lowering,
        place,
        None if zero is None else lowering.place(zero),
        zero_a_column=zero is not None and not is_single(zero),
        batches=product(batch),
        depth=depth,
        columns=columns,
        strides=(depth * columns, columns, 1),
    )


@packing("matrix in pairs")
def _matrix_in_pairs(array: Numbers, *others: Any) -> Numbers:
    """The array [depth, columns], whose zero point, if it has one, comes before depth and columns."""
    *zero, depth, columns = others
    return pack_pairs(without_zero(array.reshape(depth, columns), *zero).astype(np.int16))


@op("IntegerConv")
class IntegerConv:
    """Cross-correlation of bytes, shapes and attributes as of Conv; see the module for the operands.

    Outside the picture stands its zero point. Columns are the filters. Source: ONNX ConvInteger-10, QLinearConv-10.
    """

    strides: tuple[int, ...]
    pads: tuple[Dim, ...]
    dilations: tuple[int, ...]
    group: int = 1
    layout: str = "NCHW"
    to: DType = int32

    def infer(self, x: Value, w: Value, *others: Value | None) -> Result:
        # Conv knows the shapes; it wants one dtype.
        shapes = self._float().infer(x, Value(w.name, x.dtype, w.shape))
        pairs = Operands(x, w, *others).check("IntegerConv", self.to, w.shape[0])
        return Result(self.to, shapes.shape, equal=shapes.equal + pairs)

    def reference(
        self,
        x: Numbers,
        w: Numbers,
        x_zero: Numbers | None = None,
        w_zero: Numbers | None = None,
        bias: Numbers | None = None,
        scale: Numbers | None = None,
        zero: Numbers | None = None,
    ) -> Numbers:
        weights = np.moveaxis(without_zero(np.moveaxis(w, 0, -1), w_zero), -1, 0)
        sums = self._float().reference(without_zero(x, x_zero), weights)
        channel = channel_axis(x.ndim, self.layout)
        last = finished(np.moveaxis(sums, channel, -1), bias, scale, zero, self.to)
        return np.ascontiguousarray(np.moveaxis(last, -1, channel))

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        x = inputs[0]
        if x is None or self.layout != "NHWC" or x.rank not in (3, 4):
            raise UnsupportedOpError(
                f"an integer convolution of {x} in layout {self.layout} has no kernel on this back end. "
                'Use backend="reference".'
            )
        lower_integer_conv(self, lowering, operands_of(inputs), outputs[0], self.to)

    def _float(self) -> Conv:
        return Conv(
            strides=self.strides, pads=self.pads, dilations=self.dilations, group=self.group, layout=self.layout
        )
