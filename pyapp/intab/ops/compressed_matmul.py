"""Matrix products with weights that stay bytes in memory."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from intab.dtypes import dtype_of, float32
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.derived import View
from intab.graph.dims import Dim, ceil_div, product
from intab.graph.ir import Graph, Value
from intab.kernels.families.compressed_matmul import compressed_matmul
from intab.kernels.families.grid_shape import LANES
from intab.kernels.families.narrow_panel import TURNS, narrow_shape, pack_narrow
from intab.kernels.families.register_tile import TILE_COLUMNS, TILE_ROWS
from intab.ops.arrays import Numbers
from intab.ops.broadcast import agree, need_rank, shape_text
from intab.ops.compressed_lines import compressed_lines, has_four_bits
from intab.ops.dense import Blocking, EpilogueOperands, OutputShape, dense_work, epilogue_operands, require_float32
from intab.ops.epilogue import apply_epilogue, infer_epilogue
from intab.ops.grid_dense import LeftRows, OutRows, RightLines, in_lines, padded_count, product_step
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
FEW_ROWS = (1, 2, 4, TILE_ROWS, 8)


@op("CompressedMatMul")
class CompressedMatMul:
    """a @ ((b - zero) * scale) + bias, then the epilogue, in f32. a [..., M, K], b i8 or u8 [K, N], bias [N].

    scale f32 [] or [N] or, with `block_size`, [ceil(K / block_size), N]: one for each so many depths; zero, of b's
    dtype or f32, as many. With `transpose_b` b, and scale of blocks, are [N, ...]. What MatMul is of a
    DequantizeLinear. Further inputs are the epilogue's.
    """

    transpose_b: bool = False
    block_size: int = 0
    epilogue: Graph | None = None

    def infer(
        self,
        a: Value,
        b: Value,
        scale: Value,
        zero: Value | None = None,
        bias: Value | None = None,
        *extra: Value,
    ) -> Result:
        if b.dtype.name not in ("i8", "u8") or any(v is not None and v.dtype != float32 for v in (a, scale, bias)):
            raise DTypeError(f"CompressedMatMul takes f32 and bytes on the right, not {a}, {b}, {scale} and {bias}.")
        if zero is not None and zero.dtype not in (b.dtype, float32):
            raise DTypeError(f"CompressedMatMul's zero points are of {b.dtype} or f32, not {zero}.")
        need_rank(a, 2, "CompressedMatMul")
        if b.rank != 2 or scale.rank not in ((2,) if self.block_size else (0, 1)):
            raise ShapeError(f"CompressedMatMul takes a matrix and a scale a column or block, not {b} and {scale}.")
        if zero is not None and zero.rank != scale.rank:
            raise ShapeError(f"CompressedMatMul needs as many zero points as scales, not {zero} and {scale}.")
        depth, columns = b.shape[::-1] if self.transpose_b else b.shape
        shape, pairs = matmul_shape(a.shape, (depth, columns))
        blocks = (ceil_div(depth, self.block_size),) if self.block_size else ()
        for value, wanted in ((scale, (*blocks, columns)), (zero, (*blocks, columns)), (bias, (columns,))):
            if value is not None and value.rank:
                given = value.shape[::-1] if self.transpose_b else value.shape
                for size, expected in zip(given, wanted, strict=True):
                    pairs += agree(size, expected, f"{value} of CompressedMatMul {shape_text(shape)}")[1]
        return infer_epilogue(float32, shape, self.epilogue, extra, pairs)

    def reference(
        self,
        a: Numbers,
        b: Numbers,
        scale: Numbers,
        zero: Numbers | None = None,
        bias: Numbers | None = None,
        *extra: Numbers,
    ) -> Numbers:
        right = (b.T if self.transpose_b else b).astype(np.float32)
        if zero is not None:
            right = right - self._by_depth(zero, len(right)).astype(np.float32)
        with np.errstate(all="ignore"):
            result = np.asarray(a @ (right * self._by_depth(scale, len(right))))
            return apply_epilogue(result if bias is None else result + bias, self.epilogue, extra)

    def _by_depth(self, values: Numbers, depth: int) -> Numbers:
        """Scales or zero points so that they broadcast over [depth, columns]."""
        if not self.block_size:
            return values
        turned = values.T if self.transpose_b else values
        return np.asarray(np.repeat(turned, self.block_size, axis=0)[:depth])

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        given = [*inputs, None, None]
        (a, b, scale), (zero, bias) = given[:3], given[3:5]
        assert a is not None and b is not None and scale is not None
        extra = tuple(value for value in given[5:] if value is not None)
        require_float32("CompressedMatMul", a, bias)
        rows, (depth, columns) = product(a.shape[:-1]), self._sizes(b)
        out = OutputShape((), a.shape[:-1], columns)
        operands = epilogue_operands(lowering, out, bias, self.epilogue, extra)
        if lowering.target.small_items:
            self._lower_product(lowering, a, self._lines(lowering, b, scale, zero), operands, outputs[0])
            return
        cut = _Schedule.of(rows, depth, columns)
        items = cut.blocks.items(rows, columns)
        weights = self._weights(lowering, b, scale, zero)
        buffers = {"a": lowering.place(a), "out": lowering.place(outputs[0]), **weights.buffers}
        if cut.rest is not None:
            buffers["b"] = lowering.scratch(float32, items * (cut.chunk * TILE_COLUMNS))
            if cut.chunk < depth:
                buffers["partial"] = lowering.scratch(float32, rows * padded_columns(columns))
        words = {
            "rows": rows,
            "depth": depth,
            "columns": columns,
            "scale_depth": min(self.block_size or depth, depth),
            "chunk": cut.chunk,
            "block_rows": cut.blocks.rows,
            "block_columns": cut.blocks.columns,
        }
        kernel = compressed_matmul(
            weights.dtype,
            operands.epilogue,
            zero="zero" in weights.buffers,
            chunked=cut.chunk < depth,
            few=cut.few,
            rest=cut.rest,
        )
        lowering.step(
            kernel,
            {**buffers, **operands.buffers},
            {**words, **operands.words},
            items,
            work=dense_work((2, rows, depth, columns), operands, (rows, depth), (rows, columns)),
        )

    def _lower_product(
        self, lowering: Lowering, a: Value, right: RightLines, operands: EpilogueOperands, output: Value
    ) -> None:
        """A product as GPUs share it."""
        rows, depth, columns = product(a.shape[:-1]), a.shape[-1], output.shape[-1]
        work = dense_work((2, rows, depth, columns), operands, (rows, depth), (rows, columns))
        product_step(
            lowering,
            LeftRows(lowering.place(a), depth, {"a_row": depth, "a_batch": 0}),
            right,
            OutRows(lowering.place(output), {"out_row": columns, "out_batch": 0}),
            operands,
            sizes=(1, rows, depth, columns),
            work=replace(work, tensors=(*work.tensors, right.tensor(depth, columns))),
        )

    def _lines(self, lowering: Lowering, b: Value, scale: Value, zero: Value | None) -> RightLines:
        """The right side as it lies in memory: as small as it is, unless blocks have no whole turns of a product."""
        depth, columns = self._sizes(b)
        constants = (b, scale) if zero is None else (b, scale, zero)
        if any(lowering.constant(value) is None for value in constants):
            raise UnsupportedOpError(f'There is a kernel for weights fixed at load, not for {b}. Use "reference".')
        if self.block_size % LANES == 0:
            return compressed_lines(
                lowering, b, scale, zero, sizes=(depth, columns), transposed=self.transpose_b, block=self.block_size
            )
        shape = (depth, padded_count(columns))
        pack = Packing("floats of bytes in lines", (int(self.transpose_b), self.block_size))
        return RightLines(lowering.weight(constants, f"floats of {pack.numbers}", shape, pack, float32), shape[1])

    def _sizes(self, b: Value) -> tuple[int, int]:
        """Depth and columns of the right side."""
        first, second = b.shape
        if not isinstance(first, int) or not isinstance(second, int):
            raise UnsupportedOpError(f"There is a kernel for weights of known sizes, not for {b}.")
        return (second, first) if self.transpose_b else (first, second)

    def _weights(self, lowering: Lowering, b: Value, scale: Value, zero: Value | None) -> "_Weights":
        """The right side as it lies at load: numbers of four bits two to a byte, where blocks are of whole bytes."""
        constant = lowering.constant(b)
        if constant is None or any(v is not None and lowering.constant(v) is None for v in (scale, zero)):
            raise UnsupportedOpError(f'There is a kernel for weights fixed at load, not for {b}. Use "reference".')
        depth, columns = self._sizes(b)
        is_narrow = has_four_bits(constant) and self.block_size % 2 == 0
        dtype = "i4" if is_narrow else b.dtype.name
        # The kernel's numbers of four bits are from -8.
        shift = 8 if is_narrow and b.dtype.name == "u8" else 0
        turned = int(self.transpose_b)
        name = f"{dtype} panels{' of the transpose' * turned}"
        packed = Packing(f"{'four bits' if is_narrow else 'bytes'} in panels", (turned, shift)[: 1 + is_narrow])
        buffers = {"packed": lowering.weight((b,), name, narrow_shape(dtype, depth, columns), packed)}
        blocks = -(-depth // self.block_size) if self.block_size else 1
        shape = (padded_columns(columns) // TILE_COLUMNS, blocks, TILE_COLUMNS)
        sizes = (columns, blocks, turned if self.block_size else 0)
        pack = Packing("numbers of blocks in panels", (*sizes, 0, 1))
        buffers["scale"] = lowering.weight((scale,), f"scales of {sizes}", shape, pack)
        if zero is not None or shift:
            # Where there is no zero point, 0 less the shift; the scales stand in for it.
            pack = Packing("numbers of blocks in panels", (*sizes, shift, int(zero is not None)))
            name = f"zero points of {sizes} less {shift}"
            buffers["zero"] = lowering.weight((zero or scale,), name, shape, pack, float32)
        return _Weights(dtype, buffers)


@dataclass(frozen=True, slots=True)
class _Weights:
    """How the kernel reads the right side."""

    dtype: str
    buffers: dict[str, Place]


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
        if rows <= FEW_ROWS[-1]:
            return cls(blocks, chunk, tuple(h for h in FEW_ROWS if h >= rows)[:1], None)
        left = rows % TILE_ROWS
        return cls(blocks, chunk, (), () if left == 0 else (4 if left <= 4 else TILE_ROWS,))


def _byte_axes(view: View, transposed: int) -> Panels | None:
    if len(view.shape) != 2 or view.factor is not None:
        return None
    (depth, columns), (down, across) = ((pair[::-1] if transposed else pair) for pair in (view.shape, view.strides))
    return Panels(Axis(1, 0), Axis(columns, across), Axis(1, 0), Axis(depth, down), TURNS)


@packing("bytes in panels", _byte_axes)
def _bytes_in_panels(array: Numbers, transposed: int) -> Numbers:
    matrix = array.T if transposed else array
    return pack_narrow(matrix, dtype_of(matrix).name)


@packing("floats of bytes in lines")
def _floats_in_lines(array: Numbers, scale: Numbers, *others: Any) -> Numbers:
    """(array - zero) * scale as [depth, columns], padded to whole vectors; a zero point comes first."""
    *zero, transposed, block_size = others
    matrix = (array.T if transposed else array).astype(np.float32)

    def by_depth(values: Numbers) -> Numbers:
        if not block_size:
            return values
        turned = values.T if transposed else values
        return np.asarray(np.repeat(turned, block_size, axis=0)[: len(matrix)])

    for numbers in zero:
        matrix = matrix - by_depth(numbers).astype(np.float32)
    return in_lines(matrix * by_depth(scale))


@packing("four bits in panels")
def _four_bits_in_panels(array: Numbers, transposed: int, shift: int) -> Numbers:
    matrix = (array.T if transposed else array).view(np.int8) - np.int8(shift)
    return pack_narrow(matrix, "i4").view(array.dtype)


@packing("numbers of blocks in panels")
def _numbers_of_blocks(array: Numbers, columns: int, blocks: int, transposed: int, shift: int, given: int) -> Numbers:
    """[blocks, columns], or fewer that broadcast, or 0 unless given, less a shift -> [panels, blocks, TILE_COLUMNS]."""
    numbers = (array.T if transposed else array) if given else np.zeros((), np.float32)
    matrix = np.broadcast_to(numbers, (blocks, columns)).astype(np.float32) - np.float32(shift)
    padded = np.pad(matrix, ((0, 0), (0, -columns % TILE_COLUMNS)))
    return np.ascontiguousarray(padded.reshape(blocks, -1, TILE_COLUMNS).transpose(1, 0, 2))


def padded_columns(columns: int) -> int:
    """Columns up to a whole panel."""
    return -(-columns // TILE_COLUMNS) * TILE_COLUMNS
