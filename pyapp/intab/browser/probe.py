"""What this browser has, asked one thing after the other: whatever fails becomes a note, and nothing is raised.

Every fact is asked by itself, so that one which cannot be had leaves the others as they are.
No permission is asked for and no GPU device is made.
"""

import asyncio
from dataclasses import replace
from typing import Any

from intab.browser._js import door
from intab.browser.asking import Notes, kept, part, there
from intab.browser.facts import UNKNOWN, DeviceFacts, GlFacts, MediaFacts, PageFacts, StorageFacts
from intab.browser.gpu_info import GpuInfo, adapter_info, is_software, names_in, numbers_of, text, whole
from intab.browser.wasm import validate
from intab.browser.wasm_features import PROBES, THREADS, accepted

MEMORY_UNIT_NBYTES = 1 << 30
GL_LIMITS = ("MAX_TEXTURE_SIZE", "MAX_ARRAY_TEXTURE_LAYERS", "MAX_TEXTURE_IMAGE_UNITS", "MAX_DRAW_BUFFERS")
PACKED_DOT = "packed_4x8_integer_dot_product"
MEDIA_KINDS = {"camera": "videoinput", "microphone": "audioinput"}


async def look(page: PageFacts | None = None) -> DeviceFacts:
    """Ask everything. `page`: what the page has told, where this Python runs in a worker."""
    gl, seen, heard = parts = [Notes() for _ in range(3)]
    facts, camera, microphone = await asyncio.gather(
        look_to_compute(), _media(seen, "camera", page), _media(heard, "microphone", page)
    )
    webgl = _webgl(gl)
    notes = (*facts.notes, *(note for part in parts for note in part.taken))
    return replace(facts, webgl=webgl, camera=camera, microphone=microphone, notes=notes)


async def look_to_compute() -> DeviceFacts:
    """Ask what computing depends on, which takes some milliseconds: nothing of drawing, cameras and microphones."""
    # Notes of their own, so that their order does not depend on who answers first.
    scope, wasm, gpu, store = parts = [Notes() for _ in range(4)]
    facts = _scope(scope)
    features = _wasm(wasm, is_isolated=facts.is_isolated)
    webgpu, storage = await asyncio.gather(
        _webgpu(gpu, is_secure=facts.is_secure), _storage(store, is_secure=facts.is_secure)
    )
    notes = tuple(note for part in parts for note in part.taken)
    return replace(facts, wasm=features, webgpu=webgpu, storage=storage, notes=notes)


def _of_scope(name: str) -> Any:
    return part(door().js, name)


def _of_navigator(name: str) -> Any:
    return part(_of_scope("navigator"), name)


def _scope(notes: Notes) -> DeviceFacts:
    """What the page or worker says of itself."""
    processors = notes.see("processors", lambda: whole(_of_navigator("hardwareConcurrency")), None)
    facts = DeviceFacts(
        place="browser",
        agent=notes.see("browser", lambda: text(_of_navigator("userAgent")), ""),
        origin=notes.see("origin", _origin, ""),
        is_secure=notes.see("secure context", lambda: _of_scope("isSecureContext") is True, False),
        is_isolated=notes.see("isolation", lambda: _of_scope("crossOriginIsolated") is True, False),
        processors=max(1, processors or 1),
        memory_nbytes=notes.see("memory", _memory_nbytes, None),
        jspi=notes.see("jspi", lambda: part(_of_scope("WebAssembly"), "Suspending") is not None, False),
        offscreen_canvas=notes.see("offscreen canvas", lambda: _of_scope("OffscreenCanvas") is not None, False),
    )
    if not processors:
        notes.lacking("processors", "this browser does not tell how many there are")
    if not facts.agent:
        notes.lacking("browser", "it does not tell its name")
    if not facts.is_secure:
        came = f"the page came by {facts.origin}" if facts.origin else "the page came by a way"
        notes.lacking("secure context", f"{came}, which browsers do not trust")
    if not facts.is_isolated:
        remedy = "isolation from a file" if facts.origin == "file" else "isolation"
        notes.lacking("isolation", "the page is not cross-origin isolated, so that workers cannot share memory", remedy)
    if facts.memory_nbytes is None:
        notes.lacking("memory", "this browser does not tell how much memory there is")
    if not facts.jspi:
        notes.lacking("jspi", "this browser cannot suspend WebAssembly (JavaScript Promise Integration)")
    if not facts.offscreen_canvas:
        notes.lacking("offscreen canvas", "this browser has no OffscreenCanvas")
    return facts


