"""Memory of a GPU that lets kernels see little of one buffer: values are spread, only too large ones refused."""

import base64

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pytest_pyodide import run_in_pyodide

from tests.formats.small_models import model_of

CLS = "/site/models/ocr/cls.onnx"


@run_in_pyodide
async def under_limits(selenium, url, limits):
    """Of each limit the pages of each region, and how far outputs are from those without a limit; or the error."""
    from dataclasses import replace
    from importlib import import_module
    from typing import Any

    import numpy as np

    import intab
    from intab.backends.webgpu import device
    from intab.errors import OutOfMemoryError

    seen: Any = import_module("intab.runtime.webgpu_back_end")

    feeds = {"x": np.random.default_rng(3).standard_normal((2, 3, 48, 192)).astype(np.float32)}
    expected, found = None, []
    for limit in (0, *limits):
        if limit:
            seen.target_of = lambda info, limit=limit: replace(device.target_of(info), binding_nbytes=limit)
        try:
            session = await intab.load(url, backend="webgpu")
            outputs = await session.run({session.inputs[0].name: feeds["x"]})
            expected = expected or outputs
            executable: Any = session._executable
            binder = executable._binder
            counts = [binder.pages.regions.count(region) for region in range(4)]
            off = max(float(np.abs(outputs[name] - expected[name]).max()) for name in outputs)
            found.append([counts, max(max(plan.region_nbytes) for plan in executable._room._plans.values()), off])
            session.dispose()
        except OutOfMemoryError as error:
            found.append(str(error))
        finally:
            seen.target_of = device.target_of
    return found


def test_values_are_spread_under_tiny_limits(selenium):
    sizes = [1 << 19, 400_000]
    whole, *limited, refused = under_limits(selenium, CLS, [*sizes, 1 << 14])
    for limit, (_, largest, off) in zip(sizes, limited, strict=True):
        assert largest <= limit and off < 1e-5
    assert sum(limited[-1][0]) > sum(whole[0])
    assert "takes" in refused and "may see 16,384 of one buffer" in refused and 'backend="wasm"' in refused


def softmaxes() -> bytes:
    """Three values of 48 MiB that live at once, and their product, added up."""
    nodes = [helper.make_node("Mul", ["x", f"k{number}"], [f"a{number}"]) for number in range(3)] + [
        helper.make_node("Softmax", [f"a{number}"], [f"s{number}"], axis=1) for number in range(3)
    ]
    nodes += [
        helper.make_node("Mul", ["s0", "s1"], ["p"]),
        helper.make_node("Mul", ["p", "s2"], ["q"]),
        helper.make_node("ReduceSum", ["q", "axes"], ["y"], keepdims=0),
    ]
    constants = [numpy_helper.from_array(np.float32(number + 1), f"k{number}") for number in range(3)]
    constants.append(numpy_helper.from_array(np.array([1], np.int64), "axes"))
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4096, 3072])]
    graph = helper.make_graph(nodes, "softmaxes", given, [onnx.ValueInfoProto(name="y")], constants)
    data: bytes = model_of(graph, 17).SerializeToString()
    return data


@run_in_pyodide
async def on_a_device_with_default_limits(selenium, text):
    import base64

    import js
    import numpy as np
    from pyodide.code import run_js

    import intab
    from intab.backends.webgpu import device

    (await device.shared_gpu()).dispose()
    device._gpu = None
    run_js(
        """
        const real = navigator.gpu.requestAdapter.bind(navigator.gpu);
        navigator.gpu.requestAdapter = async (options) => {
          const adapter = await real(options);
          const limits = {};
          for (const name in adapter.limits) limits[name] = adapter.limits[name];
          Object.assign(limits, {maxStorageBufferBindingSize: 2 ** 27, maxBufferSize: 2 ** 28});
          return {limits, features: adapter.features, info: adapter.info,
                  requestDevice: (descriptor) => adapter.requestDevice(descriptor)};
        };
        """
    )
    try:
        session = await intab.load(base64.b64decode(text), backend="webgpu")
        x = np.random.default_rng(5).standard_normal((4096, 3072), dtype=np.float32)
        found = (await session.run({"x": x}))["y"]
        limits = (await device.shared_gpu()).info.limits
        arena = session.memory().arena
        session.dispose()
    finally:
        js.Reflect.deleteProperty(js.navigator.gpu, "requestAdapter")
        (await device.shared_gpu()).dispose()
        device._gpu = None
    rows = x[:8].astype(np.float64)
    expected = np.ones_like(rows)
    for number in range(3):
        powers = np.exp(rows * (number + 1))
        expected *= powers / powers.sum(axis=1, keepdims=True)
    expected = expected.sum(axis=1)
    return limits["maxStorageBufferBindingSize"], arena, float(np.abs(found[:8] / expected - 1).max())


@pytest.mark.driver_timeout(120)
def test_a_device_with_default_limits_holds_more_than_one_binding(selenium):
    limit, arena, off = on_a_device_with_default_limits(selenium, base64.b64encode(softmaxes()).decode())
    assert limit == 2**27 and arena > limit
    assert off < 1e-3
