"""What this browser has, asked one thing after the other: whatever fails becomes a note, and nothing is raised.

No permission is asked for and no GPU device is made.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from inspect import isawaitable
from typing import Any, TypeVar

from intab.browser._js import describe, door
from intab.browser.facts import UNKNOWN, DeviceFacts, GlFacts, MediaFacts, Note, PageFacts, StorageFacts
from intab.browser.feature import features as page_features
from intab.browser.gpu_info import GpuInfo, adapter_info, is_software, names_in, numbers_of, text, whole
from intab.browser.remedies import REMEDIES
from intab.browser.wasm import validate
from intab.browser.wasm_features import PROBES, THREADS, accepted

# A browser whose GPU process hangs never answers; nobody should wait for it longer than this.
PATIENCE_SECONDS = 5.0
MEMORY_UNIT_NBYTES = 1 << 30
GL_LIMITS = ("MAX_TEXTURE_SIZE", "MAX_ARRAY_TEXTURE_LAYERS", "MAX_TEXTURE_IMAGE_UNITS", "MAX_DRAW_BUFFERS")
PACKED_DOT = "packed_4x8_integer_dot_product"
MEDIA_KINDS = {"camera": "videoinput", "microphone": "audioinput"}

T = TypeVar("T")


async def look(page: PageFacts | None = None) -> DeviceFacts:
    """Ask everything. `page`: what the page has told, where this Python runs in a worker."""
    gl, seen, heard = parts = [Notes() for _ in range(3)]
    facts, webgl, camera, microphone = await asyncio.gather(
        look_to_compute(),
        gl.ask("webgl2", _webgl(gl), None),
        _media(seen, "camera", page),
        _media(heard, "microphone", page),
    )
    notes = (*facts.notes, *(note for part in parts for note in part.taken))
    return replace(facts, webgl=webgl, camera=camera, microphone=microphone, notes=notes)


async def look_to_compute() -> DeviceFacts:
    """Ask what computing depends on, which takes some milliseconds: nothing of drawing, cameras and microphones."""
    # Notes of their own, so that their order does not depend on who answers first.
    scope, wasm, gpu, store = parts = [Notes() for _ in range(4)]
    facts = await scope.ask("scope", _scope(scope), DeviceFacts(place="browser", agent=""))
    features, webgpu, storage = await asyncio.gather(
        wasm.ask("wasm", _wasm(wasm), None),
        gpu.ask("webgpu", _webgpu(gpu, is_secure=facts.is_secure), None),
        store.ask("storage", _storage(store, is_secure=facts.is_secure), None),
    )
    notes = tuple(note for part in parts for note in part.taken)
    return replace(facts, wasm=features, webgpu=webgpu, storage=storage, notes=notes)


class Notes:
    """What is found missing on the way."""

    def __init__(self) -> None:
        self.taken: list[Note] = []

    def add(self, about: str, why: str, remedy: str | None = None) -> None:
        """`remedy`: whose remedy it is in the table, where that is not `about`."""
        self.taken.append(Note(about, why, REMEDIES.get(remedy or about, "")))

    async def ask(self, about: str, answer: Awaitable[T], otherwise: T) -> T:
        """The answer, or `otherwise` and a note when JavaScript throws or does not answer."""
        try:
            return await asyncio.wait_for(answer, PATIENCE_SECONDS)
        except door().exception as error:
            self.add(about, f"asking failed ({describe(error)})")
        except TimeoutError:
            self.add(about, f"the browser gave no answer in {PATIENCE_SECONDS:g} s")
        return otherwise


async def _kept(promise: Any) -> Any:
    """What a promise comes to, with null as None; a value that is none counts as kept."""
    return _there(await promise if isawaitable(promise) else promise)


def _there(value: Any) -> Any:
    """`value`, with JavaScript's null as None, as undefined is."""
    return None if value is door().null else value


def _part(source: Any, name: str) -> Any:
    """A property of a JavaScript object; None where it is missing, null or undefined."""
    return _there(getattr(source, name, None))


async def _scope(notes: Notes) -> DeviceFacts:
    """What the page or worker says of itself."""
    js = door().js
    seen = page_features()
    facts = DeviceFacts(
        place="browser",
        agent=seen.user_agent,
        origin=_origin(),
        is_secure=getattr(js, "isSecureContext", None) is True,
        is_isolated=seen.cross_origin_isolated,
        processors=seen.processors,
        memory_nbytes=_memory_nbytes(),
        jspi=_part(_part(js, "WebAssembly"), "Suspending") is not None,
        offscreen_canvas=_part(js, "OffscreenCanvas") is not None,
    )
    if not facts.is_secure:
        notes.add("secure context", f"the page came by {facts.origin}, which browsers do not trust")
    if not facts.is_isolated:
        remedy = "isolation from a file" if facts.origin == "file" else "isolation"
        notes.add("isolation", "the page is not cross-origin isolated, so that workers cannot share memory", remedy)
    if facts.memory_nbytes is None:
        notes.add("memory", "this browser does not tell how much memory there is")
    if not facts.jspi:
        notes.add("jspi", "this browser cannot suspend WebAssembly (JavaScript Promise Integration)")
    if not facts.offscreen_canvas:
        notes.add("offscreen canvas", "this browser has no OffscreenCanvas")
    return facts


def _origin() -> str:
    """The scheme that the page came by. A worker made of a Blob has the origin of its page, "null" for a file."""
    js = door().js
    scheme = text(getattr(js.location, "protocol", None)).removesuffix(":")
    if scheme != "blob":
        return scheme
    origin = text(getattr(js, "origin", None))
    return "file" if origin == "null" else origin.partition(":")[0]


