"""What a device can be found to have: data only, so that a device can be made up as well as asked."""

from dataclasses import dataclass, field

from intab.browser.gpu_info import GpuInfo

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is not there, or could not be asked: why, and what would bring it.

    `about` is the name of what it is about, as rows of the table have it.
    """

    about: str
    why: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.about}: {self.why}.{f' {self.remedy}' if self.remedy else ''}"


@dataclass(frozen=True, slots=True)
class StorageFacts:
    """Bytes that the browser would keep for this site and those it keeps; None where it does not tell.

    `persisted`: it keeps them until the visitor deletes them, not only until it needs the room.
    """

    quota_nbytes: int | None
    used_nbytes: int | None
    persisted: bool | None

    @property
    def free_nbytes(self) -> int | None:
        if self.quota_nbytes is None:
            return None
        return max(0, self.quota_nbytes - (self.used_nbytes or 0))


@dataclass(frozen=True, slots=True)
class GlFacts:
    """WebGL2. `float_targets`: shaders can write 32-bit floats (EXT_color_buffer_float)."""

    renderer: str
    is_software: bool = False
    float_targets: bool = False
    limits: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """A camera or microphone. `api`: the page can ask for one; `connected`: one is there; None: nobody could tell.

    `permission`: "granted", "denied", "prompt" (the visitor would be asked) or "unknown".
    """

    api: bool | None = None
    connected: bool | None = None
    permission: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What only the page can tell of its device, a worker cannot: the kinds of its media devices.

    As MediaDeviceInfo.kind has them, "videoinput" and so on; None where the page has no mediaDevices at all.
    `media_failure`: why the page could not ask for them, else empty.
    """

    media_kinds: tuple[str, ...] | None
    media_failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """All that is known of a device.

    `place` is "browser" or "desktop", `agent` the browser's or Python's own name. `origin` is where the page comes
    from: "https", "http", "file" or another scheme, "" on the desktop. `wasm` are the names of WebAssembly features,
    None where there is no WebAssembly. `memory_nbytes` is the machine's memory as far as it is told; browsers round it.
    """

    place: str
    agent: str
    origin: str = ""
    is_secure: bool = True
    is_isolated: bool = False
    processors: int = 1
    memory_nbytes: int | None = None
    wasm: tuple[str, ...] | None = None
    jspi: bool = False
    offscreen_canvas: bool = False
    webgpu: GpuInfo | None = None
    webgl: GlFacts | None = None
    storage: StorageFacts | None = None
    camera: MediaFacts = MediaFacts()
    microphone: MediaFacts = MediaFacts()
    notes: tuple[Note, ...] = ()
