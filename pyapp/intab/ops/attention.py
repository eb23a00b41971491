"""Attention as one operator."""

import numpy as np

from intab.dtypes import float32
from intab.errors import DTypeError, ShapeError
from intab.graph.dims import Dim, Shape, ceil_div, dense_strides
from intab.graph.ir import Value
from intab.kernels.families.attention import BLOCK_ROWS, Masking, attention, pack_heads
from intab.kernels.families.register_tile import TILE_COLUMNS
from intab.ops.arrays import Numbers
from intab.ops.attention_products import Side, Sizes, fits, lower_products
from intab.ops.broadcast import NO_PAIRS, Pairs, agree, broadcast_to, shape_text
from intab.ops.dense import expanded, packed_batch, require_float32
from intab.ops.kernel_steps import tensor_work
from intab.ops.lowering import Lowering, Place, Work
from intab.ops.registry import Result, op
from intab.ops.strides import broadcast_strides

# Fewer heads than this are shared out in spans of queries.
FEWEST_ITEMS = 8
BY_TOKEN = (0, 2, 1, 3)


@op("Attention")
class Attention:
    """softmax(scale * q @ k' + mask) @ v for each head, in f32.

    q [B, H, T, D], k [B, G, S, D], v [B, G, S, C] -> [B, H, T, C], H a multiple of G: neighbouring heads of queries
    share one of keys. `q_by_token`, `k_by_token`, `v_by_token` and `by_token` say of q, k, v and the result that
    they are stored [B, T, H, D] instead, `k_by_depth` that k is stored [B, G, D, S].
    mask broadcasts to [B, H, T, S]: numbers are added; where flags are false, a score becomes `fill` instead.
    `causal`: query i sees the keys up to i + causal_offset. A query that sees none gives NaN, or 0 with
    `zero_unseen`. Source: ONNX Attention-23; Vaswani et al. 2017.
    """

    scale: float = 1.0
    causal: bool = False
    causal_offset: Dim = 0
    zero_unseen: bool = False
    fill: float = -np.inf
    q_by_token: bool = False
    k_by_token: bool = False
    k_by_depth: bool = False
    v_by_token: bool = False
    by_token: bool = False

    def infer(self, q: Value, k: Value, v: Value, mask: Value | None = None) -> Result:
        if any(value.dtype != float32 for value in (q, k, v)):
            raise DTypeError(f"Attention is of float32, not of {q}, {k} and {v}.")
        if mask is not None and mask.dtype.name not in ("f32", "bool"):
            raise DTypeError(f"Attention's mask is of float32 or bool, not {mask}.")
        if any(value.rank != 4 for value in (q, k, v)) or (self.k_by_token and self.k_by_depth):
            raise ShapeError(f"Attention takes tensors of batch, head, token and depth, not {q}, {k} and {v}.")
        shape, pairs = self._sizes(q.shape, k.shape, v.shape)
        if mask is not None:
            batch, heads, rows, _ = shape
            scores = (batch, heads, rows, self._keys(k.shape)[2])
            pairs += broadcast_to(mask.shape, scores, "Attention's mask")
        return Result(float32, _swapped(shape, self.by_token), equal=pairs)

    def _keys(self, k: Shape) -> Shape:
        """[B, G, S, D]"""
        return (*k[:2], k[3], k[2]) if self.k_by_depth else _swapped(k, self.k_by_token)

    def _sizes(self, q: Shape, k: Shape, v: Shape) -> tuple[Shape, Pairs]:
        """The result's [B, H, T, C], and the sizes taken for the same. Raises ShapeError."""
        batch, heads, rows, depth = _swapped(q, self.q_by_token)
        keys, values = self._keys(k), _swapped(v, self.v_by_token)
        pairs = NO_PAIRS
        for left, right in ((batch, keys[0]), (batch, values[0]), (depth, keys[3]), (keys[2], values[2])):
            pairs += agree(left, right, f"Attention of {shape_text(q)}, {shape_text(k)} and {shape_text(v)}")[1]
        if keys[1] != values[1] or (heads != keys[1] and (not _multiple(heads, keys[1]))):
            raise ShapeError(
                f"Attention's {heads} heads of queries do not share {keys[1]} of keys, {values[1]} of values."
            )
        return (batch, heads, rows, values[3]), pairs

    def reference(self, q: Numbers, k: Numbers, v: Numbers, mask: Numbers | None = None) -> Numbers:
        q = np.swapaxes(q, 1, 2) if self.q_by_token else q
        k = np.swapaxes(k, 1, 2) if self.k_by_token else np.swapaxes(k, 2, 3) if self.k_by_depth else k
        v = np.swapaxes(v, 1, 2) if self.v_by_token else v
        k, v = (np.repeat(x, q.shape[1] // x.shape[1], axis=1) for x in (k, v))
        with np.errstate(all="ignore"):
            scores = np.matmul(q, np.swapaxes(k, 2, 3)) * np.float32(self.scale)
            if mask is not None:
                scores = np.where(mask, scores, np.float32(self.fill)) if mask.dtype == np.bool_ else scores + mask
            if self.causal:
                rows, keys = scores.shape[2:]
                assert isinstance(self.causal_offset, int)
                scores = np.where(np.tri(rows, keys, self.causal_offset, dtype=np.bool_), scores, -np.inf)
            wide = scores.astype(np.float64)
            powers = np.exp(wide - np.max(wide, axis=3, keepdims=True, initial=-np.inf))
            shares = powers / np.sum(powers, axis=3, keepdims=True)
            if self.zero_unseen:
                shares = np.where(np.isnan(shares), 0, shares)
            result = np.matmul(shares.astype(np.float32), v)
        return np.ascontiguousarray(np.swapaxes(result, 1, 2)) if self.by_token else result

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        q, k, v, mask = (*inputs, None) if len(inputs) < 4 else inputs
        assert q is not None and k is not None and v is not None
        require_float32("Attention", q, k, v)
        batch, heads, rows, depth = _swapped(q.shape, self.q_by_token)
        _, groups, keys, _ = self._keys(k.shape)
        columns = v.shape[3]
        sizes = Sizes(batch, heads, groups, rows, keys, depth, columns)
        if lowering.target.small_items and fits(lowering, sizes):
            self._lower_products(lowering, sizes, (q, k, v, outputs[0]), mask)
            return
        spans = -(-FEWEST_ITEMS // heads) if isinstance(heads, int) and heads > 0 else 1
        items = batch * heads * spans
        q_strides = _strides(q.shape, self.q_by_token)
        out_strides = _strides(outputs[0].shape, self.by_token)
        buffers = {
            "q": lowering.place(q),
            "k": self._packed_keys(lowering, k),
            "v": _packed(lowering, v, _strides(v.shape, self.v_by_token), (batch, groups, keys, columns), 1.0),
            "scores": lowering.scratch(float32, items * (ceil_div(keys, TILE_COLUMNS) * TILE_COLUMNS * BLOCK_ROWS)),
            "shares": lowering.scratch(float32, items * BLOCK_ROWS),
            "out": lowering.place(outputs[0]),
        }
        words: dict[str, Dim | float] = {
            "rows": rows,
            "keys": keys,
            "depth": depth,
            "columns": columns,
            "heads": heads,
            "sharing": 1 if heads == groups else heads // groups,
            "spans": spans,
        }
        for name, strides in (("q", q_strides), ("out", out_strides)):
            words |= {f"{name}_{part}": stride for part, stride in zip(("batch", "head", "row"), strides, strict=False)}
        flops: Shape = (2, batch, heads, rows, keys, depth + columns)
        tensors = [(buffers["q"], q.shape), (buffers["out"], outputs[0].shape)]
        if mask is not None:
            buffers["mask"], strides = _mask(lowering, mask, (batch, heads, rows, keys))
            words |= {f"mask_{part}": stride for part, stride in zip(("batch", "head", "row"), strides, strict=False)}
            tensors.append((buffers["mask"], mask.shape))
            if mask.dtype != float32:
                words["fill"] = self.fill
        if self.causal:
            words["causal_offset"] = self.causal_offset
        masking = Masking("" if mask is None else mask.dtype.name, self.causal, self.zero_unseen)
        kernel = attention(masking, lanes=lowering.target.lanes)
        lowering.step(kernel, buffers, words, items, work=tensor_work(flops, *tensors))

    def _lower_products(
        self, lowering: Lowering, sizes: Sizes, values: tuple[Value, Value, Value, Value], mask: Value | None
    ) -> None:
        """The same as products of whole tensors, see `ops.attention_products`."""
        by_token = (self.q_by_token, self.k_by_token, self.v_by_token, self.by_token)
        lines = [(*_strides(v.shape, token), 1) for v, token in zip(values, by_token, strict=True)]
        if not self.k_by_depth:
            batch, head, token, _ = lines[1]
            lines[1] = (batch, head, 1, token)
        q, k, v, out = (Side(lowering.place(value), strides) for value, strides in zip(values, lines, strict=True))
        words: dict[str, Dim | float] = {"scale": self.scale}
        masked: Side | None = None
        if mask is not None:
            place, strides = _mask(lowering, mask, (sizes.batch, sizes.heads, sizes.rows, sizes.keys))
            masked = Side(place, (*strides[:3], 1))
            words |= {} if mask.dtype == float32 else {"fill": self.fill}
        if self.causal:
            words["causal_offset"] = self.causal_offset
        masking = Masking("" if mask is None else mask.dtype.name, self.causal, self.zero_unseen)
        lower_products(lowering, sizes, (q, k, v, out), masking, masked, words)

    def _packed_keys(self, lowering: Lowering, k: Value) -> Place:
        """Keys as panels, times the scale."""
        batch, groups, keys, depth = self._keys(k.shape)
        strides = _strides(k.shape, self.k_by_token)
        return _packed(lowering, k, strides, (batch, groups, depth, keys), self.scale, transposed=not self.k_by_depth)


def _packed(
    lowering: Lowering, source: Value, strides: Shape, sizes: Shape, scale: float, *, transposed: bool = False
) -> Place:
    """[batches, heads, depth, columns] as panels for each head; strides are those of batches, heads and lines."""
    batch, heads, depth, columns = sizes
    packed = lowering.scratch(float32, batch * heads * packed_batch(depth, columns))
    words: dict[str, Dim | float] = {"heads": heads, "depth": depth, "columns": columns, "scale": scale}
    words |= {f"b_{part}": stride for part, stride in zip(("batch", "head", "line"), strides, strict=False)}
    lowering.step(
        pack_heads(transposed=transposed),
        {"b": lowering.place(source), "out": packed},
        words,
        batch * heads * ceil_div(columns, TILE_COLUMNS),
        work=Work((0,), ((float32.itemsize, 2, batch, heads, depth, columns),)),
    )
    return packed


def _mask(lowering: Lowering, mask: Value, scores: Shape) -> tuple[Place, Shape]:
    """Where a mask lies and its strides; one that has one number for all keys is spread over them first."""
    place, shape = lowering.place(mask), mask.shape
    strides = broadcast_strides(shape, scores)
    if strides[-1] == 1:
        return place, strides
    wide = (*(1,) * (4 - len(shape)), *shape[:-1], scores[-1]) if shape else (1, 1, 1, scores[-1])
    return expanded(lowering, place, shape, wide), broadcast_strides(wide, scores)


def _strides(shape: Shape, by_token: bool) -> Shape:
    """Elements between batches, heads and tokens (or other lines)."""
    return _swapped(dense_strides(shape), by_token)[:3]


def _swapped(shape: Shape, by_token: bool) -> Shape:
    return tuple(shape[axis] for axis in BY_TOKEN) if by_token else shape


def _multiple(heads: Dim, groups: Dim) -> bool:
    return isinstance(heads, int) and isinstance(groups, int) and groups > 0 and heads % groups == 0
