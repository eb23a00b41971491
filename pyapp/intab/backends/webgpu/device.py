"""The GPU of this tab: asked for once, shared by all sessions, asked for again when it was lost."""

import asyncio

from intab.browser.gpu import Gpu, request_gpu
from intab.browser.gpu_info import GpuInfo
from intab.ops.grid_shapes import candidates
from intab.target import WEBGPU, Target

# WGSL features and device features by the names that kernels ask for.
_FEATURES = {"shader-f16": "shader-f16", "packed_4x8_integer_dot_product": "packed-dot"}

# Sizes in bytes are i32 while a plan is made.
MOST_BINDING_NBYTES = 2**31 - 4
BINDING_LIMITS = ("maxStorageBufferBindingSize", "maxBufferSize")

_gpu: Gpu | None = None
_asking: asyncio.Task[Gpu] | None = None


async def shared_gpu() -> Gpu:
    """The device of all sessions. Raises BackendUnavailableError, saying why, where there is none."""
    global _asking
    if _gpu is not None and _gpu.lost is None:
        return _gpu
    if _asking is None or _asking.done():  # models that are loaded at once share what one of them asks for
        _asking = asyncio.get_running_loop().create_task(_ask())
    return await asyncio.shield(_asking)


async def _ask() -> Gpu:
    global _gpu
    _gpu = await request_gpu()
    return _gpu


def target_of(info: GpuInfo) -> Target:
    """What a compiler needs to know of an adapter.

    Subgroups count where all have one size: only then does a workgroup of that size form just one.
    """
    limits, present = info.limits, info.features | info.language_features
    least, most = info.subgroup_sizes or (0, 0)
    return Target(
        "wgsl",
        lanes=WEBGPU.lanes,
        registers=WEBGPU.registers,
        features=frozenset(name for feature, name in _FEATURES.items() if feature in present),
        subgroup=least if least == most else 0,
        team_limit=limits.get("maxComputeInvocationsPerWorkgroup", WEBGPU.team_limit),
        shared_nbytes=limits.get("maxComputeWorkgroupStorageSize", WEBGPU.shared_nbytes),
        binding_nbytes=min(*(limits.get(name, WEBGPU.binding_nbytes) for name in BINDING_LIMITS), MOST_BINDING_NBYTES),
        most_buffers=WEBGPU.most_buffers,
    )


def tuned_as(info: GpuInfo) -> dict[str, object]:
    """All that decides which shapes are fastest: the adapter, and the shapes that there are."""
    names = (info.vendor, info.architecture, info.device, info.description)
    shapes = [shape.name for shape in candidates(target_of(info))]
    return {"adapter": names, "features": sorted(info.features | info.language_features), "shapes": shapes}
