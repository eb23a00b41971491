"""Attention as one ONNX node: the standard's, and two of onnxruntime's own."""

import math
from dataclasses import dataclass

import numpy as np

from intab.dtypes import bool_, float32, int32
from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.graph.dims import Dim
from intab.graph.ir import Value

MICROSOFT = "com.microsoft"
BY_TOKEN = (0, 2, 1, 3)


@dataclass(frozen=True, slots=True)
class _Cached:
    """Keys and values with those of earlier calls before them, [B, heads, S, D], and how many these are."""

    keys: Value
    values: Value
    past: Dim


@onnx_op("Attention", since=23)
def attention(
    call: Call,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None = None,
    past_key: Value | None = None,
    past_value: Value | None = None,
    lengths: Value | None = None,
) -> Value | tuple[Value, ...]:
    """Tensors [B, heads, tokens, depth], or [B, tokens, heads * depth] with the counts of heads as attributes."""
    call.ignore("softmax_precision", "qk_matmul_output_mode")
    if lengths is not None:
        raise call.unsupported("input 'nonpad_kv_seqlen' gives each example a length of its own")
    if call.number("softcap", 0.0):
        raise call.unsupported("attribute 'softcap' bends its scores")
    if call.wants(3):
        raise call.unsupported("output 'qk_matmul_output' asks for the scores")
    flat = q.rank == 3
    heads, groups = call.integer("q_num_heads", 0), call.integer("kv_num_heads", 0)
    if flat:
        q, k, v = _split(call, q, heads), _split(call, k, groups), _split(call, v, groups)
    cached = _cached(call, k, v, past_key, past_value, by_token=flat)
    scale = call.number("scale", 0.0) or 1 / math.sqrt(_depth(call, q))
    causal = call.flag("is_causal", default=False)
    # A query that sees no key gives 0, in onnxruntime and in the standard's reference.
    result = _attend(call, q, k, v, cached, mask, scale=scale, causal=causal, by_token=flat, zero_unseen=True)
    return _with_present(call, result, k, v, cached, by_token=flat)


@onnx_op("MultiHeadAttention", since=1, domain=MICROSOFT)
def multi_head_attention(
    call: Call,
    q: Value,
    k: Value | None = None,
    v: Value | None = None,
    bias: Value | None = None,
    padding: Value | None = None,
    added: Value | None = None,
    past_key: Value | None = None,
    past_value: Value | None = None,
) -> Value | tuple[Value, ...]:
    """q [B, T, heads * D], k and v [B, S, ...] -> [B, T, ...]"""
    if k is None or v is None or any(x.rank != 3 for x in (q, k, v)):
        raise call.unsupported("its query, key and value are packed, or split into heads beforehand")
    if call.wants(3):
        raise call.unsupported("output 'qk' asks for the scores")
    heads = call.integer("num_heads")
    if bias is not None:
        q, k, v = _biased(call, (q, k, v), bias)
    q, k, v = (_split(call, x, heads) for x in (q, k, v))
    mask = _microsoft_mask(call, padding, added)
    cached = _cached(call, k, v, past_key, past_value, by_token=True)
    scale = call.number("scale", 0.0) or 1 / math.sqrt(_depth(call, q))
    causal = call.flag("unidirectional", default=False)
    result = _attend(call, q, k, v, cached, mask, scale=scale, causal=causal, by_token=True)
    return _with_present(call, result, k, v, cached, by_token=True)


