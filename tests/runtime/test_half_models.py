"""Models in 16-bit floats load and run on WebAssembly, in 32-bit ones, and their outputs are 16-bit floats again."""

import asyncio

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from intab.dtypes import float16
from intab.runtime import load
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD, Target
from tests.agreement import agreement
from tests.formats.small_models import model_of
from tests.running import pool_of, target_name
from tests.runtime.pools import on

RANDOM = np.random.default_rng(5)


def weight(name: str, *shape: int) -> TensorProto:
    return numpy_helper.from_array((RANDOM.standard_normal(shape) / 4).astype(np.float16), name)


def half_model() -> onnx.ModelProto:
    """A convolution, a norm, a product with a computed side, a softmax; one part in float32, one constant in bytes."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("InstanceNormalization", ["conv", "scale", "shift"], ["norm"]),
        helper.make_node("Reshape", ["norm", "flat"], ["rows"]),
        helper.make_node("LayerNormalization", ["rows", "gain"], ["layer"]),
        helper.make_node("Transpose", ["layer"], ["columns"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["layer", "columns"], ["product"]),
        helper.make_node("Cast", ["product"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Softmax", ["wide"], ["likely"], axis=1),
        helper.make_node("Cast", ["likely"], ["y"], to=TensorProto.FLOAT16),
        helper.make_node("ReduceMean", ["y", "axis"], ["mean"], keepdims=0),
    ]
    weights = [
        *(weight("w", 8, 3, 3, 3), weight("b", 8), weight("scale", 8), weight("shift", 8), weight("gain", 30)),
        numpy_helper.from_array(np.array([0, 8, 30], np.int64), "flat"),
        numpy_helper.from_array(np.array([2], np.int64), "axis"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["N", 3, 5, 6])
    outputs = [onnx.ValueInfoProto(name=name) for name in ("y", "mean", "norm")]
    return model_of(helper.make_graph(nodes, "half", [x], outputs, weights), 20)


@pytest.mark.wasmtime
@pytest.mark.parametrize("target", [WASM_SIMD, WASM_RELAXED_SIMD], ids=target_name)
def test_a_half_model_agrees_with_native(target: Target) -> None:
    data = half_model().SerializeToString()
    feeds = {"x": RANDOM.standard_normal((2, 3, 5, 6)).astype(np.float16)}
    native = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    expected = dict(zip(("y", "mean", "norm"), native.run(["y", "mean", "norm"], feeds), strict=True))
    with on(pool_of(target)) as backend:
        session = asyncio.run(load(data, backend=backend))
        assert [info.dtype for info in (*session.inputs, *session.outputs)] == [float16] * 4
        found = session.run_sync(feeds)
        session.dispose()
    assert [array.dtype for array in found.values()] == [np.float16] * 3
    # Native rounds what each of its nodes makes to 11 bits, which the result shows.
    assert all(agreement(found[name], expected[name]) <= 5e-3 for name in expected)
