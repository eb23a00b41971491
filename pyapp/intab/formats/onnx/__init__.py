"""ONNX files: wire format, records, tensors, and importers by family of operators."""

from intab.formats.onnx import (
    attention,
    block_weights,
    constants,
    conv,
    einsum,
    elementwise,
    found,
    fused,
    linear_quantization,
    masks,
    matmul,
    move,
    norm,
    pool,
    quantized,
    quantized_elements,
    recurrent,
    reduce,
    resize,
    shape,
    slices,
    variadic,
)
from intab.formats.onnx.model import read_onnx

# Importing a family registers its importers.
FAMILIES = (
    attention,
    block_weights,
    constants,
    conv,
    einsum,
    elementwise,
    found,
    fused,
    linear_quantization,
    masks,
    matmul,
    move,
    norm,
    pool,
    quantized,
    quantized_elements,
    recurrent,
    reduce,
    resize,
    shape,
    slices,
    variadic,
)

__all__ = ["FAMILIES", "read_onnx"]
