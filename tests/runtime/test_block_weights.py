"""Weights of four and eight bits with scales of blocks stay as small in memory, and agree with native onnxruntime."""

import asyncio
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from intab.runtime import load
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD
from tests.agreement import assert_agree
from tests.running import pool_of
from tests.runtime.pools import on

Numbers = NDArray[Any]
TARGETS = {"reference": None, "relaxed": WASM_RELAXED_SIMD, "plain": WASM_SIMD}
PLACES = ["reference", *(pytest.param(name, marks=pytest.mark.wasmtime) for name in ("relaxed", "plain"))]
MICROSOFT = "com.microsoft"
TOLERANCE = 1e-3
# Weights in memory, beside the scales: no more than this many times what the file holds.
MOST_GROWTH = 1.3
# Smaller matrices become floats: what is saved is not worth a kernel.
DEPTH, COLUMNS = 480, 36


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def floats(*shape: int, seed: int = 1) -> Numbers:
    return random(seed).standard_normal(shape).astype(np.float32)


def nibbles(numbers: Numbers) -> Numbers:
    """Numbers of four bits two to a byte, the first in the low half; rows of an odd length end with a 0."""
    even = np.pad(numbers, [(0, 0)] * (numbers.ndim - 1) + [(0, numbers.shape[-1] % 2)]).astype(np.uint8) & 15
    return np.asarray(even[..., 0::2] | even[..., 1::2] << 4)


def model_of(nodes: list[onnx.NodeProto], weights: list[TensorProto], inputs: dict[str, Any], opset: int = 21) -> bytes:
    infos = [helper.make_tensor_value_info(name, kind, [None] * rank) for name, (kind, rank) in inputs.items()]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "small", infos, outputs, weights)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())


