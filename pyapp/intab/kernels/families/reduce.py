"""Reductions of the last axis or of a middle one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from intab.errors import KernelError
from intab.kernels.block import Block, KernelWriter, at, load
from intab.kernels.families.loops import BYTES, VECTOR, fold_lanes, lanes_for, widened
from intab.kernels.ir import F32, I16X8, I32, Binary, Cast, Const, Expr, Kernel, Type, Var, Widen
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
    Along a middle axis `in_order` combines one element after the other, and not chunks of them. With `stored`, "u8" or
    "i8", x are bytes, and elements (x - zero) * scale of them: buffers scale (f32) and zero, one number each, follow x.
    """

    op: str
    dtype: str = "f32"
    before: ScalarFunction | None = None
    after: ScalarFunction | None = None
    in_order: bool = False
    stored: str = ""

    def __post_init__(self) -> None:
        if self.op not in ("sum", "mean", "prod", "max", "min") or self.dtype not in ("f32", "i32"):
            raise KernelError(f"There is no reduction kernel {self.op} of {self.dtype}.")
        if self.stored and (self.stored not in BYTES or self.dtype != "f32"):
            raise KernelError(f"There is no reduction kernel of {self.stored} as {self.dtype}.")

    @property
    def name(self) -> str:
        """The end of a kernel's name."""
        return f"{self.op}_{self.stored}" if self.stored else self.op

    def first(self, width: int) -> Const:
        """What the reduction of nothing is."""
        value = {"prod": 1, "max": LEAST[self.dtype], "min": MOST[self.dtype]}.get(self.op, 0)
        return Const(value, Type(self.dtype, width))

    @property
    def operation(self) -> str:
        """What makes one partial result of two, as an operation of the kernel language."""
        return {"prod": "mul", "max": "max", "min": "min"}.get(self.op, "add")

    def combine(self, first: Expr, second: Expr) -> Expr:
        """Two partial results in one."""
        return Binary(self.operation, first, second)

    def finished(self, block: Block, value: Expr, count: Expr) -> Expr:
        """The result from the combined elements, `count` of them (i32)."""
        if self.op == "mean":
            number = Cast(count, F32) if self.dtype == "f32" else count
            value = value / widened(number, value.type.lanes)
        return inline(block, self.after, (value,)) if self.after else value


class Elements:
    """The elements of a reduction, as they are loaded; declares x and what follows it."""

    def __init__(self, kernel: KernelWriter, reduction: Reduction, *, vector: int = 1) -> None:
        """`vector`: all loads of x are of so many lanes (see `ir.Buffer`)."""
        self._kernel, self._reduction = kernel, reduction
        kernel.buffer("x", reduction.stored or reduction.dtype, "read", vector=vector)
        if reduction.stored:
            kernel.buffer("scale", "f32", "read")
            kernel.buffer("zero", reduction.stored, "read")
        self._levels: dict[int, tuple[Expr, Expr]] = {}

    def begin(self, *widths: int) -> None:
        """Before the loops: what all elements share, for loads of these widths."""
        if self._reduction.stored:
            single = [self._kernel.let(name, load(name, 0, type)) for name, type in (("scale", F32), ("zero", I32))]
            for width in widths:
                scale, zero = (self._kernel.let("level", widened(value, width)) for value in single)
                self._levels[width] = scale, zero

    def load(self, pointer: Expr, columns: Sequence[tuple[int, int]]) -> list[Expr]:
        """What columns, each an (offset, width), hold at a pointer; bytes are loaded eight at once if they can be."""
        kernel, reduction = self._kernel, self._reduction
        if not reduction.stored:
            loads: list[Expr] = [load("x", pointer, Type(reduction.dtype, width), offset) for offset, width in columns]
        elif all(width == VECTOR for _, width in columns) and len(columns) % 2 == 0:
            halves = [kernel.let("eight", load("x", pointer, I16X8, offset)) for offset, _ in columns[::2]]
            loads = [Widen(eight, last) for eight in halves for last in (False, True)]
        else:
            loads = [load("x", pointer, I32.wide(width), offset) for offset, width in columns]
        return [self._prepared(kernel.let("value", value)) for value in loads]

    def _prepared(self, value: Expr) -> Expr:
        width = value.type.lanes
        if self._reduction.stored:
            scale, zero = self._levels[width]
            value = Cast(value - zero, F32.wide(width)) * scale
        return inline(self._kernel, self._reduction.before, (value,)) if self._reduction.before else value


