"""Steps that several operators are made of: a scalar function over a walk, a copy, a fill."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

from intab.dtypes import DType, float32
from intab.errors import UnsupportedOpError
from intab.graph.dims import Dim, Shape, ceil_div, dense_strides, floor_div, product
from intab.kernels.block import KernelWriter
from intab.kernels.families import elementwise as family
from intab.kernels.families import move
from intab.kernels.families.elementwise import CONTIGUOUS, SINGLE, SPLAT, STRIDED, Operand
from intab.kernels.families.loops import register_type
from intab.kernels.ir import I64, Cast, Kernel
from intab.kernels.scalar import ScalarFunction, identity, operations_of
from intab.kernels.verify import REGISTER_OF
from intab.ops.items import item_width
from intab.ops.lowering import Lowering, Place, Work
from intab.ops.strides import Walk, collapse

# Rows and columns of a block that is transposed: cache lines of 32-bit elements on both sides.
TURNED_LINES = 16


def compute_step(
    lowering: Lowering,
    function: ScalarFunction,
    inputs: Sequence[Place],
    output: Place,
    path: Walk,
) -> None:
    """output = function(inputs) at every place of a walk; its operands are the inputs, then the output."""
    names = [*(f"x{i}" for i in range(len(inputs))), "y"]
    buffers = dict(zip(names, (*inputs, output), strict=True))
    operands = [
        Operand(checked(place.dtype).name, inner_of(strides))
        for place, strides in zip((*inputs, output), path.strides, strict=True)
    ]
    operations = operations_of(function)
    work = _walk_work(path, (*inputs, output), operations.floats)
    if lowering.target.small_items:
        _compute_points(lowering, function, buffers, operands, path, work)
        return
    lanes = 1 if operations.divides_integers else lowering.target.lanes
    flat = path.rank == 1 and operands[-1].inner == CONTIGUOUS and all(o.inner != STRIDED for o in operands)
    if flat:
        kernel = family.flat(function, tuple(operands[:-1]), output.dtype.name, lanes=lanes)
        lowering.step(kernel, buffers, {"count": path.count}, ceil_div(path.count, family.FLAT_BLOCK), work=work)
        return
    kernel = family.elementwise(function, path.rank, tuple(operands[:-1]), operands[-1], lanes=lanes)
    length = path.sizes[-1]
    words: dict[str, Dim | float] = {"length": length}
    items: Dim = 1
    if path.rank > 1:
        rows = path.sizes[-2]
        together = max(1, family.FLAT_BLOCK // max(1, length)) if isinstance(length, int) else 1
        words |= {"rows": rows, "together": together}
        words |= {f"size_{axis}": path.sizes[axis] for axis in range(1, path.rank - 2)}
        items = product(path.sizes[:-2]) * ceil_div(rows, together)
    for name, operand, strides in zip(names, operands, path.strides, strict=True):
        words |= {f"{name}_stride_{axis}": strides[axis] for axis in range(operand.known_strides(path.rank))}
    lowering.step(kernel, buffers, words, items, work=work)


def _compute_points(
    lowering: Lowering,
    function: ScalarFunction,
    buffers: dict[str, Place],
    operands: Sequence[Operand],
    path: Walk,
    work: Work,
) -> None:
    """`compute_step` in items of one vector or one element; `buffers` are in the order of the operands."""
    rows = [strides[:-1] for strides, o in zip(path.strides, operands, strict=True) if o.inner == CONTIGUOUS]
    moving = [place for place, o in zip(buffers.values(), operands, strict=True) if o.inner == CONTIGUOUS]
    width = 1
    if all(operand.inner != STRIDED for operand in operands):
        types = [*moving, *(replace(place, offset=0) for place in buffers.values())]
        width = item_width(lowering, path.sizes[-1], types, chain.from_iterable(rows), (function,))
    kernel = family.points(function, path.rank, tuple(operands[:-1]), operands[-1], width=width)
    sizes = (*path.sizes[:-1], floor_div(path.sizes[-1], width))
    words: dict[str, Dim | float] = {f"size_{axis}": sizes[axis] for axis in range(1, path.rank)}
    for name, operand, strides in zip(buffers, operands, path.strides, strict=True):
        words |= {f"{name}_stride_{axis}": strides[axis] for axis in range(operand.known_strides(path.rank))}
    lowering.step(kernel, buffers, words, product(sizes), work=work)


def copy_step(
    lowering: Lowering, source: Place, source_strides: Shape, target: Place, target_strides: Shape, sizes: Shape
) -> None:
    """target[...] = source[...] along axes of `sizes` with the given strides in elements."""
    function = identity(register_type(checked(source.dtype).name))
    compute_step(lowering, function, (source,), target, collapse(sizes, (source_strides, target_strides)))


def transpose_step(lowering: Lowering, source: Place, shape: Shape, perm: tuple[int, ...], target: Place) -> None:
    """target = the dense tensor `source` of `shape` with its axes in another order, dense."""
    sizes = tuple(shape[axis] for axis in perm)
    strides = dense_strides(shape)
    permuted, dense = tuple(strides[axis] for axis in perm), dense_strides(sizes)
    path = collapse(sizes, (permuted, dense))
    batch, columns, rows = ((1,) * (3 - path.rank) + path.sizes)[-3:]
    if path.rank in (2, 3) and path.strides[0] == (columns * rows, 1, columns)[-path.rank :]:
        turn_step(lowering, source, target, Turned(batch, rows, columns, (rows * columns, 0, 0)))
        return
    copy_step(lowering, source, permuted, target, dense, sizes)


@dataclass(frozen=True, slots=True)
class Turned:
    """Matrices to transpose: of `rows` x `columns`, `batches` a line, `lines` an image. They lie side by side; what
    is made of them is `steps` apart: between batches, lines and images."""

    batches: Dim
    rows: Dim
    columns: Dim
    steps: tuple[Dim, Dim, Dim]
    lines: Dim = 1
    images: Dim = 1


def turn_step(lowering: Lowering, source: Place, target: Place, turned: Turned) -> None:
    """Every matrix of `source` transposed, in `target`: whole cache lines on both sides, enough elements an item."""
    batches, rows, columns = turned.batches, turned.rows, turned.columns
    if lowering.target.small_items:
        sizes = (turned.images, turned.lines, batches, columns, rows)
        matrix = rows * columns
        source_strides = (turned.lines * batches * matrix, batches * matrix, matrix, 1, columns)
        copy_step(lowering, source, source_strides, target, (*turned.steps[::-1], rows, 1), sizes)
        return
    down, across = TURNED_LINES, TURNED_LINES
    if isinstance(rows, int) and rows <= TURNED_LINES:
        down, across = max(1, rows), 16 * TURNED_LINES
    elif isinstance(columns, int) and columns <= TURNED_LINES:
        down, across = 16 * TURNED_LINES, max(1, columns)
    together = 1
    if isinstance(rows, int) and isinstance(columns, int) and rows <= down and columns <= across:
        together = max(1, family.FLAT_BLOCK // max(1, rows * columns))
    words: dict[str, Dim | float] = {"batches": batches, "lines": turned.lines, "rows": rows, "columns": columns}
    words |= dict(zip(("y_batch", "y_line", "y_image"), turned.steps, strict=True))
    words |= {"block_rows": down, "block_columns": across, "together": together}
    lines = turned.images * turned.lines
    items = lines * ceil_div(batches, together) * ceil_div(rows, down) * ceil_div(columns, across)
    kernel = move.transpose(checked(source.dtype).name, lanes=lowering.target.lanes)
    shape = (lines, batches, rows, columns)
    work = tensor_work((0,), (source, shape), (target, shape))
    lowering.step(kernel, {"x": source, "y": target}, words, items, work=work)


def fill_step(lowering: Lowering, target: Place, count: Dim, value: float) -> None:
    """`count` elements from `target` on become one number."""
    width = item_width(lowering, count, (target,))
    kernel = move.fill(checked(target.dtype).name, lanes=lowering.target.lanes, width=width)
    words: dict[str, Dim | float] = {"value": value_word(target.dtype, value)}
    if not width:
        words["count"] = count
    work = tensor_work((0,), (target, (count,)))
    items = floor_div(count, width) if width else ceil_div(count, family.FLAT_BLOCK)
    lowering.step(kernel, {"y": target}, words, items, work=work)


def value_word(dtype: DType, value: float) -> Dim | float:
    """A number as the word "value" of a kernel that fills elements of a dtype."""
    return float(value) if dtype.is_float else int(value)


def size_step(lowering: Lowering, target: Place, size: Dim) -> None:
    """One int64 element becomes a size."""
    lowering.step(_write_size(), {"y": target}, {"size": size}, 1, work=tensor_work((0,), (target, (1,))))


@cache
def _write_size() -> Kernel:
    kernel = KernelWriter("write_size")
    kernel.buffer("y", "i64", "write")
    kernel.store("y", kernel.item, Cast(kernel.word("size"), I64))
    return kernel.kernel()


def need_floats(*places: Place) -> None:
    """Raise UnsupportedOpError unless all elements are f32, which is what this operator's kernel is written for."""
    for place in places:
        if place.dtype != float32:
            raise UnsupportedOpError(f"There is a kernel for f32 only, not for {place.dtype}. Use backend='reference'.")