def _memory_nbytes() -> int | None:
    gibibytes = getattr(door().js.navigator, "deviceMemory", None)
    return round(gibibytes * MEMORY_UNIT_NBYTES) if isinstance(gibibytes, int | float) and gibibytes > 0 else None


async def _wasm(notes: Notes) -> tuple[str, ...] | None:
    if _part(door().js, "WebAssembly") is None:
        notes.add("wasm", "this browser has no WebAssembly", "simd")
        return None
    found = accepted(validate)
    for name in PROBES:
        if name not in found:
            notes.add(name, "this browser's WebAssembly does not have it")
    if THREADS in found and _part(door().js, "SharedArrayBuffer") is None:
        notes.add(THREADS, "there is no SharedArrayBuffer to share", "isolation")
    return found


async def _webgpu(notes: Notes, *, is_secure: bool) -> GpuInfo | None:
    gpu = _part(door().js.navigator, "gpu")
    if gpu is None:
        if is_secure:
            notes.add("webgpu", "this browser has no WebGPU, or it is switched off")
        else:
            notes.add("webgpu", "browsers have WebGPU only in a secure context", "secure context")
        return None
    adapter = await _kept(gpu.requestAdapter(door().to_js({"powerPreference": "high-performance"})))
    if adapter is None:
        notes.add("webgpu", "the browser has WebGPU but no adapter for it", "webgpu adapter")
        return None
    info = adapter_info(adapter)
    if info.is_software:
        notes.add("webgpu", f"the adapter is software ({info.name}), which WebAssembly outruns", "webgpu adapter")
    for name in ("shader-f16", "subgroups", "timestamp-query"):
        if name not in info.features:
            notes.add(name, "the adapter does not have it")
    if PACKED_DOT not in info.language_features:
        notes.add("packed dot products", f"this browser's WGSL has no {PACKED_DOT}")
    return info


async def _webgl(notes: Notes) -> GlFacts | None:
    if _part(door().js, "OffscreenCanvas") is None:
        notes.add("webgl2", "there is no OffscreenCanvas to ask it on", "offscreen canvas")
        return None
    gl = _there(door().js.OffscreenCanvas.new(1, 1).getContext("webgl2"))
    if gl is None:
        notes.add("webgl2", "this browser gives no WebGL2 context")
        return None
    try:
        extensions = names_in(gl.getSupportedExtensions())
        name = gl.RENDERER
        if "WEBGL_debug_renderer_info" in extensions:
            name = gl.getExtension("WEBGL_debug_renderer_info").UNMASKED_RENDERER_WEBGL
        renderer = text(gl.getParameter(name))
        limits = {limit: whole(gl.getParameter(getattr(gl, limit))) for limit in GL_LIMITS}
    finally:
        # Browsers keep few contexts at a time and drop the oldest: one that was only asked must not cost a live one.
        loss = _there(gl.getExtension("WEBGL_lose_context"))
        if loss is not None:
            loss.loseContext()
    facts = GlFacts(
        renderer,
        is_software=is_software(renderer),
        float_targets="EXT_color_buffer_float" in extensions,
        limits={name: number for name, number in limits.items() if number is not None},
    )
    if not facts.float_targets:
        notes.add("webgl2 float targets", "the extension EXT_color_buffer_float is not there")
    return facts


async def _storage(notes: Notes, *, is_secure: bool) -> StorageFacts | None:
    storage = _part(door().js.navigator, "storage")
    if storage is None or _part(door().js, "indexedDB") is None:
        why = "this page may keep nothing" if is_secure else "browsers keep little outside of a secure context"
        notes.add("storage", why, "storage" if is_secure else "secure context")
        return None
    numbers = numbers_of(await _kept(storage.estimate()), ("quota", "usage"))
    persisted = await _kept(storage.persisted())
    if persisted is False:
        notes.add("persistent storage", "the browser may delete what it keeps when it needs the room")
    return StorageFacts(numbers.get("quota"), numbers.get("usage"), bool(persisted))


async def _media(notes: Notes, name: str, page: PageFacts | None) -> MediaFacts:
    """Whether there is a camera or microphone and whether it may be used, without asking for it."""
    if page is None and _is_worker():
        notes.add(name, "only the page can tell, and this is a worker", "media in a worker")
        kinds, api = None, None
    else:
        kinds = page.media_kinds if page is not None else await notes.ask(name, _media_kinds(), None)
        api = kinds is not None
    connected = None if kinds is None else MEDIA_KINDS[name] in kinds
    facts = MediaFacts(api, connected, await notes.ask(name, _permission(name), UNKNOWN))
    if api is False:
        notes.add(name, "the page has no navigator.mediaDevices", "media")
    elif connected is False:
        notes.add(name, "none is connected", "media device")
    if facts.permission == "denied":
        notes.add(name, "the visitor or the page's policy has denied it", "media denied")
    return facts


def _is_worker() -> bool:
    return _part(door().js, "document") is None


async def _media_kinds() -> tuple[str, ...] | None:
    devices = _part(door().js.navigator, "mediaDevices")
    if devices is None:
        return None
    return tuple(text(getattr(device, "kind", None)) for device in await _kept(devices.enumerateDevices()) or ())


async def _permission(name: str) -> str:
    permissions = _part(door().js.navigator, "permissions")
    if permissions is None:
        return UNKNOWN
    status = await _kept(permissions.query(door().to_js({"name": name})))
    return text(getattr(status, "state", None)) or UNKNOWN
