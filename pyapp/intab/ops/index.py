"""Numbers in a row, and elements found by several indices."""

import numpy as np

from intab.dtypes import DType, int64
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, ceil_div, product
from intab.graph.ir import Value
from intab.kernels.families import index as family
from intab.kernels.families.elementwise import FLAT_BLOCK
from intab.ops.arrays import Numbers
from intab.ops.broadcast import NO_PAIRS, agree, numbers
from intab.ops.builder import KNOWN_ELEMENTS
from intab.ops.intervals import Interval, hull, moved_from, of_dim
from intab.ops.items import item_width, pieces
from intab.ops.kernel_steps import checked, tensor_work
from intab.ops.lowering import Lowering
from intab.ops.registry import Result, op


@op("Range")
class Range:
    """start, start + step, ... : `count` whole numbers [count]. Source: ONNX Range-11."""

    start: Dim
    count: Dim
    step: int = 1
    to: DType = int64

    def infer(self) -> Result:
        if isinstance(self.count, int) and self.count < 0:
            raise ShapeError(f"Range of {self.count} numbers: sizes are not negative.")
        if not self.to.is_integer:
            raise DTypeError(f"Range makes whole numbers, not {self.to}.")
        elements = None
        if isinstance(self.count, int) and self.count <= KNOWN_ELEMENTS:
            elements = tuple(self.start + i * self.step for i in range(self.count))
        return Result(self.to, (self.count,), elements)

    def reference(self) -> Numbers:
        start, count = numbers((self.start, self.count))
        return np.asarray(start + np.arange(count) * self.step).astype(self.to.numpy)

    def bounds(self, inputs: tuple[Value, ...], given: tuple[Interval, ...]) -> Interval:
        start, last = of_dim(self.start), of_dim(self.start + (self.count - 1) * self.step)
        return hull((start, last))

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        if self.to.name not in ("i64", "i32"):
            raise UnsupportedOpError(f"Range has kernels for i64 and i32, not for {self.to}.")
        words: dict[str, Dim | float] = {"count": self.count, "start": self.start, "step": self.step}
        buffers = {"y": lowering.place(outputs[0])}
        work = tensor_work((0,), (buffers["y"], (self.count,)))
        block = 1 if lowering.target.small_items else FLAT_BLOCK
        lowering.step(family.count_up(self.to.name, block), buffers, words, ceil_div(self.count, block), work=work)


@op("GatherND")
class GatherNd:
    """Slices of x at places that several indices name (negative ones count from the end).

    x [*B, *S, *R], indices [*B, *I, K] with K the rank of S and `batch_dims` that of B -> [*B, *I, *R].
    Source: ONNX GatherND-13.
    """

    batch_dims: int = 0

    def infer(self, x: Value, indices: Value) -> Result:
        if indices.dtype.kind not in ("signed", "unsigned"):
            raise DTypeError(f"GatherND needs whole numbers as indices, not {indices}.")
        batch, depth = self.batch_dims, self._depth(indices)
        if not 0 <= batch < indices.rank or batch + depth > x.rank or depth < 1:
            raise ShapeError(f"GatherND with {batch} batch axes does not fit {x} and {indices}.")
        pairs = NO_PAIRS
        for left, right in zip(x.shape[:batch], indices.shape[:batch], strict=True):
            pairs += agree(left, right, "Batch axes of GatherND")[1]
        return Result(x.dtype, (*indices.shape[:-1], *x.shape[batch + depth :]), equal=pairs)

    def reference(self, x: Numbers, indices: Numbers) -> Numbers:
        batch, depth = self.batch_dims, indices.shape[-1]
        sizes = np.asarray(x.shape[batch : batch + depth])
        if indices.size and ((indices < -sizes) | (indices >= sizes)).any():
            raise ShapeError(f"GatherND: indices {indices.min()} .. {indices.max()} leave axes of {sizes.tolist()}.")
        axes = indices.ndim - 1
        places: list[Numbers] = []
        for axis, size in enumerate(indices.shape[:batch]):
            places.append(np.arange(size).reshape([size if i == axis else 1 for i in range(axes)]))
        return np.asarray(x[(*places, *np.moveaxis(indices.astype(np.int64), -1, 0))])

    bounds = moved_from(0)

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x, indices), (y,) = inputs, outputs
        if indices.dtype.name not in ("i64", "i32"):
            raise UnsupportedOpError(f"GatherND has kernels for indices of i64 and i32, not of {indices.dtype}.")
        batch, depth = self.batch_dims, self._depth(indices)
        words: dict[str, Dim | float] = {f"size_{i}": x.shape[batch + i] for i in range(depth)}
        inner = product(x.shape[batch + depth :])
        words |= {"count": product(indices.shape[batch:-1]), "inner": inner}
        buffers = {"x": lowering.place(x), "indices": lowering.place(indices), "y": lowering.place(y)}
        width = item_width(lowering, inner, (buffers["x"], buffers["y"]))
        name, lanes = checked(x.dtype).name, lowering.target.lanes
        kernel = family.gather_nd(name, depth, indices=indices.dtype.name, lanes=lanes, width=width)
        tensors = ((buffers["y"], y.shape), (buffers["y"], y.shape), (buffers["indices"], indices.shape))
        work = tensor_work((0,), *tensors)  # of x what is taken is read
        lowering.step(kernel, buffers, words, product(indices.shape[:-1]) * pieces(inner, width), work=work)

    def _depth(self, indices: Value) -> int:
        """How many indices name a place."""
        depth = indices.shape[-1] if indices.rank else 0
        if not isinstance(depth, int):
            raise UnsupportedOpError(f"GatherND needs to know how many indices name a place; {indices} does not say.")
        return depth
