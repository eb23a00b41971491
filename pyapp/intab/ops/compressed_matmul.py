"""Matrix products with weights that stay bytes in memory."""

from dataclasses import dataclass

import numpy as np

from intab.dtypes import dtype_of, float32
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.derived import View
from intab.graph.dims import Dim, product
from intab.graph.ir import Graph, Value
from intab.kernels.families.compressed_matmul import compressed_matmul
from intab.kernels.families.narrow_panel import TURNS, narrow_shape, pack_narrow
from intab.kernels.families.register_tile import TILE_COLUMNS, TILE_ROWS, pad_columns
from intab.ops.arrays import Numbers
from intab.ops.broadcast import agree, need_rank, shape_text
from intab.ops.dense import Blocking, OutputShape, dense_work, epilogue_operands, require_float32
from intab.ops.epilogue import apply_epilogue, infer_epilogue
from intab.ops.lowering import Lowering, Place
from intab.ops.matmul import matmul_shape
from intab.ops.packing import Packing, packing
from intab.ops.panels import Axis, Panels
from intab.ops.registry import Result, op

# A chunk of a panel and a tile's rows of it take two thirds of a first-level cache of 32 KB.
MOST_CHUNK_DEPTHS = 384
# Of the second-level cache, what a chunk of a block's rows may take.
ROWS_NBYTES = 256 * 1024
FEWEST_COLUMNS = 48
MOST_BLOCKS_ACROSS = 64
FEW_ROWS = (1, 2, 4, TILE_ROWS)


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
        shape = _Schedule.of(rows, depth, columns)
        items = shape.blocks.items(rows, columns)
        buffers = {
            "a": lowering.place(a),
            "packed": self._panels(lowering, b),
            "scale": _scales(lowering, scale, columns),
            "out": lowering.place(outputs[0]),
        }
        if shape.rest is not None:
            buffers["b"] = lowering.scratch(float32, items * (shape.chunk * TILE_COLUMNS))
            if shape.chunk < depth:
                buffers["partial"] = lowering.scratch(float32, rows * padded_columns(columns))
        words = {
            "rows": rows,
            "depth": depth,
            "columns": columns,
            "scale_depth": depth,
            "chunk": shape.chunk,
            "block_rows": shape.blocks.rows,
            "block_columns": shape.blocks.columns,
        }
        kernel = compressed_matmul(
            b.dtype.name, operands.epilogue, chunked=shape.chunk < depth, few=shape.few, rest=shape.rest
        )
        lowering.step(
            kernel,
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
        return lowering.weight((b,), name, narrow_shape(b.dtype.name, depth, columns), pack)


@dataclass(frozen=True, slots=True)
class _Schedule:
    """How a product is cut: see the words and options of the kernel."""

    blocks: Blocking
    chunk: int
    few: tuple[int, ...]
    rest: tuple[int, ...] | None

    @classmethod
    def of(cls, rows: Dim, depth: int, columns: int) -> "_Schedule":
        """Chunks of one length whose panel and rows stay in the first-level cache; blocks for many threads."""
        chunks = max(1, -(-depth // MOST_CHUNK_DEPTHS))
        even = -(-depth // (2 * chunks)) * 2
        chunk = min(depth, max(even, 1))
        down = max(1, ROWS_NBYTES // (4 * max(1, chunk) * TILE_ROWS))
        across = -(-columns // (MOST_BLOCKS_ACROSS * TILE_COLUMNS)) * TILE_COLUMNS
        blocks = Blocking(down * TILE_ROWS, max(across, FEWEST_COLUMNS))
        if not isinstance(rows, int):
            return cls(blocks, chunk, FEW_ROWS, (4, TILE_ROWS))
        if rows <= TILE_ROWS:
            return cls(blocks, chunk, tuple(h for h in FEW_ROWS if h >= rows)[:1], None)
        left = rows % TILE_ROWS
        return cls(blocks, chunk, (), () if left == 0 else (4 if left <= 4 else TILE_ROWS,))


def _scales(lowering: Lowering, scale: Value, columns: int) -> Place:
    """One scale a column, up to a whole panel."""
    if lowering.constant(scale) is None:
        raise UnsupportedOpError(f'There is a kernel for scales fixed at load, not for {scale}. Use "reference".')
    length = padded_columns(columns)
    name = f"scales of {columns} columns"
    return lowering.weight((scale,), name, (length,), Packing("scale for each column", (columns,)))


def _byte_axes(view: View, transposed: int) -> Panels | None:
    if len(view.shape) != 2 or view.factor is not None:
        return None
    (depth, columns), (down, across) = ((pair[::-1] if transposed else pair) for pair in (view.shape, view.strides))
    return Panels(Axis(1, 0), Axis(columns, across), Axis(1, 0), Axis(depth, down), TURNS)


@packing("bytes in panels", _byte_axes)
def _bytes_in_panels(array: Numbers, transposed: int) -> Numbers:
    matrix = array.T if transposed else array
    return pack_narrow(matrix, dtype_of(matrix).name)


@packing("scale for each column")
def _scale_for_each_column(array: Numbers, columns: int) -> Numbers:
    return pad_columns(np.broadcast_to(array, (columns,)))


def padded_columns(columns: int) -> int:
    """Columns up to a whole panel."""
    return -(-columns // TILE_COLUMNS) * TILE_COLUMNS
