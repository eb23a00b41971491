"""The best elements along an axis."""

import numpy as np

from intab.dtypes import int64
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, Shape, product
from intab.graph.ir import Value
from intab.kernels.families import top as family
from intab.ops.arrays import Numbers
from intab.ops.broadcast import at_most, normal_axis, numbers
from intab.ops.elementwise import NUMBERS
from intab.ops.intervals import MOST_ELEMENTS, Interval
from intab.ops.kernel_steps import tensor_work
from intab.ops.lowering import Lowering
from intab.ops.registry import Result, op


@op("TopK")
class TopK:
    """The `count` largest (or smallest) elements along an axis, best first, and where they were (int64).

    x [..., N, ...] -> two of [..., count, ...]. Of equal elements the earlier comes first. Source: ONNX TopK-11.
    """

    axis: int
    count: Dim
    largest: bool = True

    def infer(self, x: Value) -> tuple[Result, ...]:
        if x.dtype.kind not in NUMBERS:
            raise DTypeError(f"TopK takes numbers, not {x}.")
        axis = normal_axis(self.axis, x.rank)
        if isinstance(self.count, int) and self.count < 0:
            raise ShapeError(f"TopK of {self.count} elements: counts are not negative.")
        room = x.shape[axis] - self.count
        if isinstance(room, int) and room < 0:
            raise ShapeError(f"TopK of {self.count} elements of {x} along axis {axis}: there are not so many.")
        shape = (*x.shape[:axis], self.count, *x.shape[axis + 1 :])
        pairs = at_most(self.count, x.shape[axis])
        return Result(x.dtype, shape, equal=pairs), Result(int64, shape)

    def reference(self, x: Numbers) -> tuple[Numbers, ...]:
        (count,) = numbers((self.count,))
        # Sorted from the back to the front, a stable order of rising numbers is one of falling numbers.
        turned = np.flip(x, self.axis) if self.largest else x
        order = np.argsort(turned, axis=self.axis, kind="stable")
        if self.largest:
            order = x.shape[self.axis] - 1 - np.flip(order, self.axis)
        places = np.take(order, np.arange(count), self.axis).astype(np.int64)
        return np.take_along_axis(x, places, self.axis), places

    def bounds(self, inputs: tuple[Value, ...], given: tuple[Interval, ...]) -> tuple[Interval, ...]:
        return given[0], Interval(0, MOST_ELEMENTS)

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (values, places) = inputs, outputs
        if x.dtype.name not in ("f32", "i32", "i64"):
            raise UnsupportedOpError(f"TopK has kernels for f32, i32 and i64, not for {x.dtype}. Cast to one of them.")
        axis = normal_axis(self.axis, x.rank)
        columns: Dim = product(x.shape[axis + 1 :])
        words: dict[str, Dim | float] = {"length": x.shape[axis], "columns": columns, "best": self.count}
        buffers = {"x": lowering.place(x), "values": lowering.place(values), "places": lowering.place(places)}
        flops: Shape = x.shape
        work = tensor_work(flops, (buffers["x"], x.shape), *((buffers[n], values.shape) for n in ("values", "places")))
        # A count of 0 leaves nothing to do; its kernel would keep one element all the same.
        items = product(x.shape[:axis]) * columns if self.count != 0 else 0
        lowering.step(family.top(x.dtype.name, largest=self.largest), buffers, words, items, work=work)
