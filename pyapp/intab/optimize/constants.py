"""Constants made of other constants, without reading them before somebody needs them."""

from collections.abc import Callable

import numpy as np

from intab.dtypes import DType, dtype_of, float32
from intab.errors import ShapeError
from intab.graph.derived import Rule, Scaled, Transposed, Widened, bytes_of
from intab.graph.ir import Array, Constant
from intab.graph.storage import check_range

# Results up to this size are computed at once; larger ones when they are read, so that optimising copies no weights.
EAGER_NBYTES = 16 << 10


class DerivedStorage:
    """Bytes that a function of Python computes anew at each `read`. What can be a rule is one: see `graph.derived`."""

    __slots__ = ("_compute", "name", "nbytes")

    def __init__(self, name: str, nbytes: int, compute: Callable[[], Array]) -> None:
        self.name = name
        self.nbytes = nbytes
        self._compute = compute

    def read(self, offset: int, nbytes: int) -> memoryview:
        check_range(self.name, self.nbytes, offset, nbytes)
        return bytes_of(self._compute())[offset : offset + nbytes]


def derive(
    function: Callable[..., Array], dtype: DType, shape: tuple[int, ...], name: str, *sources: Constant
) -> Constant:
    """The constant function(*numbers of the sources), which has the given dtype and shape."""

    def compute() -> Array:
        made = np.asarray(function(*(source.numpy() for source in sources)))
        if made.shape != shape or dtype_of(made) != dtype:
            raise ShapeError(
                f"{name}: computed {made.dtype}{list(made.shape)} where {dtype}{list(shape)} was announced."
            )
        return made

    nbytes = nbytes_of(dtype, shape)
    if nbytes <= EAGER_NBYTES:
        return Constant.of(compute(), name)
    return Constant(dtype, shape, DerivedStorage(name, nbytes, compute), 0, nbytes)


def reshaped(constant: Constant, shape: tuple[int, ...]) -> Constant:
    """The same bytes under another shape."""
    return Constant(constant.dtype, shape, constant.storage, constant.offset, constant.nbytes)


def transposed(constant: Constant, perm: tuple[int, ...], name: str) -> Constant:
    """Axes in another order; where only axes of size 1 move, the same bytes."""
    shape = tuple(constant.shape[axis] for axis in perm)
    moved = [axis for axis in perm if constant.shape[axis] != 1]
    if moved == sorted(moved):
        return reshaped(constant, shape)
    return _ruled(Transposed(constant, perm), constant.dtype, name)


def scaled(constant: Constant, factor: Constant, axis: int, name: str) -> Constant:
    """A constant times factor[i] at index i of an axis; factors that follow each other become one."""
    rule = constant.storage
    if isinstance(rule, Scaled) and (rule.shape, rule.axis) == (constant.shape, axis):
        both = derive(np.multiply, factor.dtype, factor.shape, name, rule.factor, factor)
        return scaled(rule.source, both, axis, name)
    return _ruled(Scaled(constant, factor, axis), constant.dtype, name)


def widened(constant: Constant, name: str) -> Constant:
    """Numbers of 16 bits as float32."""
    return _ruled(Widened(constant), float32, name)


def _ruled(rule: Rule, dtype: DType, name: str) -> Constant:
    made = Constant(dtype, rule.shape, rule, 0, rule.nbytes)
    return Constant.of(made.numpy(), name) if made.nbytes <= EAGER_NBYTES else made


def nbytes_of(dtype: DType, shape: tuple[int, ...]) -> int:
    """How many bytes a constant takes."""
    return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
