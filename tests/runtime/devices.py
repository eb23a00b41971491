"""Devices made up for tests of the choice: each a full one with something changed."""

from dataclasses import replace

from intab.browser.facts import Note, StorageFacts
from intab.browser.gpu_info import GpuInfo
from intab.browser.wasm_features import PROBES
from intab.runtime.probe import Device

DEFAULT_LIMITS = {
    "maxBufferSize": 256 << 20,
    "maxStorageBufferBindingSize": 128 << 20,
    "maxStorageBuffersPerShaderStage": 8,
    "maxDynamicUniformBuffersPerPipelineLayout": 8,
    "maxComputeInvocationsPerWorkgroup": 256,
    "maxComputeWorkgroupStorageSize": 16_384,
}
LARGE_LIMITS = DEFAULT_LIMITS | {"maxBufferSize": 4 << 30, "maxStorageBufferBindingSize": 2 << 30}
FULL = frozenset({"shader-f16", "subgroups", "timestamp-query"})
PACKED = frozenset({"packed_4x8_integer_dot_product"})

CARD = GpuInfo(
    "nvidia", "ampere", features=FULL, limits=LARGE_LIMITS, subgroup_sizes=(32, 32), language_features=PACKED
)
CHIP = replace(CARD, vendor="intel", architecture="xe", subgroup_sizes=(8, 32))
SOFTWARE = replace(
    CARD, vendor="google", architecture="swiftshader", is_software=True, features=frozenset({"subgroups"})
)
PHONE_CHIP = replace(CARD, vendor="qualcomm", architecture="adreno-7xx", subgroup_sizes=(64, 128))

DESKTOP_CARD = Device(
    place="browser",
    agent="Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/156.0.0.0",
    origin="https",
    is_isolated=True,
    processors=16,
    memory_nbytes=16 << 30,
    wasm=tuple(PROBES),
    jspi=True,
    offscreen_canvas=True,
    webgpu=CARD,
    storage=StorageFacts(10 << 30, 0, True),
)
LAPTOP = replace(DESKTOP_CARD, webgpu=CHIP, processors=8, memory_nbytes=8 << 30)
PHONE = replace(
    DESKTOP_CARD,
    agent="Mozilla/5.0 (Linux; Android 16) Chrome/156.0.0.0 Mobile Safari/537.36",
    webgpu=PHONE_CHIP,
    memory_nbytes=8 << 30,
    processors=8,
)


def without_webgpu(device: Device, why: str = "this browser has no WebGPU, or it is switched off") -> Device:
    return replace(device, webgpu=None, notes=(*device.notes, Note("webgpu", why, "Use a current one.")))


def with_gpu(device: Device, **changed: object) -> Device:
    assert device.webgpu is not None
    return replace(device, webgpu=replace(device.webgpu, **changed))


DEVICES: dict[str, Device] = {
    "desktop with a card": DESKTOP_CARD,
    "laptop with a chip": LAPTOP,
    "phone": PHONE,
    "no WebGPU": without_webgpu(LAPTOP),
    "fallback adapter": replace(LAPTOP, webgpu=SOFTWARE, processors=2),
    "1 GiB": replace(without_webgpu(PHONE), memory_nbytes=1 << 30, processors=4),
    "not isolated": replace(without_webgpu(LAPTOP), is_isolated=False),
    "no relaxed SIMD": replace(without_webgpu(LAPTOP), wasm=("simd", "threads")),
    "no SIMD": replace(LAPTOP, wasm=("threads",), notes=(Note("simd", "this browser's WebAssembly does not have it"),)),
    "tiny limits": with_gpu(LAPTOP, limits=DEFAULT_LIMITS | {"maxStorageBuffersPerShaderStage": 4}),
    "default limits": with_gpu(LAPTOP, limits=DEFAULT_LIMITS),
    "no f16": with_gpu(LAPTOP, features=frozenset({"subgroups"})),
    "no subgroups": with_gpu(LAPTOP, features=frozenset({"shader-f16"}), subgroup_sizes=None),
    "no packed products": with_gpu(LAPTOP, language_features=frozenset()),
    "no storage": replace(LAPTOP, storage=None),
    "full storage": replace(LAPTOP, storage=StorageFacts(1 << 30, (1 << 30) - 1000, False)),
    "file page": replace(LAPTOP, origin="file", is_isolated=False, storage=None),
    "not secure": replace(without_webgpu(LAPTOP), origin="http", is_secure=False, is_isolated=False, storage=None),
    "one processor": replace(without_webgpu(LAPTOP), processors=1),
    "unknown memory": replace(LAPTOP, memory_nbytes=None),
    "nameless adapter": with_gpu(LAPTOP, vendor="", architecture=""),
    "desktop Python": Device(place="desktop", agent="CPython", processors=8, wasm=("simd", "relaxed-simd")),
    "desktop Python without wasmtime": Device(
        place="desktop", agent="CPython", notes=(Note("wasm", "the wasmtime package is not installed"),)
    ),
}
