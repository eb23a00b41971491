"""Elementwise work: y[...] = function(x0[...], x1[...], ...), with broadcasting by strides of 0."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from intab.errors import KernelError
from intab.kernels.block import Block, KernelWriter, at
from intab.kernels.families.loops import (
    BYTES,
    EIGHT,
    VECTOR,
    lanes_for,
    load_eight,
    load_value,
    outer_indices,
    place,
    register_type,
    store_eight,
    store_value,
    stream,
    widened,
)
from intab.kernels.ir import I32, Const, Expr, Kernel, Var, Word
from intab.kernels.scalar import ScalarFunction, identity, inline, settled

# How many elements an item of a flat kernel covers: enough to make a call worth it, few enough to share out.
FLAT_BLOCK = 4096

CONTIGUOUS = "contiguous"
SPLAT = "splat"
SINGLE = "single"
STRIDED = "strided"


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand's dtype and how it lies along the innermost axis.

    `inner` is "contiguous" (stride 1), "splat" (stride 0: one value for the whole row), "single" (one value for all
    rows) or "strided" (a word).
    """

    dtype: str
    inner: str = CONTIGUOUS

    def __post_init__(self) -> None:
        if self.inner not in (CONTIGUOUS, SPLAT, SINGLE, STRIDED):
            raise KernelError(f"An operand is contiguous, splat, single or strided, not {self.inner}.")

    def known_strides(self, rank: int) -> int:
        """Along how many of `rank` axes, from the first on, words say how far apart its elements lie."""
        return {SINGLE: 0, STRIDED: rank}.get(self.inner, rank - 1)


@cache
def flat(
    function: ScalarFunction, inputs: tuple[Operand, ...], output: str, *, lanes: int, block: int = FLAT_BLOCK
) -> Kernel:
    """Operands that all have the result's elements in the result's order, or are one value for all (splat or single).

    Buffers: x0, x1, ..., y. Words: count (of elements). Items: ceil(count / block), by default FLAT_BLOCK.
    `output` is the dtype of y. y may be one of the inputs.
    """
    kernel = KernelWriter("elementwise_flat")
    names = _declare(kernel, inputs, Operand(output))
    count = kernel.word("count")
    with kernel.tile("body"):
        first = kernel.let("first", kernel.item * block)
        length = kernel.let("length", (count - first).minimum(block))
        rows = _Rows(kernel, function, (*inputs, Operand(output)), names, lanes)
        starts: list[Expr] = [first if operand.inner == CONTIGUOUS else Const(0, I32) for operand in inputs]
        rows.one(kernel, [*starts, first], [None] * len(names), length)
    return kernel.kernel()


