"""Attention: out = softmax(q @ k + mask) @ v, head by head, without the matrix of scores.

An item goes through its queries in blocks of BLOCK_ROWS: the scores of a block with all keys, their softmax in
place, and their product with the values, which lie in room of the item's own that stays in the nearer caches.
Keys and values come in panels (`pack_heads`), the scale already in the keys.
"""

from dataclasses import dataclass
from functools import cache

from intab.kernels import functions
from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families import register_tile as tile
from intab.kernels.families.loops import fold_lanes, load_value, stream, widened
from intab.kernels.families.register_tile import LANES, PLAIN, TILE_COLUMNS, TILE_ROWS, VECTORS
from intab.kernels.families.row import larger
from intab.kernels.ir import F32, Const, Expr, Kernel, Lane, Select, Splat, Unary, Var

BLOCK_ROWS = 4 * TILE_ROWS


@dataclass(frozen=True, slots=True)
class Masking:
    """Which scores count.

    `mask`: "" for none, "f32" for numbers that are added, "bool" for flags; scores without a flag become `fill`.
    `causal`: query i sees the keys up to i + causal_offset. `zero_unseen`: queries whose shares are no numbers,
    as of those that see no key, give 0 instead.
    """

    mask: str = ""
    causal: bool = False
    zero_unseen: bool = False


@cache
def attention(masking: Masking, *, lanes: int = LANES) -> Kernel:
    """q [batches, heads, rows, depth] -> out [batches, heads, rows, columns], in f32.

    Buffers: q, k and v (panels of [heads of keys, depth, keys] and of [heads of keys, keys, columns]), mask where
    asked for, scores (room for BLOCK_ROWS * whole panels of keys an item) and shares (BLOCK_ROWS an item), out.
    Words: rows, keys, depth, columns; heads, sharing (queries' heads for one of keys); spans (items a head);
    q_batch, q_head, q_row, out_batch, out_head, out_row, mask_batch, mask_head, mask_row (elements between
    neighbours), fill (f32) for flags, causal_offset. Items: batches * heads * spans.
    """
    kernel = KernelWriter("attention")
    for name in ("q", "k", "v"):
        kernel.buffer(name, "f32", "read")
    if masking.mask:
        kernel.buffer("mask", masking.mask, "read")
    for name in ("scores", "shares", "out"):
        kernel.buffer(name, "f32", "read_write")
    writer = _Writer(kernel, masking, lanes)
    with kernel.loop("block", writer.begin, writer.end, BLOCK_ROWS) as block:
        writer.block(block)
    return kernel.kernel()


