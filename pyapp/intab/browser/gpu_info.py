"""What a WebGPU adapter says of itself, without a device."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from intab.browser._js import door

# Those that computing depends on; the others are of drawing.
LIMITS = (
    "maxBufferSize",
    "maxStorageBufferBindingSize",
    "maxUniformBufferBindingSize",
    "maxStorageBuffersPerShaderStage",
    "maxBindGroups",
    "maxBindingsPerBindGroup",
    "maxDynamicUniformBuffersPerPipelineLayout",
    "maxDynamicStorageBuffersPerPipelineLayout",
    "minUniformBufferOffsetAlignment",
    "minStorageBufferOffsetAlignment",
    "maxComputeWorkgroupStorageSize",
    "maxComputeInvocationsPerWorkgroup",
    "maxComputeWorkgroupSizeX",
    "maxComputeWorkgroupSizeY",
    "maxComputeWorkgroupSizeZ",
    "maxComputeWorkgroupsPerDimension",
    "maxTextureDimension2D",
)
# Renderers that compute on the processor, by words in their names, also where no flag says so.
SOFTWARE = ("swiftshader", "llvmpipe", "lavapipe", "softpipe", "basic render", "software", "(warp)")


@dataclass(frozen=True, slots=True)
class GpuInfo:
    """Names, features and limits of an adapter; a browser may leave names empty.

    `is_software`: the processor plays the GPU. `subgroup_sizes`: the least and the most invocations of a subgroup,
    where the adapter has subgroups and tells. `language_features` are those of WGSL, which belong to the browser.
    """

    vendor: str
    architecture: str
    device: str = ""
    description: str = ""
    is_software: bool = False
    features: frozenset[str] = frozenset()
    limits: dict[str, int] = field(default_factory=dict)
    subgroup_sizes: tuple[int, int] | None = None
    language_features: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The names that there are, in one line."""
        words = [word for word in (self.vendor, self.architecture, self.device, self.description) if word]
        return " ".join(dict.fromkeys(words)) or "a GPU without a name"


def adapter_info(adapter: Any) -> GpuInfo:
    """Ask a GPUAdapter. Whatever it does not know is left out, since browsers differ in what they tell."""
    info = getattr(adapter, "info", None)
    names = {name: text(getattr(info, name, None)) for name in ("vendor", "architecture", "device", "description")}
    is_fallback = any(getattr(one, "isFallbackAdapter", None) is True for one in (info, adapter))
    features = names_in(getattr(adapter, "features", None))
    sizes = [whole(getattr(info, name, None)) for name in ("subgroupMinSize", "subgroupMaxSize")]
    least, most = sizes
    return GpuInfo(
        **names,
        is_software=is_fallback or is_software(*names.values()),
        features=features,
        limits=numbers_of(getattr(adapter, "limits", None), LIMITS),
        subgroup_sizes=(least, most) if "subgroups" in features and least and most else None,
        language_features=names_in(getattr(getattr(door().js.navigator, "gpu", None), "wgslLanguageFeatures", None)),
    )


def is_software(*names: str) -> bool:
    """Whether one of a renderer's names says that it computes on the processor."""
    return any(word in name.lower() for name in names for word in SOFTWARE)


def numbers_of(source: Any, names: Iterable[str]) -> dict[str, int]:
    """The properties of a JavaScript object that are numbers, of those named."""
    found = {name: whole(getattr(source, name, None)) for name in names}
    return {name: number for name, number in found.items() if number is not None}


def names_in(source: Any) -> frozenset[str]:
    """The strings of a JavaScript set; none where there is no set."""
    return frozenset(item for item in source if isinstance(item, str)) if hasattr(source, "__iter__") else frozenset()


def text(value: Any) -> str:
    """A JavaScript string, or "" for anything else."""
    return value if isinstance(value, str) else ""


def whole(value: Any) -> int | None:
    """A JavaScript number as int, or None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and value == value and abs(value) != float("inf") else None
