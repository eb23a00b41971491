"""Values that stay on Chromium's WebGPU, in a worker and in a page's main thread."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.browser.proofs import Proofs
from tests.formats.small_models import model_of

Call = Callable[..., Any]
INSIDE = "keep"
RUNS = 1000
SPARE_OBJECTS = 40  # of Python, such as entries of caches
TOLERANCE = 1e-4
ROWS, WIDTH = 70, 48
LARGE = 20000  # rows that are too many for parts to take over each other's work
RANDOM = np.random.default_rng(5)


def weight(*shape: int) -> np.ndarray:
    return (RANDOM.standard_normal(shape) * 0.2).astype(np.float32)


def model(nodes: list[onnx.NodeProto], inputs: dict[str, Any], outputs: list[str], **weights: np.ndarray) -> bytes:
    """`inputs`: name -> type, rows and width."""
    taken = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    numbers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    given = [onnx.ValueInfoProto(name=name) for name in outputs]
    data: bytes = model_of(helper.make_graph(nodes, "keep", taken, given, numbers), 17).SerializeToString()
    return data


def encoder() -> bytes:
    """h = relu(x @ w), i = the index of the largest of each row."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"]),
        helper.make_node("Relu", ["p"], ["h"]),
        helper.make_node("ArgMax", ["p"], ["i"], axis=1, keepdims=0),
    ]
    return model(nodes, {"x": (TensorProto.FLOAT, ["N", WIDTH])}, ["h", "i"], w=weight(WIDTH, WIDTH))


def head() -> bytes:
    """y = softmax(h @ v), over more than one batch of calls."""
    nodes = [helper.make_node("MatMul", ["h", "v"], ["t0"])]
    nodes += [helper.make_node("Softmax", [f"t{n}"], [f"t{n + 1}"], axis=n % 2) for n in range(70)]
    nodes += [helper.make_node("Identity", ["t70"], ["y"])]
    return model(nodes, {"h": (TensorProto.FLOAT, ["N", WIDTH])}, ["y"], v=weight(WIDTH, 32))


def chooser() -> bytes:
    """z = the i-th element of each row of h."""
    nodes = [
        helper.make_node("Unsqueeze", ["i", "one"], ["c"]),
        helper.make_node("GatherElements", ["h", "c"], ["z"], axis=1),
    ]
    inputs = {"h": (TensorProto.FLOAT, ["N", WIDTH]), "i": (TensorProto.INT64, ["N"])}
    return model(nodes, inputs, ["z"], one=np.array([1]))


