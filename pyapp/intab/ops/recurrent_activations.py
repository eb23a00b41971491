"""Activations that only recurrent layers have. Source: ONNX LSTM-14."""

from dataclasses import dataclass

import numpy as np

from intab.kernels import functions
from intab.kernels.block import Block
from intab.kernels.ir import Const, Expr, Fma
from intab.ops.arrays import Numbers
from intab.ops.elementwise import FLOATS, Elementwise


@dataclass(frozen=True, kw_only=True)
class Affine(Elementwise):
    """alpha * x + beta"""

    accepts = FLOATS

    alpha: float
    beta: float

    def compute(self, x: Numbers) -> Numbers:
        return np.asarray(self.alpha * x + self.beta)

    def scalar(self, block: Block, x: Expr) -> Expr:
        return Fma(x, Const(self.alpha, x.type), Const(self.beta, x.type))


@dataclass(frozen=True, kw_only=True)
class ScaledTanh(Elementwise):
    """alpha * tanh(beta * x)"""

    accepts = FLOATS

    alpha: float
    beta: float

    def compute(self, x: Numbers) -> Numbers:
        return np.asarray(self.alpha * np.tanh(self.beta * x))

    def scalar(self, block: Block, x: Expr) -> Expr:
        return functions.tanh(block, block.let("scaled", x * self.beta)) * self.alpha


OWN_ACTIVATIONS: dict[str, type[Affine | ScaledTanh]] = {"Affine": Affine, "ScaledTanh": ScaledTanh}
