"""A Python function over numbers, called once with stand-ins for them, as a function of the kernel language.

    def gelu(x): return x / (1 + np.exp(-1.702 * x))

Stand-ins take Python's operators and numpy's functions, so that the same function means the same on arrays of numpy.
Numbers of 8 and 16 bits are computed with in 32; whole numbers that meet floats become floats.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from intab.dtypes import DType, bool_, dtype_of, float32, int32, uint32
from intab.errors import DTypeError, KernelError, UnsupportedOpError
from intab.kernels import ir
from intab.kernels.block import Block
from intab.kernels.families.loops import register_type
from intab.kernels.ir import Const, Expr, Operators, Unary, Var
from intab.kernels.scalar import ScalarFunction
from intab.kernels.verify import REGISTER_OF
from intab.ops.activation import Tanh
from intab.ops.angles import Atan
from intab.ops.arithmetic import (
    Abs,
    Add,
    Cast,
    Ceil,
    Cos,
    Div,
    Exp,
    Floor,
    Log,
    Maximum,
    Minimum,
    Mod,
    Mul,
    Neg,
    Pow,
    Round,
    Sign,
    Sin,
    Sqrt,
    Sub,
)
from intab.ops.compare import And, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Not, Or, Where, Xor
from intab.ops.elementwise import Elementwise

_FLOATS: Mapping[str, Elementwise] = {
    "exp": Exp(),
    "log": Log(),
    "sqrt": Sqrt(),
    "sin": Sin(),
    "cos": Cos(),
    "tanh": Tanh(),
    "arctan": Atan(),
    "floor": Floor(),
    "ceil": Ceil(),
    "rint": Round(),
    "divide": Div(),
}
_NUMBERS: Mapping[str, Elementwise] = {
    "add": Add(),
    "subtract": Sub(),
    "multiply": Mul(),
    "remainder": Mod(),
    "fmod": Mod(fmod=True),
    "power": Pow(),
    "minimum": Minimum(),
    "maximum": Maximum(),
    "negative": Neg(),
    "absolute": Abs(),
    "sign": Sign(),
}
_COMPARISONS: Mapping[str, Elementwise] = {
    "less": Less(),
    "less_equal": LessOrEqual(),
    "greater": Greater(),
    "greater_equal": GreaterOrEqual(),
    "equal": Equal(),
}
_BOOLS: Mapping[str, Elementwise] = {
    "logical_and": And(),
    "logical_or": Or(),
    "logical_xor": Xor(),
    "logical_not": Not(),
}
_BITS: Mapping[str, Callable[[Any, Any], Expr]] = {
    "bitwise_and": Operators.__and__,
    "bitwise_or": Operators.__or__,
    "bitwise_xor": Operators.__xor__,
    "left_shift": Operators.__lshift__,
    "right_shift": Operators.__rshift__,
}
_LOGICAL = {"bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "logical_xor"}
# Made of others: numpy's name, and the same in terms that are known here.
_COMPOSED: Mapping[str, Callable[..., Any]] = {
    "positive": lambda x: x,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "tan": lambda x: np.sin(x) / np.cos(x),
    "exp2": lambda x: np.exp(x * 0.6931471805599453),
    "log2": lambda x: np.log(x) * 1.4426950408889634,
    "log10": lambda x: np.log(x) * 0.4342944819032518,
    "not_equal": lambda a, b: np.logical_not(np.equal(a, b)),
    "floor_divide": lambda a, b: _floor_divide(a, b),
}
# Powers that are quicker, and more exact, as products.
_PRODUCTS = (2, 3)
_RANKS = {bool_: 0, int32: 1, float32: 2}


@dataclass(frozen=True, slots=True)
class Traced:
    """What a Python function computes; its arguments are in the order of the parameters."""

    function: ScalarFunction
    dtype: DType


class Number(NDArrayOperatorsMixin):
    """A stand-in for one element of each array that the function will be called with."""

    def __init__(self, block: Block, expr: Expr, dtype: DType) -> None:
        self._block, self.expr, self.dtype = block, expr, dtype

    def astype(self, dtype: Any) -> "Number":
        """The number in another dtype, as numpy names it; floats become integers towards zero, and saturate."""
        target = _known(dtype_of(np.dtype(dtype)))
        if uint32 in (target, self.dtype):  # operators do not know it
            register = register_type(target.name)
            return self._made(self.expr if self.expr.type == register else ir.Cast(self.expr, register), target)
        return self._made(Cast(to=target).scalar(self._block, self.expr), target)

    def clip(self, least: Any = None, most: Any = None) -> Any:
        """The number, or the nearer of the two ends where it lies beyond them; None is no end."""
        result: Any = self
        if least is not None:
            result = np.maximum(result, least)
        return result if most is None else np.minimum(result, most)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            raise _unknown(f"np.{ufunc.__name__}.{method} with {', '.join(options) or 'no options'}")
        return self._apply(ufunc.__name__, inputs)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Mapping[str, Any]) -> Any:
        if function is np.where and len(inputs) == 3 and not options:
            return self._where(*inputs)
        if function is np.clip and len(inputs) == 3 and not options:
            number = next(one for one in inputs if isinstance(one, Number))
            return number._number(inputs[0]).clip(*inputs[1:])
        raise _unknown(f"np.{getattr(function, '__name__', function)}")

    def _apply(self, name: str, inputs: tuple[Any, ...]) -> "Number":
        if (composed := _COMPOSED.get(name)) is not None:
            result: Number = composed(*inputs)
            return result
        if name == "power" and isinstance(inputs[1], int) and inputs[1] in _PRODUCTS:
            return self._apply("multiply", (inputs[0], inputs[0] if inputs[1] == 2 else inputs[0] * inputs[0]))
        numbers = self._together(inputs)
        if name in _BITS or name == "invert":
            return self._bits(name, numbers)
        if name in _BOOLS:
            return self._operator(_BOOLS[name], [n if n.dtype == bool_ else n.astype("bool") for n in numbers])
        if name in _COMPARISONS:
            return self._operator(_COMPARISONS[name], numbers)
        if name in _FLOATS:
            return self._operator(_FLOATS[name], [n if n.dtype.is_float else n.astype("float32") for n in numbers])
        if name in _NUMBERS:
            return self._operator(_NUMBERS[name], [n.astype("int32") if n.dtype == bool_ else n for n in numbers])
        raise _unknown(f"np.{name}")

    def _operator(self, operator: Elementwise, numbers: list["Number"]) -> "Number":
        dtype = operator.result_dtype(*(number.dtype for number in numbers))
        return self._made(operator.scalar(self._block, *(number.expr for number in numbers)), dtype)

    def _bits(self, name: str, numbers: list["Number"]) -> "Number":
        first = numbers[0]
        if first.dtype.is_float:
            raise DTypeError(f"np.{name} takes whole numbers or bools, not {first.dtype.numpy_name}.")
        if name == "invert":
            return self._made(Unary("not", first.expr), first.dtype)
        if first.dtype == bool_ and name in _LOGICAL:
            return self._operator(_BOOLS[_LOGICAL[name]], numbers)
        return self._made(_BITS[name](first.expr, numbers[1].expr), first.dtype)

    def _where(self, condition: Any, then: Any, otherwise: Any) -> "Number":
        chosen = self._number(condition)
        if chosen.dtype != bool_:
            chosen = chosen.astype("bool")
        return self._operator(Where(), [chosen, *self._together((then, otherwise))])

    def _together(self, inputs: tuple[Any, ...]) -> list["Number"]:
        """Numbers of one dtype; Python's take that of the others, unless a float meets whole numbers."""
        given = [one for one in inputs if isinstance(one, Number)]
        if not given:
            given = [self._number(one) for one in inputs]
        dtype = _common([_widened(one.dtype) for one in given])
        if not dtype.is_float and any(_is_fraction(one) for one in inputs):
            dtype = float32
        elif dtype == bool_ and any(not isinstance(one, (bool, Number)) for one in inputs):
            dtype = int32
        return [self._number(one, dtype) for one in inputs]

    def _number(self, value: Any, dtype: DType | None = None) -> "Number":
        if isinstance(value, Number):
            return value if dtype is None or value.dtype == dtype else value.astype(dtype.numpy_name)
        plain = value.item() if isinstance(value, (np.generic, np.ndarray)) and value.size == 1 else value
        if not isinstance(plain, (bool, int, float)):
            raise KernelError(
                f"a kernel's function uses {type(value).__name__} as a number. Numbers and parameters can be used: "
                "make it one more parameter."
            )
        if dtype is None:
            dtype = bool_ if isinstance(plain, bool) else float32 if isinstance(plain, float) else int32
        return Number(self._block, Const(plain, register_type(dtype.name)), dtype)

    def _made(self, expr: Expr, dtype: DType) -> "Number":
        return Number(self._block, self._block.let("value", expr), dtype)

    def __bool__(self) -> NoReturn:
        raise KernelError(
            "a kernel's function asks whether a number is true, which differs from element to element. Use "
            "np.where(condition, a, b), np.minimum and np.maximum in place of if, and, or, min and max."
        )

    def _single(self, *_: Any) -> NoReturn:
        raise KernelError(
            "a kernel's function sees one element of each array, which has no parts and no number yet. Use operators "
            "and functions of numpy; for neighbours and sums write WGSL."
        )

    __len__ = __iter__ = __getitem__ = __int__ = __index__ = _single
    __float__ = _single


