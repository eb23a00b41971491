"""What the families of row-wise kernels share: vector loops with tails, folds of lanes, places of rows."""

from collections.abc import Callable, Iterable, Sequence

from intab.errors import KernelError
from intab.kernels.block import Block, KernelWriter, load
from intab.kernels.ir import (
    BOOL,
    I16X8,
    Binary,
    Cast,
    Const,
    Expr,
    Lane,
    Narrow,
    Pick,
    Splat,
    Type,
    Var,
    Widen,
    Word,
    expressions,
    walk_expr,
)
from intab.kernels.scalar import ScalarFunction
from intab.kernels.verify import REGISTER_OF

# What vectors hold: 32-bit elements as they are, single bytes widened to i32, halves to f32.
VECTOR_DTYPES = frozenset({"f32", "f16", "i32", "u32", "u8", "i8", "bool"})
# What is loaded and stored eight at once, as two vectors.
BYTES = frozenset({"u8", "i8"})
VECTOR, EIGHT = 4, 8
_VECTOR_SCALARS = frozenset({"f32", "i32", "u32", "bool"})


def check_lanes(lanes: int) -> None:
    """Vector widths are powers of two, so that a length is rounded down by a mask."""
    if lanes < 1 or lanes & (lanes - 1):
        raise KernelError(f"{lanes} lanes: a family needs a power of two.")


def lanes_for(lanes: int, *dtypes: str, functions: Iterable[ScalarFunction | None] = ()) -> int:
    """`lanes` if elements of these dtypes and all of these functions can be done in vectors, else 1."""
    check_lanes(lanes)
    possible = all(dtype in VECTOR_DTYPES for dtype in dtypes) and all(f is None or _in_vectors(f) for f in functions)
    return lanes if possible else 1


def _in_vectors(function: ScalarFunction) -> bool:
    """WebAssembly's vectors of 32-bit lanes do not divide integers, and shift all lanes by one count."""
    values = [expr for stmt in function.body for expr in expressions(stmt)]
    for part in (part for value in (*values, function.result) for part in walk_expr(value)):
        if part.type.scalar not in _VECTOR_SCALARS:
            return False
        if isinstance(part, Binary):
            whole = part.left.type.scalar != "f32"
            if (part.op in ("div", "rem") and whole) or (
                part.op in ("shl", "shr") and not isinstance(part.right, Const)
            ):
                return False
    return True


def register_type(dtype: str) -> Type:
    """The scalar that computations see for an element of a dtype: bool for "bool", else what it loads as."""
    return BOOL if dtype == "bool" else Type(REGISTER_OF[dtype])


def load_value(buffer: str, dtype: str, pointer: Expr, width: int, offset: int = 0) -> Expr:
    """`width` elements as values; a stored bool is 0 or 1 and becomes one of true or false."""
    loaded = load(buffer, pointer, Type(REGISTER_OF[dtype], width), offset)
    return loaded.unequal(0) if dtype == "bool" else loaded


def store_value(block: Block, buffer: str, dtype: str, pointer: Expr, value: Expr, offset: int = 0) -> None:
    """The counterpart of `load_value`."""
    stored = Cast(value, Type("i32", value.type.lanes)) if dtype == "bool" else value
    block.store(buffer, pointer, stored, offset)


def load_eight(block: Block, buffer: str, dtype: str, pointer: Expr) -> tuple[Expr, Expr]:
    """Eight elements as two vectors of values; bytes are loaded at once."""
    if dtype not in BYTES:
        return load_value(buffer, dtype, pointer, VECTOR), load_value(buffer, dtype, pointer, VECTOR, VECTOR)
    both = block.let(f"{buffer}_eight", load(buffer, pointer, I16X8))
    return Widen(both, last=False), Widen(both, last=True)


def store_eight(block: Block, buffer: str, dtype: str, pointer: Expr, first: Expr, second: Expr) -> None:
    """The counterpart of `load_eight`. What is too large for a byte loses its first bits, as in `store_value`."""
    if dtype not in BYTES:
        store_value(block, buffer, dtype, pointer, first)
        store_value(block, buffer, dtype, pointer, second, VECTOR)
        return
    cut = [value & 0xFF if dtype == "u8" else (value << 24) >> 24 for value in (first, second)]
    block.store(buffer, pointer, Narrow(*cut))


def widened(value: Expr, width: int) -> Expr:
    """A scalar in `width` lanes."""
    return Splat(value, width) if width > 1 and value.type.lanes == 1 else value


def stream(
    block: Block, length: Expr, lanes: int, pointers: Sequence[Var], body: Callable[[int], None], name: str = "i"
) -> None:
    """for each vector, then for each element left over: body(width), and the pointers move on by width.

    Behind vectors of EIGHT there is one of VECTOR, if as many elements are left.
    """

    def one_loop(begin: Expr | int, end: Expr, width: int) -> None:
        with block.loop(name, begin, end, width):
            body(width)
            for pointer in pointers:
                block.advance(pointer, width)

    begin: Expr | int = 0
    for width in (lanes, VECTOR) if lanes == EIGHT else (lanes,) if lanes > 1 else ():
        end = block.let("main", length & -width)
        one_loop(begin, end, width)
        begin = end
    one_loop(begin, length, 1)


def fold_lanes(block: Block, vector: Expr, combine: Callable[[Expr, Expr], Expr]) -> Expr:
    """All lanes of a vector combined into one scalar, pair by pair."""
    if vector.type.lanes == 1:
        return vector
    values: list[Expr] = [block.let("lane", Lane(vector, index)) for index in range(vector.type.lanes)]
    while len(values) > 1:
        values = [block.let("folded", combine(values[i], values[i + 1])) for i in range(0, len(values), 2)]
    return values[0]


def outer_indices(kernel: KernelWriter, sizes: Sequence[Word], number: Expr | None = None) -> list[Expr]:
    """A number, the item if not given, as indices of len(sizes) + 1 axes; `sizes` are those of all but the first."""
    rest: Expr = kernel.item if number is None else number
    indices: list[Expr] = []
    for axis, size in reversed(list(enumerate(sizes, start=1))):
        indices.append(kernel.let(f"index_{axis}", rest % size))
        rest = kernel.let("rest", rest // size)
    return [rest, *reversed(indices)]


def place(indices: Sequence[Expr], strides: Sequence[Word]) -> Expr:
    """sum of index * stride."""
    total: Expr = Const(0, Type("i32"))
    for index, stride in zip(indices, strides, strict=True):
        total = total + index * stride
    return total


def turned(block: Block, lines: Sequence[Expr]) -> list[Expr]:
    """Four vectors of four as a matrix, transposed: pairs of lines first, then pairs of these."""
    first, second, third, fourth = lines
    low, high = (0, 4, 1, 5), (2, 6, 3, 7)
    pairs = [
        [block.let("pairs", Pick(a, b, half)) for half in (low, high)] for a, b in ((first, second), (third, fourth))
    ]
    halves = (0, 1, 4, 5), (2, 3, 6, 7)
    return [block.let("turned", Pick(pairs[0][i], pairs[1][i], half)) for i in (0, 1) for half in halves]
