"""Running sums along an axis."""

import numpy as np

from intab.errors import DTypeError, UnsupportedOpError
from intab.graph.dims import Dim, ceil_div, product
from intab.graph.ir import Value
from intab.kernels.families import running as family
from intab.ops.arrays import Numbers
from intab.ops.broadcast import normal_axis
from intab.ops.elementwise import NUMBERS
from intab.ops.intervals import Interval, most_elements
from intab.ops.items import item_width
from intab.ops.kernel_steps import tensor_work
from intab.ops.lowering import Lowering
from intab.ops.registry import Result, op


@op("CumSum")
class CumSum:
    """x [..., N, ...] -> same shape: element i is the sum of those up to i along an axis.

    Where `exclusive` it is not part of its own sum; `reverse` begins at the axis' end. Source: ONNX CumSum-14.
    """

    axis: int
    exclusive: bool = False
    reverse: bool = False

    def infer(self, x: Value) -> Result:
        if x.dtype.kind not in NUMBERS:
            raise DTypeError(f"CumSum takes numbers, not {x}.")
        normal_axis(self.axis, x.rank)
        return Result(x.dtype, x.shape)

    def reference(self, x: Numbers) -> Numbers:
        turned = np.flip(x, self.axis) if self.reverse else x
        with np.errstate(all="ignore"):
            made = np.cumsum(turned, self.axis, dtype=x.dtype)
        if self.exclusive and x.shape[self.axis]:
            made = np.roll(made, 1, self.axis)
            first = [slice(None)] * x.ndim
            first[self.axis] = slice(0, 1)
            made[tuple(first)] = 0
        return np.ascontiguousarray(np.flip(made, self.axis) if self.reverse else made)

    def bounds(self, inputs: tuple[Value, ...], given: tuple[Interval, ...]) -> Interval:
        return given[0].sums(most_elements(inputs[0].shape[self.axis :][:1]))

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (y,) = inputs, outputs
        if x.dtype.name not in ("f32", "i32", "i64"):
            raise UnsupportedOpError(f"There are kernels for f32, i32 and i64, not for {x.dtype}. Cast to one of them.")
        axis = normal_axis(self.axis, x.rank)
        length, columns = x.shape[axis], product(x.shape[axis + 1 :])
        words: dict[str, Dim | float] = {"length": length, "columns": columns}
        words |= {"first": length - 1, "step": -1} if self.reverse else {"first": 0, "step": 1}
        buffers = {"x": lowering.place(x), "y": lowering.place(y)}
        width, lanes = item_width(lowering, columns, buffers.values()), lowering.target.lanes
        kernel = family.running_sum(x.dtype.name, exclusive=self.exclusive, lanes=lanes, width=width)
        work = tensor_work(x.shape, (buffers["x"], x.shape), (buffers["y"], y.shape))
        items = product(x.shape[:axis]) * ceil_div(columns, width or family.COLUMNS)
        lowering.step(kernel, buffers, words, items, work=work)
