"""Elementwise work: y[...] = function(x0[...], x1[...], ...), with broadcasting by strides of 0."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from intab.errors import KernelError
from intab.kernels.block import Block, KernelWriter, at
from intab.kernels.families.loops import (
    lanes_for,
    load_value,
    outer_indices,
    place,
    register_type,
    store_value,
    stream,
    widened,
)
from intab.kernels.ir import I32, Const, Expr, Kernel, Word
from intab.kernels.scalar import ScalarFunction, identity, inline

# How many elements an item of a flat kernel covers: enough to make a call worth it, few enough to share out.
FLAT_BLOCK = 4096

CONTIGUOUS = "contiguous"
SPLAT = "splat"
STRIDED = "strided"


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand's dtype and how it lies along the innermost axis.

    `inner` is "contiguous" (stride 1), "splat" (stride 0: one value for the whole row) or "strided" (a word).
    """

    dtype: str
    inner: str = CONTIGUOUS

    def __post_init__(self) -> None:
        if self.inner not in (CONTIGUOUS, SPLAT, STRIDED):
            raise KernelError(f"An operand is contiguous, splat or strided along the innermost axis, not {self.inner}.")


@cache
def flat(
    function: ScalarFunction, inputs: tuple[Operand, ...], output: str, *, lanes: int, block: int = FLAT_BLOCK
) -> Kernel:
    """Operands that all have the result's elements in the result's order, or are one value for all (splat).

    Buffers: x0, x1, ..., y. Words: count (of elements). Items: ceil(count / block), by default FLAT_BLOCK.
    `output` is the dtype of y. y may be one of the inputs.
    """
    kernel = KernelWriter("elementwise_flat")
    names = _declare(kernel, inputs, Operand(output))
    count = kernel.word("count")
    with kernel.tile("body"):
        first = kernel.let("first", kernel.item * block)
        length = kernel.let("length", (count - first).minimum(block))
        starts: list[Expr] = [first if operand.inner == CONTIGUOUS else Const(0, I32) for operand in inputs]
        _row(kernel, function, inputs, Operand(output), names, [*starts, first], [], length, lanes)
    return kernel.kernel()


@cache
def elementwise(
    function: ScalarFunction, rank: int, inputs: tuple[Operand, ...], output: Operand, *, lanes: int
) -> Kernel:
    """Operands of any strides, row by row; a row lies along the innermost axis. rank >= 1.

    Buffers: x0, x1, ..., y. Words, of axes 0 .. rank - 1 after the caller has merged what can be merged:
    length (the size of the innermost axis); of rank 2 or more rows (the size of the axis before it) and together
    (how many of them an item does); size_1 .. size_{rank-3}; then for each of x0, x1, ..., y its strides in elements
    x0_stride_0 .. x0_stride_{rank-2} (0 repeats), and x0_stride_{rank-1} where it is "strided".
    Items: ceil(rows / together) times the sizes of the axes before. y may be an input with the same strides.
    """
    if rank < 1 or output.inner == SPLAT:
        raise KernelError("An elementwise kernel needs an axis, and a place for each element of its result.")
    kernel = KernelWriter("elementwise")
    names = _declare(kernel, inputs, output)
    length = kernel.word("length")
    rows, together = (kernel.word("rows"), kernel.word("together")) if rank > 1 else (None, None)
    sizes = [kernel.word(f"size_{axis}") for axis in range(1, rank - 2)]
    operands = (*inputs, output)
    outer = [[kernel.word(f"{name}_stride_{axis}") for axis in range(rank - 1)] for name in names]
    inner = [
        kernel.word(f"{name}_stride_{rank - 1}") if operand.inner == STRIDED else None
        for name, operand in zip(names, operands, strict=True)
    ]
    with kernel.tile("body"):
        if rows is None or together is None:
            _row(kernel, function, inputs, output, names, [Const(0, I32)] * len(names), inner, length, lanes)
        else:
            blocks = kernel.let("blocks", (rows + together - 1) // together)
            first = kernel.let("first", kernel.item % blocks * together)
            indices = outer_indices(kernel, sizes, kernel.let("outer", kernel.item // blocks)) if rank > 2 else []
            places = [kernel.let(f"{n}_first", place([*indices, first], s)) for n, s in zip(names, outer, strict=True)]
            with kernel.loop("row", first, rows.minimum(first + together)):
                _row(kernel, function, inputs, output, names, places, inner, length, lanes)
                for start, strides in zip(places, outer, strict=True):
                    kernel.assign(start, start + strides[-1])
    return kernel.kernel()


def copy(dtype: str, rank: int, *, source: str, target: str, lanes: int) -> Kernel:
    """y[...] = x0[...] with any strides: transpose, slice, concat, expand, flip.

    `source` and `target` say how x0 and y lie along the innermost axis ("contiguous", "splat" for x0 only,
    "strided"). Buffers, words and items as of `elementwise`. Where a copy starts is the buffers' offset.
    """
    function = identity(register_type(dtype))
    return elementwise(function, rank, (Operand(dtype, source),), Operand(dtype, target), lanes=lanes)


def _declare(kernel: KernelWriter, inputs: tuple[Operand, ...], output: Operand) -> list[str]:
    names = [kernel.buffer(f"x{index}", operand.dtype, "read") for index, operand in enumerate(inputs)]
    return [*names, kernel.buffer("y", output.dtype, "write")]


def _row(
    block: Block,
    function: ScalarFunction,
    inputs: tuple[Operand, ...],
    output: Operand,
    names: Sequence[str],
    starts: Sequence[Expr],
    inner: Sequence[Word | None],
    length: Expr,
    lanes: int,
) -> None:
    """One row: `starts` are the places of its first elements, `inner` the strides of the strided operands."""
    operands = (*inputs, output)
    pointers = [block.let(f"{n}_at", at(n, start)) for n, start in zip(names, starts, strict=True)]
    vector = lanes_for(lanes, *(operand.dtype for operand in operands), functions=(function,))
    if any(operand.inner == STRIDED for operand in operands):
        vector = 1
    splats = {
        (name, width): value
        for name, operand, pointer in zip(names, operands, pointers, strict=True)
        if operand.inner == SPLAT
        for width, value in _splat(block, name, operand.dtype, pointer, vector)
    }

    def body(width: int) -> None:
        values = [
            splats.get((name, width)) or block.let(f"{name}_value", load_value(name, operand.dtype, pointer, width))
            for name, operand, pointer in zip(names[:-1], inputs, pointers[:-1], strict=True)
        ]
        store_value(block, names[-1], output.dtype, pointers[-1], inline(block, function, tuple(values)))
        for pointer, stride in zip(pointers, inner, strict=False):
            if stride is not None:
                block.advance(pointer, stride)

    moving = [p for p, operand in zip(pointers, operands, strict=True) if operand.inner == CONTIGUOUS]
    stream(block, length, vector, moving, body)


def _splat(block: Block, name: str, dtype: str, pointer: Expr, lanes: int) -> Iterator[tuple[int, Expr]]:
    """The one value of a splat operand by width, loaded before the loops."""
    single = block.let(f"{name}_once", load_value(name, dtype, pointer, 1))
    yield 1, single
    if lanes > 1:
        yield lanes, block.let(f"{name}_wide", widened(single, lanes))
