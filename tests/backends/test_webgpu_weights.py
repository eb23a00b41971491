"""What the kernel that packs weights on a GPU makes of them, by the interpreter, against what numpy does."""

import numpy as np
import pytest

import intab.ops  # noqa: F401  (all families enter their packings)
from intab.backends.webgpu.weights import LEAST_NBYTES, lies_as_stored, lines_of
from intab.dtypes import dtype_of
from intab.graph.derived import Scaled, Transposed, bytes_of
from intab.graph.ir import Array, Constant
from intab.graph.storage import MemoryStorage
from intab.kernels import interpret
from intab.kernels.families.pack_lines import pack_lines
from intab.ops.packing import Packing
from intab.program.ir import Weight

MOST = 1 << 20
FLOATS = np.random.default_rng(2).standard_normal((6, 3, 5, 74)).astype(np.float32)


def constant(array: Array) -> Constant:
    data = bytes(bytes_of(array))
    return Constant(dtype_of(array), array.shape, MemoryStorage("weights", data), 0, len(data))


def turned(source: Constant, *perm: int) -> Constant:
    rule = Transposed(source, perm)
    return Constant(source.dtype, rule.shape, rule, 0, rule.nbytes)


def scaled(source: Constant, axis: int) -> Constant:
    factor = np.linspace(0.5, 2, source.shape[axis], dtype=np.float32)
    rule = Scaled(source, constant(factor), axis)
    return Constant(source.dtype, source.shape, rule, 0, rule.nbytes)


MATRIX, FILTERS = constant(FLOATS.reshape(90, 74)), constant(FLOATS)


@pytest.mark.parametrize(
    ("given", "pack"),
    [
        (MATRIX, Packing("matrix in lines", (90, 74, 0))),
        (MATRIX, Packing("matrix in lines", (74, 90, 1))),
        (scaled(MATRIX, 1), Packing("matrix in lines", (90, 74, 0))),
        (turned(scaled(MATRIX, 1), 1, 0), Packing("matrix in lines", (90, 74, 1))),
        (FILTERS, Packing("filters in lines", (1,))),
        (scaled(turned(FILTERS, 0, 2, 3, 1), 0), Packing("filters in lines", (2,))),
        (turned(FILTERS, 3, 1, 2, 0), Packing("filters in lines", (2,))),
    ],
    ids=str,
)
def test_packs_as_numpy_does(given: Constant, pack: Packing) -> None:
    wanted = pack(given.numpy())
    lines = lines_of(Weight(0, (given,), wanted.shape, pack), MOST)
    assert lines is not None
    factor = lines.view.factor
    buffers = {"x": lines.view.source.numpy().reshape(-1), "y": np.full(lines.count, np.nan, np.float32)}
    buffers |= {} if factor is None else {"factor": factor.numpy()}
    kernel = pack_lines(scaled=factor is not None)
    interpret.run(kernel, buffers, dict.fromkeys(buffers, 0), lines.words(), 0, lines.count)
    assert np.array_equal(buffers["y"], wanted.reshape(-1))


def test_what_numpy_packs() -> None:
    """What is small, what a binding does not hold, what is of several constants or of none that can be read in part."""
    pack = Packing("matrix in lines", (90, 74, 0))
    shape = (90, 76)
    assert lines_of(Weight(0, (MATRIX,), shape, pack), LEAST_NBYTES) is None
    assert lines_of(Weight(0, (MATRIX, MATRIX), shape, pack), MOST) is None
    assert lines_of(Weight(0, (constant(FLOATS[0]),), shape, pack), MOST) is None
    by_depth = Weight(0, (scaled(MATRIX, 0),), shape, pack)  # there is a factor for each column only
    assert lines_of(by_depth, MOST) is None
    assert lines_of(Weight(0, (MATRIX,), shape, Packing("matrix in panels", (90, 74, 0))), MOST) is None


@pytest.mark.parametrize(
    ("array", "pack", "lies"),
    [
        (FLOATS, None, True),
        (FLOATS.astype(np.int64), None, False),
        (FLOATS.astype(np.int8), None, False),
        (FLOATS.astype(np.int8), Packing("bytes in words"), True),
        (FLOATS.astype(np.int8).reshape(74, 90)[:, :88], Packing("numbers in words", (0, 8)), True),
        (FLOATS.astype(np.int8).reshape(74, 90), Packing("numbers in words", (0, 8)), False),
        (FLOATS.astype(np.int8).reshape(74, 90)[:, :88], Packing("numbers in words", (1, 8)), False),
    ],
)
def test_what_lies_as_stored(array: Array, pack: Packing | None, lies: bool) -> None:
    weight = Weight(0, (constant(array),), (), pack)
    assert lies_as_stored(weight) == lies
    if lies and pack is not None:
        assert bytes(bytes_of(pack(array))) == bytes(bytes_of(array))
