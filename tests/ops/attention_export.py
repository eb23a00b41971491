"""Attention as the ONNX nodes that exporters write."""

from typing import TYPE_CHECKING, Any

import numpy as np

from intab.graph.ir import Node

if TYPE_CHECKING:
    from tests.ops.onnx_export import Export

BY_TOKEN = [0, 2, 1, 3]


def attention(export: "Export", node: Node) -> str:
    """MatMul, Mul, Add or Where, Softmax, MatMul."""
    attributes: dict[str, Any] = dict(node.attributes)
    names = export.inputs_of(node)
    q, k, v = (
        export.node("Transpose", name, perm=BY_TOKEN) if attributes.get(f"{which}_by_token") else name
        for name, which in zip(names, "qkv", strict=False)
    )
    heads, groups = (_sizes(node, i, attributes.get(f"{which}_by_token"))[1] for i, which in ((0, "q"), (2, "v")))
    if not attributes.get("k_by_depth"):
        k = export.node("Transpose", k, perm=[0, 1, 3, 2])
    if heads != groups:
        chosen = export.constant(np.arange(heads) // (heads // groups))
        k, v = (export.node("Gather", name, chosen, axis=1) for name in (k, v))
    scores = export.node("MatMul", q, k)
    scores = export.node("Mul", scores, export.constant(np.array(attributes.get("scale", 1.0), np.float32)))
    scores = _masked(export, node, scores, names[3:], attributes)
    shares = export.node("Softmax", scores, axis=3)
    if attributes.get("zero_unseen"):
        zero = export.constant(np.array(0, np.float32))
        shares = export.node("Where", export.node("IsNaN", shares), zero, shares)
    result = export.node("MatMul", shares, v)
    return export.node("Transpose", result, perm=BY_TOKEN) if attributes.get("by_token") else result


def _masked(export: "Export", node: Node, scores: str, masks: list[str], attributes: dict[str, Any]) -> str:
    for mask in masks:
        value = node.inputs[3]
        if value is not None and value.dtype.name == "bool":
            fill = export.constant(np.array(attributes.get("fill", -np.inf), np.float32))
            scores = export.node("Where", mask, scores, fill)
        else:
            scores = export.node("Add", scores, mask)
    if attributes.get("causal"):
        rows = _sizes(node, 0, attributes.get("q_by_token"))[2]
        keys = _sizes(node, 2, attributes.get("v_by_token"))[2]
        seen = np.tri(rows, keys, attributes.get("causal_offset", 0), dtype=np.bool_)
        scores = export.node("Where", export.constant(seen), scores, export.constant(np.array(-np.inf, np.float32)))
    return scores


def _sizes(node: Node, index: int, by_token: bool | None) -> list[int]:
    value = node.inputs[index]
    assert value is not None
    sizes = [size for size in value.shape if isinstance(size, int)]
    return [sizes[axis] for axis in BY_TOKEN] if by_token else sizes
