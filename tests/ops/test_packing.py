"""Packings are data: a name and numbers."""

import numpy as np
import pytest

import intab.ops  # noqa: F401  (all families enter their packings)
from intab.errors import KernelError
from intab.ops.packing import Packing, packing


def test_a_packing_is_a_name_and_numbers() -> None:
    pack = Packing("padded columns")
    assert pack == Packing("padded columns") and pack(np.ones(3, np.float32)).tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    numbered = Packing("bias for each tap", (2,))
    assert numbered(np.array([1, 2], np.float32)).tolist() == [1, 2, 1, 2, 0, 0, 0, 0]


def test_unknown_names_and_names_taken_are_refused() -> None:
    with pytest.raises(KernelError, match="no packing 'panel'; there are .*padded columns"):
        Packing("panel")
    with pytest.raises(KernelError, match="two packings called 'padded columns'"):
        packing("padded columns")(np.negative)
