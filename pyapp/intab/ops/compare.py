"""Comparisons, logic and choice."""

import numpy as np

from intab.dtypes import DType, bool_
from intab.errors import DTypeError
from intab.kernels.block import Block
from intab.kernels.ir import BOOL, Expr, Select, Unary
from intab.ops.arrays import Numbers
from intab.ops.elementwise import ANYTHING, BOOLS, Elementwise
from intab.ops.intervals import moved_from
from intab.ops.registry import op


@op("Equal")
class Equal(Elementwise):
    """a == b; NaN equals nothing."""

    arity = 2
    accepts = ANYTHING
    gives = bool_

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.equal(a, b).astype(np.bool_)

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return Unary("not", a ^ b) if a.type == BOOL else a.equal(b)


@op("Less")
class Less(Elementwise):
    """a < b"""

    arity = 2
    gives = bool_

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.less(a, b)

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a.lt(b)


@op("LessOrEqual")
class LessOrEqual(Elementwise):
    """a <= b"""

    arity = 2
    gives = bool_

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.less_equal(a, b)

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a.le(b)


@op("Greater")
class Greater(Elementwise):
    """a > b"""

    arity = 2
    gives = bool_

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.greater(a, b)

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a.gt(b)


@op("GreaterOrEqual")
class GreaterOrEqual(Elementwise):
    """a >= b"""

    arity = 2
    gives = bool_

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.greater_equal(a, b)

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a.ge(b)


@op("Not")
class Not(Elementwise):
    """not x"""

    accepts = BOOLS

    def compute(self, x: Numbers) -> Numbers:
        return np.logical_not(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return Unary("not", x)


@op("And")
class And(Elementwise):
    """a and b"""

    arity = 2
    accepts = BOOLS

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.logical_and(a, b)

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a & b


@op("Or")
class Or(Elementwise):
    """a or b"""

    arity = 2
    accepts = BOOLS

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.logical_or(a, b)

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a | b


@op("Xor")
class Xor(Elementwise):
    """Exactly one of a and b."""

    arity = 2
    accepts = BOOLS

    def compute(self, a: Numbers, b: Numbers) -> Numbers:
        return np.logical_xor(a, b)

    def scalar(self, block: Block, a: Expr, b: Expr) -> Expr:
        return a ^ b


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

    def scalar(self, block: Block, condition: Expr, a: Expr, b: Expr) -> Expr:
        return Select(condition, a, b)

    bounds = moved_from(1, 2)