def _origin() -> str:
    """The scheme that the page came by. A worker made of a Blob has the origin of its page, "null" for a file."""
    scheme = text(part(_of_scope("location"), "protocol")).removesuffix(":")
    if scheme != "blob":
        return scheme
    origin = text(_of_scope("origin"))
    return "file" if origin == "null" else origin.partition(":")[0]


def _memory_nbytes() -> int | None:
    gibibytes = _of_navigator("deviceMemory")
    # Browsers tell quarters of a GiB on small devices.
    nbytes = whole(gibibytes * MEMORY_UNIT_NBYTES) if isinstance(gibibytes, int | float) else None
    return nbytes if nbytes is not None and nbytes > 0 else None


def _wasm(notes: Notes, *, is_isolated: bool) -> tuple[str, ...] | None:
    """The features that can be had; threads only where there is a memory for them to share."""
    if not notes.see("wasm", lambda: _of_scope("WebAssembly") is not None, False):
        notes.lacking("wasm", "this browser has no WebAssembly")
        return None
    none: tuple[str, ...] = ()
    found = notes.see("wasm", lambda: accepted(validate), none)
    for name in PROBES:
        if name not in found and not notes.told("wasm"):
            notes.add(name, "this browser's WebAssembly does not have it")
    if THREADS in found and not notes.see(THREADS, lambda: _of_scope("SharedArrayBuffer") is not None, False):
        notes.lacking(THREADS, "there is no SharedArrayBuffer to share", THREADS if is_isolated else "isolation")
        return tuple(name for name in found if name != THREADS)
    return found


async def _webgpu(notes: Notes, *, is_secure: bool) -> GpuInfo | None:
    gpu = notes.see("webgpu", lambda: _of_navigator("gpu"), None)
    if gpu is None:
        if is_secure:
            notes.lacking("webgpu", "this browser has no WebGPU, or it is switched off")
        else:
            notes.lacking("webgpu", "browsers have WebGPU only in a secure context", "secure context")
        return None
    adapter = await notes.ask("webgpu", _adapter(gpu), None)
    if adapter is None:
        notes.lacking("webgpu", "the browser has WebGPU but no adapter for it", "webgpu adapter")
        return None
    info = adapter_info(adapter, notes.see)
    if notes.taken:
        # Nothing can be compiled for what is not known, so that it must not be preferred.
        info = replace(info, is_software=True)
        notes.add("webgpu", "the adapter does not tell what it is, so that it counts as software", "webgpu adapter")
    elif info.is_software:
        notes.add("webgpu", f"the adapter is software ({info.name}), which WebAssembly outruns", "webgpu adapter")
    why = "nobody could ask whether the adapter has it" if notes.told("features") else "the adapter does not have it"
    for name in ("shader-f16", "subgroups", "timestamp-query"):
        if name not in info.features:
            notes.lacking(name, why)
    if PACKED_DOT not in info.language_features:
        notes.add("packed dot products", f"this browser's WGSL has no {PACKED_DOT}")
    return info


async def _adapter(gpu: Any) -> Any:
    return await kept(gpu.requestAdapter(door().to_js({"powerPreference": "high-performance"})))


def _webgl(notes: Notes) -> GlFacts | None:
    if not notes.see("webgl2", lambda: _of_scope("OffscreenCanvas") is not None, False):
        notes.lacking("webgl2", "there is no OffscreenCanvas to ask it on", "offscreen canvas")
        return None
    gl = notes.see("webgl2", lambda: there(door().js.OffscreenCanvas.new(1, 1).getContext("webgl2")), None)
    if gl is None:
        notes.lacking("webgl2", "this browser gives no WebGL2 context")
        return None
    facts = _gl_facts(notes, gl)
    # Browsers keep few contexts at a time and drop the oldest: one that was only asked must not cost a live one.
    notes.see("webgl2", lambda: _lose(gl), None)
    return facts


def _gl_facts(notes: Notes, gl: Any) -> GlFacts:
    none: frozenset[str] = frozenset()
    extensions = notes.see("webgl2 float targets", lambda: names_in(gl.getSupportedExtensions()), none)
    renderer = notes.see("webgl2", lambda: _renderer(gl, extensions), "")
    unknown: dict[str, int] = {}
    limits = notes.see("webgl2 limits", lambda: _gl_limits(gl), unknown)
    facts = GlFacts(
        renderer,
        is_software=is_software(renderer),
        float_targets="EXT_color_buffer_float" in extensions,
        limits=limits,
    )
    if not facts.float_targets:
        notes.lacking("webgl2 float targets", "the extension EXT_color_buffer_float is not there")
    return facts


