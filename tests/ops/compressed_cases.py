"""Cases of numbers stored as bytes with a scale, of counting, and of places named by several indices."""

import numpy as np

from intab import dtypes
from tests.ops.bodies import epilogue
from tests.ops.case import OpCase, floats, whole

ROWS = {(0, 0): "N"}
BYTES = whole(3, 4, 5, low=-128, high=128, dtype="int8")
SCALES = np.abs(floats(4)) + 0.1
ZEROS = whole(4, low=-5, high=6, dtype="int8")
ONE_SCALE, ONE_ZERO = np.array(0.37, np.float32), np.array(7, np.uint8)
# Halves, what saturates, and what is not finite.
EDGES = np.array([[0.5, 1.5, 2.5, -0.5, -1.5], [300, -300, 127.4, -128.6, 1e20]], np.float32)

QUANTIZED = [
    OpCase("Dequantize-one", "DequantizeLinear", {"axis": 0}, [BYTES, ONE_SCALE], ROWS),
    OpCase("Dequantize-middle", "DequantizeLinear", {"axis": 1}, [BYTES, SCALES, ZEROS], ROWS),
    OpCase("Dequantize-first", "DequantizeLinear", {"axis": 0}, [BYTES, SCALES[:3]], {(0, 1): "H", (0, 2): "W"}),
    OpCase("Dequantize-last", "DequantizeLinear", {"axis": 1}, [BYTES[0].T, SCALES], {(0, 0): "W"}, constants=(1,)),
    OpCase("Dequantize-u8", "DequantizeLinear", {}, [BYTES.view(np.uint8), ONE_SCALE, ONE_ZERO], ROWS),
    OpCase("Dequantize-i32", "DequantizeLinear", {}, [whole(3, 5, low=-(10**6), high=10**6), ONE_SCALE], ROWS),
    OpCase(
        "Dequantize-blocks",
        "DequantizeLinear",
        {"axis": 1, "block_size": 2},
        [BYTES, np.abs(floats(3, 2, 5)) + 0.1, whole(3, 2, 5, low=-5, high=6, dtype="int8")],
        {(0, 0): "N", (1, 0): "N", (2, 0): "N"},
    ),
    OpCase(
        "Dequantize-blocks-of-bytes",
        "DequantizeLinear",
        {"axis": 2, "block_size": 5},
        [BYTES.view(np.uint8), np.abs(floats(3, 4, 1)) + 0.1, floats(3, 4, 1)],
        {(0, 1): "H", (1, 1): "H", (2, 1): "H"},
    ),
    OpCase(
        "Dequantize-parts-of-blocks",
        "DequantizeLinear",
        {"axis": 1, "block_size": 3},
        [BYTES, np.abs(floats(3, 2, 5)) + 0.1],
        kernel=False,
    ),
    OpCase("Quantize-u8", "QuantizeLinear", {}, [9 * floats(3, 5), ONE_SCALE, ONE_ZERO], ROWS),
    OpCase(
        "Quantize-i8-edges",
        "QuantizeLinear",
        {"to": dtypes.int8},
        [EDGES, np.array(1, np.float32), np.array(3, np.int8)],
    ),
    OpCase("Quantize-no-zero", "QuantizeLinear", {"axis": 0}, [9 * floats(3, 5), ONE_SCALE], ROWS),
    OpCase(
        "Quantize-channels",
        "QuantizeLinear",
        {"axis": 1, "to": dtypes.int8},
        [9 * floats(2, 4, 3), SCALES, ZEROS],
        {(0, 0): "N", (0, 2): "W"},
        constants=(1, 2),
    ),
]

