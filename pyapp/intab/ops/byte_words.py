"""Constants of bytes on GPUs, four to a word as they lie in a file; of what is computed a byte has a word."""

from math import prod

import numpy as np

from intab.dtypes import uint32
from intab.graph.derived import bytes_of
from intab.graph.ir import Value
from intab.ops.arrays import Numbers
from intab.ops.lowering import Lowering, Place
from intab.ops.packing import Packing, packing

WORD_BYTES = 4


def bytes_in_words(lowering: Lowering, x: Value) -> Place | None:
    """Where the words of a constant of bytes lie, whose count is a multiple of four; None if it has no such words."""
    constant = lowering.constant(x)
    if constant is None or not lowering.target.small_items or constant.dtype.name not in ("i8", "u8"):
        return None
    shape = (prod(constant.shape) // WORD_BYTES,)
    return lowering.weight((x,), "bytes in words", shape, Packing("bytes in words"), uint32)


@packing("bytes in words", as_it_lies=lambda shape: True)
def _bytes_in_words(array: Numbers) -> Numbers:
    return np.frombuffer(bytes_of(array), np.uint32)
