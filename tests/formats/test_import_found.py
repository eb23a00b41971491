"""Operators whose results are as long as what they find."""

import numpy as np
import pytest

from intab.errors import UnsupportedOpError
from tests.formats.small_models import check, floats, node_model, read_model
from tests.running import assert_as_reference

SPARSE = np.array([[0, 2, 0, -1], [0, 0, 0, 0], [5, 0, 0, 3]], np.float32)


@pytest.mark.parametrize(
    "x",
    [
        SPARSE,
        SPARSE.astype(np.int64),
        SPARSE != 0,
        np.zeros((2, 3), np.float32),
        np.ones((2, 1, 3), np.float32),
        np.array([0, 0, 7], np.int32),
        np.array([np.nan, 0, np.inf, -0.0], np.float32),
        np.where(floats(2, 3, 4, 5) > 0, floats(2, 3, 4, 5), 0),
        np.zeros((0, 3), np.float32),
    ],
    ids=["floats", "integers", "bools", "none", "all", "a row", "odd numbers", "four axes", "no elements"],
)
def test_non_zero(x: np.ndarray) -> None:
    check("NonZero", x, opset=13)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_compress(axis: int | None) -> None:
    condition = np.array([False, True, True])
    check("Compress", floats(3, 3), condition, opset=11, **({} if axis is None else {"axis": axis}))


def test_a_number_has_no_indices() -> None:
    model, _ = node_model("NonZero", [np.array(1, np.float32)], opset=13)
    with pytest.raises(UnsupportedOpError, match="its input has no axes"):
        read_model(model)


@pytest.mark.wasmtime
@pytest.mark.parametrize("x", [SPARSE, np.zeros((2, 3), np.float32), np.where(floats(40, 50) > 0.8, 1, 0)])
def test_kernels_find_the_same(x: np.ndarray) -> None:
    model, feeds = node_model("NonZero", [x], opset=13)
    graph = read_model(model)
    assert_as_reference(graph, feeds)
