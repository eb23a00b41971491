"""Packing on GPUs: constants, along whatever axes they lie, as the lines of columns that products read."""

from functools import cache

from intab.kernels.block import KernelWriter, load
from intab.kernels.ir import F32, Const, Expr, Kernel, Select

WORDS = (
    "columns",
    "line",
    "outer",
    "inner",
    "group_step",
    "column_step",
    "outer_step",
    "inner_step",
)


@cache
def pack_lines(*, scaled: bool) -> Kernel:
    """y[group, depth, column] = x[group, column, outer, inner], zeros behind the last column up to a whole line.

    Depths are outer * inner. Buffers: x, factor if it is `scaled` (by one number a column, those of all groups one
    after the other), y; all f32. Words: WORDS; steps are those of x, in elements. Items: groups * outer * inner * line.
    """
    kernel = KernelWriter("pack_lines")
    kernel.buffer("x", "f32", "read")
    if scaled:
        kernel.buffer("factor", "f32", "read")
    kernel.buffer("y", "f32", "write")
    words = {name: kernel.word(name) for name in WORDS}
    column = kernel.let("column", kernel.item % words["line"])
    near = kernel.let("near", column.minimum(words["columns"] - 1))
    depth = kernel.let("depth", kernel.item // words["line"])
    depths = kernel.let("depths", words["outer"] * words["inner"])
    group = kernel.let("group", depth // depths)
    inner, outer = depth % words["inner"], depth % depths // words["inner"]
    place = group * words["group_step"] + near * words["column_step"]
    place = place + outer * words["outer_step"] + inner * words["inner_step"]
    value: Expr = load("x", place, F32)
    if scaled:
        value = value * load("factor", group * words["columns"] + near, F32)
    number = kernel.let("number", value)
    kernel.store("y", kernel.item, Select(column.lt(words["columns"]), number, Const(0.0, F32)))
    return kernel.kernel()
