"""Models that a GPU cannot run whole: on Chromium's WebGPU, with WebAssembly and numpy beside it, like onnxruntime."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from pytest_pyodide import run_in_pyodide

from tests.agreement import agreement
from tests.browser.proofs import Proofs
from tests.formats.small_models import model_of

TOLERANCE = 1e-3


@run_in_pyodide
async def run(selenium, model_url, feeds_url, lose):
    """Outputs of a second run as an .npz, why which part runs where, and the kernels of the profile."""
    import io

    import numpy as np

    from intab.backends.webgpu.device import shared_gpu
    from intab.runtime import load
    from tests.browser.inside.proofs import arrays

    feeds = await arrays(feeds_url)
    session = await load(model_url, backend="webgpu")
    await session.run(feeds)
    if lose:
        gpu = await shared_gpu()
        gpu._device.js.destroy()
    found = await session.run(feeds)
    profile = await session.profile_async(repeats=1)
    file = io.BytesIO()
    np.savez(file, **found)
    reasons, held = list(session.choice.reasons), session.memory().total
    session.dispose()
    return file.getvalue(), reasons, [step.kernel for step in profile.steps], held, session.memory().total


class Small:
    """A model of a few nodes over constants `numbers`, and its feeds."""

    def __init__(
        self,
        nodes: Sequence[onnx.NodeProto],
        feeds: Mapping[str, np.ndarray],
        outputs: Mapping[str, int],
        **numbers: np.ndarray,
    ) -> None:
        inputs = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), [f"{name}{i}" for i in range(array.ndim)]
            )
            for name, array in feeds.items()
        ]
        made = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()]
        constants = [numpy_helper.from_array(array, name) for name, array in numbers.items()]
        graph = helper.make_graph(list(nodes), "small", inputs, made, constants)
        self.model: bytes = model_of(graph, 17).SerializeToString()
        self.feeds = dict(feeds)

    def native(self) -> dict[str, np.ndarray]:
        """What onnxruntime makes of it on the host."""
        session = onnxruntime.InferenceSession(self.model)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, self.feeds), strict=True))


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32) / 2


def double() -> Small:
    """Two convolutions; what lies between them is divided by its mean square in float64."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Cast", ["a"], ["wide"], "widen", to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["wide", "wide"], ["square"], "square"),
        helper.make_node("ReduceMean", ["square"], ["mean"], "mean", axes=[2, 3]),
        helper.make_node("Div", ["wide", "mean"], ["even"], "even"),
        helper.make_node("Cast", ["even"], ["b"], "narrow", to=TensorProto.FLOAT),
        helper.make_node("Add", ["a", "b"], ["c"], "add"),
        helper.make_node("Conv", ["c", "v"], ["y"], "last", pads=[1, 1, 1, 1]),
    ]
    return Small(
        nodes, {"x": floats(1, 3, 20, 24)}, {"y": TensorProto.FLOAT}, w=floats(8, 3, 3, 3), v=floats(4, 8, 3, 3)
    )


