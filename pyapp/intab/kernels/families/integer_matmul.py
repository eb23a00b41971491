"""Integer matmul: out[b] = finish(a[b] @ right[b]), both sides in pairs of depths."""

from functools import cache

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families import integer_tile as tile
from intab.kernels.families.integer_tile import TILE_COLUMNS, TILE_ROWS, Finish, Finisher
from intab.kernels.families.register_tile import Blocks
from intab.kernels.ir import I32, Const, Expr, Kernel


@cache
def integer_matmul(finish: Finish, tile_rows: int = TILE_ROWS) -> Kernel:
    """[batches, rows, pairs] @ [batches, pairs, columns] -> [batches, rows, columns], in tiles of so many rows.

    Buffers: a (pairs), b (panels), those of the finish, out. Words: rows, pairs, columns; a_row, out_row (elements
    between rows); a_batch, b_batch, out_batch (between batches; 0 repeats one); block_rows, block_columns (whole
    tiles). Items: batches * ceil(rows / block_rows) * ceil(columns / block_columns).
    """
    kernel = KernelWriter("integer_matmul")
    kernel.buffer("a", "i32", "read")
    kernel.buffer("b", "i32", "read")
    finisher = Finisher(kernel, finish)
    rows, pairs, columns = (kernel.word(n) for n in ("rows", "pairs", "columns"))
    a_row, out_row = kernel.word("a_row"), kernel.word("out_row")
    a_batch, b_batch, out_batch = (kernel.word(n) for n in ("a_batch", "b_batch", "out_batch"))
    blocks = Blocks(kernel, rows, columns, tile_rows=tile_rows)
    a_start = kernel.let("a_start", blocks.batch * a_batch + blocks.first_row * a_row)
    b_start = kernel.let("b_start", blocks.batch * b_batch)
    out_start = kernel.let("out_start", blocks.batch * out_batch + blocks.first_row * out_row)
    count = blocks.row_count

    # A panel serves all rows of the block before the next: it stays in the first-level cache.
    with blocks.columns_of_tiles(kernel) as column, kernel.tile("panel"):
        # The last tile starts early enough to be whole, where there are rows enough; else it repeats the last one.
        last = kernel.let("last", (count - tile_rows).maximum(0))
        below = [Const(0, I32), *(kernel.let(f"below{i}", (count - 1).minimum(i)) for i in range(1, tile_rows))]
        a_steps = [kernel.let("a_step", step * a_row) for step in below]
        out_steps = [kernel.let("out_step", step * out_row) for step in below]
        panel_start = kernel.let("panel_start", b_start + column * pairs)
        with kernel.loop("row", 0, count, tile_rows) as first_row:
            row = kernel.let("tile_row", first_row.minimum(last))
            a_place = kernel.let("a_place", a_start + row * a_row)
            pointers = [kernel.let(f"a{i}", at("a", a_place + step)) for i, step in enumerate(a_steps)]
            panel = kernel.let("panel", at("b", panel_start))
            sums = finisher.start_sums(kernel, column, tile_rows)
            tile.accumulate(kernel, sums, pointers, panel, pairs)
            place = kernel.let("place", out_start + row * out_row + column)
            places = [kernel.let(f"place{i}", place + step) for i, step in enumerate(out_steps)]
            tile.store_rows(kernel, finisher, sums, places, column, columns)
    return kernel.kernel()


@cache
def pack_right_pairs(dtype: str, *, zero_a_column: bool | None) -> Kernel:
    """Pack a right side that is known only at run time into panels of i32 pairs.

    Buffers: b ("i8" or "u8"), zero (of that dtype; one number, or one a column; none where `zero_a_column` is None),
    out. Words: depth, columns; b_batch, b_row, b_column (elements between batches, depths and columns); out_batch.
    Items: batches * ceil(columns / TILE_COLUMNS).
    """
    kernel = KernelWriter(f"pack_right_pairs_{dtype}")
    kernel.buffer("b", dtype, "read")
    if zero_a_column is not None:
        kernel.buffer("zero", dtype, "read")
    kernel.buffer("out", "i32", "write")
    depth, columns = kernel.word("depth"), kernel.word("columns")
    b_batch, b_row, b_column = (kernel.word(n) for n in ("b_batch", "b_row", "b_column"))
    out_batch = kernel.word("out_batch")
    panels = kernel.let("panels", (columns + (TILE_COLUMNS - 1)) // TILE_COLUMNS)
    source = kernel.let("source", kernel.item // panels * b_batch)
    pairs = kernel.let("pairs", (depth + 1) // 2)
    panel = kernel.let("panel", kernel.item % panels)
    place = kernel.let("place", kernel.item // panels * out_batch + panel * pairs * TILE_COLUMNS)
    first = kernel.let("first", panel * TILE_COLUMNS)

    def column_of_pairs(c: int) -> None:
        # Past the last column stands the last one again: nobody stores what comes of it.
        column = kernel.let("column", (first + c).minimum(columns - 1))
        zero: Expr | None = None
        if zero_a_column is not None:
            zero = kernel.let("zero_point", load("zero", column if zero_a_column else 0, I32))

        def number(k: Expr) -> Expr:
            value = load("b", source + k * b_row + column * b_column, I32)
            return value if zero is None else value - zero

        with kernel.loop("p", 0, depth // 2) as p:
            pair = pair_of(number(p * 2), number(p * 2 + 1))
            kernel.store("out", place + p * TILE_COLUMNS, pair, c)
        with kernel.when((depth % 2).equal(1)):
            alone = pair_of(number(depth - 1), None)
            kernel.store("out", place + (pairs - 1) * TILE_COLUMNS, alone, c)

    with kernel.tile("panel_copy"):
        for c in range(TILE_COLUMNS):
            column_of_pairs(c)
    return kernel.kernel()


def pair_of(first: Expr, second: Expr | None) -> Expr:
    """Two numbers of 16 bits in one i32, the first in the low half; none is 0."""
    low = first & 0xFFFF
    return low if second is None else low | (second << 16)
