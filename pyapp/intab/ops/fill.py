"""Tensors whose shape is computed by the model itself, in mid-run."""

import numpy as np

from intab.errors import DTypeError, ShapeError
from intab.graph.dims import dense_strides, symbol
from intab.graph.ir import Value
from intab.ops.arrays import Numbers
from intab.ops.broadcast import shape_text
from intab.ops.intervals import moved_from
from intab.ops.kernel_steps import copy_step
from intab.ops.lowering import Lowering
from intab.ops.registry import Result, op


@op("Fill")
class Fill:
    """One number everywhere, in a shape known only when it has been computed.

    shape i64 [R], number [] -> the shape that the numbers of `shape` give; `symbols` names its R sizes.
    Source: ONNX ConstantOfShape-9.
    """

    symbols: tuple[str, ...]

    def infer(self, shape: Value, number: Value) -> Result:
        if not shape.dtype.is_integer:
            raise DTypeError(f"Fill takes a shape of integers, not {shape}.")
        if shape.shape != (len(self.symbols),) or number.shape != ():
            raise ShapeError(
                f"Fill with {len(self.symbols)} named sizes takes as many and one number, not shapes "
                f"{shape_text(shape.shape)} and {shape_text(number.shape)}."
            )
        return Result(number.dtype, tuple(symbol(name) for name in self.symbols))

    def reference(self, shape: Numbers, number: Numbers) -> Numbers:
        if (shape < 0).any():
            raise ShapeError(f"Fill: the computed shape {shape.tolist()} has a negative size.")
        return np.full(tuple(int(size) for size in shape), number)

    bounds = moved_from(1)

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        shape, number = inputs
        lowering.read_sizes(shape, self.symbols)
        sizes = outputs[0].shape
        nowhere = (0,) * len(sizes)
        copy_step(lowering, lowering.place(number), nowhere, lowering.place(outputs[0]), dense_strides(sizes), sizes)
