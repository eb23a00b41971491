"""Packings are data: a name and numbers."""

import numpy as np
import pytest

import intab.ops  # noqa: F401  (all families enter their packings)
from intab.errors import KernelError
from intab.ops.packing import Packing, packing
from tests.kernels.grid_compressed_cases import in_words


def test_a_packing_is_a_name_and_numbers() -> None:
    pack = Packing("padded columns")
    assert pack == Packing("padded columns") and pack(np.ones(3, np.float32)).tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    numbered = Packing("bias for each tap", (2,))
    assert numbered(np.array([1, 2], np.float32)).tolist() == [1, 2, 1, 2, 0, 0, 0, 0]


@pytest.mark.parametrize("bits", [8, 4])
def test_numbers_in_words(bits: int) -> None:
    """Four columns a word, the first lowest; of 4 bits two depths, the first in the low half."""
    matrix = np.random.default_rng(1).integers(-(1 << (bits - 1)), 1 << (bits - 1), (7, 9)).astype(np.int8)
    packed = Packing("numbers in words", (0, bits))(matrix)
    assert packed.dtype == np.uint32 and packed.tolist() == in_words(matrix[None], bits)[0].tolist()
    assert Packing("numbers in words", (1, bits))(matrix.T.copy()).tolist() == packed.tolist()


def test_unknown_names_and_names_taken_are_refused() -> None:
    with pytest.raises(KernelError, match="no packing 'panel'; there are .*padded columns"):
        Packing("panel")
    with pytest.raises(KernelError, match="two packings called 'padded columns'"):
        packing("padded columns")(np.negative)
