"""Kernels, unchanged, as WGSL in Chromium's WebGPU (on SwiftShader where there is no GPU)."""

from dataclasses import replace

import numpy as np
import pytest
from pytest_pyodide import run_in_pyodide

from intab.errors import UnsupportedOpError
from intab.kernels.wgsl import Shader, generate, pack_words, stored_as, workgroups
from intab.target import WEBGPU, Target
from tests.kernels.case import KernelCase, far
from tests.kernels.cases import CASES
from tests.kernels.team_cases import byte_products, shared_sums, subgroup_cases, team_cases


@run_in_pyodide
async def run_shaders(selenium, jobs, features):
    """Run each shader, all at once, on a device that is asked for these features; return the results as bytes.

    A job is (text, words, [(buffer, access), ...], workgroups, number of the result), with words and buffers as bytes.
    """
    import asyncio

    import js
    from pyodide.ffi import to_js

    def object_of(value):
        return to_js(value, dict_converter=js.Object.fromEntries)

    def device_buffer(data, usage):
        usage |= js.GPUBufferUsage.COPY_DST | js.GPUBufferUsage.COPY_SRC
        made = device.createBuffer(object_of({"size": len(data), "usage": usage}))
        device.queue.writeBuffer(made, 0, to_js(memoryview(data)))
        return made

    def layout_of(accesses):
        kinds = [{"type": "uniform", "hasDynamicOffset": True}]
        kinds += [{"type": "read-only-storage" if access == "read" else "storage"} for access in accesses]
        visibility = js.GPUShaderStage.COMPUTE
        entries = [{"binding": i, "visibility": visibility, "buffer": kind} for i, kind in enumerate(kinds)]
        return device.createBindGroupLayout(object_of({"entries": entries}))

    async def run(text, words, buffers, groups, result):
        module = device.createShaderModule(object_of({"code": text}))
        layout = layout_of([access for _, access in buffers])
        stage = {"module": module, "entryPoint": "main"}
        pipeline_layout = device.createPipelineLayout(object_of({"bindGroupLayouts": [layout]}))
        pipeline = await device.createComputePipelineAsync(object_of({"layout": pipeline_layout, "compute": stage}))
        # The words lie where a dynamic offset must point: uniform buffers are bound at multiples of 256 bytes.
        bound = [device_buffer(bytes(256) + words, js.GPUBufferUsage.UNIFORM)]
        bound += [device_buffer(data, js.GPUBufferUsage.STORAGE) for data, _ in buffers]
        resources = [{"buffer": bound[0], "size": len(words)}, *({"buffer": made} for made in bound[1:])]
        entries = [{"binding": index, "resource": resource} for index, resource in enumerate(resources)]
        group = device.createBindGroup(object_of({"layout": layout, "entries": entries}))
        size = len(buffers[result][0])
        back = device.createBuffer(
            object_of({"size": size, "usage": js.GPUBufferUsage.MAP_READ | js.GPUBufferUsage.COPY_DST})
        )
        encoder = device.createCommandEncoder()
        computing = encoder.beginComputePass()
        computing.setPipeline(pipeline)
        computing.setBindGroup(0, group, to_js([256]))
        computing.dispatchWorkgroups(*groups)
        computing.end()
        encoder.copyBufferToBuffer(bound[1 + result], 0, back, 0, size)
        device.queue.submit(to_js([encoder.finish()]))
        await back.mapAsync(js.GPUMapMode.READ)
        data = js.Uint8Array.new(back.getMappedRange()).to_bytes()
        for made in (*bound, back):
            made.destroy()
        return data

    adapter = await js.navigator.gpu.requestAdapter()
    device = await adapter.requestDevice(object_of({"requiredFeatures": list(features)}))
    device.pushErrorScope("validation")
    results = await asyncio.gather(*(run(*job) for job in jobs))
    error = await device.popErrorScope()
    device.destroy()
    assert getattr(error, "message", "") == ""
    return results


