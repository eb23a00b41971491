"""Right sides of GPU products that stay as small as they are in a file: 8 or 4 bits a weight, scales beside them."""

from typing import Any

import numpy as np

from intab.dtypes import float32, uint32
from intab.graph.derived import Unpacked
from intab.graph.ir import Constant, Value
from intab.kernels.families.grid_right import Compressed
from intab.kernels.families.grid_shape import LANES
from intab.ops.arrays import Numbers
from intab.ops.grid_dense import RightLines, in_lines, padded_count
from intab.ops.lowering import Lowering
from intab.ops.packing import Packing, packing

HALF_BITS = 16


def has_four_bits(constant: Constant) -> bool:
    """Does a constant hold numbers of four bits, a byte each?"""
    return isinstance(constant.storage, Unpacked) and constant.storage.bits == 4


def compressed_lines(
    lowering: Lowering,
    b: Value,
    scale: Value,
    zero: Value | None,
    *,
    sizes: tuple[int, int],
    transposed: bool,
    block: int,
) -> RightLines:
    """A constant matrix of bytes [depth, columns], or its transpose, as a right side in u32.

    scale [] or [columns] or, with `block`, [blocks, columns] or its transpose; zero as many. `sizes` are depth and
    columns.
    """
    constant = lowering.constant(b)
    assert constant is not None
    (depth, columns), turned = sizes, int(transposed)
    bits = 4 if has_four_bits(constant) else 8
    row, words = padded_count(columns), -(-depth * bits // 8)
    pack = Packing("numbers in words", (turned, bits))
    placed = lowering.weight((b,), f"{bits} bits in words {turned}", (words, row // LANES), pack, uint32)
    how = Compressed(bits, b.dtype.name == "i8", zero=zero is not None, block=block)
    blocks = -(-depth // block) if block else 1
    # Scales of blocks lie as the bytes do.
    pack = Packing("scales in lines", (blocks, columns, turned if block else 0))
    given = (scale,) if zero is None else (scale, zero)
    levels = lowering.weight(given, f"scales of {pack.numbers}", (blocks, how.lines, row), pack, float32)
    return RightLines(placed, row, compressed=how, scale=levels)


def _are_words(shape: tuple[int, ...], transposed: int, bits: int) -> bool:
    return bits == 8 and not transposed and shape[-1] % LANES == 0


@packing("numbers in words", as_it_lies=_are_words)
def numbers_in_words(array: Numbers, transposed: int, bits: int) -> Numbers:
    """[depth, columns] of bytes, or its transpose, as u32: four columns of a depth, of 4 bits those of two depths."""
    lines = in_lines((array.T if transposed else array).view(np.uint8))
    if bits == 8:
        return np.ascontiguousarray(lines).view(np.uint32)
    halves = np.ascontiguousarray((lines[:, 0::2] & 15) | (lines[:, 1::2] << 4)).view(np.uint16).astype(np.uint32)
    if len(halves) % 2:
        halves = np.pad(halves, ((0, 1), (0, 0)))
    return np.asarray(halves[0::2] | (halves[1::2] << HALF_BITS))


@packing("scales in lines")
def _scales_in_lines(scale: Numbers, *others: Any) -> Numbers:
    """[blocks, columns] or what broadcasts to it as [blocks, 1 or 2, columns], padded to whole vectors: scales, then
    zero points, which come before the sizes if there are any."""
    *zero, blocks, columns, transposed = others
    values = (np.asarray(value.T if transposed else value, np.float32) for value in (scale, *zero))
    lines = np.stack([np.broadcast_to(value, (blocks, columns)) for value in values], axis=1)
    return np.pad(lines, ((0, 0), (0, 0), (0, -columns % LANES)))
