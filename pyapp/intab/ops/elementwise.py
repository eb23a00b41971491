"""What all elementwise operators share. One that is added writes `compute` (numpy) and `scalar` (kernel language)."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from intab.dtypes import DType
from intab.errors import DTypeError, UnsupportedOpError
from intab.graph.dims import Dim
from intab.graph.ir import Value
from intab.kernels import functions
from intab.kernels.ir import BOOL, F32, I32, I64, Expr, Type
from intab.kernels.scalar import ScalarFunction
from intab.ops.arrays import Numbers
from intab.ops.broadcast import broadcast
from intab.ops.kernel_steps import compute_step
from intab.ops.layout import Anywhere, broadcast_walk, strides_of
from intab.ops.lowering import Lowering
from intab.ops.registry import Result
from intab.ops.strides import collapse

FLOATS = ("float",)
INTEGERS = ("signed", "unsigned")
NUMBERS = ("float", "signed", "unsigned")
BOOLS = ("bool",)
ANYTHING = ("float", "signed", "unsigned", "bool", "string")


def _unknown(*_numbers: Dim) -> Dim | None:
    return None


class Elementwise(Anywhere):
    """Base of operators that compute each element of the result from the elements at the same place.

    `arity` inputs broadcast as in numpy; all have one dtype of a kind in `accepts`, which is also the
    result's unless `gives` says otherwise.

    compute(self, *arrays) -> array            the numpy meaning
    scalar(self, block, *expressions) -> Expr  the same in the kernel language
    dims(self, *dims) -> Dim or None           the same for sizes, where shape arithmetic uses the operator

    `knows_narrow` says that `scalar` takes numbers of 8 and 16 bits as i32 and makes nothing that does not fit.
    """

    __slots__ = ()

    arity: ClassVar[int] = 1
    accepts: ClassVar[tuple[str, ...]] = NUMBERS
    gives: ClassVar[DType | None] = None
    knows_narrow: ClassVar[bool] = False
    compute: ClassVar[Callable[..., Numbers]]
    scalar: ClassVar[Callable[..., Expr]]
    dims: ClassVar[Callable[..., Dim | None]] = staticmethod(_unknown)

    def result_dtype(self, *dtypes: DType) -> DType:
        """The result's dtype. Raises DTypeError for inputs that the operator does not take."""
        name = type(self).__name__
        if any(dtype != dtypes[0] for dtype in dtypes):
            raise DTypeError(f"{name} needs one dtype for all inputs, not {', '.join(map(str, dtypes))}. Cast them.")
        if dtypes[0].kind not in self.accepts:
            raise DTypeError(f"{name} takes {' or '.join(self.accepts)} tensors, not {dtypes[0]}.")
        return self.gives or dtypes[0]

    def infer(self, *inputs: Value) -> Result:
        if len(inputs) != self.arity or any(value is None for value in inputs):
            raise UnsupportedOpError(f"{type(self).__name__} takes {self.arity} inputs, not {inputs}.")
        dtype = self.result_dtype(*(value.dtype for value in inputs))
        shape, pairs = broadcast(*(value.shape for value in inputs))
        return Result(dtype, shape, self._elements(dtype, inputs), pairs)

    def reference(self, *arrays: Numbers) -> Numbers:
        with np.errstate(all="ignore"):
            return np.asarray(self.compute(*arrays))

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        given = [value for value in inputs if value is not None]
        (output,) = outputs
        function = scalar_function(self, tuple(value.dtype for value in given))
        places, target = [lowering.place(value) for value in given], lowering.place(output)
        strides = [broadcast_walk(place, v.shape, output.shape) for place, v in zip(places, given, strict=True)]
        path = collapse(output.shape, [*strides, strides_of(target, output.shape)])
        compute_step(lowering, function, places, target, path)

    def _elements(self, dtype: DType, inputs: tuple[Value, ...]) -> tuple[Dim, ...] | None:
        """The result's numbers, where they follow from known numbers of the inputs."""
        rows = [value.elements for value in inputs]
        if not dtype.is_integer:
            return None
        known = [row for row in rows if row is not None]
        if len(known) != len(rows):
            return None
        count = 1
        for row in known:
            count = len(row) if len(row) != 1 else count
        numbers = [self.dims(*(row[i if len(row) > 1 else 0] for row in known)) for i in range(count)]
        found = tuple(number for number in numbers if number is not None)
        return found if len(found) == count else None


_REGISTERS = {"f32": F32, "i32": I32, "i64": I64, "bool": BOOL}
_NARROW = {"u8": I32, "i8": I32, "u16": I32, "i16": I32, "f16": F32}


def register_type(dtype: DType, *, narrow: bool = False) -> Type:
    """What kernels compute with for a dtype. Raises UnsupportedOpError for dtypes that they do not know.

    With `narrow` they know those of 8 and 16 bits, for operators that take care of what does not fit.
    """
    found = _REGISTERS.get(dtype.name) or (_NARROW.get(dtype.name) if narrow else None)
    if found is None:
        raise UnsupportedOpError(
            f"Kernels compute in {', '.join(_REGISTERS)}, not in {dtype}. Use backend='reference'."
        )
    return found


def scalar_function(operator: Elementwise, dtypes: tuple[DType, ...]) -> ScalarFunction:
    """An elementwise operator on inputs of `dtypes` as a function of single numbers.

    Raises UnsupportedOpError for dtypes that kernels do not know.
    """
    types = (register_type(dtype, narrow=operator.knows_narrow) for dtype in dtypes)
    return functions.scalar_function(operator.scalar, *types)