def trace(function: Callable[..., Any], dtypes: Mapping[str, DType]) -> Traced:
    """Call `function` with one stand-in for each of `dtypes`, by name.

    Raises KernelError, saying what to write instead, for what kernels cannot do, and DTypeError for dtypes that do not
    go together.
    """
    block = Block()
    arguments = {
        name: Var(f"a{i}", register_type(_known(dtype).name)) for i, (name, dtype) in enumerate(dtypes.items())
    }
    stand_ins = {name: Number(block, var, dtypes[name]) for name, var in arguments.items()}
    result = function(**stand_ins)
    if isinstance(result, (bool, int, float)) and stand_ins:
        result = next(iter(stand_ins.values()))._number(result)
    if not isinstance(result, Number):
        raise KernelError(
            f"a kernel's function returned {type(result).__name__}, and one number is wanted. Make a kernel for each "
            "result, or write WGSL."
        )
    return Traced(ScalarFunction(tuple(arguments.values()), block.statements, result.expr), result.dtype)


def parameters_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters. Raises KernelError where they are not plain ones."""
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters.values()
    strange = [str(one) for one in parameters if one.kind not in plain]
    if strange or not parameters:
        raise KernelError(
            f"a kernel's function has one parameter for each array, by name; {strange or 'none'} is not so."
        )
    return tuple(one.name for one in parameters)


def _common(dtypes: list[DType]) -> DType:
    """The dtype in which numbers of these are put together."""
    first = dtypes[0]
    if all(dtype == first for dtype in dtypes):
        return first
    if any(dtype.is_float for dtype in dtypes):
        return float32
    if all(dtype in _RANKS for dtype in dtypes):
        return max(dtypes, key=lambda dtype: _RANKS[dtype])
    names = " and ".join(dict.fromkeys(dtype.numpy_name for dtype in dtypes))
    raise DTypeError(f"a kernel's function puts {names} together. Say which is meant: x.astype('int32').")


def _widened(dtype: DType) -> DType:
    """The dtype in which kernels compute with numbers of one."""
    if dtype.is_float:
        return float32
    return int32 if dtype.is_integer and dtype.itemsize < int32.itemsize else dtype


def _is_fraction(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def _known(dtype: DType) -> DType:
    if dtype.name not in REGISTER_OF or dtype.name == "f64":
        raise UnsupportedOpError(f"kernels of a GPU cannot hold {dtype.numpy_name}. Convert it: x.astype('float32').")
    return dtype


def _floor_divide(a: Any, b: Any) -> Any:
    """Rounded down, as Python does."""
    if any(isinstance(one, Number) and one.dtype.is_float for one in (a, b)) or _is_fraction(a) or _is_fraction(b):
        return np.floor(a / b)
    number = next(one for one in (a, b) if isinstance(one, Number))
    whole, by = number._together((a, b))
    rest = number._operator(Mod(), [whole, by])
    return number._operator(Div(), [number._operator(Sub(), [whole, rest]), by])


def _unknown(what: str) -> KernelError:
    known = sorted({*_FLOATS, *_NUMBERS, *_COMPARISONS, *_BOOLS, *_BITS, *_COMPOSED, "invert", "where", "clip"})
    return KernelError(f"a kernel's function uses {what}, which kernels do not have. They have {', '.join(known)}.")
