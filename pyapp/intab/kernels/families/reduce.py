"""Reductions of the last axis or of a middle one."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from intab.errors import KernelError
from intab.kernels.block import Block, KernelWriter, at, load
from intab.kernels.families.loops import fold_lanes, lanes_for, widened
from intab.kernels.ir import F32, I32, Binary, Cast, Const, Expr, Kernel, Type, Var
from intab.kernels.scalar import ScalarFunction, inline

# Sums of this many elements are added up before they join the total, so that long sums stay exact enough.
CHUNK = 256
# Vectors in flight at once: an addition takes some four cycles, and two can start in each.
VECTORS = 4

LEAST = {"f32": -np.inf, "i32": -(2**31)}
MOST = {"f32": np.inf, "i32": 2**31 - 1}


@dataclass(frozen=True, slots=True)
class Reduction:
    """What is done with the elements: `op` of before(x), then `after` of that.

    `op` is "sum", "mean", "prod", "max" or "min"; the latter two give NaN if an element is NaN. `before` and `after`
    are functions of one number of the same dtype. dtype is "f32" or "i32" (a mean of which is rounded towards zero).
    Along a middle axis `in_order` combines one element after the other, and not chunks of them.
    """

    op: str
    dtype: str = "f32"
    before: ScalarFunction | None = None
    after: ScalarFunction | None = None
    in_order: bool = False

    def __post_init__(self) -> None:
        if self.op not in ("sum", "mean", "prod", "max", "min") or self.dtype not in ("f32", "i32"):
            raise KernelError(f"There is no reduction kernel {self.op} of {self.dtype}.")

    def first(self, width: int) -> Const:
        """What the reduction of nothing is."""
        value = {"prod": 1, "max": LEAST[self.dtype], "min": MOST[self.dtype]}.get(self.op, 0)
        return Const(value, Type(self.dtype, width))

    def combine(self, first: Expr, second: Expr) -> Expr:
        """Two partial results in one."""
        op = {"prod": "mul", "max": "max", "min": "min"}.get(self.op, "add")
        return Binary(op, first, second)

    def prepared(self, block: Block, value: Expr) -> Expr:
        return inline(block, self.before, (value,)) if self.before else value

    def finished(self, block: Block, value: Expr, count: Expr) -> Expr:
        """The result from the combined elements, `count` of them (i32)."""
        if self.op == "mean":
            number = Cast(count, F32) if self.dtype == "f32" else count
            value = value / widened(number, value.type.lanes)
        return inline(block, self.after, (value,)) if self.after else value


@cache
def reduce_last(reduction: Reduction, *, lanes: int) -> Kernel:
    """y[row] = reduction of x[row, :]. x is [rows, length], contiguous.

    Buffers: x, y. Words: length. Items: rows.
    """
    kernel = KernelWriter(f"reduce_last_{reduction.op}")
    x, y = kernel.buffer("x", reduction.dtype, "read"), kernel.buffer("y", reduction.dtype, "write")
    length = kernel.word("length")
    width = lanes_for(lanes, functions=(reduction.before,))
    wide = Type(reduction.dtype, width)
    with kernel.tile("row"):
        pointer = kernel.let("pointer", at(x, kernel.item * length))
        parts = [kernel.let("part", reduction.first(width)) for _ in range(VECTORS)]
        main = kernel.let("main", length & -(VECTORS * width))
        with kernel.loop("i", 0, main, VECTORS * width):
            for index, part in enumerate(parts):
                loaded = kernel.let("value", load(x, pointer, wide, index * width))
                kernel.assign(part, reduction.combine(part, reduction.prepared(kernel, loaded)))
            kernel.advance(pointer, VECTORS * width)
        total: Expr = reduction.combine(reduction.combine(parts[0], parts[1]), reduction.combine(parts[2], parts[3]))
        result = kernel.let("result", fold_lanes(kernel, kernel.let("total", total), reduction.combine))
        with kernel.loop("i", main, length):
            loaded = kernel.let("value", load(x, pointer, wide.wide(1)))
            kernel.assign(result, reduction.combine(result, reduction.prepared(kernel, loaded)))
            kernel.advance(pointer, 1)
        kernel.store(y, kernel.item, reduction.finished(kernel, result, length))
    return kernel.kernel()


def middle_block(lanes: int) -> int:
    """How many inner elements an item of `reduce_middle` covers: a cache line on WebAssembly."""
    return VECTORS * lanes


@cache
def reduce_middle(reduction: Reduction, *, lanes: int) -> Kernel:
    """y[outer, inner] = reduction of x[outer, :, inner]. x is [outer, reduced, inner], contiguous.

    Buffers: x, y. Words: reduced, inner. Items: outer * ceil(inner / middle_block(lanes)).
    """
    kernel = KernelWriter(f"reduce_middle_{reduction.op}")
    kernel.buffer("x", reduction.dtype, "read")
    kernel.buffer("y", reduction.dtype, "write")
    reduced, inner = kernel.word("reduced"), kernel.word("inner")
    width = lanes_for(lanes, functions=(reduction.before, reduction.after))
    if reduction.op == "mean" and reduction.dtype == "i32":
        width = 1  # vectors do not divide integers
    block = middle_block(lanes)
    with kernel.tile("block"):
        blocks = kernel.let("blocks", (inner + (block - 1)) // block)
        outer = kernel.let("outer", kernel.item // blocks)
        first = kernel.let("first", kernel.item % blocks * block)
        here = kernel.let("here", (inner - first).minimum(block))
        source = kernel.let("source", outer * reduced * inner + first)
        target = kernel.let("target", outer * inner + first)
        vectors = block // width
        with kernel.when(here.equal(block)):
            _columns(kernel, reduction, source, target, [(i * width, width) for i in range(vectors)], reduced, inner)
        with kernel.otherwise():
            whole = kernel.let("whole", here & -width)
            with kernel.loop("i", 0, whole, width) as i:
                _columns(kernel, reduction, source + i, target + i, [(0, width)], reduced, inner)
            with kernel.loop("i", whole, here) as i:
                _columns(kernel, reduction, source + i, target + i, [(0, 1)], reduced, inner)
    return kernel.kernel()


def _columns(
    kernel: KernelWriter,
    reduction: Reduction,
    source: Expr,
    target: Expr,
    columns: list[tuple[int, int]],
    reduced: Expr,
    inner: Expr,
) -> None:
    """Reduce some neighbouring columns, each an (offset, width), downwards, in chunks."""
    pointer = kernel.let("pointer", at("x", source))
    totals = [kernel.let("total", reduction.first(width)) for _, width in columns]

    def rows(begin: Expr, end: Expr, parts: list[Var]) -> None:
        with kernel.loop("row", begin, end):
            for (offset, width), part in zip(columns, parts, strict=True):
                loaded = kernel.let("value", load("x", pointer, Type(reduction.dtype, width), offset))
                kernel.assign(part, reduction.combine(part, reduction.prepared(kernel, loaded)))
            kernel.advance(pointer, inner)

    if reduction.in_order:
        rows(Const(0, I32), reduced, totals)
    else:
        with kernel.loop("chunk", 0, reduced, CHUNK) as chunk:
            parts = [kernel.let("part", reduction.first(width)) for _, width in columns]
            rows(chunk, (chunk + CHUNK).minimum(reduced), parts)
            for total, part in zip(totals, parts, strict=True):
                kernel.assign(total, reduction.combine(total, part))
    for (offset, _), total in zip(columns, totals, strict=True):
        kernel.store("y", target, reduction.finished(kernel, total, reduced), offset)
