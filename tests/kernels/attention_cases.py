"""Cases of attention: blocks of queries, spans, masks, keys that are not seen; and of how heads are packed."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from intab.kernels.families.attention import BLOCK_ROWS, Masking, attention, pack_heads
from intab.kernels.families.register_tile import TILE_COLUMNS, pack_panels
from tests.kernels.case import LANES, Array, KernelCase, case, ceil_div, normal


def panels(matrices: Array) -> Array:
    """[..., depth, columns] -> panels of each."""
    flat = matrices.reshape(-1, *matrices.shape[-2:])
    return np.concatenate([pack_panels(matrix).reshape(-1) for matrix in flat])


def packed_heads() -> Iterator[KernelCase]:
    for depth, columns in ((7, 19), (8, 8), (3, 5)):
        for transposed in (False, True):
            # Token after token: lines of a head lie apart.
            stored = normal(2, *((columns, 3, depth) if transposed else (depth, 3, columns)))
            lines, line = stored.shape[1], stored.shape[3]
            words: dict[str, float] = {"heads": 3, "depth": depth, "columns": columns, "scale": 0.5}
            words |= {"b_batch": lines * 3 * line, "b_head": line, "b_line": 3 * line}
            matrices = np.swapaxes(stored, 1, 2) * np.float32(0.5)
            expected = panels(np.swapaxes(matrices, 2, 3) if transposed else matrices)
            kernel, items = pack_heads(transposed=transposed), 2 * 3 * ceil_div(columns, TILE_COLUMNS)
            name = f"pack_heads-{depth}x{columns}-{transposed}"
            yield case(name, kernel, {"b": stored}, words, items, expected, output="out")


def shares_of(scores: Array, masking: Masking) -> Array:
    wide = scores.astype(np.float64)
    with np.errstate(invalid="ignore"):
        powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
        shares = powers / powers.sum(axis=-1, keepdims=True)
    return np.asarray(np.nan_to_num(shares) if masking.zero_unseen else shares)


def attentions() -> Iterator[KernelCase]:
    for masking, rows, keys, sharing, spans, lanes in (
        (Masking(), 53, 21, 1, 1, LANES),
        (Masking(), 5, 40, 2, 3, LANES),
        (Masking("f32"), 30, 17, 1, 2, 1),
        (Masking("f32", zero_unseen=True), 26, 16, 1, 1, LANES),
        (Masking("bool", zero_unseen=True), 25, 13, 2, 1, LANES),
        (Masking(causal=True), 60, 60, 1, 2, LANES),
        (Masking("bool", causal=True), 9, 30, 1, 1, LANES),
    ):
        heads, depth, columns, offset = 4, 6, 11, keys - min(rows, keys)
        q, k = normal(2, rows, heads, depth), normal(2, heads // sharing, keys, depth)
        v = normal(2, heads // sharing, keys, columns)
        scores = np.einsum("bthd,bhsd->bhts", q, np.repeat(k, sharing, 1))
        inputs = {"q": q, "k": panels(np.swapaxes(k, 2, 3)), "v": panels(v)}
        words: dict[str, float] = {"rows": rows, "keys": keys, "depth": depth, "columns": columns}
        words |= {"heads": heads, "sharing": sharing}
        words |= {"spans": spans, "q_batch": rows * heads * depth, "q_head": depth, "q_row": heads * depth}
        words |= {"out_batch": rows * heads * columns, "out_head": columns, "out_row": heads * columns}
        fill = -1e4 if masking.causal else -np.inf
        if masking.mask:
            seen = np.random.default_rng(3).integers(0, 3, (2, 1, rows, keys)) > 0
            seen[1, 0, 2] = not masking.zero_unseen
            added = np.where(seen, normal(2, 1, rows, keys), -np.inf).astype(np.float32)
            inputs["mask"] = seen if masking.mask == "bool" else added
            scores = np.where(seen, scores, fill) if masking.mask == "bool" else scores + added
            words |= {"mask_batch": rows * keys, "mask_head": 0, "mask_row": keys}
        if masking.mask == "bool":
            words["fill"] = fill
        if masking.causal:
            words["causal_offset"] = offset
            scores = np.where(np.tri(rows, keys, offset, dtype=np.bool_), scores, -np.inf)
        expected = np.einsum("bhts,bhsc->bthc", shares_of(scores, masking), np.repeat(v, sharing, 1))
        items = 2 * heads * spans
        whole_keys = ceil_div(keys, TILE_COLUMNS) * TILE_COLUMNS
        inputs["scores"] = np.full(items * BLOCK_ROWS * whole_keys, np.nan, np.float32)
        inputs["shares"] = np.full(items * BLOCK_ROWS, np.nan, np.float32)
        name = (
            f"attention-{masking.mask}-{masking.causal}-{masking.zero_unseen}-{rows}x{keys}-{sharing}-{spans}-{lanes}"
        )
        kernel, result = attention(masking, lanes=lanes), expected.astype(np.float32)
        made = case(name, kernel, inputs, words, items, result, output="out", tolerance=1e-5)
        yield replace(made, scratch=frozenset({"scores", "shares"}))
