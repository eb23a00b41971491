"""Operators of onnxruntime's own optimiser (domain com.microsoft)."""

import numpy as np
import pytest

from intab.errors import UnsupportedOpError
from tests.formats.small_models import Fixed, check, floats, node_model, read_model, run_model

MICROSOFT = "com.microsoft"
X = floats(2, 3, 8)


def row(seed: int, count: int = 8) -> Fixed:
    return Fixed(floats(count, seed=seed), np.float32)


def test_gelus() -> None:
    check("Gelu", X, opset=17, domain=MICROSOFT)
    check("BiasGelu", X, row(1), opset=17, domain=MICROSOFT)
    check("FastGelu", X, opset=17, domain=MICROSOFT)
    check("FastGelu", X, row(1), opset=17, domain=MICROSOFT)
    for attributes in ({}, {"alpha": 0.9}):
        check("QuickGelu", X, opset=17, domain=MICROSOFT, **attributes)


@pytest.mark.parametrize("more", [[], [row(2)], [row(2), row(3)]])
def test_skip_layer_normalization(more: list[Fixed]) -> None:
    skip = floats(2, 3, 8, seed=4)
    check("SkipLayerNormalization", X, skip, row(1), *more, opset=17, domain=MICROSOFT, epsilon=1e-3)
    if len(more) < 2:
        check("SkipSimplifiedLayerNormalization", X, skip, row(1), *more, opset=17, domain=MICROSOFT)


def test_the_sum_before_a_norm_is_an_output_and_its_moments_are_not() -> None:
    scale = np.ones(8, np.float32)
    skip = floats(2, 3, 8, seed=4)
    total = X + skip
    centred = total - total.mean(-1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    model, feeds = node_model("SkipLayerNormalization", [X, skip, Fixed(scale, np.float32)], opset=17, domain=MICROSOFT)
    model.graph.node[0].output[:] = ["out0", "", "", "sum"]
    model.graph.output.add().name = "sum"
    found = run_model(model, feeds)
    np.testing.assert_allclose(found["sum"], total)
    np.testing.assert_allclose(found["out0"], normal, atol=1e-5)
    model.graph.node[0].output[:] = ["out0", "", "sum"]
    with pytest.raises(UnsupportedOpError, match="its mean or deviation is asked for"):
        read_model(model)


def test_fused_matmul() -> None:
    a, b = floats(2, 3, 4), floats(2, 4, 5, seed=1)
    check("FusedMatMul", a, b, opset=17, domain=MICROSOFT)
    turned = {"transA": 1, "transB": 1, "alpha": 0.5}
    check("FusedMatMul", a.swapaxes(1, 2).copy(), b.swapaxes(1, 2).copy(), opset=17, domain=MICROSOFT, **turned)
    model, _ = node_model("FusedMatMul", [a, b], opset=17, domain=MICROSOFT, transBatchA=1)
    with pytest.raises(UnsupportedOpError, match="transBatchA"):
        read_model(model)
