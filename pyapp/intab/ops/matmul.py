"""Matrix products."""

from collections.abc import Sequence

import numpy as np

from intab.errors import DTypeError, ShapeError
from intab.graph.dims import Dim, Shape, product
from intab.graph.ir import Graph, Value
from intab.kernels.families.matmul import matmul
from intab.kernels.families.register_tile import pack_panels
from intab.ops.arrays import Numbers, accumulator
from intab.ops.broadcast import Pairs, agree, broadcast, need_rank, shape_text
from intab.ops.dense import (
    OutputShape,
    blocking,
    dense_operands,
    dense_work,
    epilogue_operands,
    expanded,
    matmul_words,
    pack_computed,
    packed_batch,
    panels_shape,
    require_float32,
    tiles_for,
)
from intab.ops.epilogue import apply_epilogue, infer_epilogue
from intab.ops.grid_dense import LeftRows, OutRows, RightLines, computed_lines, matrix_lines, product_step
from intab.ops.kernel_steps import transpose_step
from intab.ops.lowering import Lowering, Place
from intab.ops.packing import Packing, packing
from intab.ops.panels import matrix_axes
from intab.ops.registry import Result, op


@op("MatMul")
class MatMul:
    """a @ b + bias, then the epilogue. a [..., M, K], b [..., K, N], bias [N] -> [..., M, N].

    numpy's matmul: leading axes broadcast, a vector is a row on the left and a column on the right.
    `transpose_a` and `transpose_b` swap the last two axes first. Source: ONNX MatMul-13, Gemm-13.
    """

    transpose_a: bool = False
    transpose_b: bool = False
    epilogue: Graph | None = None

    def infer(self, a: Value, b: Value, bias: Value | None = None, *extra: Value) -> Result:
        if a.dtype != b.dtype or (bias is not None and bias.dtype != a.dtype):
            raise DTypeError(f"MatMul needs one dtype for all operands; given are {a}, {b} and {bias}.")
        if a.dtype.kind in ("bool", "string"):
            raise DTypeError(f"MatMul needs numbers, not {a.dtype}.")
        shape, pairs = matmul_shape(self.oriented(a, self.transpose_a), self.oriented(b, self.transpose_b))
        if bias is not None:
            if b.rank < 2 or bias.rank != 1:
                raise ShapeError(f"MatMul's bias has one axis, as long as the result's last; given is {bias}.")
            _, more = agree(bias.shape[0], shape[-1], "Bias and columns of MatMul")
            pairs += more
        return infer_epilogue(a.dtype, shape, self.epilogue, extra, pairs)

    def oriented(self, value: Value, transpose: bool) -> Shape:
        """The shape of an operand after its transposition."""
        if not transpose:
            return value.shape
        need_rank(value, 2, "A transposed operand of MatMul")
        return (*value.shape[:-2], value.shape[-1], value.shape[-2])

    def reference(self, a: Numbers, b: Numbers, bias: Numbers | None = None, *extra: Numbers) -> Numbers:
        left = np.swapaxes(a, -1, -2) if self.transpose_a else a
        right = np.swapaxes(b, -1, -2) if self.transpose_b else b
        wide = accumulator(a.dtype)
        with np.errstate(all="ignore"):
            result = np.asarray(np.matmul(left.astype(wide, copy=False), right.astype(wide, copy=False)))
            if bias is not None:
                result = result + bias
            return apply_epilogue(result.astype(a.dtype, copy=False), self.epilogue, extra)

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        require_float32("MatMul", *inputs)
        lower_matmul(self, lowering, inputs, outputs[0])


def lower_matmul(op: MatMul, lowering: Lowering, inputs: Sequence[Value | None], output: Value) -> None:
    """Steps of a matmul: pack or expand what needs it, then one kernel."""
    a, b, bias, extra = dense_operands(inputs)
    left, right = op.oriented(a, op.transpose_a), op.oriented(b, op.transpose_b)
    left = (1, *left) if len(left) == 1 else left
    right = (*right, 1) if len(right) == 1 else right
    depth, columns = left[-1], right[-1]
    if all(dim == 1 for dim in right[:-2]):  # one right side for all: every leading axis is rows
        out = OutputShape((), left[:-1], columns)
    else:
        batch, _ = broadcast(left[:-2], right[:-2])
        out = OutputShape(batch, left[-2:-1], columns)
    rows, batches = product(out.rows), product(out.batch)
    operands = epilogue_operands(lowering, out, bias, op.epilogue, extra)
    a_place = _left_side(op, lowering, a, left, out)
    a_repeats = bool(out.batch) and all(dim == 1 for dim in left[:-2])
    work = dense_work(
        (2, batches, rows, depth, columns),
        operands,
        (1 if a_repeats else batches, rows, depth),
        (batches, depth, columns),
        (batches, rows, columns),
    )
    if lowering.target.language == "wgsl":
        product_step(
            lowering,
            LeftRows(a_place, depth, {"a_row": depth, "a_batch": 0 if a_repeats else rows * depth}),
            _right_lines(op, lowering, b, right, out),
            OutRows(lowering.place(output), {"out_row": columns, "out_batch": rows * columns}),
            operands,
            sizes=(batches, rows, depth, columns),
            work=work,
        )
        return
    b_place = _right_side(op, lowering, b, right, out)
    blocks = blocking(depth).for_threads(lowering.target, rows, columns, batches)
    lowering.step(
        matmul(operands.epilogue, tiles_for(rows, columns)),
        {"a": a_place, "b": b_place, "out": lowering.place(output), **operands.buffers},
        {
            **matmul_words(rows, depth, columns, blocks),
            "a_batch": 0 if a_repeats else rows * depth,
            "b_batch": packed_batch(depth, columns),
            "out_batch": rows * columns,
            **operands.words,
        },
        batches * blocks.items(rows, columns),
        work=work,
    )


