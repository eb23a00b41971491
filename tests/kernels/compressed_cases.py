"""Cases of matmul with small whole numbers on the right: storage, scales of blocks, zero points, few rows, chunks."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from intab.kernels import functions
from intab.kernels.block import Block
from intab.kernels.families.compressed_matmul import compressed_matmul
from intab.kernels.families.narrow_panel import pack_narrow
from intab.kernels.families.register_tile import TILE_COLUMNS, TILE_ROWS, Epilogue, pad_columns
from intab.kernels.ir import F32, Expr
from tests.kernels.case import Array, KernelCase, case, ceil_div, normal

ALL = (1, 2, 4, TILE_ROWS, 8)
_random = np.random.default_rng(17)
_LIMITS = {"i8": (-128, 128), "u8": (0, 256), "i4": (-8, 8)}


def _plus_twice(block: Block, value: Expr, other: Expr) -> Expr:
    return value + other * 2.0


ADDING = Epilogue(bias=True, function=functions.scalar_function(_plus_twice, F32, F32), wide=(True,))


def panels_of(values: Array, columns: int) -> Array:
    """[blocks, columns] -> [panels, blocks, TILE_COLUMNS], zeros past the last column."""
    padded = np.pad(values, ((0, 0), (0, -columns % TILE_COLUMNS)))
    return padded.reshape(len(values), -1, TILE_COLUMNS).transpose(1, 0, 2)


def compressed_matmuls() -> Iterator[KernelCase]:
    for dtype, rows, depth, columns, scale_depth, chunk, zero, epilogue in (
        ("i8", 1, 21, 19, 21, 21, False, Epilogue()),
        ("i8", 3, 40, 19, 16, 40, True, ADDING),
        ("u8", 5, 22, 8, 22, 22, False, ADDING),
        ("i4", 2, 37, 13, 16, 20, True, Epilogue()),
        ("i4", 6, 21, 9, 21, 21, False, Epilogue()),
        ("i8", 7, 37, 19, 37, 37, False, ADDING),
        ("i4", 8, 40, 19, 16, 40, True, Epilogue()),
        ("i8", 15, 41, 19, 41, 12, False, ADDING),
        ("i8", 13, 64, 24, 16, 24, True, Epilogue()),
        ("u8", 17, 21, 19, 21, 21, True, ADDING),
        ("i4", 9, 53, 19, 16, 20, True, ADDING),
        ("i4", 12, 33, 11, 33, 33, False, Epilogue()),
    ):
        matrix = _random.integers(*_LIMITS[dtype], (depth, columns)).astype(np.uint8 if dtype == "u8" else np.int8)
        blocks = ceil_div(depth, scale_depth)
        scales = np.abs(normal(blocks, columns)) + np.float32(0.1)
        zeros = _random.integers(*_LIMITS[dtype], (blocks, columns)).astype(np.float32)
        block = np.arange(depth) // scale_depth
        right = (matrix - (zeros[block] if zero else np.float32(0))) * scales[block]
        a = normal(rows, depth)
        expected = a.astype(np.float64) @ right
        inputs = {"a": a, "packed": pack_narrow(matrix, dtype), "scale": panels_of(scales, columns)}
        if zero:
            inputs["zero"] = panels_of(zeros, columns)
        words: dict[str, float] = {"rows": rows, "depth": depth, "columns": columns, "scale_depth": scale_depth}
        words |= {"chunk": chunk, "block_rows": 2 * TILE_ROWS, "block_columns": TILE_COLUMNS}
        if epilogue.bias:
            bias, extra = normal(columns), normal(rows, columns)
            expected = expected + bias + 2.0 * extra
            inputs |= {"bias": pad_columns(bias), "e0": extra}
            words |= {"e0_row": columns, "e0_batch": 0}
        items = ceil_div(rows, 2 * TILE_ROWS) * ceil_div(columns, TILE_COLUMNS)
        inputs["b"] = np.full(items * chunk * TILE_COLUMNS, np.nan, np.float32)
        if chunk < depth:
            inputs["partial"] = np.full(inputs["scale"].size // blocks * rows, np.nan, np.float32)
        kernel = compressed_matmul(dtype, epilogue, zero=zero, chunked=chunk < depth, few=ALL, rest=(4, TILE_ROWS))
        name = f"compressed-{dtype}-{rows}x{depth}x{columns}-{scale_depth}-{chunk}-{zero}"
        result = expected.astype(np.float32)
        made = case(name, kernel, inputs, words, items, result, output="out", tolerance=1e-5)
        yield replace(made, scratch=frozenset({"b", "partial"} & inputs.keys()))
