"""What a WebGPU adapter says of itself, without a device."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

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
NAMES = ("vendor", "architecture", "device", "description")
# Renderers that compute on the processor, by words in their names, also where no flag says so.
SOFTWARE = ("swiftshader", "llvmpipe", "lavapipe", "softpipe", "basic render", "software", "(warp)")

T = TypeVar("T")


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


class See(Protocol):
    """Ask one thing about something, or take `otherwise`."""

    def __call__(self, about: str, question: Callable[[], T], otherwise: T) -> T: ...


def asked(about: str, question: Callable[[], T], otherwise: T) -> T:
    """The answer itself, with whatever it raises."""
    return question()


def adapter_info(adapter: Any, see: See = asked) -> GpuInfo:
    """Ask a GPUAdapter. Whatever it does not know is left out, since browsers differ in what they tell.

    see: how each of "adapter" (its names), "features", "limits", "subgroup sizes" and "WGSL features" is asked. An
    adapter whose names cannot be had counts as software, which must not be taken for a GPU.
    """
    none: frozenset[str] = frozenset()
    features = see("features", lambda: names_in(getattr(adapter, "features", None)), none)
    names, is_processor = see("adapter", lambda: _names(adapter), (dict.fromkeys(NAMES, ""), True))
    sizes = see("subgroup sizes", lambda: _subgroup_sizes(adapter), None)
    return GpuInfo(
        **names,
        is_software=is_processor,
        features=features,
        limits=see("limits", lambda: numbers_of(getattr(adapter, "limits", None), LIMITS), {}),
        subgroup_sizes=sizes if "subgroups" in features else None,
        language_features=see("WGSL features", _language_features, none),
    )


def _names(adapter: Any) -> tuple[dict[str, str], bool]:
    """The adapter's names, and whether it is software by them or as the browser says."""
    info = getattr(adapter, "info", None)
    names = {name: text(getattr(info, name, None)) for name in NAMES}
    is_fallback = any(getattr(one, "isFallbackAdapter", None) is True for one in (info, adapter))
    return names, is_fallback or is_software(*names.values())


def _subgroup_sizes(adapter: Any) -> tuple[int, int] | None:
    info = getattr(adapter, "info", None)
    least, most = (whole(getattr(info, name, None)) for name in ("subgroupMinSize", "subgroupMaxSize"))
    return (least, most) if least and most else None


def _language_features() -> frozenset[str]:
    return names_in(getattr(getattr(door().js.navigator, "gpu", None), "wgslLanguageFeatures", None))


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
