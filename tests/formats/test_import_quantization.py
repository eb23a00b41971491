"""Numbers as bytes with a scale."""

from typing import Any

import numpy as np
import pytest

from intab.errors import DTypeError, ModelFormatError, ShapeError, UnsupportedOpError
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


def test_dequantize_blocks() -> None:
    scales = Fixed(np.abs(floats(2, 3, 2)) + 0.1, np.float32)
    zeros = Fixed(whole(2, 3, 2, dtype=np.int8), np.int8)
    check("DequantizeLinear", BYTES, scales, opset=21, axis=2, block_size=2, sizes="known")
    check("DequantizeLinear", BYTES, scales, zeros, opset=21, axis=-1, block_size=2, sizes="known")
    check("DequantizeLinear", BYTES, Fixed(floats(2, 1, 4), np.float32), opset=21, axis=1, block_size=3, sizes="known")
    check("DequantizeLinear", BYTES, Fixed(floats(2, 2, 4), np.float32), opset=21, axis=1, block_size=2, sizes="known")


def n_bits(*inputs: Any, **attributes: Any) -> Any:
    given = {"K": 40, "N": 3, "bits": 4, "block_size": 16, **attributes}
    return node_model("MatMulNBits", [floats(2, 40), *inputs], opset=21, domain="com.microsoft", **given)[0]


def test_products_with_blocks_that_are_refused() -> None:
    packed, scales = Fixed(np.zeros((3, 3, 8)), np.uint8), Fixed(np.ones(9), np.float32)
    order = Fixed(np.zeros(40), np.int32)
    for error, model, message in (
        (UnsupportedOpError, n_bits(packed, scales, None, order), "'g_idx'"),
        (UnsupportedOpError, n_bits(packed, scales, bits=2), "have 2 bits"),
        (UnsupportedOpError, n_bits(np.zeros((3, 3, 8), np.uint8), scales), "input 'B' is not constant"),
        (ModelFormatError, n_bits(packed, scales, bits=8), "rows of 48 numbers of 8 bits"),
        (ModelFormatError, n_bits(packed, scales, block_size=24), "block_size are 40, 3 and 24"),
        (ShapeError, n_bits(packed, Fixed(np.ones(8), np.float32)), "8"),
    ):
        with pytest.raises(error, match=message):
            read_model(model)


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
    assert "'block_size'" in refused(UnsupportedOpError, "QuantizeLinear", X, blocks, axis=2, block_size=2)
    assert "block_size' is -1" in refused(ModelFormatError, "DequantizeLinear", BYTES, blocks, axis=2, block_size=-1)
    assert "zero points of i8" in refused(DTypeError, "DequantizeLinear", BYTES, ONE, np.array(5, np.uint8))
    assert "8 or 16 bits" in refused(DTypeError, "QuantizeLinear", X, ONE, output_dtype=6)