@run_in_pyodide
async def subgroup_size(selenium):
    """How many invocations the subgroups of the adapter have; 0 where it has none, or of several sizes."""
    import js

    adapter = await js.navigator.gpu.requestAdapter()
    if not adapter.features.has("subgroups") or adapter.info.subgroupMinSize != adapter.info.subgroupMaxSize:
        return 0
    return adapter.info.subgroupMinSize


Job = tuple[str, bytes, list[tuple[bytes, str]], tuple[int, int, int], int]


def wrong_cases(selenium, cases: list[KernelCase], target: Target) -> list[str]:
    """The names of those cases whose shaders compute something else than they should."""
    shaders = [generate(case.kernel, target) for case in cases]
    jobs = [job_of(case, shader) for case, shader in zip(cases, shaders, strict=True)]
    features = sorted({feature for shader in shaders for feature in shader.features})
    results = run_shaders(selenium, jobs, features)
    return [case.name for case, result in zip(cases, results, strict=True) if not is_right(case, result)]


def job_of(case: KernelCase, shader: Shader) -> Job:
    """What `run_shaders` takes; elements are given as they lie in the shader's memory."""
    buffers = []
    for name, access in shader.buffers:
        dtype = stored_as(case.kernel.buffer(name).dtype, WEBGPU)
        buffers.append((case.buffers[name].astype(dtype.numpy).tobytes(), access))
    words = pack_words(case.kernel, case.items, case.offsets, case.words)
    result = [name for name, _ in shader.buffers].index(next(iter(case.expected)))
    return shader.text, words, buffers, workgroups(case.items, shader.team), result


def is_right(case: KernelCase, result: bytes) -> bool:
    """Whether the device's memory holds what the case expects."""
    name, expected = next(iter(case.expected.items()))
    stored = np.frombuffer(result, stored_as(case.kernel.buffer(name).dtype, WEBGPU).numpy)
    found = stored.astype(expected.dtype)
    wrapped = stored.dtype.kind == "f" or np.array_equal(found.astype(stored.dtype), stored)
    return wrapped and far(found, expected) <= case.tolerance


def fits_32_bits(case: KernelCase) -> bool:
    """Whether its numbers of 64 bits are those that WGSL kernels can hold."""
    arrays = [*case.buffers.values(), *case.expected.values()]
    return all(np.array_equal(array, array.astype("i4")) for array in arrays if array.dtype == "i8")


def shown_in_wgsl() -> list[KernelCase]:
    """One case for each kernel that WGSL has the types for."""
    chosen: dict[int, KernelCase] = {}
    for case in CASES:
        # Operations one by one are written as they are in vectors; leaving them out saves half the time.
        if case.needs_nan or case.name.endswith("-by-1") or not fits_32_bits(case):
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
    held = {buffer.dtype for case in cases for buffer in case.kernel.buffers}
    assert held == {"f32", "f16", "i64", "i32", "u32", "i16", "i8", "u8", "bool"}
    assert wrong_cases(selenium, cases, WEBGPU) == []


def test_teams_compute_the_same_on_webgpu(selenium):
    # The last takes more workgroups than one dimension has.
    cases = [case for case in team_cases() if not case.kernel.in_subgroup]
    cases += shared_sums((70000, 8))
    assert wrong_cases(selenium, cases, WEBGPU) == []


def test_products_of_bytes_are_exact_on_webgpu(selenium):
    for target in (WEBGPU, WEBGPU.with_feature("packed-dot")):
        assert wrong_cases(selenium, list(byte_products()), target) == []


def test_subgroups_compute_the_same_on_webgpu(selenium):
    size = subgroup_size(selenium)
    if not size:
        pytest.skip("the adapter has no subgroups of one size")
    assert wrong_cases(selenium, list(subgroup_cases(size)), replace(WEBGPU, subgroup=size)) == []
