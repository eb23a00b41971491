"""Comparisons, logic and choice."""

import numpy as np

from intab.dtypes import DType, bool_
from intab.errors import DTypeError
from intab.ops.arrays import Numbers
from intab.ops.elementwise import ANYTHING, BOOLS, Elementwise
from intab.ops.registry import op


@op("Equal")
class Equal(Elementwise):
    """a == b; NaN equals nothing."""

    arity = 2
    accepts = ANYTHING
    gives = bool_

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.equal(a, b).astype(np.bool_)


@op("Less")
class Less(Elementwise):
    """a < b"""

    arity = 2
    gives = bool_

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.less(a, b)


@op("LessOrEqual")
class LessOrEqual(Elementwise):
    """a <= b"""

    arity = 2
    gives = bool_

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.less_equal(a, b)


@op("Greater")
class Greater(Elementwise):
    """a > b"""

    arity = 2
    gives = bool_

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.greater(a, b)


@op("GreaterOrEqual")
class GreaterOrEqual(Elementwise):
    """a >= b"""

    arity = 2
    gives = bool_

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.greater_equal(a, b)


@op("Not")
class Not(Elementwise):
    """not x"""

    accepts = BOOLS

    def compute(self, x: Numbers) -> Numbers:
        return np.logical_not(x)


@op("And")
class And(Elementwise):
    """a and b"""

    arity = 2
    accepts = BOOLS

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.logical_and(a, b)


@op("Or")
class Or(Elementwise):
    """a or b"""

    arity = 2
    accepts = BOOLS

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.logical_or(a, b)


@op("Xor")
class Xor(Elementwise):
    """Exactly one of a and b."""

    arity = 2
    accepts = BOOLS

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.logical_xor(a, b)


@op("Where")
class Where(Elementwise):
    """a where the condition holds, else b."""

    arity = 3

    def result_dtype(self, *dtypes: DType) -> DType:
        condition, a, b = dtypes
        if condition != bool_ or a != b:
            raise DTypeError(f"Where takes a bool condition and two tensors of one dtype, not {condition}, {a}, {b}.")
        return a

    def compute(self, condition: Numbers, a: Numbers, b: Numbers) -> Numbers:
        return np.where(condition, a, b)
