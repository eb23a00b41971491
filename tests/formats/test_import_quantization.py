"""Numbers as bytes with a scale."""

from typing import Any

import numpy as np
import pytest

from intab.errors import DTypeError, UnsupportedOpError
from tests.formats.small_models import Fixed, check, floats, node_model, read_model, whole

X = floats(2, 3, 4, scale=9.0)
BYTES = whole(2, 3, 4, low=-128, high=128, dtype=np.int8)
ONE = np.array(0.3, np.float32)
THREE = np.array([0.3, 0.7, 0.2], np.float32)


def test_dequantize() -> None:
    check("DequantizeLinear", BYTES, ONE, opset=10)
    check("DequantizeLinear", BYTES, ONE, np.array(5, np.int8), opset=13)
    check("DequantizeLinear", BYTES.view(np.uint8), Fixed(THREE, np.float32), Fixed([1, 2, 3], np.uint8), opset=13)
    check("DequantizeLinear", BYTES, Fixed(THREE[:2], np.float32), opset=13, axis=-3)
    check("DequantizeLinear", BYTES.astype(np.int32), ONE, opset=13)
    check("DequantizeLinear", BYTES, Fixed([0.3], np.float32), Fixed([3], np.int8), opset=13)


def test_quantize() -> None:
    check("QuantizeLinear", X, ONE, opset=10)
    check("QuantizeLinear", X, ONE, np.array(5, np.int8), opset=13)
    check("QuantizeLinear", X, Fixed(THREE, np.float32), Fixed([1, 2, 3], np.uint8), opset=13)
    check("QuantizeLinear", X, ONE, np.array(1000, np.uint16), opset=21)
    check("QuantizeLinear", X, ONE, opset=21, output_dtype=3)


def test_what_is_refused() -> None:
    def refused(error: type[Exception], op: str, *inputs: Any, **attributes: Any) -> str:
        with pytest.raises(error) as caught:
            read_model(node_model(op, inputs, opset=21, **attributes)[0])
        return str(caught.value)

    blocks = Fixed(floats(2, 3, 2), np.float32)
    assert "'block_size'" in refused(UnsupportedOpError, "DequantizeLinear", BYTES, blocks, axis=2, block_size=2)
    assert "zero points of i8" in refused(DTypeError, "DequantizeLinear", BYTES, ONE, np.array(5, np.uint8))
    assert "8 or 16 bits" in refused(DTypeError, "QuantizeLinear", X, ONE, output_dtype=6)
