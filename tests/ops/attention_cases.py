"""Cases of attention: how tensors are stored, masks, shared heads, queries that see no key."""

import numpy as np

from tests.ops.case import Numbers, OpCase, flags, floats

SYMBOLS = {(0, 0): "B", (1, 0): "B", (2, 0): "B", (0, 2): "T", (1, 2): "S", (2, 2): "S"}
TOKENS = {(0, 0): "B", (1, 0): "B", (2, 0): "B", (0, 1): "T", (1, 1): "S", (2, 1): "S"}
ALL_BY_TOKEN = {"q_by_token": True, "k_by_token": True, "v_by_token": True, "by_token": True}


def tensors(
    rows: int, keys: int, *, heads: int = 3, groups: int = 3, depth: int = 5, columns: int = 11
) -> list[Numbers]:
    """q, k and v, token after token within a head."""
    q, k, v = (
        floats(2, heads, rows, depth),
        floats(2, groups, keys, depth, seed=2),
        floats(2, groups, keys, columns, seed=3),
    )
    return [q, k, v]


def by_token(arrays: list[Numbers]) -> list[Numbers]:
    return [np.ascontiguousarray(np.swapaxes(array, 1, 2)) for array in arrays]


def hidden(*shape: int, first: int) -> Numbers:
    """Numbers to add, -inf here and there, and for all keys from query `first` on."""
    numbers = np.where(floats(*shape, seed=4) > 0.8, -np.inf, floats(*shape, seed=5)).astype(np.float32)
    numbers[..., first:, :] = -np.inf
    return numbers


Q, K, V = tensors(29, 21)
FLAGS = flags(2, 1, 29, 21)
FLAGS[1, 0, 7] = False

ATTENTION_CASES = [
    OpCase("Attention", "Attention", {"scale": 0.4}, [Q, K, V], SYMBOLS, tolerance=1e-5),
    OpCase("Attention-by-token", "Attention", ALL_BY_TOKEN, by_token([Q, K, V]), TOKENS, tolerance=1e-5),
    OpCase(
        "Attention-by-depth",
        "Attention",
        {"k_by_depth": True, "scale": 2.0},
        [Q, np.ascontiguousarray(np.swapaxes(K, 2, 3)), V],
        {(0, 2): "T", (1, 3): "S", (2, 2): "S"},
        tolerance=1e-5,
    ),
    OpCase("Attention-one-query", "Attention", {}, tensors(1, 40, depth=8, columns=8), SYMBOLS, tolerance=1e-5),
    OpCase("Attention-no-keys", "Attention", {}, tensors(3, 0), SYMBOLS),
    OpCase("Attention-one-key", "Attention", {}, tensors(3, 1), {}, tolerance=1e-5),
    OpCase(
        "Attention-shared-heads",
        "Attention",
        {**ALL_BY_TOKEN, "causal": True},
        by_token(tensors(50, 50, heads=6, groups=2)),
        {},
        tolerance=1e-5,
    ),
    OpCase(
        "Attention-causal-later", "Attention", {"causal": True, "causal_offset": 6}, tensors(7, 13), {}, tolerance=1e-5
    ),
    OpCase(
        "Attention-causal-before",
        "Attention",
        {"causal": True, "causal_offset": -2, "zero_unseen": True},
        tensors(9, 7),
        SYMBOLS,
        tolerance=1e-5,
    ),
    OpCase("Attention-mask", "Attention", {}, [Q, K, V, hidden(2, 1, 29, 21, first=25)], SYMBOLS, tolerance=1e-5),
    OpCase(
        "Attention-mask-zero",
        "Attention",
        {"zero_unseen": True, "scale": 0.3},
        [Q, K, V, hidden(2, 1, 29, 21, first=25)],
        {**SYMBOLS, (3, 0): "B", (3, 2): "T", (3, 3): "S"},
        tolerance=1e-5,
    ),
    OpCase("Attention-mask-of-keys", "Attention", {}, [Q, K, V, hidden(2, 1, 1, 21, first=1)], {}, tolerance=1e-5),
    OpCase("Attention-mask-of-heads", "Attention", {}, [Q, K, V, floats(3, 29, 21)], {}, tolerance=1e-5),
    OpCase("Attention-mask-of-queries", "Attention", {}, [Q, K, V, floats(29, 1)], SYMBOLS, tolerance=1e-5),
    OpCase("Attention-flags", "Attention", {"zero_unseen": True}, [Q, K, V, FLAGS], SYMBOLS, tolerance=1e-5),
    OpCase("Attention-flags-fill", "Attention", {"fill": -2.0}, [Q, K, V, FLAGS], SYMBOLS, tolerance=1e-5),
]
