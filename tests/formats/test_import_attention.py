"""Attention as one node, of the standard and of onnxruntime's own."""

from typing import Any

import numpy as np
import pytest

from intab.errors import IntabError, ModelFormatError, UnsupportedOpError
from tests.formats.small_models import Fixed, check, floats, node_model, read_model, whole

MICROSOFT = "com.microsoft"
Q, K, V = floats(2, 3, 5, 4, seed=1), floats(2, 3, 7, 4, seed=2), floats(2, 3, 7, 6, seed=3)
FLAT = [floats(2, 5, 12, seed=1), floats(2, 7, 12, seed=2), floats(2, 7, 12, seed=3)]
PAST = [floats(2, 3, 4, 4, seed=5), floats(2, 3, 4, 4, seed=6)]
FLAGS = whole(2, 1, 5, 7, low=0, high=2) > 0
FLAGS[..., 0] = True


def attention(*inputs: Any, outputs: int = 1, **attributes: Any) -> None:
    for oracle in ("onnx", "onnxruntime"):
        check("Attention", *inputs, opset=23, outputs=outputs, expected=oracle, sizes="known", **attributes)


def microsoft(op: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> None:
    check(op, *inputs, opset=20, domain=MICROSOFT, outputs=outputs, tolerance=1e-4, **attributes)


def test_heads_as_an_axis() -> None:
    attention(Q, K, V)
    attention(Q, K, V, floats(5, 7), scale=0.3)
    attention(Q, K, V, FLAGS)
    attention(Q, K, V, is_causal=1)
    attention(floats(2, 6, 5, 4), K, V)


def test_queries_that_see_no_key() -> None:
    flags = FLAGS.copy()
    flags[1, 0, 2] = False
    attention(Q, K, V, flags)
    attention(Q, K, V, np.where(flags, 0, -np.inf).astype(np.float32))


def test_heads_in_the_depth() -> None:
    attention(*FLAT, q_num_heads=3, kv_num_heads=3)
    attention(floats(2, 5, 24), *FLAT[1:], q_num_heads=6, kv_num_heads=3, is_causal=1)


def test_keys_of_earlier_calls() -> None:
    new = [floats(2, 3, 5, 4, seed=i) for i in range(3)]
    attention(*new, None, *PAST, outputs=3)
    attention(*new, None, *PAST, outputs=3, is_causal=1)
    flat = [floats(2, 5, 12, seed=i) for i in range(3)]
    attention(*flat, None, *PAST, outputs=3, q_num_heads=3, kv_num_heads=3)


def test_multi_head_attention() -> None:
    added, padding = floats(2, 3, 5, 7), np.array([[1, 1, 0, 1, 1, 0, 0], [1] * 7], np.int32)
    microsoft("MultiHeadAttention", *FLAT, num_heads=3, sizes="known")
    microsoft("MultiHeadAttention", *FLAT, Fixed(floats(36), np.float32), num_heads=3, sizes="known", scale=0.4)
    microsoft("MultiHeadAttention", *FLAT, None, padding, num_heads=3, sizes="known")
    microsoft("MultiHeadAttention", *FLAT, None, padding, added, num_heads=3, sizes="known")
    microsoft("MultiHeadAttention", *FLAT, None, None, added[:1], num_heads=3, sizes="known")
    same = [floats(2, 5, 12, seed=i) for i in range(3)]
    microsoft("MultiHeadAttention", *same, num_heads=3, unidirectional=1, sizes="known")
    microsoft("MultiHeadAttention", *same, None, None, None, *PAST, num_heads=3, outputs=3, sizes="known")


def test_attention_with_its_projection() -> None:
    x, weights, bias = floats(2, 5, 8), Fixed(floats(8, 36) / 3, np.float32), Fixed(floats(36), np.float32)
    padding = np.array([[1, 1, 0, 1, 0], [1] * 5], np.int32)
    microsoft("Attention", x, weights, bias, num_heads=3, sizes="known")
    microsoft("Attention", x, weights, bias, padding, num_heads=3, sizes="known", mask_filter_value=-5.0)
    microsoft("Attention", x, weights, bias, num_heads=3, sizes="known", unidirectional=1)
    microsoft("Attention", x, weights, bias, num_heads=3, sizes="known", qkv_hidden_sizes=[12, 12, 12], scale=0.2)


@pytest.mark.parametrize(
    ("error", "domain", "op", "inputs", "attributes", "message"),
    [
        (UnsupportedOpError, "", "Attention", [Q, K, V], {"softcap": 2.0}, "'softcap'"),
        (UnsupportedOpError, "", "Attention", [Q, K, V, None, None, None, whole(2)], {}, "'nonpad_kv_seqlen'"),
        (ModelFormatError, "", "Attention", FLAT, {}, "cannot be split into 0 heads"),
        (ModelFormatError, "", "Attention", FLAT, {"q_num_heads": 5, "kv_num_heads": 3}, "into 5 heads"),
        (UnsupportedOpError, MICROSOFT, "MultiHeadAttention", [floats(2, 5, 3, 3, 4)], {"num_heads": 3}, "packed"),
        (
            UnsupportedOpError,
            MICROSOFT,
            "MultiHeadAttention",
            [*FLAT, None, np.array([3, 4], np.int32)],
            {"num_heads": 3},
            "gives lengths",
        ),
        (
            UnsupportedOpError,
            MICROSOFT,
            "Attention",
            [floats(2, 5, 8), floats(8, 36), floats(36), None, floats(2, 2, 3, 4, 4)],
            {"num_heads": 3},
            "earlier calls",
        ),
        (
            UnsupportedOpError,
            MICROSOFT,
            "Attention",
            [floats(2, 5, 8), floats(8, 36), floats(36)],
            {"num_heads": 3, "do_rotary": 1},
            "'do_rotary'",
        ),
    ],
)
def test_what_is_refused(
    error: type[IntabError], domain: str, op: str, inputs: list[Any], attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_model(node_model(op, inputs, opset=24, domain=domain, **attributes)[0])
