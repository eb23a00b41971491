"""Activation functions."""

import math

import numpy as np

from intab.graph.ir import Value
from intab.kernels import functions
from intab.kernels.block import Block
from intab.kernels.ir import Const, Expr, Fma, Select, Unary
from intab.ops.arrays import Numbers
from intab.ops.elementwise import FLOATS, NUMBERS, Elementwise
from intab.ops.intervals import Interval, exactly
from intab.ops.registry import op
from intab.ops.special import erf


@op("Relu")
class Relu(Elementwise):
    """max(x, 0)"""

    def compute(self, x: Numbers) -> Numbers:
        return np.asarray(np.maximum(x, x.dtype.type(0)))

    def scalar(self, block: Block, x: Expr) -> Expr:
        return functions.at_least(x, 0)

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        return given[0].maximum(exactly(0))


@op("LeakyRelu")
class LeakyRelu(Elementwise):
    """x above 0, alpha * x below."""

    accepts = FLOATS

    alpha: float

    def compute(self, x: Numbers) -> Numbers:
        return np.where(x < 0, self.alpha * x, x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return Select(x.lt(0.0), x * self.alpha, x)


@op("ThresholdedRelu")
class ThresholdedRelu(Elementwise):
    """x above alpha, else 0."""

    accepts = FLOATS

    alpha: float

    def compute(self, x: Numbers) -> Numbers:
        return np.where(x > self.alpha, x, x.dtype.type(0))

    def scalar(self, block: Block, x: Expr) -> Expr:
        return Select(x.gt(self.alpha), x, Const(0.0, x.type))


@op("PRelu")
class PRelu(Elementwise):
    """x above 0, slope * x below."""

    arity = 2

    def compute(self, x: Numbers, slope: Numbers) -> Numbers:
        return np.where(x < 0, slope * x, x)

    def scalar(self, block: Block, x: Expr, slope: Expr) -> Expr:
        return Select(x.lt(0), slope * x, x)


@op("Elu")
class Elu(Elementwise):
    """x above 0, alpha * (exp(x) - 1) below."""

    accepts = FLOATS

    alpha: float

    def compute(self, x: Numbers) -> Numbers:
        return np.where(x < 0, self.alpha * np.expm1(np.minimum(x, 0)), x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        below = (functions.exp(block, x) - 1.0) * self.alpha
        return Select(x.lt(0.0), below, x)


@op("Selu")
class Selu(Elementwise):
    """gamma times: x above 0, alpha * (exp(x) - 1) below."""

    accepts = FLOATS

    alpha: float
    gamma: float

    def compute(self, x: Numbers) -> Numbers:
        return self.gamma * np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def scalar(self, block: Block, x: Expr) -> Expr:
        below = (functions.exp(block, x) - 1.0) * self.alpha
        return Select(x.gt(0.0), x, below) * self.gamma


@op("Sigmoid")
class Sigmoid(Elementwise):
    """1 / (1 + exp(-x))"""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return _sigmoid(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return functions.sigmoid(block, x)


@op("HardSigmoid")
class HardSigmoid(Elementwise):
    """alpha * x + beta, kept within 0 .. 1."""

    accepts = FLOATS

    alpha: float
    beta: float

    def compute(self, x: Numbers) -> Numbers:
        return np.clip(self.alpha * x + self.beta, 0, 1)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return _kept_within_one(block, Fma(x, Const(self.alpha, x.type), Const(self.beta, x.type)))


@op("Tanh")
class Tanh(Elementwise):
    """Hyperbolic tangent."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.tanh(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return functions.tanh(block, x)


@op("Softplus")
class Softplus(Elementwise):
    """log(exp(x) + 1)"""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))

    def scalar(self, block: Block, x: Expr) -> Expr:
        return functions.softplus(block, x)


@op("Softsign")
class Softsign(Elementwise):
    """x / (1 + |x|)"""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return np.asarray(x / (1 + np.abs(x)))

    def scalar(self, block: Block, x: Expr) -> Expr:
        return x / (Unary("abs", x) + 1.0)


@op("Silu")
class Silu(Elementwise):
    """x * sigmoid(x), also called swish."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return x * _sigmoid(x)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return functions.silu(block, x)


@op("HardSwish")
class HardSwish(Elementwise):
    """x * (x / 6 + 1/2, kept within 0 .. 1). Source: ONNX HardSwish-14."""

    accepts = FLOATS

    def compute(self, x: Numbers) -> Numbers:
        return x * np.clip(x * (1 / 6) + 0.5, 0, 1)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return x * _kept_within_one(block, Fma(x, Const(1 / 6, x.type), Const(0.5, x.type)))


@op("Gelu")
class Gelu(Elementwise):
    """x times the normal distribution function of x, or with approximate="tanh" Hendrycks and Gimpel's formula.

    Source: ONNX Gelu-20; arXiv:1606.08415.
    """

    accepts = FLOATS

    approximate: str = "none"

    def compute(self, x: Numbers) -> Numbers:
        if self.approximate == "tanh":
            return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
        return np.asarray(0.5 * x * (1 + erf(x * math.sqrt(0.5))))

    def scalar(self, block: Block, x: Expr) -> Expr:
        return functions.gelu_tanh(block, x) if self.approximate == "tanh" else functions.gelu(block, x)


@op("Clip")
class Clip(Elementwise):
    """x kept within minimum .. maximum; an infinite bound is none. maximum wins if they cross. Source: ONNX Clip-13."""

    accepts = NUMBERS

    minimum: float
    maximum: float

    def compute(self, x: Numbers) -> Numbers:
        result = x
        if not math.isinf(self.minimum):
            result = np.maximum(result, x.dtype.type(self.minimum))
        if not math.isinf(self.maximum):
            result = np.minimum(result, x.dtype.type(self.maximum))
        return result

    def scalar(self, block: Block, x: Expr) -> Expr:
        low, high = self.minimum, self.maximum
        raised = x if math.isinf(low) else functions.at_least(x, _bound(low, x))
        return raised if math.isinf(high) else functions.at_most(block.let("raised", raised), _bound(high, x))

    def bounds(self, inputs: tuple[Value | None, ...], given: tuple[Interval, ...]) -> Interval:
        low = given[0] if math.isinf(self.minimum) else given[0].maximum(exactly(int(self.minimum)))
        return low if math.isinf(self.maximum) else low.minimum(exactly(int(self.maximum)))


def _sigmoid(x: Numbers) -> Numbers:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _kept_within_one(block: Block, x: Expr) -> Expr:
    """x kept within 0 .. 1."""
    raised = block.let("raised", functions.at_least(block.let("line", x), 0.0))
    return functions.at_most(raised, 1.0)


def _bound(bound: float, x: Expr) -> float:
    """A bound as the type of x holds it."""
    return bound if x.type.scalar == "f32" else int(bound)
