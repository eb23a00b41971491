"""Why a way to run a model is out: device or model forbid it, there is no room, or something else is better."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from intab.browser.wasm_features import SIMD
from intab.runtime.demand import Demand
from intab.runtime.device import Candidate
from intab.runtime.probe import Device

NOT_ASKED = "not asked for"
# A page gets a part of the machine's memory: the browser, other tabs and the system have the rest.
SHARE_OF_MEMORY = 0.5
ASSUMED_MEMORY_NBYTES = 4 << 30
WASM_MEMORY_NBYTES = 4 << 30
MEBIBYTE = 1 << 20
# What WebGPU promises of every adapter, and kernels take for granted.
LEAST_LIMITS = {
    "maxStorageBuffersPerShaderStage": 8,
    "maxDynamicUniformBuffersPerPipelineLayout": 1,
    "maxComputeInvocationsPerWorkgroup": 256,
    "maxComputeWorkgroupStorageSize": 16_384,
}
BINDING_LIMITS = ("maxStorageBufferBindingSize", "maxBufferSize")


def left(looked_at: Sequence[Candidate]) -> list[Candidate]:
    """Those that are not refused."""
    return [one for one in looked_at if not one.refused]


def refuse(looked_at: Sequence[Candidate], why: Callable[[Candidate], str]) -> list[Candidate]:
    """The same, each that was not refused before refused for what `why` says, if anything."""
    return [one if one.refused else replace(one, refused=why(one)) for one in looked_at]


def obstacle(device: Device, demand: Demand, one: Candidate) -> str:
    """What keeps the device from running the model this way, "" for nothing."""
    reasons = [demand.refused.get(one.backend, ""), *OBSTACLES.get(one.backend, _none)(device, demand, one)]
    return next(filter(None, reasons), "")


def _none(device: Device, demand: Demand, one: Candidate) -> Iterator[str]:
    return iter(())


def _of_wasm(device: Device, demand: Demand, one: Candidate) -> Iterator[str]:
    if device.wasm is None:
        yield _noted(device, "wasm", "there is no WebAssembly")
    elif SIMD not in device.wasm:
        yield _noted(device, SIMD, "its WebAssembly has no SIMD")
    elif one.needed_nbytes > WASM_MEMORY_NBYTES:
        most = mebibytes(WASM_MEMORY_NBYTES)
        yield f"it needs {mebibytes(one.needed_nbytes)}, and a memory of WebAssembly has {most}"


def _of_webgpu(device: Device, demand: Demand, one: Candidate) -> Iterator[str]:
    gpu = device.webgpu
    if gpu is None:
        yield _noted(device, "webgpu", "there is no WebGPU")
        return
    for name, least in LEAST_LIMITS.items():
        if gpu.limits.get(name, least) < least:
            yield f"the adapter's {name} is {gpu.limits[name]}, and kernels need {least}"
    for name in BINDING_LIMITS:
        if demand.largest_nbytes > gpu.limits.get(name, demand.largest_nbytes):
            nbytes = f"a tensor of {mebibytes(demand.largest_nbytes)}"
            yield f"{nbytes} is more than the adapter's {name} of {mebibytes(gpu.limits[name])}"


OBSTACLES = {"wasm": _of_wasm, "webgpu": _of_webgpu}


def _noted(device: Device, about: str, otherwise: str) -> str:
    """What the probe says of it."""
    note = device.note(about)
    return otherwise if note is None else f"{note.why}. {note.remedy}".strip().rstrip(".")


def fitting(device: Device, looked_at: Sequence[Candidate]) -> tuple[list[Candidate], list[str]]:
    """Refuse what does not fit into the memory at hand; where nothing does, all but what needs least, and say so."""
    at_hand = round(SHARE_OF_MEMORY * (device.memory_nbytes or ASSUMED_MEMORY_NBYTES))
    least = min(one.needed_nbytes for one in left(looked_at))
    room = max(at_hand, least)

    def why(one: Candidate) -> str:
        if one.needed_nbytes <= room:
            return ""
        return f"it needs {mebibytes(one.needed_nbytes)}, where some {mebibytes(at_hand)} are at hand"

    notes = []
    if least > at_hand:
        notes.append(
            f"it needs {mebibytes(least)}, where some {mebibytes(at_hand)} are at hand, so that memory may run out"
        )
    return refuse(looked_at, why), notes


def preferred(device: Device, looked_at: Sequence[Candidate]) -> list[Candidate]:
    """Refuse what is never better than something else that is left: software GPUs, and numpy."""
    names = {one.backend for one in left(looked_at)}
    gpu = device.webgpu
    if gpu is not None and gpu.is_software and "wasm" in names:
        looked_at = _all_of(looked_at, "webgpu", f"the adapter is software ({gpu.name}), which WebAssembly outruns")
    if names - {"reference"}:
        looked_at = _all_of(looked_at, "reference", "it computes with numpy, to check other back ends")
    return list(looked_at)


def _all_of(looked_at: Sequence[Candidate], backend: str, why: str) -> list[Candidate]:
    return refuse(looked_at, lambda one: why if one.backend == backend else "")


def mebibytes(nbytes: int) -> str:
    """A count of bytes in MiB."""
    return f"{nbytes / MEBIBYTE:,.0f} MiB" if nbytes >= 10 * MEBIBYTE else f"{nbytes / MEBIBYTE:.1f} MiB"