MATRIX = whole(21, 19, low=-128, high=128, dtype="int8")
DEEP = whole(19, 900, low=-128, high=128, dtype="int8")
BLOCK_SCALES = np.abs(floats(3, 19)) + 0.1
COLUMN_SCALES = (np.abs(floats(19, seed=5)) + 0.1) / 64
COMPRESSED = [
    OpCase(
        "CompressedMatMul",
        "CompressedMatMul",
        {},
        [floats(2, 7, 21), MATRIX, COLUMN_SCALES],
        {(0, 0): "N", (0, 1): "T"},
        constants=(1, 2),
        tolerance=1e-5,
    ),
    OpCase(
        "CompressedMatMul-epilogue",
        "CompressedMatMul",
        {"epilogue": epilogue(), "transpose_b": True},
        [floats(2, 5, 21), MATRIX.T.copy(), COLUMN_SCALES, None, floats(19, seed=3), floats(2, 5, 19, seed=4)],
        {(0, 0): "N", (0, 1): "T", (5, 0): "N", (5, 1): "T"},
        constants=(1, 2, 4),
        tolerance=1e-5,
    ),
    OpCase(
        "CompressedMatMul-u8-one-scale",
        "CompressedMatMul",
        {},
        [floats(60, 21), MATRIX.view(np.uint8), ONE_SCALE],
        ROWS,
        constants=(1, 2),
        tolerance=1e-5,
    ),
    OpCase(
        "CompressedMatMul-vector",
        "CompressedMatMul",
        {},
        [floats(1, 21), MATRIX, COLUMN_SCALES, None, floats(19, seed=3)],
        constants=(1, 2, 4),
        tolerance=1e-5,
    ),
    OpCase(
        "CompressedMatMul-deep",
        "CompressedMatMul",
        {"transpose_b": True},
        [floats(8, 900), DEEP, COLUMN_SCALES],
        constants=(1, 2),
        tolerance=1e-5,
    ),
    OpCase(
        "CompressedMatMul-deep-rows",
        "CompressedMatMul",
        {"epilogue": epilogue()},
        [
            floats(8, 901),
            DEEP.reshape(900, 19)[[*range(900), 0]],
            COLUMN_SCALES,
            None,
            floats(19, seed=3),
            floats(8, 19),
        ],
        {**ROWS, (5, 0): "N"},
        constants=(1, 2, 4),
        tolerance=1e-5,
    ),
    OpCase(
        "CompressedMatMul-zero",
        "CompressedMatMul",
        {},
        [floats(7, 21), MATRIX.view(np.uint8), COLUMN_SCALES, whole(19, low=0, high=256, dtype="uint8")],
        constants=(1, 2, 3),
        tolerance=1e-5,
    ),
    OpCase(
        "CompressedMatMul-blocks",
        "CompressedMatMul",
        {"block_size": 8},
        [floats(9, 21), MATRIX, BLOCK_SCALES, whole(3, 19, low=-100, high=100, dtype="int8"), floats(19, seed=3)],
        ROWS,
        constants=(1, 2, 3, 4),
        tolerance=1e-5,
    ),
    OpCase(
        "CompressedMatMul-blocks-turned",
        "CompressedMatMul",
        {"block_size": 16, "transpose_b": True, "epilogue": epilogue()},
        [floats(2, 21), MATRIX.T.copy(), BLOCK_SCALES[:2].T.copy(), 9 * floats(19, 2), None, floats(2, 19)],
        {**ROWS, (5, 0): "N"},
        constants=(1, 2, 3),
        tolerance=1e-5,
    ),
    OpCase("CompressedMatMul-fed", "CompressedMatMul", {}, [floats(3, 21), MATRIX, ONE_SCALE], ROWS, kernel=False),
]

PLACES = np.array([[0, 1], [-1, -2], [2, 3]], np.int64)
INDEX = [
    OpCase("Range", "Range", {"start": 3, "count": 5, "step": 2}, []),
    OpCase("Range-i32-down", "Range", {"start": 3, "count": 4100, "step": -1, "to": dtypes.int32}, []),
    OpCase("Range-nothing", "Range", {"start": 3, "count": 0}, []),
    OpCase("GatherND-rows", "GatherND", {}, [floats(3, 4, 5), PLACES], {(0, 2): "W", (1, 0): "N"}),
    OpCase("GatherND-elements", "GatherND", {}, [floats(3, 4), PLACES.reshape(1, 3, 2)], {(1, 1): "N"}),
    OpCase(
        "GatherND-batches",
        "GatherND",
        {"batch_dims": 1},
        [whole(3, 4, 5, dtype="int64"), PLACES[:, None, 1:]],
        {(0, 0): "N", (1, 0): "N"},
    ),
    OpCase("GatherND-flags", "GatherND", {}, [floats(3, 4) > 0, PLACES], {(1, 0): "N"}),
]

COMPRESSED_CASES = [*QUANTIZED, *COMPRESSED, *INDEX]
