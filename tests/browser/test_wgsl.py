"""Kernels, unchanged, as WGSL in Chromium's WebGPU (on SwiftShader where there is no GPU)."""

import numpy as np
import pytest
from pytest_pyodide import run_in_pyodide

from intab.errors import UnsupportedOpError
from intab.kernels.wgsl import generate, pack_words, workgroups
from tests.kernels.case import KernelCase, far
from tests.kernels.cases import CASES


@run_in_pyodide
async def run_shaders(selenium, jobs):
    """Run each (text, [words, buffer, ...] as bytes, workgroups, number of the result); return the results as bytes."""
    import js
    from pyodide.ffi import to_js

    def object_of(value):
        return to_js(value, dict_converter=js.Object.fromEntries)

    def device_buffer(data):
        usage = js.GPUBufferUsage
        made = device.createBuffer(
            object_of({"size": len(data), "usage": usage.STORAGE | usage.COPY_DST | usage.COPY_SRC})
        )
        device.queue.writeBuffer(made, 0, to_js(memoryview(data)))
        return made

    async def run(text, buffers, groups, result):
        module = device.createShaderModule(object_of({"code": text}))
        stage = {"module": module, "entryPoint": "main"}
        pipeline = await device.createComputePipelineAsync(object_of({"layout": "auto", "compute": stage}))
        bound = [device_buffer(data) for data in buffers]
        entries = [{"binding": index, "resource": {"buffer": made}} for index, made in enumerate(bound)]
        group = device.createBindGroup(object_of({"layout": pipeline.getBindGroupLayout(0), "entries": entries}))
        size = len(buffers[result])
        back = device.createBuffer(
            object_of({"size": size, "usage": js.GPUBufferUsage.MAP_READ | js.GPUBufferUsage.COPY_DST})
        )
        encoder = device.createCommandEncoder()
        computing = encoder.beginComputePass()
        computing.setPipeline(pipeline)
        computing.setBindGroup(0, group)
        computing.dispatchWorkgroups(*groups)
        computing.end()
        encoder.copyBufferToBuffer(bound[result], 0, back, 0, size)
        device.queue.submit(to_js([encoder.finish()]))
        await back.mapAsync(js.GPUMapMode.READ)
        data = js.Uint8Array.new(back.getMappedRange()).to_bytes()
        for made in (*bound, back):
            made.destroy()
        return data

    adapter = await js.navigator.gpu.requestAdapter()
    device = await adapter.requestDevice()
    results = [await run(*job) for job in jobs]
    device.destroy()
    return results


def shown_in_wgsl() -> list[KernelCase]:
    """One case for each kernel that WGSL has the types for."""
    chosen: dict[int, KernelCase] = {}
    for case in CASES:
        # Operations one by one are written as they are in vectors; leaving them out saves half the time.
        if case.needs_nan or case.name.endswith("-by-1"):
            continue
        try:
            generate(case.kernel)
        except UnsupportedOpError:
            continue
        chosen[id(case.kernel)] = case  # the last case of a kernel is its largest
    return list(chosen.values())


@pytest.mark.driver_timeout(120)
def test_kernels_compute_the_same_on_webgpu(selenium):
    cases = shown_in_wgsl()
    names = {case.kernel.name for case in cases}
    assert {"elementwise_flat", "elementwise", "softmax", "layer_norm", "matmul", "reduce_middle_mean"} <= names
    jobs = []
    for case in cases:
        shader = generate(case.kernel)
        order = [name for name, _ in shader.buffers]
        buffers = [pack_words(case.kernel, case.items, case.offsets, case.words)]
        buffers += [case.buffers[name].tobytes() for name in order]
        jobs.append((shader.text, buffers, workgroups(case.items), 1 + order.index(next(iter(case.expected)))))
    results = run_shaders(selenium, jobs)
    wrong = []
    for case, result in zip(cases, results, strict=True):
        expected = next(iter(case.expected.values()))
        if not far(np.frombuffer(result, expected.dtype), expected) <= case.tolerance:
            wrong.append(case.name)
    assert not wrong