def _left_side(op: MatMul, lowering: Lowering, a: Value, left: Shape, out: OutputShape) -> Place:
    """The left side with contiguous rows and every batch there, or one batch for all."""
    place = lowering.place(a)
    if op.transpose_a:
        order = (*range(a.rank - 2), a.rank - 1, a.rank - 2)
        turned = lowering.scratch(a.dtype, product(a.shape))
        transpose_step(lowering, place, a.shape, order, turned)
        place = turned
    if out.batch and left[:-2] != out.batch and not all(dim == 1 for dim in left[:-2]):
        place = expanded(lowering, place, left, (*out.batch, *left[-2:]))
    return place


def _right_side(op: MatMul, lowering: Lowering, b: Value, right: Shape, out: OutputShape) -> Place:
    """The right side in panels: packed once at load when it is one constant matrix, else by a step."""
    fixed = _fixed_matrix(lowering, b, right, out)
    if fixed is not None:
        depth, columns = fixed
        pack = Packing("matrix in panels", (depth, columns, int(op.transpose_b)))
        name = "panels of the transpose" if op.transpose_b else "panels"
        return lowering.weight((b,), name, panels_shape(depth, columns), pack)
    place, strides = _right_matrices(op, lowering, b, right, out)
    batches = product(out.batch)
    return pack_computed(lowering, place, batches=batches, depth=right[-2], columns=right[-1], strides=strides)


def _right_lines(op: MatMul, lowering: Lowering, b: Value, right: Shape, out: OutputShape) -> RightLines:
    """The right side as GPUs read it."""
    fixed = _fixed_matrix(lowering, b, right, out)
    if fixed is not None:
        return matrix_lines(lowering, b, *fixed, transposed=op.transpose_b)
    place, strides = _right_matrices(op, lowering, b, right, out)
    batches = product(out.batch)
    return computed_lines(lowering, place, batches=batches, depth=right[-2], columns=right[-1], strides=strides)


def _fixed_matrix(lowering: Lowering, b: Value, right: Shape, out: OutputShape) -> tuple[int, int] | None:
    """The depth and columns of a right side that is one constant matrix for all."""
    depth, columns = right[-2], right[-1]
    if lowering.constant(b) is None or out.batch or not isinstance(depth, int) or not isinstance(columns, int):
        return None
    return depth, columns


def _right_matrices(
    op: MatMul, lowering: Lowering, b: Value, right: Shape, out: OutputShape
) -> tuple[Place, tuple[Dim, Dim, Dim]]:
    """A right side with every batch there, and the distances of batches, depths and columns."""
    depth, columns = right[-2], right[-1]
    place = lowering.place(b)
    if out.batch and right[:-2] != out.batch:
        stored = b.shape if b.rank > 1 else right
        place = expanded(lowering, place, stored, (*out.batch, *stored[-2:]))
    return place, (depth * columns, *((1, depth) if op.transpose_b else (columns, 1)))


@packing("matrix in panels", matrix_axes)
def _matrix_in_panels(array: Numbers, depth: int, columns: int, transposed: int) -> Numbers:
    return pack_panels(array.reshape(columns, depth).T if transposed else array.reshape(depth, columns))


def matmul_shape(a: Shape, b: Shape) -> tuple[Shape, Pairs]:
    """The shape of a @ b and the sizes assumed equal. Raises ShapeError for scalars and for unequal inner sizes."""
    if not a or not b:
        raise ShapeError(f"MatMul needs vectors or matrices, not {shape_text(a)} and {shape_text(b)}.")
    rows: Shape = a[-2:-1]
    inner: Dim = b[-2] if len(b) > 1 else b[0]
    columns: Shape = b[-1:] if len(b) > 1 else ()
    _, pairs = agree(a[-1], inner, f"Inner sizes of MatMul of {shape_text(a)} and {shape_text(b)}")
    batch, more = broadcast(a[:-2], b[:-2])
    return (*batch, *rows, *columns), pairs + more