@onnx_op("Attention", since=1, domain=MICROSOFT)
def projected_attention(
    call: Call,
    x: Value,
    weights: Value,
    bias: Value | None = None,
    padding: Value | None = None,
    past: Value | None = None,
    added: Value | None = None,
) -> Value:
    """x [B, T, K] @ weights [K, N] + bias, cut into q, k and v"""
    if past is not None or call.wants(1):
        raise call.unsupported("it keeps keys and values of earlier calls")
    if call.flag("do_rotary", default=False):
        raise call.unsupported("attribute 'do_rotary' turns its queries and keys")
    heads, columns = call.integer("num_heads"), call.fixed_shape(weights.shape, "its weight")[-1]
    sizes = call.integers("qkv_hidden_sizes", (columns // 3,) * 3)
    if len(sizes) != 3 or min(sizes) < 1 or sum(sizes) != columns:
        raise call.malformed(f"queries, keys and values of {list(sizes)} columns do not make up {columns}")
    made = call.part("MatMul", x, weights, *([bias] if bias is not None else []))
    starts = (0, sizes[0], sizes[0] + sizes[1])
    q, k, v = (
        _split(call, _columns(call, made, start, size), heads) for start, size in zip(starts, sizes, strict=True)
    )
    mask = _microsoft_mask(call, padding, added)
    scale = call.number("scale", 0.0) or 1 / math.sqrt(_depth(call, q))
    causal = call.flag("unidirectional", default=False)
    return _attend(call, q, k, v, None, mask, scale=scale, causal=causal, by_token=True)


def _attend(
    call: Call,
    q: Value,
    k: Value,
    v: Value,
    cached: _Cached | None,
    mask: Value | None,
    *,
    scale: float,
    causal: bool,
    by_token: bool,
    zero_unseen: bool = False,
) -> Value:
    """The attention of tensors as they are stored, in the form that q had before it was split."""
    keys, values = (cached.keys, cached.values) if cached else (k, v)
    stored = by_token and cached is None
    result = (call.part if by_token else call.result)(
        "Attention",
        q,
        keys,
        values,
        *([mask] if mask is not None else []),
        scale=scale,
        causal=causal,
        causal_offset=cached.past if cached else 0,
        zero_unseen=zero_unseen,
        q_by_token=by_token,
        k_by_token=stored,
        v_by_token=stored,
        by_token=by_token,
    )
    if not by_token:
        return result
    batch, tokens, heads, depth = result.shape
    return call.result("Reshape", result, shape=(batch, tokens, heads * depth))


def _split(call: Call, x: Value, heads: int) -> Value:
    """[B, tokens, heads * depth] -> [B, tokens, heads, depth]"""
    width = x.shape[-1]
    if x.rank != 3 or heads < 1 or not isinstance(width, int) or width % heads:
        raise call.malformed(f"an input of shape {list(x.shape)} cannot be split into {heads} heads")
    return call.part("Reshape", x, shape=(*x.shape[:2], heads, width // heads))


def _depth(call: Call, q: Value) -> int:
    (depth,) = call.fixed_shape(q.shape[-1:], "its query")
    return depth


def _cached(
    call: Call, k: Value, v: Value, past_key: Value | None, past_value: Value | None, *, by_token: bool
) -> _Cached | None:
    if past_key is None and past_value is None:
        return None
    if past_key is None or past_value is None or past_key.rank != 4:
        raise call.malformed("keys and values of earlier calls come together, with four axes")
    new = [call.part("Transpose", x, perm=BY_TOKEN) if by_token else x for x in (k, v)]
    keys, values = (call.part("Concat", *pair, axis=2) for pair in zip((past_key, past_value), new, strict=True))
    return _Cached(keys, values, past_key.shape[2])


def _with_present(
    call: Call, result: Value, k: Value, v: Value, cached: _Cached | None, *, by_token: bool
) -> Value | tuple[Value, ...]:
    """The result, with the keys and values for the next call where they are wanted."""
    if not (call.wants(1) or call.wants(2)):
        return result
    if cached is not None:
        return result, cached.keys, cached.values
    if not by_token:
        return result, k, v
    return result, *(call.part("Transpose", x, perm=BY_TOKEN) for x in (k, v))


def _biased(call: Call, tensors: tuple[Value, Value, Value], bias: Value) -> list[Value]:
    """q, k and v, each with its part of a bias."""
    sizes = call.fixed_shape(tuple(x.shape[-1] for x in tensors), "query, key and value")
    if bias.shape != (sum(sizes),):
        raise call.malformed(f"a bias of shape {list(bias.shape)} does not fit {list(sizes)} columns")
    starts = (0, sizes[0], sizes[0] + sizes[1])
    parts = [_columns(call, bias, start, size) for start, size in zip(starts, sizes, strict=True)]
    return [call.part("Add", x, part) for x, part in zip(tensors, parts, strict=True)]


def _columns(call: Call, x: Value, start: int, size: int) -> Value:
    """`size` neighbours along the last axis."""
    before = x.rank - 1
    return call.part("Slice", x, starts=(*(0,) * before, start), sizes=(*x.shape[:-1], size), steps=(1,) * x.rank)


def _microsoft_mask(call: Call, padding: Value | None, added: Value | None) -> Value | None:
    """What is added to scores: a large negative number for keys whose padding is 0, and what is given."""
    filled = call.number("mask_filter_value", -10000.0)
    if padding is None:
        return added
    if padding.rank not in (2, 3) or padding.dtype not in (int32, bool_):
        raise call.unsupported("its mask gives lengths, not a flag for each key")
    shape = (padding.shape[0], 1, *((1,) if padding.rank == 2 else ()), *padding.shape[1:])
    zero, hidden = (call.constant(np.array(number, np.float32)) for number in (0.0, filled))
    flags = call.part("Cast", call.part("Reshape", padding, shape=shape), to=bool_)
    mask = call.part("Where", flags, zero, hidden)
    if added is not None and added.dtype != float32:
        raise call.unsupported(f"what it adds to scores is {added.dtype}")
    return mask if added is None else call.part("Add", mask, added)
