"""Matrix products with weights that stay bytes in memory."""

import numpy as np

from intab.dtypes import float32
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import product
from intab.graph.ir import Graph, Value
from intab.kernels.families.compressed_matmul import compressed_matmul
from intab.kernels.families.register_tile import TILE_COLUMNS, pad_columns
from intab.ops.arrays import Numbers
from intab.ops.broadcast import agree, need_rank, shape_text
from intab.ops.dense import OutputShape, blocking, dense_work, epilogue_operands, panels_shape, require_float32
from intab.ops.epilogue import apply_epilogue, infer_epilogue
from intab.ops.lowering import Lowering, Place
from intab.ops.matmul import matmul_shape
from intab.ops.packing import Packing, packing
from intab.ops.registry import Result, op


@op("CompressedMatMul")
class CompressedMatMul:
    """a @ (b * scale) + bias, then the epilogue, in f32. a [..., M, K], b i8 or u8 [K, N], scale [] or [N], bias [N].

    What MatMul is of a DequantizeLinear without a zero point, with `transpose_b` for b [N, K]. Further inputs are
    the epilogue's.
    """

    transpose_b: bool = False
    epilogue: Graph | None = None

    def infer(self, a: Value, b: Value, scale: Value, bias: Value | None = None, *extra: Value) -> Result:
        if b.dtype.name not in ("i8", "u8") or any(v is not None and v.dtype != float32 for v in (a, scale, bias)):
            raise DTypeError(f"CompressedMatMul takes f32 and bytes on the right, not {a}, {b}, {scale} and {bias}.")
        need_rank(a, 2, "CompressedMatMul")
        if b.rank != 2 or scale.rank > 1:
            raise ShapeError(f"CompressedMatMul takes a matrix and a scale a column, not {b} and {scale}.")
        shape, pairs = matmul_shape(a.shape, b.shape[::-1] if self.transpose_b else b.shape)
        for value in (scale, bias):
            if value is not None and value.rank:
                what = f"Columns of CompressedMatMul {shape_text(shape)}"
                pairs += agree(value.shape[0], shape[-1], what)[1]
        return infer_epilogue(float32, shape, self.epilogue, extra, pairs)

    def reference(
        self, a: Numbers, b: Numbers, scale: Numbers, bias: Numbers | None = None, *extra: Numbers
    ) -> Numbers:
        right = (b.T if self.transpose_b else b).astype(np.float32) * scale
        with np.errstate(all="ignore"):
            result = np.asarray(a @ right)
            return apply_epilogue(result if bias is None else result + bias, self.epilogue, extra)

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        a, b, scale, *others = inputs
        assert a is not None and b is not None and scale is not None
        bias = others[0] if others else None
        extra = tuple(value for value in others[1:] if value is not None)
        require_float32("CompressedMatMul", a, bias)
        rows, (depth, columns) = product(a.shape[:-1]), self._sizes(b)
        out = OutputShape((), a.shape[:-1], columns)
        operands = epilogue_operands(lowering, out, bias, self.epilogue, extra)
        blocks = blocking(depth)
        items = blocks.items(rows, columns)
        buffers = {
            "a": lowering.place(a),
            "packed": self._panels(lowering, b),
            "scale": _scales(lowering, scale, columns),
            "b": lowering.scratch(float32, items * (depth * TILE_COLUMNS)),
            "out": lowering.place(outputs[0]),
        }
        words = {
            "rows": rows,
            "depth": depth,
            "columns": columns,
            "block_rows": blocks.rows,
            "block_columns": blocks.columns,
        }
        lowering.step(
            compressed_matmul(b.dtype.name, operands.epilogue),
            {**buffers, **operands.buffers},
            {**words, **operands.words},
            items,
            work=dense_work((2, rows, depth, columns), operands, (rows, depth), (rows, columns)),
        )

    def _sizes(self, b: Value) -> tuple[int, int]:
        """Depth and columns of the right side."""
        first, second = b.shape
        if not isinstance(first, int) or not isinstance(second, int):
            raise UnsupportedOpError(f"There is a kernel for weights of known sizes, not for {b}.")
        return (second, first) if self.transpose_b else (first, second)

    def _panels(self, lowering: Lowering, b: Value) -> Place:
        """The bytes in panels, as they lie at load."""
        if lowering.constant(b) is None:
            raise UnsupportedOpError(f'There is a kernel for weights fixed at load, not for {b}. Use "reference".')
        depth, columns = self._sizes(b)
        pack = Packing("bytes in panels", (int(self.transpose_b),))
        name = "panels of the transpose" if self.transpose_b else "panels"
        return lowering.weight((b,), name, panels_shape(depth, columns), pack)


def _scales(lowering: Lowering, scale: Value, columns: int) -> Place:
    """One scale a column, up to a whole panel."""
    if lowering.constant(scale) is None:
        raise UnsupportedOpError(f'There is a kernel for scales fixed at load, not for {scale}. Use "reference".')
    length = -(-columns // TILE_COLUMNS) * TILE_COLUMNS
    name = f"scales of {columns} columns"
    return lowering.weight((scale,), name, (length,), Packing("scale for each column", (columns,)))


@packing("bytes in panels")
def _bytes_in_panels(array: Numbers, transposed: int) -> Numbers:
    matrix = array.T if transposed else array
    depth, columns = matrix.shape
    padded = np.pad(matrix, ((0, 0), (0, -columns % TILE_COLUMNS)))
    return np.ascontiguousarray(padded.reshape(depth, -1, TILE_COLUMNS).transpose(1, 0, 2))


@packing("scale for each column")
def _scale_for_each_column(array: Numbers, columns: int) -> Numbers:
    return pad_columns(np.broadcast_to(array, (columns,)))
