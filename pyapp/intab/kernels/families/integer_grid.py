"""Integer matmul and convolution on GPUs, where every number lies in 32 bits: exact sums of plain products.

An item is ROWS rows by four columns. Both sides are i32 with their zero points taken off (or bytes that have none);
the right side is [depth, columns], each row of it padded to whole vectors.
"""

from functools import cache

from intab.kernels.block import KernelWriter, load
from intab.kernels.families.integer_tile import I32X4, LANES, Finish, Finisher
from intab.kernels.ir import I32, Const, Expr, Kernel, Lane, Splat, Var

ROWS = 4
WORDS = (
    "rows",
    "columns",
    "out_width",
    "out_pixels",
    "pixel_step",
    "line_step",
    "image_step",
    "taps_y",
    "taps_x",
    "run",
    "tap_y_step",
    "tap_x_step",
    "a_batch",
    "b_batch",
    "b_row",
    "out_batch",
    "out_row",
)


@cache
def integer_grid(finish: Finish, left: str, *, width: int) -> Kernel:
    """Rows of windows times columns, with a finish.

    Row r is the window of pixel r of pictures: taps_y * taps_x runs of `run` numbers, tap_y_step and tap_x_step apart;
    windows begin pixel_step, line_step and image_step apart, of out_width a line and out_pixels a picture. Of a matrix
    rows are the pixels of one line. Buffers: a (`left`, "i32" or bytes), b (i32), those of the finish. Words: WORDS;
    steps are in elements. With a `width` of 4 the result lies in whole vectors. Items: batches * ceil(rows / ROWS) *
    ceil(columns / LANES).
    """
    kernel = KernelWriter("integer_grid")
    kernel.buffer("a", left, "read")
    kernel.buffer("b", "i32", "read", vector=LANES)
    finisher = Finisher(kernel, finish, vector=width)
    words = {name: kernel.word(name) for name in WORDS}
    across = kernel.let("across", (words["columns"] + (LANES - 1)) // LANES)
    down = kernel.let("down", (words["rows"] + (ROWS - 1)) // ROWS)
    column = kernel.let("column", kernel.item % across * LANES)
    tile = kernel.let("tile", kernel.item // across)
    batch = kernel.let("batch", tile // down)
    first_row = kernel.let("first_row", tile % down * ROWS)
    windows = []
    for i in range(ROWS):
        row = kernel.let("row", (first_row + i).minimum(words["rows"] - 1))
        pixel = kernel.let("pixel", row % words["out_pixels"])
        place = row // words["out_pixels"] * words["image_step"] + batch * words["a_batch"]
        place = place + pixel // words["out_width"] * words["line_step"]
        windows.append(kernel.let("window", place + pixel % words["out_width"] * words["pixel_step"]))
    start: Expr = load("bias", column, I32X4) if finish.bias else Const(0, I32X4)
    sums = [kernel.let("sum", start) for _ in range(ROWS)]
    right = kernel.let("right", batch * words["b_batch"] + column)
    with kernel.loop("tap_y", 0, words["taps_y"]) as tap_y, kernel.loop("tap_x", 0, words["taps_x"]) as tap_x:
        tap = kernel.let("tap", tap_y * words["tap_y_step"] + tap_x * words["tap_x_step"])
        with kernel.loop("k", 0, words["run"]) as k:
            numbers = kernel.let("numbers", load("b", right, I32X4))
            for total, window in zip(sums, windows, strict=True):
                one = kernel.let("one", load("a", window + tap + k, I32))
                kernel.assign(total, total + Splat(one, LANES) * numbers)
            kernel.assign(right, right + words["b_row"])
    out = kernel.let("out_start", batch * words["out_batch"] + first_row * words["out_row"] + column)
    levels, scale = finisher.levels(kernel), finisher.scale(kernel, column)
    for i, total in enumerate(sums):
        value = finisher.byte(finisher.scaled(kernel, total, scale, levels))
        place = out + words["out_row"] * i
        with kernel.when((first_row + i).lt(words["rows"])):
            _store(kernel, kernel.let("value", value), place, column, words["columns"], width)
    return kernel.kernel()


def _store(kernel: KernelWriter, value: Var, place: Expr, column: Expr, columns: Expr, width: int) -> None:
    if width > 1:
        kernel.store("out", place, value)
        return
    for lane in range(LANES):
        with kernel.when((column + lane).lt(columns)):
            kernel.store("out", place, Lane(value, lane), lane)