@cache
def elementwise(
    function: ScalarFunction, rank: int, inputs: tuple[Operand, ...], output: Operand, *, lanes: int
) -> Kernel:
    """Operands of any strides, row by row; a row lies along the innermost axis. rank >= 1.

    Buffers: x0, x1, ..., y. Words, of axes 0 .. rank - 1 after the caller has merged what can be merged:
    length (the size of the innermost axis); of rank 2 or more rows (the size of the axis before it) and together
    (how many of them an item does); size_1 .. size_{rank-3}; then for each of x0, x1, ..., y its strides in elements
    x0_stride_0 .. x0_stride_{rank-2} (0 repeats) unless it is "single", and x0_stride_{rank-1} where it is "strided".
    Items: ceil(rows / together) times the sizes of the axes before. y may be an input with the same strides.
    """
    if rank < 1 or output.inner in (SPLAT, SINGLE):
        raise KernelError("An elementwise kernel needs an axis, and a place for each element of its result.")
    kernel = KernelWriter("elementwise")
    names = _declare(kernel, inputs, output)
    length = kernel.word("length")
    rows, together = (kernel.word("rows"), kernel.word("together")) if rank > 1 else (None, None)
    sizes = [kernel.word(f"size_{axis}") for axis in range(1, rank - 2)]
    operands = (*inputs, output)
    outer = [
        [] if operand.inner == SINGLE else [kernel.word(f"{name}_stride_{axis}") for axis in range(rank - 1)]
        for name, operand in zip(names, operands, strict=True)
    ]
    inner = [
        kernel.word(f"{name}_stride_{rank - 1}") if operand.inner == STRIDED else None
        for name, operand in zip(names, operands, strict=True)
    ]
    with kernel.tile("body"):
        work = _Rows(kernel, function, operands, names, lanes)
        if rows is None or together is None:
            work.one(kernel, [Const(0, I32)] * len(names), inner, length)
        else:
            blocks = kernel.let("blocks", (rows + together - 1) // together)
            first = kernel.let("first", kernel.item % blocks * together)
            indices = outer_indices(kernel, sizes, kernel.let("outer", kernel.item // blocks)) if rank > 2 else []
            places = [
                kernel.let(f"{n}_first", place([*indices, first], s)) if s else Const(0, I32)
                for n, s in zip(names, outer, strict=True)
            ]
            with kernel.loop("row", first, rows.minimum(first + together)):
                work.one(kernel, places, inner, length)
                for start, strides in zip(places, outer, strict=True):
                    if isinstance(start, Var):
                        kernel.assign(start, start + strides[-1])
    return kernel.kernel()


@cache
def points(function: ScalarFunction, rank: int, inputs: tuple[Operand, ...], output: Operand, *, width: int) -> Kernel:
    """The same where items are small: one is `width` neighbouring elements along the innermost axis; rank >= 1.

    Of more than one element no operand may be strided, and every row of a contiguous one must begin at a whole vector
    of its buffer. Buffers: x0, x1, ..., y. Words: size_1 .. size_{rank-1}, the last of which counts vectors; strides as
    of `elementwise`. Items: the product of all sizes, in vectors along the innermost axis.
    """
    operands = (*inputs, output)
    if output.inner in (SPLAT, SINGLE) or (width > 1 and any(operand.inner == STRIDED for operand in operands)):
        raise KernelError("An elementwise kernel of vectors needs its result and its operands in vectors.")
    kernel = KernelWriter("elementwise_points")
    names = _declare(kernel, inputs, output, width)
    sizes = [kernel.word(f"size_{axis}") for axis in range(1, rank)]
    strides = [
        [kernel.word(f"{name}_stride_{axis}") for axis in range(operand.known_strides(rank))]
        for name, operand in zip(names, operands, strict=True)
    ]
    *outer, last = outer_indices(kernel, sizes)
    last = kernel.let("last", last * width) if width > 1 else last
    starts = []
    for operand, own in zip(operands, strides, strict=True):
        start = place(outer, own[: rank - 1]) if own else Const(0, I32)
        if operand.inner == STRIDED:
            start = start + last * own[-1]
        starts.append(start + last if operand.inner == CONTIGUOUS else start)
    _Rows(kernel, function, operands, names, width).one(kernel, starts, [None] * len(names), None)
    return kernel.kernel()


def copy(dtype: str, rank: int, *, source: str, target: str, lanes: int) -> Kernel:
    """y[...] = x0[...] with any strides: transpose, slice, concat, expand, flip.

    `source` and `target` say how x0 and y lie along the innermost axis ("contiguous", "splat" for x0 only,
    "strided"). Buffers, words and items as of `elementwise`. Where a copy starts is the buffers' offset.
    """
    function = identity(register_type(dtype))
    return elementwise(function, rank, (Operand(dtype, source),), Operand(dtype, target), lanes=lanes)


def _declare(kernel: KernelWriter, inputs: tuple[Operand, ...], output: Operand, vector: int = 1) -> list[str]:
    """Declare the buffers; `vector` says how many elements are accessed at once where they lie side by side."""
    for index, operand in enumerate(inputs):
        kernel.buffer(f"x{index}", operand.dtype, "read", vector=vector if operand.inner == CONTIGUOUS else 1)
    kernel.buffer("y", output.dtype, "write", vector=vector)
    return [*(f"x{index}" for index in range(len(inputs))), "y"]


class _Rows:
    """The function, row after row. What follows from single values alone is computed once, before the rows."""

    def __init__(
        self, block: Block, function: ScalarFunction, operands: Sequence[Operand], names: Sequence[str], lanes: int
    ) -> None:
        self._operands, self._names = operands, names
        self._lanes = _lanes(function, operands, lanes)
        self._position = {argument.name: i for i, argument in enumerate(function.arguments)}
        zero = [Const(0, I32)] * len(names)
        self._function, self._values = self._settled(block, function, {}, SINGLE, zero)

    def _settled(
        self, block: Block, function: ScalarFunction, values: dict[str, Expr], inner: str, pointers: Sequence[Expr]
    ) -> tuple[ScalarFunction, dict[str, Expr]]:
        """The rest of a function after the operands that lie so are loaded, and what they give."""
        found = dict(values)
        for argument in function.arguments:
            i = self._position.get(argument.name)
            if i is not None and self._operands[i].inner == inner and argument.name not in found:
                name, dtype = self._names[i], self._operands[i].dtype
                found[argument.name] = block.let(f"{name}_once", load_value(name, dtype, pointers[i], 1))
        return settled(block, function, found)

    def one(self, block: Block, starts: Sequence[Expr], inner: Sequence[Word | None], length: Expr | None) -> None:
        """One row: `starts` are the places of its first elements, `inner` the strides of the strided operands. A row
        without a length is one vector."""
        operands, names = self._operands, self._names
        pointers = [block.let(f"{n}_at", at(n, start)) for n, start in zip(names, starts, strict=True)]
        function, values = self._settled(block, self._function, self._values, SPLAT, pointers)
        by_width = {1: values}
        if self._lanes > 1:
            wide = min(self._lanes, VECTOR)
            by_width[wide] = {name: block.let(f"{name}_wide", widened(v, wide)) for name, v in values.items()}
        moving = [self._position[a.name] for a in function.arguments if a.name not in values]

        def body(width: int) -> None:
            vectors, lanes = (2, VECTOR) if width == EIGHT else (1, width)
            loaded = [self._load(block, i, pointers[i], width) for i in moving]
            results = []
            for vector in range(vectors):
                read = [block.let(f"{names[i]}_value", loads[vector]) for i, loads in zip(moving, loaded, strict=True)]
                made = inline(block, function, (*read, *by_width[lanes].values()))
                results.append(block.let("made", widened(made, lanes)) if vectors > 1 else widened(made, lanes))
            if width == EIGHT:
                store_eight(block, names[-1], operands[-1].dtype, pointers[-1], results[0], results[1])
            else:
                store_value(block, names[-1], operands[-1].dtype, pointers[-1], results[0])
            for pointer, stride in zip(pointers, inner, strict=True):
                if stride is not None:
                    block.advance(pointer, stride)

        if length is None:
            body(min(self._lanes, VECTOR))
            return
        ahead = [p for p, operand in zip(pointers, operands, strict=True) if operand.inner == CONTIGUOUS]
        stream(block, length, self._lanes, ahead, body)

    def _load(self, block: Block, i: int, pointer: Expr, width: int) -> tuple[Expr, ...]:
        name, dtype = self._names[i], self._operands[i].dtype
        if width == EIGHT:
            return load_eight(block, name, dtype, pointer)
        return (load_value(name, dtype, pointer, width),)


def _lanes(function: ScalarFunction, operands: Sequence[Operand], lanes: int) -> int:
    """How many elements are done at once: EIGHT where there are bytes, whose loads and stores are short then."""
    if any(operand.inner == STRIDED for operand in operands):
        return 1
    possible = lanes_for(lanes, *(operand.dtype for operand in operands), functions=(function,))
    bytes_move = any(operand.inner == CONTIGUOUS and operand.dtype in BYTES for operand in operands)
    return EIGHT if possible == VECTOR and bytes_move else possible