def _gl_limits(gl: Any) -> dict[str, int]:
    found = {limit: whole(gl.getParameter(getattr(gl, limit))) for limit in GL_LIMITS}
    return {limit: number for limit, number in found.items() if number is not None}


def _renderer(gl: Any, extensions: frozenset[str]) -> str:
    name = gl.RENDERER
    if "WEBGL_debug_renderer_info" in extensions:
        name = gl.getExtension("WEBGL_debug_renderer_info").UNMASKED_RENDERER_WEBGL
    return text(gl.getParameter(name))


def _lose(gl: Any) -> None:
    loss = there(gl.getExtension("WEBGL_lose_context"))
    if loss is not None:
        loss.loseContext()


async def _storage(notes: Notes, *, is_secure: bool) -> StorageFacts | None:
    has_base = notes.see("storage", lambda: _of_scope("indexedDB") is not None, False)
    storage = notes.see("storage", lambda: _of_navigator("storage"), None) if has_base else None
    if storage is None:
        why = "this page may keep nothing" if is_secure else "browsers keep little outside of a secure context"
        notes.lacking("storage", why, "storage" if is_secure else "secure context")
        return None
    numbers, persisted = await asyncio.gather(
        notes.ask("storage", _estimate(storage), {}), notes.ask("persistent storage", _persisted(storage), None)
    )
    if "quota" not in numbers:
        notes.lacking("storage", "this browser does not tell how much it would keep", "storage quota")
    if persisted is False:
        notes.add("persistent storage", "the browser may delete what it keeps when it needs the room")
    elif persisted is None:
        notes.lacking("persistent storage", "this browser does not tell whether it would delete what it keeps")
    return StorageFacts(numbers.get("quota"), numbers.get("usage"), persisted)


async def _estimate(storage: Any) -> dict[str, int]:
    return numbers_of(await kept(storage.estimate()), ("quota", "usage"))


async def _persisted(storage: Any) -> bool | None:
    answer = await kept(storage.persisted())
    return answer if isinstance(answer, bool) else None


async def _media(notes: Notes, name: str, page: PageFacts | None) -> MediaFacts:
    """Whether there is a camera or microphone and whether it may be used, without asking for it."""
    asked, allowed = Notes(), Notes()
    (api, connected), permission = await asyncio.gather(
        _connected(asked, name, page), allowed.ask(name, _permission(name), UNKNOWN)
    )
    if permission == "denied":
        allowed.add(name, "the visitor or the page's policy has denied it", "media denied")
    elif permission == UNKNOWN and not asked.taken:
        allowed.lacking(name, "this browser does not tell whether it may be used", "media permission")
    notes.taken += [*asked.taken, *allowed.taken]
    return MediaFacts(api, connected, permission)


async def _connected(notes: Notes, name: str, page: PageFacts | None) -> tuple[bool | None, bool | None]:
    """Whether the page can ask for a device of this kind, and whether one is there; None where nobody could tell."""
    if page is None and notes.see(name, lambda: _of_scope("document") is None, False):
        notes.add(name, "only the page can tell, and this is a worker", "media in a worker")
        return None, None
    if page is not None and page.media_failure:
        notes.add(name, page.media_failure)
        return None, None
    kinds = page.media_kinds if page is not None else await notes.ask(name, _media_kinds(), None)
    if notes.told(name):
        return None, None
    if kinds is None:
        notes.add(name, "the page has no navigator.mediaDevices", "media")
        return False, None
    connected = MEDIA_KINDS[name] in kinds
    if not connected:
        notes.add(name, "none is connected", "media device")
    return True, connected


async def _media_kinds() -> tuple[str, ...] | None:
    devices = _of_navigator("mediaDevices")
    if devices is None:
        return None
    return tuple(text(getattr(device, "kind", None)) for device in await kept(devices.enumerateDevices()) or ())


async def _permission(name: str) -> str:
    permissions = _of_navigator("permissions")
    if permissions is None:
        return UNKNOWN
    status = await kept(permissions.query(door().to_js({"name": name})))
    return text(getattr(status, "state", None)) or UNKNOWN
