"""Matrix products."""

import numpy as np

from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, Shape
from intab.graph.ir import Graph, Value
from intab.ops.arrays import Numbers, accumulator
from intab.ops.broadcast import Pairs, agree, broadcast, need_rank, shape_text
from intab.ops.epilogue import apply_epilogue, infer_epilogue
from intab.ops.lowering import Lowering
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
        raise UnsupportedOpError("MatMul has no kernel yet.")


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