class _Writer:
    """The parts of one kernel."""

    def __init__(self, kernel: KernelWriter, masking: Masking, lanes: int) -> None:
        self.kernel, self.masking, self.lanes = kernel, masking, lanes
        self.rows, self.keys, self.depth, self.columns = (kernel.word(n) for n in ("rows", "keys", "depth", "columns"))
        heads, sharing, spans = (kernel.word(n) for n in ("heads", "sharing", "spans"))
        q_batch, q_head, self.q_row = (kernel.word(f"q_{n}") for n in ("batch", "head", "row"))
        out_batch, out_head, self.out_row = (kernel.word(f"out_{n}") for n in ("batch", "head", "row"))
        if masking.mask:
            mask_batch, mask_head, self.mask_row = (kernel.word(f"mask_{n}") for n in ("batch", "head", "row"))
        if masking.mask == "bool":
            self.fill = kernel.word("fill", F32)
        if masking.causal:
            self.causal_offset = kernel.word("causal_offset")
        number, span = kernel.let("number", kernel.item // spans), kernel.let("span", kernel.item % spans)
        batch, head = kernel.let("batch", number // heads), kernel.let("head", number % heads)
        owner = kernel.let("owner", batch * (heads // sharing) + head // sharing)
        self.width = kernel.let("width", _whole(self.keys))
        self.q_at = kernel.let("q_at", batch * q_batch + head * q_head)
        self.k_at = kernel.let("k_at", owner * (self.width * self.depth))
        self.v_at = kernel.let("v_at", owner * (_whole(self.columns) * self.keys))
        self.out_at = kernel.let("out_at", batch * out_batch + head * out_head)
        if masking.mask:
            self.mask_at = kernel.let("mask_at", batch * mask_batch + head * mask_head)
        self.scores_at = kernel.let("scores_at", kernel.item * (self.width * BLOCK_ROWS))
        self.shares_at = kernel.let("shares_at", kernel.item * BLOCK_ROWS)
        blocks = (self.rows + (BLOCK_ROWS - 1)) // BLOCK_ROWS
        height = kernel.let("height", (blocks + spans - 1) // spans * BLOCK_ROWS)
        self.begin = kernel.let("begin", span * height)
        self.end = kernel.let("end", self.rows.minimum(self.begin + height))

    def block(self, block: Var) -> None:
        """The queries from `block` on."""
        kernel = self.kernel
        last = kernel.let("last", self.end.minimum(block + BLOCK_ROWS))
        seen: Expr = self.keys
        if self.masking.causal:
            seen = kernel.let("seen", self._seen(last - 1))
        with kernel.loop("key", 0, seen, TILE_COLUMNS) as key, kernel.loop("first", block, last, TILE_ROWS) as first:
            self._scores(block, first, last, key)
        with kernel.loop("row", block, last) as row:
            self._softmax(block, row, seen)
        with (
            kernel.loop("column", 0, self.columns, TILE_COLUMNS) as column,
            kernel.loop("first", block, last, TILE_ROWS) as first,
        ):
            self._product(block, first, last, column, seen)

    def _seen(self, row: Expr) -> Expr:
        """How many keys a query sees at most."""
        return self.keys.minimum(row + self.causal_offset + 1).maximum(0)

    def _rows(self, first: Expr, last: Expr) -> list[Var]:
        """The rows of a tile; those past the last repeat it."""
        return [self.kernel.let("row", (first + i).minimum(last - 1)) for i in range(TILE_ROWS)]

    def _scores(self, block: Expr, first: Expr, last: Expr, key: Expr) -> None:
        kernel = self.kernel
        with kernel.tile("score"):
            sums = tile.start_sums(kernel, PLAIN, key)
            rows = self._rows(first, last)
            pointers = [kernel.let("query", at("q", self.q_at + row * self.q_row)) for row in rows]
            panel = kernel.let("panel", at("k", self.k_at + key * self.depth))
            tile.accumulate(kernel, sums, pointers, panel, self.depth)
            for row, row_sums in zip(rows, sums, strict=True):
                place = kernel.let("place", self.scores_at + (row - block) * self.width + key)
                for j, total in enumerate(row_sums):
                    kernel.store("scores", place, total, LANES * j)

    def _softmax(self, block: Expr, row: Expr, seen: Expr) -> None:
        """The powers of a row's scores in their place, 0 for keys that others of the block see, and 1 / their sum."""
        kernel = self.kernel
        with kernel.tile("softmax"):
            count = kernel.let("count", self._seen(row)) if self.masking.causal else seen
            start = kernel.let("start", self.scores_at + (row - block) * self.width)
            largest = self._masked_maximum(row, start, count)
            total = self._powers(start, count, largest)
            # Without any keys there is nothing to share out; without any that are seen the shares are no numbers.
            nothing = self.keys.equal(0)
            share = kernel.let("share", Select(nothing, Const(0.0, F32), Const(1.0, F32) / total))
            if self.masking.causal:
                self._clear(kernel.let("rest", start + count), kernel.let("unseen", seen - count))
            if self.masking.zero_unseen:
                with kernel.when(Unary("not", total.gt(0.0))):
                    kernel.assign(share, 0.0)
                    self._clear(start, seen)
            kernel.store("shares", self.shares_at + row - block, share)

    def _clear(self, start: Expr, count: Expr) -> None:
        """Zeros in place of scores."""
        kernel = self.kernel
        writing = kernel.let("writing", at("scores", start))
        zero = Const(0.0, F32)
        stream(kernel, count, self.lanes, [writing], lambda w: kernel.store("scores", writing, widened(zero, w)))

    def _masked_maximum(self, row: Expr, start: Expr, count: Expr) -> Expr:
        """Mask a row's scores, where there is a mask, and their largest."""
        kernel = self.kernel
        scores = kernel.let("scores_from", at("scores", start))
        best = {w: kernel.let("best", Const(-functions.INFINITY, F32.wide(w))) for w in {self.lanes, 1}}
        pointers = [scores]
        if self.masking.mask:
            pointers.append(kernel.let("mask_from", at("mask", self.mask_at + row * self.mask_row)))

        def body(width: int) -> None:
            value: Expr = kernel.let("score", load("scores", scores, F32.wide(width)))
            if self.masking.mask:
                mask = load_value("mask", self.masking.mask, pointers[1], width)
                if self.masking.mask == "bool":
                    value = kernel.let("masked", Select(mask, value, widened(self.fill, width)))
                else:
                    value = kernel.let("masked", value + mask)
                kernel.store("scores", scores, value)
            kernel.assign(best[width], larger(best[width], value))

        stream(kernel, count, self.lanes, pointers, body)
        if self.lanes == 1:
            return best[1]
        return kernel.let("largest", larger(fold_lanes(kernel, best[self.lanes], larger), best[1]))

    def _powers(self, start: Expr, count: Expr, largest: Expr) -> Expr:
        """exp(score - largest) in the scores' place, and their sum."""
        kernel = self.kernel
        scores = kernel.let("scores_again", at("scores", start))
        sums = {w: kernel.let("power_sum", Const(0.0, F32.wide(w))) for w in {self.lanes, 1}}

        def body(width: int) -> None:
            power = functions.exp(kernel, load("scores", scores, F32.wide(width)) - widened(largest, width))
            kernel.store("scores", scores, power)
            kernel.assign(sums[width], sums[width] + power)

        stream(kernel, count, self.lanes, [scores], body)
        if self.lanes == 1:
            return sums[1]
        return kernel.let("total", fold_lanes(kernel, sums[self.lanes], lambda a, b: a + b) + sums[1])

    def _product(self, block: Expr, first: Expr, last: Expr, column: Expr, seen: Expr) -> None:
        """A tile of the result: powers @ values, times the rows' shares."""
        kernel = self.kernel
        with kernel.tile("product"):
            sums = tile.start_sums(kernel, PLAIN, column)
            rows = self._rows(first, last)
            pointers = [kernel.let("powers", at("scores", self.scores_at + (row - block) * self.width)) for row in rows]
            panel = kernel.let("panel", at("v", self.v_at + column * self.keys))
            tile.accumulate(kernel, sums, pointers, panel, seen)
            for row, row_sums in zip(rows, sums, strict=True):
                share = kernel.let("share", Splat(load("shares", self.shares_at + row - block, F32), LANES))
                place = kernel.let("place", self.out_at + row * self.out_row + column)
                for j, total in enumerate(row_sums):
                    value = kernel.let("value", total * share)
                    with kernel.when((column + LANES * (j + 1)).le(self.columns)):
                        kernel.store("out", place, value, LANES * j)
                    with kernel.otherwise():
                        for lane in range(LANES):
                            with kernel.when((column + (LANES * j + lane)).lt(self.columns)):
                                kernel.store("out", place, Lane(value, lane), LANES * j + lane)


@cache
def pack_heads(*, transposed: bool) -> Kernel:
    """Panels of [heads, depth, columns] for each batch, of lines that are contiguous.

    A line holds all columns of one depth or, `transposed`, all depths of one column. Buffers: b, out. Words: heads,
    depth, columns; b_batch, b_head, b_line (elements between neighbours); scale (f32), a factor of every number.
    Items: batches * heads * ceil(columns / TILE_COLUMNS).
    """
    kernel = KernelWriter("pack_heads")
    kernel.buffer("b", "f32", "read")
    kernel.buffer("out", "f32", "write")
    heads, depth, columns = (kernel.word(n) for n in ("heads", "depth", "columns"))
    b_batch, b_head, b_line = (kernel.word(f"b_{n}") for n in ("batch", "head", "line"))
    scale = kernel.word("scale", F32)
    panels = kernel.let("panels", (columns + (TILE_COLUMNS - 1)) // TILE_COLUMNS)
    number = kernel.let("number", kernel.item // panels)
    first = kernel.let("first", kernel.item % panels * TILE_COLUMNS)
    source = kernel.let("source", number // heads * b_batch + number % heads * b_head)
    place = kernel.let("place", kernel.item * (depth * TILE_COLUMNS))
    with kernel.tile("panel_copy"):
        if transposed:
            _pack_columns(kernel, source, place, first, depth, columns, b_line, scale)
        else:
            _pack_depths(kernel, source, place, first, depth, columns, b_line, scale)
    return kernel.kernel()


def _pack_columns(
    kernel: KernelWriter, source: Expr, place: Expr, first: Expr, depth: Expr, columns: Expr, line: Expr, scale: Expr
) -> None:
    """Lines are columns: each is spread over the depths of the panel."""
    for c in range(TILE_COLUMNS):
        writing = kernel.let("writing", at("out", place + c))
        with kernel.when((first + c).lt(columns)):
            reading = kernel.let("reading", at("b", source + (first + c) * line))

            def spread(width: int, reading: Var = reading, writing: Var = writing) -> None:
                value = kernel.let("numbers", load("b", reading, F32.wide(width)) * widened(scale, width))
                for lane in range(width):
                    kernel.store("out", writing, Lane(value, lane) if width > 1 else value, TILE_COLUMNS * lane)
                kernel.advance(writing, TILE_COLUMNS * width)

            stream(kernel, depth, LANES, [reading], spread)
        with kernel.otherwise(), kernel.loop("k", 0, depth):
            kernel.store("out", writing, Const(0.0, F32))
            kernel.advance(writing, TILE_COLUMNS)


def _pack_depths(
    kernel: KernelWriter, source: Expr, place: Expr, first: Expr, depth: Expr, columns: Expr, line: Expr, scale: Expr
) -> None:
    """Lines are depths: a panel's part of each is copied."""
    reading = kernel.let("reading", at("b", source + first))
    writing = kernel.let("writing", at("out", place))
    wide = kernel.let("wide_scale", widened(scale, LANES))
    with kernel.when((first + TILE_COLUMNS).le(columns)), kernel.loop("k", 0, depth):
        for j in range(VECTORS):
            kernel.store("out", writing, load("b", reading, F32.wide(LANES), LANES * j) * wide, LANES * j)
        kernel.advance(reading, line)
        kernel.advance(writing, TILE_COLUMNS)
    with kernel.otherwise(), kernel.loop("edge_k", 0, depth) as k:
        for c in range(TILE_COLUMNS):
            inside = (first + c).lt(columns)
            number = load("b", source + k * line + (first + c).minimum(columns - 1), F32) * scale
            kernel.store("out", writing, Select(inside, number, Const(0.0, F32)), c)
        kernel.advance(writing, TILE_COLUMNS)


def _whole(size: Expr) -> Expr:
    """A size up to a whole panel."""
    return (size + (TILE_COLUMNS - 1)) // TILE_COLUMNS * TILE_COLUMNS
