"""Attention on GPUs: the product of queries and keys, shares of each row of it, and the product of these and values."""

from dataclasses import dataclass

from intab.dtypes import float32
from intab.graph.dims import Dim, Shape
from intab.kernels.families.attention import Masking
from intab.kernels.families.attention_rows import attention_shares
from intab.kernels.families.register_tile import PLAIN
from intab.ops.dense import EpilogueOperands
from intab.ops.grid_dense import LeftRows, OutRows, RightLines, in_vectors, padded, product_step
from intab.ops.items import item_width, team_shape
from intab.ops.kernel_steps import copy_step, tensor_work
from intab.ops.lowering import Lowering, Place

_PLAIN = EpilogueOperands(PLAIN, {}, {})


@dataclass(frozen=True, slots=True)
class Side:
    """A tensor of heads: its place, and how far apart its batches, heads, lines and elements of a line lie."""

    place: Place
    strides: Shape


@dataclass(frozen=True, slots=True)
class Sizes:
    """`groups` heads of keys and values serve `heads` of queries."""

    batch: Dim
    heads: Dim
    groups: Dim
    rows: Dim
    keys: Dim
    depth: Dim
    columns: Dim

    @property
    def batches(self) -> Dim:
        return self.batch * self.heads

    @property
    def scores(self) -> Dim:
        return self.batches * self.rows * self.keys


def lower_products(
    lowering: Lowering,
    sizes: Sizes,
    sides: tuple[Side, Side, Side, Side],
    masking: Masking,
    mask: Side | None,
    words: dict[str, Dim | float],
) -> None:
    """`sides` are queries [.., rows, depth], keys [.., depth, keys], values [.., keys, columns], result [.., rows,
    columns]; `words` those of the shares' kernel for scale, fill and causal_offset, as far as it has them."""
    q, k, v, out = sides
    scores, shares = (lowering.scratch(float32, sizes.scores) for _ in range(2))
    rows, keys, depth, columns = sizes.rows, sizes.keys, sizes.depth, sizes.columns
    dense = OutRows(scores, {"out_row": keys, "out_batch": rows * keys})
    left, right = _rows(lowering, q, sizes, depth), _lines(lowering, k, sizes, depth, keys)
    _product(lowering, left, right, dense, (sizes.batches, rows, depth, keys))
    _shares(lowering, sizes, masking, mask, words, scores, shares)
    left = LeftRows(shares, keys, {"a_row": keys, "a_batch": rows * keys})
    right = _lines(lowering, v, sizes, keys, columns)
    batch = _one_stride(out, sizes.batch, sizes.heads)
    made = out if batch is not None else Side(lowering.scratch(float32, sizes.batches * rows * columns), out.strides)
    steps = {"out_row": columns, "out_batch": rows * columns}
    if batch is not None:
        steps = {"out_row": out.strides[2], "out_batch": batch}
    _product(lowering, left, right, OutRows(made.place, steps), (sizes.batches, rows, keys, columns))
    if batch is None:
        shape = (sizes.batch, sizes.heads, rows, columns)
        head = rows * columns
        copy_step(lowering, made.place, (sizes.heads * head, head, columns, 1), out.place, out.strides, shape)


def _product(
    lowering: Lowering, left: LeftRows, right: RightLines, out: OutRows, sizes: tuple[Dim, Dim, Dim, Dim]
) -> None:
    batches, rows, depth, columns = sizes
    sides = (left.place, (batches, rows, depth)), (right.place, (batches, depth, columns))
    work = tensor_work((2, *sizes), *sides, (out.place, (batches, rows, columns)))
    product_step(lowering, left, right, out, _PLAIN, sizes=sizes, work=work)


def _shares(
    lowering: Lowering,
    sizes: Sizes,
    masking: Masking,
    mask: Side | None,
    words: dict[str, Dim | float],
    scores: Place,
    shares: Place,
) -> None:
    buffers, told = {"x": scores, "y": shares}, {"keys": sizes.keys, **words}
    items, width = sizes.batches * sizes.rows, 1
    if mask is not None:
        buffers["mask"] = mask.place
        told |= {"heads": sizes.heads, "rows": sizes.rows}
        told |= {f"mask_{part}": stride for part, stride in zip(("batch", "head", "row"), mask.strides, strict=False)}
    if masking.causal:
        told["rows"] = sizes.rows
    else:
        width = item_width(lowering, sizes.keys, buffers.values(), mask.strides[:3] if mask is not None else ())
    kernel = attention_shares(masking, team_shape(lowering, items, sizes.keys, width))
    shape = (sizes.batches, sizes.rows, sizes.keys)
    lowering.step(kernel, buffers, told, items, work=tensor_work((4, *shape), (scores, shape), (shares, shape)))


def _one_stride(side: Side, batch: Dim, heads: Dim) -> Dim | None:
    """How far apart all heads of all batches lie, where that is one distance."""
    outer, inner = side.strides[:2]
    if batch == 1 or outer == heads * inner:
        return inner
    return outer if heads == 1 else None


def _rows(lowering: Lowering, side: Side, sizes: Sizes, depth: Dim) -> LeftRows:
    """Queries as rows of a product, in place where their heads lie equally far apart."""
    batch = _one_stride(side, sizes.batch, sizes.heads)
    if batch is not None:
        return LeftRows(side.place, depth, {"a_row": side.strides[2], "a_batch": batch})
    head = sizes.rows * depth
    copied = lowering.scratch(float32, sizes.batches * head)
    shape: Shape = (sizes.batch, sizes.heads, sizes.rows, depth)
    copy_step(lowering, side.place, side.strides, copied, (sizes.heads * head, head, depth, 1), shape)
    return LeftRows(copied, depth, {"a_row": depth, "a_batch": head})


def _lines(lowering: Lowering, side: Side, sizes: Sizes, depth: Dim, columns: Dim) -> RightLines:
    """Keys or values [.., depth, columns] as a right side for each head of queries, in place where it can be."""
    outer, inner, down, across = side.strides
    batch = _one_stride(side, sizes.batch, sizes.groups)
    if sizes.heads == sizes.groups and batch is not None and across == 1:
        if in_vectors((side.place.offset, batch, down)):
            return RightLines(side.place, down, batch)
    line = padded(columns)
    sharing: Dim = 1 if sizes.heads == sizes.groups else sizes.heads // sizes.groups
    shape = (sizes.batch, sizes.groups, sharing, depth, columns)
    head = depth * line
    copied = lowering.scratch(float32, sizes.batches * head)
    target = (sizes.heads * head, sharing * head, head, line, 1)
    copy_step(lowering, side.place, (outer, inner, 0, down, across), copied, target, shape)
    return RightLines(copied, line, head)


def fits(lowering: Lowering, sizes: Sizes) -> bool:
    """Whether all scores find room in one buffer, as far as their number is known."""
    return not isinstance(sizes.scores, int) or sizes.scores * float32.itemsize <= lowering.target.binding_nbytes