def tensor_work(flops: Shape, *tensors: tuple[Place, Shape]) -> Work:
    """The work of a step that reads or writes each of these tensors once; `flops` are factors."""
    return Work(flops, tuple((place.dtype.itemsize, *shape) for place, shape in tensors))


def moved(place: Place, elements: Dim) -> Place:
    """The place so many elements further on."""
    return replace(place, offset=place.offset + elements)


def checked(dtype: DType) -> DType:
    """A dtype that kernels can load and store. Raises UnsupportedOpError for others."""
    if dtype.name not in REGISTER_OF:
        raise UnsupportedOpError(f"Kernels cannot hold {dtype}. Use backend='reference'.")
    return dtype


def inner_of(strides: Shape) -> str:
    """How an operand lies along the innermost axis."""
    if strides[-1] == 1:
        return CONTIGUOUS
    if strides[-1] != 0:
        return STRIDED
    return SINGLE if all(stride == 0 for stride in strides) else SPLAT


def _walk_work(path: Walk, places: Sequence[Place], operations: int) -> Work:
    """The work of a function at every place of a walk; what repeats along an axis is there once."""
    tensors = (
        (place.dtype.itemsize, *(size for size, stride in zip(path.sizes, strides, strict=True) if stride != 0))
        for place, strides in zip(places, path.strides, strict=True)
    )
    return Work((operations, *path.sizes), tuple(tensors))
