"""Panels of matrices, made of numbers that lie in any order: how weights get from a file to where kernels read them."""

from functools import cache, partial

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.loops import register_type
from intab.kernels.families.register_tile import TILE_COLUMNS
from intab.kernels.families.winograd_transform import WINDOW, Transform, transform_filters
from intab.kernels.ir import F32, F64, Cast, Const, Expr, Kernel, Select, Var, Word


@cache
def pack_panels_of(dtype: str, *, scaled: bool = False, order: tuple[int, ...] = tuple(range(TILE_COLUMNS))) -> Kernel:
    """y[panel, outer, inner, i] = x[panel * TILE_COLUMNS + order[i], outer, inner], 0 past the last column.

    `scaled`: times factor[column]. Buffers: x, factor when scaled, y. Words: columns, outer, inner (sizes);
    x_column, x_outer, x_inner, y_panel, y_outer (elements between neighbours; those of y's inner lie TILE_COLUMNS
    apart). Items: ceil(columns / TILE_COLUMNS).
    """
    kernel = KernelWriter("pack_panels")
    words = _declared(kernel, dtype, scaled)
    columns, outer, inner, x_column, x_outer, x_inner, y_panel, y_outer = words
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


@cache
def pack_winograd_of(transform: Transform, *, scaled: bool = False) -> Kernel:
    """y[position, panel, inner, i] = (G x[panel * TILE_COLUMNS + i, :, inner] Gt)[position], as `pack_filters` does.

    Windows of WINDOW x WINDOW taps in f64, rounded once. Buffers and words as of `pack_panels_of`: outer are the taps,
    line by line, and y_outer is between positions. Items: ceil(columns / TILE_COLUMNS).
    """
    kernel = KernelWriter("pack_winograd")
    columns, _, inner, x_column, x_outer, x_inner, y_panel, y_outer = _declared(kernel, "f32", scaled)
    first = kernel.let("first", kernel.item * TILE_COLUMNS)
    last = kernel.let("last", columns - 1 - first)
    with (
        kernel.tile("panel"),
        kernel.loop("i", 0, inner) as i,
        kernel.loop("lane", 0, TILE_COLUMNS) as lane,
    ):
        inside = kernel.let("inside", last.ge(lane))
        column = kernel.let("column", first + last.minimum(lane))
        reading = kernel.let("reading", at("x", column * x_column + i * x_inner))
        taps = []
        for _ in range(WINDOW * WINDOW):
            value: Expr = load("x", reading, F32)
            value = value * load("factor", column, F32) if scaled else value
            taps.append(kernel.let("tap", Cast(Select(inside, value, Const(0.0, F32)), F64)))
            kernel.advance(reading, x_outer)
        keep = partial(kernel.let, "part")
        down = [transform_filters(transform, taps[across::WINDOW], keep) for across in range(WINDOW)]
        writing = kernel.let("writing", at("y", kernel.item * y_panel + i * TILE_COLUMNS + lane))
        for line in zip(*down, strict=True):
            for made in transform_filters(transform, [keep(part) for part in line], keep):
                kernel.store("y", writing, Cast(made, F32))
                kernel.advance(writing, y_outer)
    return kernel.kernel()


def _declared(kernel: KernelWriter, dtype: str, scaled: bool) -> list[Word]:
    """Declare what both families take; their words."""
    kernel.buffer("x", dtype, "read")
    if scaled:
        kernel.buffer("factor", dtype, "read")
    kernel.buffer("y", dtype, "write")
    names = ("columns", "outer", "inner", "x_column", "x_outer", "x_inner", "y_panel", "y_outer")
    return [kernel.word(name) for name in names]
