"""Arithmetic on elements."""

import numpy as np

from intab.dtypes import DType, dtype_of
from intab.errors import DTypeError
from intab.graph import dims
from intab.graph.dims import Dim
from intab.graph.ir import Value
from intab.kernels import functions, ir
from intab.kernels.block import Block
from intab.kernels.ir import Const, Expr, Select, Unary
from intab.ops.arrays import Numbers, convert
from intab.ops.broadcast import not_negative
from intab.ops.elementwise import ANYTHING, FLOATS, NUMBERS, Elementwise, register_type
from intab.ops.intervals import Interval, of_dtype
from intab.ops.registry import op
from intab.ops.special import erf


@op("Neg")
class Neg(Elementwise):
    """-x"""

    def compute(self, x: Numbers) -> Numbers:
        return np.negative(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return -x

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        return -given[0]


@op("Abs")
class Abs(Elementwise):
    """|x|"""

    def compute(self, x: Numbers) -> Numbers:
        return np.abs(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return Unary("abs", x)

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        return given[0].absolute()


@op("Sign")
class Sign(Elementwise):
    """-1, 0 or 1; NaN stays."""

    def compute(self, x: Numbers) -> Numbers:
        return np.sign(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        one = Const(1, x.type)
        return Select(x.gt(0), one, Select(x.lt(0), -one, x))

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        return Interval(-1, 1)


@op("Exp")
class Exp(Elementwise):
    """e to the power of x"""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.exp(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return functions.exp(block, x)


@op("Log")
class Log(Elementwise):
    """Natural logarithm; -inf at 0, NaN below."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.log(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return functions.log(block, x)


@op("Sqrt")
class Sqrt(Elementwise):
    """Square root; NaN below 0."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.sqrt(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return Unary("sqrt", x)


@op("Reciprocal")
class Reciprocal(Elementwise):
    """1 / x"""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.reciprocal(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return Const(1.0, x.type) / x


@op("Erf")
class Erf(Elementwise):
    """Gauss error function."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return erf(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return functions.erf(block, x)


@op("Sin")
class Sin(Elementwise):
    """Sine of radians."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.sin(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return functions.sin(block, x)


@op("Cos")
class Cos(Elementwise):
    """Cosine of radians."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.cos(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return functions.cos(block, x)


@op("Floor")
class Floor(Elementwise):
    """The largest whole number not above x."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.floor(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return Unary("floor", x)


@op("Ceil")
class Ceil(Elementwise):
    """The least whole number not below x."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.ceil(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return Unary("ceil", x)


@op("Round")
class Round(Elementwise):
    """The nearest whole number, halves to the even one. Source: ONNX Round-11."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.rint(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return Unary("nearest", x)


@op("Cast")
class Cast(Elementwise):
    """x in another element type; see `ops.arrays.convert` for what does not fit. Source: ONNX Cast-13."""

    accepts = ANYTHING
    knows_narrow = True

    to: DType

    def result_dtype(self, *dtypes: DType) -> DType:
        if "string" in (dtypes[0].kind, self.to.kind):
            raise DTypeError(f"Cast from {dtypes[0]} to {self.to}: text is not converted. Do it before the session.")
        return self.to

    def compute(self, x: Numbers) -> Numbers:
        return convert(x, self.to)

    def dims(self, x: Dim) -> Dim | None:
        return x

    def scalar(self, block: Block, x: Expr) -> Expr:
        target = register_type(self.to, narrow=True)
        if target == ir.BOOL:
            return x if x.type.scalar == "bool" else x.unequal(0)
        narrow = self.to.is_integer and self.to.itemsize < 4
        if narrow and x.type.scalar == "f32":  # saturates, as a cast to i32 does
            limits = np.iinfo(self.to.numpy_name)
            x = block.let("kept", x.maximum(float(limits.min)).minimum(float(limits.max)))
        whole = x if target == x.type else ir.Cast(x, target)
        return self._wrapped(whole) if narrow else whole

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        is_float = inputs[0] is not None and inputs[0].dtype.is_float
        return of_dtype(self.to) if is_float else given[0]

    def _wrapped(self, x: Expr) -> Expr:
        """The low bits of an i32, as a number of 8 or 16 bits."""
        bits = 8 * self.to.itemsize
        low = x & ((1 << bits) - 1)
        middle = 1 << (bits - 1)
        return (low ^ middle) - middle if self.to.kind == "signed" else low


@op("Add")
class Add(Elementwise):
    """a + b"""

    arity = 2

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.add(a, b)

    def dims(self, a: Dim, b: Dim) -> Dim | None:
        return a + b

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a + b

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        return given[0] + given[1]


@op("Sub")
class Sub(Elementwise):
    """a - b"""

    arity = 2

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.subtract(a, b)

    def dims(self, a: Dim, b: Dim) -> Dim | None:
        return a - b

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a - b

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        return given[0] - given[1]


@op("Mul")
class Mul(Elementwise):
    """a * b"""

    arity = 2

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.multiply(a, b)

    def dims(self, a: Dim, b: Dim) -> Dim | None:
        return a * b

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a * b

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        return given[0] * given[1]


@op("Div")
class Div(Elementwise):
    """a / b; of integers the whole part, towards zero, and 0 where b is 0. Source: ONNX Div-14."""

    arity = 2

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        if a.dtype.kind == "f":
            return np.divide(a, b)
        quotient = np.floor_divide(a, b)
        uneven = (quotient < 0) & (b != 0) & (quotient * b != a)
        return np.asarray(quotient + uneven.astype(a.dtype))

    def dims(self, a: Dim, b: Dim) -> Dim | None:
        if b == 0:
            return None
        if isinstance(a, int) and isinstance(b, int):
            return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        # Of sizes, which are not negative, rounding down is rounding towards zero.
        return dims.floor_div(a, b) if not_negative(a) and not_negative(b) else None

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a / b if a.type == ir.F32 else _whole_quotient(block, a, b)

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        return given[0].quotient(given[1])


@op("Mod")
class Mod(Elementwise):
    """Remainder of a / b: of b's sign, or with `fmod` of a's, as C's fmod; 0 where an integer b is 0.

    Source: ONNX Mod-13.
    """

    arity = 2

    fmod: bool = False

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.asarray(np.fmod(a, b) if self.fmod else np.mod(a, b))

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        remainder = _float_remainder if a.type == ir.F32 else _whole_remainder
        return remainder(block, a, b, of_dividend=self.fmod)

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        return given[0].remainder(given[1], of_dividend=self.fmod)


@op("Pow")
class Pow(Elementwise):
    """a to the power of b, in the type of a; b may have another. Source: ONNX Pow-15."""

    arity = 2

    def result_dtype(self, *dtypes: DType) -> DType:
        for dtype in dtypes:
            if dtype.kind not in NUMBERS:
                raise DTypeError(f"Pow takes numbers, not {dtype}.")
        return dtypes[0]

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        if a.dtype.kind == "f":
            return np.asarray(np.power(a, b.astype(a.dtype, copy=False)))
        if b.dtype.kind == "f":
            return convert(np.power(a.astype(np.float64), b), dtype_of(a))
        # A whole number to a negative power: 1, -1, or a fraction, whose whole part is 0.
        signed = b.astype(np.int64)
        inverse = np.where(np.abs(a) == 1, np.where(signed % 2 == 0, 1, a), 0).astype(a.dtype)
        return np.asarray(np.where(signed < 0, inverse, np.power(a, np.maximum(signed, 0).astype(a.dtype))))

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return functions.pow(block, a, b) if a.type == b.type == ir.F32 else _whole_power(block, a, b)


@op("Minimum")
class Minimum(Elementwise):
    """The smaller of a and b; NaN if either is. Source: ONNX Min-13."""

    arity = 2

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.minimum(a, b)

    def dims(self, a: Dim, b: Dim) -> Dim | None:
        return dims.minimum(a, b)

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a.minimum(b)

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        return given[0].minimum(given[1])


@op("Maximum")
class Maximum(Elementwise):
    """The larger of a and b; NaN if either is. Source: ONNX Max-13."""

    arity = 2

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.maximum(a, b)

    def dims(self, a: Dim, b: Dim) -> Dim | None:
        return dims.maximum(a, b)

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a.maximum(b)

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        return given[0].maximum(given[1])


def _whole_power(block: Block, a: Expr, b: Expr) -> Expr:
    """a^b in the type of a, computed in f32: exact up to 2^22; fractions of whole numbers count as 0."""
    power = functions.pow(block, *(x if x.type == ir.F32 else ir.Cast(x, ir.F32) for x in (a, b)))
    if a.type == ir.F32:
        return power
    fraction = Unary("abs", power).lt(0.75)
    return ir.Cast(Select(fraction, Const(0.0, ir.F32), Unary("nearest", power)), a.type)


def _whole_quotient(block: Block, a: Expr, b: Expr) -> Expr:
    """a / b towards zero. Division by 0 gives 0 and by -1 wraps, as in numpy; WebAssembly's would trap."""
    zero, minus_one = block.let("by_zero", b.equal(0)), block.let("by_minus_one", b.equal(-1))
    quotient = a // block.let("divisor", Select(zero | minus_one, Const(1, b.type), b))
    return Select(zero, Const(0, a.type), Select(minus_one, -a, quotient))


def _whole_remainder(block: Block, a: Expr, b: Expr, *, of_dividend: bool) -> Expr:
    """a - b * (a / b) of integers, with the sign of a or of b; 0 where b is 0."""
    zero = block.let("by_zero", b.equal(0))
    remainder = block.let("remainder", a % block.let("divisor", Select(zero, Const(1, b.type), b)))
    other_sign = remainder.unequal(0) & (remainder ^ b).lt(0)
    result = remainder if of_dividend else Select(other_sign, remainder + b, remainder)
    return Select(zero, Const(0, a.type), result)


def _float_remainder(block: Block, a: Expr, b: Expr, *, of_dividend: bool) -> Expr:
    """a - b * (a / b made whole). Exact only while the quotient is far below 2^24."""
    whole = block.let("whole", Unary("trunc" if of_dividend else "floor", a / b))
    # An infinite b goes into a no times, and 0 * inf would be NaN; if it must be of b's sign, it is b itself.
    few = a if of_dividend else Select((a * b).lt(0.0), a + b, a)
    return Select(whole.equal(0.0), few, a - whole * b)
