"""Angles from their tangents."""

import math

import numpy as np

from intab.kernels.block import Block
from intab.kernels.ir import Const, Expr, Fma, Select, Unary
from intab.ops.arrays import Numbers
from intab.ops.elementwise import FLOATS, Elementwise
from intab.ops.registry import op

# atan(x) = x + x * z * p(z) with z = x * x, for |x| up to tan(pi / 8). Source: Cephes, single/atanf.c (Moshier).
_POLYNOMIAL = (8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1)
_EIGHTH, _THREE_EIGHTHS = math.tan(math.pi / 8), math.tan(3 * math.pi / 8)


@op("Atan")
class Atan(Elementwise):
    """The angle between -pi / 2 and pi / 2 whose tangent x is. Kernels: within 3 units of float32's last place."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.asarray(np.arctan(x))

    def scalar(self, block: Block, x: Expr) -> Expr:
        size = block.let("size", Unary("abs", x))
        one, zero = Const(1.0, x.type), Const(0.0, x.type)
        # Large tangents by atan(x) = pi / 2 - atan(1 / x), those near 1 by pi / 4 + atan((x - 1) / (x + 1)).
        large, middle = size.gt(_THREE_EIGHTHS), size.gt(_EIGHTH)
        above = Select(large, -one, size - 1.0)
        below = Select(large, size, size + 1.0)
        reduced = block.let("reduced", Select(middle, above, size) / Select(middle, below, one))
        base = Select(large, Const(math.pi / 2, x.type), Select(middle, Const(math.pi / 4, x.type), zero))
        square = block.let("square", reduced * reduced)
        series: Expr = Const(_POLYNOMIAL[0], x.type)
        for factor in _POLYNOMIAL[1:]:
            series = block.let("series", Fma(series, square, Const(factor, x.type)))
        angle = block.let("angle", base + Fma(series * square, reduced, reduced))
        return Select(x.lt(0.0), -angle, angle)
