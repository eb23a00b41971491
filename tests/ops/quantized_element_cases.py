"""Cases of bytes as floats and back, elementwise: ties, saturation, a scale for all or one a column."""

import numpy as np

from intab import dtypes
from tests.ops.case import Numbers, OpCase, floats, whole

ROWS = {(0, 0): "N"}
TIES = np.array(
    [[0.25, 0.75, -0.25, 1.25, 1e9, -1e9, 64.1], [63.75, -64.25, 0.0, -0.0, 3.1, np.inf, -np.inf]], np.float32
)
HALF, SCALES = np.array(0.5, np.float32), np.linspace(0.01, 0.3, 7).astype(np.float32)
ODD = np.array([3, 0, 255, 127, 128, 1, 7], np.uint8)
LEVEL = np.array(0, np.int8)
SUM = [np.array(number, np.float32) for number in (0.7, 1.31, -40.25)]


def octets(*shape: int, seed: int = 1) -> Numbers:
    """Bytes of all 256 values."""
    return whole(*shape, low=0, high=256, dtype="uint8", seed=seed)


QUANTIZED_ELEMENT_CASES = [
    OpCase("Quantize-elements-ties", "Quantize", {}, [TIES, HALF, np.array(100, np.uint8)], ROWS, tolerance=0.0),
    OpCase("Quantize-elements-i8", "Quantize", {"to": dtypes.int8}, [TIES, HALF, LEVEL], ROWS, tolerance=0.0),
    OpCase("Quantize-elements-columns", "Quantize", {}, [20 * floats(9, 7), SCALES, ODD], ROWS, tolerance=0.0),
    OpCase("Dequantize-elements-u8", "Dequantize", {}, [octets(9, 7), SCALES, ODD], ROWS),
    OpCase(
        "Dequantize-elements-i8", "Dequantize", {}, [whole(9, 7, low=-128, high=128, dtype="int8"), HALF, LEVEL], ROWS
    ),
    OpCase("FakeQuantize", "FakeQuantize", {}, [20 * floats(9, 7), SCALES, ODD], ROWS, tolerance=0.0),
    OpCase("FakeQuantize-ties", "FakeQuantize", {"to": dtypes.int8}, [TIES, HALF, LEVEL], ROWS, tolerance=0.0),
    OpCase("Lookup-u8", "Lookup", {}, [octets(7, 3), floats(256)], ROWS, (1,), tolerance=0.0),
    OpCase("Lookup-i8", "Lookup", {}, [octets(9001).view(np.int8), octets(256, seed=2)], ROWS, tolerance=0.0),
    OpCase(
        "MeanBytes-last",
        "MeanBytes",
        {"axes": (1,), "keepdims": False},
        [octets(9, 43), HALF, np.array(3, np.uint8)],
        ROWS,
    ),
    OpCase(
        "MeanBytes-middle",
        "MeanBytes",
        {"axes": (1, 2), "keepdims": True, "in_order": True},
        [octets(3, 5, 7, 21).view(np.int8), HALF, np.array(-3, np.int8)],
        ROWS,
    ),
    OpCase(
        "MeanBytes-single", "MeanBytes", {"axes": (0,), "keepdims": True}, [octets(1, 9), HALF, np.array(3, np.uint8)]
    ),
    OpCase("AddBytes-u8", "AddBytes", {}, [octets(9, 7), octets(9, 7, seed=2), *SUM], ROWS, tolerance=0.0),
    OpCase(
        "AddBytes-broadcast",
        "AddBytes",
        {"to": dtypes.int8},
        [octets(9, 7).view(np.int8), octets(7, seed=2), *SUM],
        ROWS,
        tolerance=0.0,
    ),
]