def nonzero() -> Small:
    """Numbers that are above 0 after a product, where they are, and a product of those rows."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "first"),
        helper.make_node("Relu", ["a"], ["positive"], "relu"),
        helper.make_node("NonZero", ["positive"], ["places"], "find"),
        helper.make_node("Transpose", ["places"], ["columns"], "turn", perm=[1, 0]),
        helper.make_node("GatherND", ["a", "columns"], ["chosen"], "take"),
        helper.make_node("Gather", ["places", "zero"], ["rows"], "rows", axis=0),
        helper.make_node("Gather", ["x", "rows"], ["b"], "again", axis=0),
        helper.make_node("MatMul", ["b", "w"], ["y"], "last"),
    ]
    kinds = {"y": TensorProto.FLOAT, "chosen": TensorProto.FLOAT, "places": TensorProto.INT64}
    return Small(nodes, {"x": floats(5, 16)}, kinds, w=floats(16, 16), zero=np.array(0))


def integers() -> Small:
    """A row chosen by a remainder of numbers beyond 32 bits, and a size that follows from floats."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "first"),
        helper.make_node("ArgMax", ["a"], ["best"], "best", axis=1, keepdims=0),
        helper.make_node("Add", ["best", "large"], ["b"], "add"),
        helper.make_node("Mul", ["b", "b"], ["square"], "square"),
        helper.make_node("Mod", ["square", "prime"], ["m"], "mod"),
        helper.make_node("Gather", ["w", "m"], ["rows"], "rows", axis=0),
        helper.make_node("MatMul", ["rows", "w"], ["product"], "second"),
        helper.make_node("ReduceMax", ["product"], ["most"], "most", axes=[0, 1], keepdims=0),
        helper.make_node("Abs", ["most"], ["size"], "size"),
        helper.make_node("Cast", ["size"], ["count"], "count", to=TensorProto.INT64),
        helper.make_node("Reshape", ["count", "one"], ["counts"], "counts"),
        helper.make_node("Concat", ["counts", "width"], ["shape"], "shape", axis=0),
        helper.make_node(
            "ConstantOfShape", ["shape"], ["filled"], "fill", value=numpy_helper.from_array(np.ones(1, np.float32))
        ),
        helper.make_node("MatMul", ["filled", "w"], ["y"], "last"),
    ]
    kinds = {"y": TensorProto.FLOAT, "product": TensorProto.FLOAT, "square": TensorProto.INT64}
    numbers = {"large": np.array(1_000_000_007), "prime": np.array(13), "one": np.array([1]), "width": np.array([16])}
    return Small(nodes, {"x": floats(5, 16)}, kinds, w=3 * floats(16, 16), **numbers)


def ran(selenium: Any, proofs: Proofs, small: Small, name: str, *, lose: bool = False) -> tuple[list[str], list[str]]:
    """Fail unless the model agrees with onnxruntime. The reasons of its choice, and the kernels of its profile."""
    model, feeds = proofs.serve(f"{name}.onnx", small.model), proofs.serve_arrays(f"{name}.npz", **small.feeds)
    data, reasons, kernels, held, left = run(selenium, model, feeds, lose)
    with np.load(io.BytesIO(data)) as found:
        for output, expected in small.native().items():
            assert found[output].dtype == expected.dtype
            assert found[output].shape == expected.shape
            assert agreement(found[output], expected) <= TOLERANCE, output
    assert left < held
    return reasons, kernels


@pytest.mark.driver_timeout(300)
@pytest.mark.parametrize("lose", [False, True], ids=["kept", "lost"])
def test_float64_between_convolutions(selenium: Any, proofs: Proofs, lose: bool) -> None:
    reasons, kernels = ran(selenium, proofs, double(), "double", lose=lose)
    parts = [reason.partition(":")[0] for reason in reasons if reason.startswith("part ")]
    assert parts == ["part 1 of 3 on webgpu", "part 2 of 3 on reference", "part 3 of 3 on webgpu"]
    assert any("since node 'widen' (Cast), not on webgpu: there is no f64" in reason for reason in reasons)
    assert {kernel.partition(":")[0] for kernel in kernels} == {"webgpu", "reference"}
    assert any("the device was lost" in reason for reason in reasons) == lose


@pytest.mark.driver_timeout(300)
def test_elements_that_are_found(selenium: Any, proofs: Proofs) -> None:
    reasons, _ = ran(selenium, proofs, nonzero(), "nonzero")
    assert not [reason for reason in reasons if reason.startswith("part ")], "all of it has kernels"


@pytest.mark.driver_timeout(300)
def test_integers_beyond_32_bits_and_a_size_that_they_make(selenium: Any, proofs: Proofs) -> None:
    reasons, kernels = ran(selenium, proofs, integers(), "integers")
    ways = [reason.partition(":")[0].rpartition(" ")[2] for reason in reasons if reason.startswith("part ")]
    assert ways == ["webgpu", "wasm", "webgpu", "wasm", "webgpu"]
    assert {kernel.partition(":")[0] for kernel in kernels} == {"webgpu", "wasm"}