def agree(model: bytes, feeds: dict[str, Numbers], place: str) -> int:
    """Check a model's output; the bytes of its weights in memory (0 for the reference)."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Its optimizer would round the activations to bytes.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    native = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    target = TARGETS[place]
    with on(None if target is None else pool_of(target)) as backend:
        session = asyncio.run(load(model, backend=backend))
        found = session.run_sync(feeds)
        weights = 0 if target is None else session.memory().weights
        session.dispose()
    assert_agree(found, {"y": native.run(None, feeds)[0]}, TOLERANCE)
    return weights


def n_bits(bits: int, size: int, depth: int, columns: int, *, zero: str = "", bias: bool = False) -> bytes:
    """A model of one MatMulNBits; zero points "" for none, "packed" or "float"."""
    blocks, most = -(-depth // size), 1 << bits
    numbers = random(2).integers(0, most, (columns, blocks, size))
    stored = nibbles(numbers) if bits == 4 else numbers.astype(np.uint8)
    given = {"b": stored, "scales": np.abs(floats(columns * blocks)) + np.float32(0.1)}
    names = ["x", "b", "scales", "", "", ""]
    if zero == "packed":
        points = random(3).integers(0, most, (columns, blocks))
        given["zeros"] = (nibbles(points) if bits == 4 else points.astype(np.uint8)).reshape(-1)
    elif zero == "float":
        given["zeros"] = (random(3).random((columns, blocks)) * most).astype(np.float32).reshape(-1)
    if zero:
        names[3] = "zeros"
    if bias:
        given["bias"], names[5] = floats(columns, seed=5), "bias"
    node = helper.make_node(
        "MatMulNBits", names, ["y"], domain=MICROSOFT, K=depth, N=columns, bits=bits, block_size=size
    )
    weights = [numpy_helper.from_array(array, name) for name, array in given.items()]
    return model_of([node], weights, {"x": (TensorProto.FLOAT, 2)})


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("bits", "size", "zero", "bias"),
    [
        (4, 16, "", False),
        (4, 32, "packed", True),
        (4, 64, "float", False),
        (4, 256, "packed", False),
        (8, 16, "packed", False),
        (8, 32, "", True),
        (8, 128, "packed", False),
    ],
)
def test_matmul_n_bits(bits: int, size: int, zero: str, bias: bool, place: str) -> None:
    for rows, depth, columns in ((1, 500, 45), (5, 512, 40), (19, 820, 29)):
        model = n_bits(bits, size, depth, columns, zero=zero, bias=bias)
        agree(model, {"x": floats(rows, depth, seed=4)}, place)


@pytest.mark.wasmtime
@pytest.mark.parametrize("bits", [4, 8])
def test_blocks_stay_as_small_in_memory(bits: int) -> None:
    depth, columns, size = 512, 384, 32
    model = n_bits(bits, size, depth, columns)
    used = agree(model, {"x": floats(3, depth)}, "relaxed")
    assert used <= MOST_GROWTH * (depth * columns * bits // 8 + 4 * columns * depth // size)


def four_bits(name: str, numbers: Numbers, signed: bool) -> TensorProto:
    kind = TensorProto.INT4 if signed else TensorProto.UINT4
    return helper.make_tensor(name, kind, numbers.shape, nibbles(numbers.reshape(-1)).tobytes(), raw=True)


def blocked(signed: bool, axis: int, size: int, *, zero: bool, turned: bool) -> bytes:
    """x times what a DequantizeLinear makes of numbers of four bits, by MatMul or by a Gemm that turns them."""
    shape = (COLUMNS, DEPTH) if turned else (DEPTH, COLUMNS)
    low, high = (-8, 8) if signed else (0, 16)
    numbers = random(6).integers(low, high, shape)
    counts = tuple(-(-n // size) if i == axis else n for i, n in enumerate(shape)) if size else (shape[axis],)
    weights = [four_bits("w", numbers, signed)]
    weights.append(numpy_helper.from_array(np.abs(floats(*counts, seed=7)) + np.float32(0.1), "scale"))
    names = ["w", "scale"]
    if zero:
        weights.append(four_bits("zero", random(8).integers(low, high, counts), signed))
        names.append("zero")
    sizes = {"block_size": size} if size else {}
    product = (
        helper.make_node("Gemm", ["x", "f"], ["y"], transB=1)
        if turned
        else helper.make_node("MatMul", ["x", "f"], ["y"])
    )
    nodes = [helper.make_node("DequantizeLinear", names, ["f"], axis=axis, **sizes), product]
    return model_of(nodes, weights, {"x": (TensorProto.FLOAT, 2)})


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("axis", "size", "zero", "turned", "stays"),
    [
        (0, 32, True, False, True),
        (1, 16, False, True, True),
        (1, 0, True, False, True),
        (0, 0, True, True, True),
        # Scales along the depth, and blocks across columns, are not the kernel's.
        (0, 0, False, False, False),
        (1, 12, True, False, False),
    ],
)
def test_dequantized_weights(
    signed: bool, axis: int, size: int, zero: bool, turned: bool, stays: bool, place: str
) -> None:
    model = blocked(signed, axis, size, zero=zero, turned=turned)
    for rows in (1, 7):
        used = agree(model, {"x": floats(rows, DEPTH, seed=9)}, place)
    if place != "reference":
        assert (used < 2 * DEPTH * COLUMNS) == stays


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("zero", [True, False])
def test_rows_of_a_table_of_blocks(zero: bool, place: str) -> None:
    rows, width, size = 300, 64, 16
    numbers = random(6).integers(-128, 128, (rows, width)).astype(np.int8)
    given = {"w": numbers, "scale": np.abs(floats(rows, width // size)) + np.float32(0.1)}
    if zero:
        given["zero"] = random(7).integers(-9, 9, (rows, width // size)).astype(np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", list(given), ["f"], axis=1, block_size=size),
        helper.make_node("Gather", ["f", "ids"], ["y"]),
    ]
    weights = [numpy_helper.from_array(array, name) for name, array in given.items()]
    model = model_of(nodes, weights, {"ids": (TensorProto.INT64, 2)})
    used = agree(model, {"ids": np.array([[0, 299, 17], [17, 3, 2]])}, place)
    assert used < 2 * numbers.nbytes