@cache
def reduce_last(reduction: Reduction, *, lanes: int) -> Kernel:
    """y[row] = reduction of x[row, :]. x is [rows, length], contiguous.

    Buffers: x, those of `stored`, y. Words: length. Items: rows.
    """
    kernel = KernelWriter(f"reduce_last_{reduction.name}")
    elements = Elements(kernel, reduction)
    y = kernel.buffer("y", reduction.dtype, "write")
    length = kernel.word("length")
    width = lanes_for(lanes, functions=(reduction.before,))
    with kernel.tile("row"):
        elements.begin(width, 1)
        pointer = kernel.let("pointer", at("x", kernel.item * length))
        parts = [kernel.let("part", reduction.first(width)) for _ in range(VECTORS)]
        main = kernel.let("main", length & -(VECTORS * width))
        with kernel.loop("i", 0, main, VECTORS * width):
            loaded = elements.load(pointer, [(index * width, width) for index in range(VECTORS)])
            for part, value in zip(parts, loaded, strict=True):
                kernel.assign(part, reduction.combine(part, value))
            kernel.advance(pointer, VECTORS * width)
        total: Expr = reduction.combine(reduction.combine(parts[0], parts[1]), reduction.combine(parts[2], parts[3]))
        result = kernel.let("result", fold_lanes(kernel, kernel.let("total", total), reduction.combine))
        with kernel.loop("i", main, length):
            (value,) = elements.load(pointer, [(0, 1)])
            kernel.assign(result, reduction.combine(result, value))
            kernel.advance(pointer, 1)
        kernel.store(y, kernel.item, reduction.finished(kernel, result, length))
    return kernel.kernel()


def middle_block(lanes: int) -> int:
    """How many inner elements an item of `reduce_middle` covers: a cache line on WebAssembly."""
    return VECTORS * lanes


@cache
def reduce_middle(reduction: Reduction, *, lanes: int) -> Kernel:
    """y[outer, inner] = reduction of x[outer, :, inner]. x is [outer, reduced, inner], contiguous.

    Buffers: x, those of `stored`, y. Words: reduced, inner. Items: outer * ceil(inner / middle_block(lanes)).
    """
    kernel = KernelWriter(f"reduce_middle_{reduction.name}")
    elements = Elements(kernel, reduction)
    kernel.buffer("y", reduction.dtype, "write")
    reduced, inner = kernel.word("reduced"), kernel.word("inner")
    width = lanes_for(lanes, functions=(reduction.before, reduction.after))
    if reduction.op == "mean" and reduction.dtype == "i32":
        width = 1  # vectors do not divide integers
    block = middle_block(lanes)
    with kernel.tile("block"):
        elements.begin(width, 1)
        blocks = kernel.let("blocks", (inner + (block - 1)) // block)
        outer = kernel.let("outer", kernel.item // blocks)
        first = kernel.let("first", kernel.item % blocks * block)
        here = kernel.let("here", (inner - first).minimum(block))
        source = kernel.let("source", outer * reduced * inner + first)
        target = kernel.let("target", outer * inner + first)
        vectors = block // width
        with kernel.when(here.equal(block)):
            _columns(
                kernel,
                reduction,
                elements,
                source,
                target,
                [(i * width, width) for i in range(vectors)],
                reduced,
                inner,
            )
        with kernel.otherwise():
            whole = kernel.let("whole", here & -width)
            with kernel.loop("i", 0, whole, width) as i:
                _columns(kernel, reduction, elements, source + i, target + i, [(0, width)], reduced, inner)
            with kernel.loop("i", whole, here) as i:
                _columns(kernel, reduction, elements, source + i, target + i, [(0, 1)], reduced, inner)
    return kernel.kernel()


def _columns(
    kernel: KernelWriter,
    reduction: Reduction,
    elements: Elements,
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
            for value, part in zip(elements.load(pointer, columns), parts, strict=True):
                kernel.assign(part, reduction.combine(part, value))
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
