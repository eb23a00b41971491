"""Functions of bytes as tables."""

import numpy as np

from intab.dtypes import float32, int8, uint8
from intab.errors import DTypeError, ShapeError
from intab.graph.dims import ceil_div, product
from intab.graph.ir import Value
from intab.kernels.families.lookup import FIRST, LOOKUP_BLOCK, lookup
from intab.ops.arrays import Numbers
from intab.ops.lowering import Lowering
from intab.ops.registry import Result, op


@op("Lookup")
class Lookup:
    """table[x], for each byte x: u8, or i8 whose smallest number is the first entry. table [256] u8, i8 or f32."""

    def infer(self, x: Value, table: Value) -> Result:
        if x.dtype not in (uint8, int8) or table.dtype not in (uint8, int8, float32):
            raise DTypeError(f"Lookup takes bytes and a table of u8, i8 or f32, not {x} and {table}.")
        if table.shape != (256,):
            raise ShapeError(f"Lookup takes a table of 256 numbers, not {table}.")
        return Result(table.dtype, x.shape)

    def reference(self, x: Numbers, table: Numbers) -> Numbers:
        return np.asarray(table[x.astype(np.int32) - np.iinfo(x.dtype).min])

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        x, table = inputs
        assert x is not None and table is not None
        count = product(x.shape)
        buffers = {"x": lowering.place(x), "table": lowering.place(table), "y": lowering.place(outputs[0])}
        single = lowering.target.small_items
        kernel = lookup(x.dtype.name, table.dtype.name, single=single)
        if single:
            lowering.step(kernel, buffers, {}, count)
        else:
            lowering.step(kernel, buffers, {"count": count}, ceil_div(count, LOOKUP_BLOCK))


def every_byte(dtype_name: str) -> Numbers:
    """All 256 numbers of a dtype, "u8" or "i8", in the order of a table's entries."""
    return np.arange(-FIRST[dtype_name], 256 - FIRST[dtype_name]).astype({"u8": np.uint8, "i8": np.int8}[dtype_name])
