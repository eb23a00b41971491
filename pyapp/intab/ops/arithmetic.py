"""Arithmetic on elements."""

import numpy as np

from intab.dtypes import DType, dtype_of
from intab.errors import DTypeError
from intab.graph import dims
from intab.graph.dims import Dim
from intab.ops.arrays import Numbers, convert
from intab.ops.elementwise import ANYTHING, FLOATS, NUMBERS, Elementwise
from intab.ops.registry import op
from intab.ops.special import erf


@op("Neg")
class Neg(Elementwise):
    """-x"""

    def compute(self, x: Numbers) -> Numbers:
        return np.negative(x)


@op("Abs")
class Abs(Elementwise):
    """|x|"""

    def compute(self, x: Numbers) -> Numbers:
        return np.abs(x)


@op("Sign")
class Sign(Elementwise):
    """-1, 0 or 1; NaN stays."""

    def compute(self, x: Numbers) -> Numbers:
        return np.sign(x)


@op("Exp")
class Exp(Elementwise):
    """e to the power of x"""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.exp(x)


@op("Log")
class Log(Elementwise):
    """Natural logarithm; -inf at 0, NaN below."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.log(x)


@op("Sqrt")
class Sqrt(Elementwise):
    """Square root; NaN below 0."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.sqrt(x)


@op("Reciprocal")
class Reciprocal(Elementwise):
    """1 / x"""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.reciprocal(x)


@op("Erf")
class Erf(Elementwise):
    """Gauss error function."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return erf(x)


@op("Sin")
class Sin(Elementwise):
    """Sine of radians."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.sin(x)


@op("Cos")
class Cos(Elementwise):
    """Cosine of radians."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.cos(x)


@op("Floor")
class Floor(Elementwise):
    """The largest whole number not above x."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.floor(x)


@op("Ceil")
class Ceil(Elementwise):
    """The least whole number not below x."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.ceil(x)


@op("Round")
class Round(Elementwise):
    """The nearest whole number, halves to the even one. Source: ONNX Round-11."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.rint(x)


@op("Cast")
class Cast(Elementwise):
    """x in another element type; see `ops.arrays.convert` for what does not fit. Source: ONNX Cast-13."""

    accepts = ANYTHING

    to: DType

    def result_dtype(self, *dtypes: DType) -> DType:
        if "string" in (dtypes[0].kind, self.to.kind):
            raise DTypeError(f"Cast from {dtypes[0]} to {self.to}: text is not converted. Do it before the session.")
        return self.to

    def compute(self, x: Numbers) -> Numbers:
        return convert(x, self.to)

    def dims(self, x: Dim) -> Dim | None:
        return x


@op("Add")
class Add(Elementwise):
    """a + b"""

    arity = 2

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.add(a, b)

    def dims(self, a: Dim, b: Dim) -> Dim | None:
        return a + b


@op("Sub")
class Sub(Elementwise):
    """a - b"""

    arity = 2

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.subtract(a, b)

    def dims(self, a: Dim, b: Dim) -> Dim | None:
        return a - b


@op("Mul")
class Mul(Elementwise):
    """a * b"""

    arity = 2

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.multiply(a, b)

    def dims(self, a: Dim, b: Dim) -> Dim | None:
        return a * b


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


@op("Mod")
class Mod(Elementwise):
    """Remainder of a / b: of b's sign, or with `fmod` of a's, as C's fmod; 0 where an integer b is 0.

    Source: ONNX Mod-13.
    """

    arity = 2

    fmod: bool = False

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.asarray(np.fmod(a, b) if self.fmod else np.mod(a, b))


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


@op("Minimum")
class Minimum(Elementwise):
    """The smaller of a and b; NaN if either is. Source: ONNX Min-13."""

    arity = 2

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.minimum(a, b)

    def dims(self, a: Dim, b: Dim) -> Dim | None:
        return dims.minimum(a, b)


@op("Maximum")
class Maximum(Elementwise):
    """The larger of a and b; NaN if either is. Source: ONNX Max-13."""

    arity = 2

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.maximum(a, b)

    def dims(self, a: Dim, b: Dim) -> Dim | None:
        return dims.maximum(a, b)


def not_negative(dim: Dim) -> bool:
    """Whether a dim is known to be 0 or more, its symbols being sizes."""
    if isinstance(dim, int):
        return dim >= 0
    return all(factor >= 0 and all(_atom_not_negative(a) for a in monomial) for monomial, factor in dim.terms)


def _atom_not_negative(atom: dims.Atom) -> bool:
    if isinstance(atom, dims.Symbol):
        return True
    if atom.function == "max":
        return not_negative(atom.left) or not_negative(atom.right)
    if atom.function == "%":
        return not_negative(atom.right)
    return not_negative(atom.left) and not_negative(atom.right)
