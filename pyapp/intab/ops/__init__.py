"""The operator dictionary, complete once this package is imported: each family registers its operators."""

from intab.ops import (
    activation,
    arithmetic,
    compare,
    conv,
    fill,
    fused,
    matmul,
    move,
    norm,
    pad,
    pool,
    quantized,
    recurrent,
    reduce,
    resize,
)

__all__ = [
    "activation",
    "arithmetic",
    "compare",
    "conv",
    "fill",
    "fused",
    "matmul",
    "move",
    "norm",
    "pad",
    "pool",
    "quantized",
    "recurrent",
    "reduce",
    "resize",
]