def in_parts() -> bytes:
    """y = cos(p) @ w + r and the sum s of r, where p = relu(x @ w), r = p @ v and the cosine has 64 bits."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["x0"]),
        helper.make_node("Relu", ["x0"], ["p"]),
        helper.make_node("MatMul", ["p", "v"], ["r"]),
        helper.make_node("Cast", ["p"], ["p64"], to=TensorProto.DOUBLE),
        helper.make_node("Cos", ["p64"], ["c64"]),
        helper.make_node("Cast", ["c64"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["c", "w"], ["d"]),
        helper.make_node("Add", ["d", "r"], ["y"]),
        helper.make_node("ReduceSum", ["r"], ["s"]),
    ]
    weights = {"w": weight(WIDTH, WIDTH), "v": weight(WIDTH, WIDTH)}
    return model(nodes, {"x": (TensorProto.FLOAT, [LARGE, WIDTH])}, ["y", "s"], **weights)


def run_native(data: bytes, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(data)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


@pytest.fixture(scope="module")
def served(proofs: Proofs) -> dict[str, str]:
    """Addresses of models and of what they are fed and make."""
    first, second = encoder(), head()
    x = RANDOM.standard_normal((ROWS, WIDTH)).astype(np.float32)
    middle = run_native(first, {"x": x})
    last = run_native(second, {"h": middle["h"]})
    chosen = run_native(chooser(), middle)
    parts, large = in_parts(), RANDOM.standard_normal((LARGE, WIDTH)).astype(np.float32)
    return {
        "first": proofs.serve("keep-first.onnx", first),
        "second": proofs.serve("keep-second.onnx", second),
        "third": proofs.serve("keep-third.onnx", chooser()),
        "parts": proofs.serve("keep-parts.onnx", parts),
        "parts case": proofs.serve_arrays("keep-parts.npz", x=large, **run_native(parts, {"x": large})),
        "case": proofs.serve_arrays("keep.npz", x=x, **middle, **last, **chosen),
    }


@pytest.fixture
def chain(served: dict[str, str]) -> tuple[str, str, str]:
    return served["first"], served["second"], served["case"]


def test_sessions_hand_on_without_reading_back(inside: Call, chain: tuple[str, ...]):
    found = inside("chained", *chain)
    assert max(found["far"], *found["read"]) <= TOLERANCE
    # The first session's feed goes up, what it keeps is copied; its next run; the second's feed is copied.
    assert found["crossed"] == [[1, 0, 0, 2], [1, 1, 0, 0], [0, 1, 1, 0]]
    assert found["known"], "what is fetched and kept is read back at once"
    tensor, nbytes, kept_nbytes, choice = found["told"]
    assert tensor == f"<DeviceTensor 'h' float32[{ROWS}, {WIDTH}] on webgpu, {4 * ROWS * WIDTH:,} bytes>"
    assert nbytes == 4 * ROWS * WIDTH and kept_nbytes >= 2 * nbytes
    assert "read back" not in choice


@pytest.mark.driver_timeout(300)
def test_many_runs_leave_nothing_behind(inside: Call, chain: tuple[str, ...]):
    found = inside("many", chain[0], chain[2], RUNS)
    before, after = found["before"], found["after"]
    growing = {kind: (before[kind], after[kind]) for kind in before if kind.startswith(("open: ", "Java"))}
    assert any("gpu buffer" in kind for kind in growing)
    assert all(first == last for first, last in growing.values()), growing
    assert after["Python objects held by JavaScript"] == before["Python objects held by JavaScript"]
    assert after["Python objects"] - before["Python objects"] <= SPARE_OBJECTS
    assert found["same"]
    assert (found["kept"], found["left"]) == (-(-4 * ROWS * WIDTH // 256) * 256, 0)


def test_tensors_that_are_gone_are_errors_with_names(inside: Call, chain: tuple[str, ...]):
    found = inside("gone", *chain)
    fed, read, in_flight, fed_lost, read_lost = found["errors"]
    assert fed[0] == read[0] == "IntabError"
    assert "the feed 'h': The kept tensor 'h' float32[70, 48] was disposed of" in fed[1]
    for error in (in_flight, fed_lost, read_lost):
        assert error[0] == "DeviceLostError", error
        assert "The kept tensor 'h' float32[70, 48] was lost with its device" in error[1]
    assert found["far"] <= TOLERANCE
    assert "loaded again, since the device was lost" in found["told"]
    assert "lost with it: the kept 'h'" in found["told"]


def test_tensors_are_read_back_for_sessions_elsewhere(inside: Call, chain: tuple[str, ...]):
    found = inside("elsewhere", *chain)
    for backend in ("wasm", "reference"):
        far, choice, host, far_kept = found[backend]
        assert max(far, far_kept) <= TOLERANCE and host == backend
        assert f"the feed 'h' is read back from webgpu before a run, since the model runs on {backend}" in choice
    assert "the feed 'h' is read back from webgpu before a run" in found["profile"]
    far, choice = found["other"]
    assert far <= TOLERANCE and "since it lies on another device" in choice


def test_numpy_waits_for_a_tensor_only_where_it_can(inside: Call, chain: tuple[str, ...]):
    kind, what = inside("at_once", chain[0], chain[2])
    if kind == "array":
        assert what <= TOLERANCE
    else:
        assert what == (
            "The device must be waited for, which synchronous code cannot do here. Use `await tensor.numpy()`."
        )


def test_integers_of_64_bits_are_read_back_and_checked(inside: Call, served: dict[str, str]):
    found = inside("checked", served["first"], served["third"], served["case"])
    assert found["far"] <= TOLERANCE
    assert found["crossed"] == ["read", [1, 1, 1, 0]]
    assert "the feed 'i' is read back from webgpu before a run, since 64-bit integers are checked" in found["told"]


def test_parts_on_the_gpu_hand_on_what_they_make(inside: Call, served: dict[str, str]):
    found = inside("parts", served["parts"], served["parts case"])
    backend, choice = found["told"]
    assert found["far"] <= TOLERANCE and backend == "webgpu", choice
    assert "part 1 of 3 on webgpu" in choice and "part 3 of 3 on webgpu" in choice
    # x goes up, the first part's values come back or stay; of those the last part needs, numpy's goes up again.
    first, last = found["crossed"]
    assert (first[0], first[2], last[0], last[2], last[3]) == (1, 0, 1, first[3], 0), found["crossed"]
    assert first[3] >= 1
    before, after = found["before"], found["after"]
    assert {k: after[k] for k in before if k.startswith("open: ")} == {
        k: n for k, n in before.items() if k.startswith("open: ")
    }
    assert found["left"] == 0
