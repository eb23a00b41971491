"""Panels of matrices, made of numbers that lie in any order: how weights get from a file to where kernels read them."""

from functools import cache

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.loops import register_type
from intab.kernels.families.register_tile import TILE_COLUMNS
from intab.kernels.ir import Const, Expr, Kernel, Select, Var


@cache
def pack_panels_of(dtype: str, *, scaled: bool = False, order: tuple[int, ...] = tuple(range(TILE_COLUMNS))) -> Kernel:
    """y[panel, outer, inner, i] = x[panel * TILE_COLUMNS + order[i], outer, inner], 0 past the last column.

    `scaled`: times factor[column]. Buffers: x, factor when scaled, y. Words: columns, outer, inner (sizes);
    x_column, x_outer, x_inner, y_panel, y_outer (elements between neighbours; those of y's inner lie TILE_COLUMNS
    apart). Items: ceil(columns / TILE_COLUMNS).
    """
    kernel = KernelWriter("pack_panels")
    kernel.buffer("x", dtype, "read")
    if scaled:
        kernel.buffer("factor", dtype, "read")
    kernel.buffer("y", dtype, "write")
    columns, outer, inner = (kernel.word(name) for name in ("columns", "outer", "inner"))
    x_column, x_outer, x_inner = (kernel.word(name) for name in ("x_column", "x_outer", "x_inner"))
    y_panel, y_outer = (kernel.word(name) for name in ("y_panel", "y_outer"))
    register = register_type(dtype)
    first = kernel.let("first", kernel.item * TILE_COLUMNS)
    # Past the last column the last one is read again, so that nothing outside x is, and zeros are stored.
    last = kernel.let("last", columns - 1 - first)
    with kernel.tile("panel"):
        inside = [kernel.let("inside", last.ge(lane)) for lane in order]
        places = [kernel.let("place", (first + last.minimum(lane)) * x_column) for lane in order]
        factors: list[Expr] = []
        if scaled:
            factors = [kernel.let("scale", load("factor", first + last.minimum(lane), register)) for lane in order]
        with kernel.loop("o", 0, outer) as o:
            reading = [kernel.let("reading", at("x", place + o * x_outer)) for place in places]
            writing = kernel.let("writing", at("y", kernel.item * y_panel + o * y_outer))

            def row(*, whole: bool, reading: list[Var] = reading, writing: Var = writing) -> None:
                with kernel.loop("i", 0, inner):
                    for i in range(TILE_COLUMNS):
                        value: Expr = load("x", reading[i], register)
                        if scaled:
                            value = value * factors[i]
                        kernel.store("y", writing, value if whole else Select(inside[i], value, Const(0, register)), i)
                        kernel.advance(reading[i], x_inner)
                    kernel.advance(writing, TILE_COLUMNS)

            with kernel.when(last.ge(TILE_COLUMNS - 1)):
                row(whole=True)
            with kernel.otherwise():
                row(whole=False)
    return kernel.kernel()
