"""Running sums along an axis."""

from functools import cache

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.loops import check_lanes, lanes_for
from intab.kernels.ir import Const, Expr, Kernel, Type

# Columns of one item, so that a tensor of few rows is shared out too.
COLUMNS = 64


@cache
def running_sum(dtype: str, *, exclusive: bool, lanes: int, width: int = 0) -> Kernel:
    """y[row, i, column] = sum of x[row, 0 .. i, column], without the last of them where `exclusive`.

    dtype is "f32", "i32" or "i64". Buffers: x, y [rows, length, columns]. Words: length,
    columns; first and step: where along the axis it begins, and in which direction it goes on (0 and 1, or
    length - 1 and -1). Items: rows * ceil(columns / COLUMNS), or with `width` rows * columns / width.
    """
    check_lanes(lanes)
    kernel = KernelWriter("running_sum")
    x, y = (kernel.buffer(name, dtype, access, vector=width or 1) for name, access in (("x", "read"), ("y", "write")))
    length, columns, first, step = (kernel.word(name) for name in ("length", "columns", "first", "step"))
    block = width or COLUMNS
    blocks = kernel.let("blocks", (columns + (block - 1)) // block)
    begin = kernel.let("begin", kernel.item % blocks * block)
    end = kernel.let("end", columns.minimum(begin + block))
    start = kernel.let("start", (kernel.item // blocks * length + first) * columns)

    def one(column: Expr, lanes: int) -> None:
        type_ = Type(dtype, lanes)
        total = kernel.let("total", Const(0, type_))
        reading, writing = kernel.let("reading", at(x, start + column)), kernel.let("writing", at(y, start + column))
        with kernel.loop("i", 0, length):
            value = kernel.let("value", load(x, reading, type_))
            if exclusive:
                kernel.store(y, writing, total)
            kernel.assign(total, total + value)
            if not exclusive:
                kernel.store(y, writing, total)
            for pointer in (reading, writing):
                kernel.advance(pointer, step * columns)

    if width:
        one(begin, width)
        return kernel.kernel()
    vector = lanes_for(lanes, dtype)
    with kernel.tile("columns_of_row"):
        whole = kernel.let("whole", end - (end - begin) % vector)
        with kernel.loop("column", begin, whole, vector) as column:
            one(column, vector)
        if vector > 1:
            with kernel.loop("column", whole, end) as column:
                one(column, 1)
    return kernel.kernel()
