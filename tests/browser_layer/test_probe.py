"""The probe against browsers that lack things, throw or do not answer: it raises nothing and says why."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest

from intab.browser import asking, probe
from intab.browser.facts import DeviceFacts, GlFacts, MediaFacts, Note, PageFacts, StorageFacts
from intab.browser.wasm_features import PROBES
from intab.runtime.device_table import rows_of
from intab.runtime.probe import Device
from tests.browser_layer.stand_in import NULL, JsError, StandIn, Uint8Array

NO_PAGE = object()


class Gl:
    """A WebGL2 context."""

    RENDERER, MAX_TEXTURE_SIZE, MAX_ARRAY_TEXTURE_LAYERS, MAX_TEXTURE_IMAGE_UNITS, MAX_DRAW_BUFFERS = range(5)

    def __init__(self, renderer: str, *extensions: str) -> None:
        self.renderer = renderer
        self.extensions = extensions
        self.lost = 0

    def getSupportedExtensions(self) -> list[str]:
        return list(self.extensions)

    def getParameter(self, name: object) -> object:
        return {self.RENDERER: "masked", "unmasked": self.renderer, self.MAX_TEXTURE_SIZE: 8192.0}.get(name, NULL)

    def getExtension(self, name: str) -> object:
        if name == "WEBGL_lose_context":
            return SimpleNamespace(loseContext=self.lose)
        return SimpleNamespace(UNMASKED_RENDERER_WEBGL="unmasked") if name in self.extensions else NULL

    def lose(self) -> None:
        self.lost += 1


def soon(value: object) -> Callable[..., Awaitable[object]]:
    """A JavaScript function that promises `value`, or to throw it."""

    async def answer(*arguments: object) -> object:
        if isinstance(value, JsError):
            raise value
        return value

    return answer


def browse(way: StandIn, **changed: object) -> None:
    """Make the stand-in a complete browser, then change it: names with `navigator_` are of the navigator."""
    adapter = SimpleNamespace(
        info=SimpleNamespace(vendor="intel", architecture="xe"),
        features=["shader-f16", "subgroups", "timestamp-query"],
        limits=SimpleNamespace(maxBufferSize=1 << 30),
    )
    there: dict[str, Any] = {
        "isSecureContext": True,
        "SharedArrayBuffer": object(),
        "indexedDB": object(),
        "location": SimpleNamespace(protocol="https:", href="https://site.test/worker.js"),
        "OffscreenCanvas": canvas(Gl("ANGLE (Intel)", "WEBGL_debug_renderer_info", "EXT_color_buffer_float")),
        "navigator_deviceMemory": 8,
        "navigator_gpu": SimpleNamespace(requestAdapter=soon(adapter), wgslLanguageFeatures=[probe.PACKED_DOT]),
        "navigator_storage": storage(quota=1000, usage=10, persisted=True),
        "navigator_permissions": SimpleNamespace(query=soon(SimpleNamespace(state="prompt"))),
    }
    way.js.WebAssembly.Suspending = object()
    way.js.WebAssembly.validate = lambda module: True
    for name, value in (there | changed).items():
        scope = way.js.navigator if name.startswith("navigator_") else way.js
        setattr(scope, name.removeprefix("navigator_"), value)


def canvas(context: object) -> SimpleNamespace:
    def get_context(kind: str) -> object:
        if isinstance(context, JsError):
            raise context
        return context

    return SimpleNamespace(new=lambda width, height: SimpleNamespace(getContext=get_context))


def storage(*, persisted: bool, **numbers: object) -> SimpleNamespace:
    return SimpleNamespace(estimate=soon(SimpleNamespace(**numbers)), persisted=soon(persisted))


def look(page: object = PageFacts(("videoinput", "audioinput"))) -> DeviceFacts:
    return asyncio.run(probe.look(None if page is NO_PAGE else page))


def notes(facts: DeviceFacts) -> dict[str, Note]:
    found = {note.about: note for note in facts.notes}
    assert len(found) == len(facts.notes), "one thing is told twice"
    return found


def test_a_browser_that_has_everything_leaves_no_notes(way: StandIn):
    gl = Gl("ANGLE (Intel)", "WEBGL_debug_renderer_info", "EXT_color_buffer_float")
    browse(way, OffscreenCanvas=canvas(gl))
    facts = look()
    assert facts.notes == ()
    assert (facts.place, facts.origin, facts.is_secure, facts.is_isolated) == ("browser", "https", True, True)
    assert (facts.processors, facts.memory_nbytes, facts.jspi, facts.offscreen_canvas) == (2, 8 << 30, True, True)
    assert facts.wasm == tuple(PROBES)
    assert facts.webgpu is not None and facts.webgpu.name == "intel xe" and not facts.webgpu.is_software
    assert facts.webgl == GlFacts("ANGLE (Intel)", False, True, {"MAX_TEXTURE_SIZE": 8192})
    assert gl.lost == 1, "a context that was only asked is kept"
    assert facts.storage == StorageFacts(1000, 10, True) and facts.storage.free_nbytes == 990
    assert facts.camera == facts.microphone == MediaFacts(True, True, "prompt")


def test_a_bare_browser_is_told_with_reasons_and_remedies(way: StandIn):
    """No more than the stand-in has by itself, and no WebAssembly feature."""
    facts = look(PageFacts(None))
    assert facts == DeviceFacts(
        place="browser",
        agent="stand-in",
        origin="",
        is_secure=False,
        is_isolated=True,
        processors=2,
        wasm=(),
        camera=MediaFacts(api=False),
        microphone=MediaFacts(api=False),
        notes=facts.notes,
    )
    found = notes(facts)
    assert set(found) == {
        *PROBES,
        *("secure context", "memory", "jspi", "offscreen canvas", "webgpu", "webgl2", "storage", "camera"),
        "microphone",
    }
    assert all(note.remedy for note in found.values())
    assert [row.name for row in rows_of(facts) if row.has is False and not row.note] == []
    assert found["webgpu"].remedy == "Serve the page by https, or from localhost."


@pytest.mark.parametrize(
    "changed, about, words",
    [
        ({"crossOriginIsolated": False}, "isolation", "Cross-Origin-Opener-Policy: same-origin"),
        (
            {"crossOriginIsolated": False, "location": SimpleNamespace(protocol="file:")},
            "isolation",
            "instead of opening the file",
        ),
        ({"SharedArrayBuffer": None}, "threads", "no SharedArrayBuffer"),
        ({"navigator_gpu": None}, "webgpu", "no WebGPU, or it is switched off"),
        (
            {"navigator_gpu": SimpleNamespace(requestAdapter=soon(NULL))},
            "webgpu",
            "no adapter for it. Turn on graphics",
        ),
        (
            {"navigator_gpu": SimpleNamespace(requestAdapter=soon(JsError("OperationError", "blocked")))},
            "webgpu",
            r"asking failed \(OperationError: blocked\)",
        ),
        ({"OffscreenCanvas": canvas(NULL)}, "webgl2", "no WebGL2 context. Turn on graphics"),
        ({"OffscreenCanvas": canvas(JsError("Error", "lost"))}, "webgl2", r"asking failed \(Error: lost\)"),
        ({"OffscreenCanvas": canvas(Gl("plain"))}, "webgl2 float targets", "EXT_color_buffer_float is not there"),
        ({"navigator_storage": NULL}, "storage", "may keep nothing. Leave the private window"),
        (
            {
                "navigator_storage": SimpleNamespace(
                    estimate=soon(JsError("TypeError", "opaque origin")), persisted=soon(True)
                )
            },
            "storage",
            "opaque origin",
        ),
        (
            {"navigator_storage": storage(quota=1000, persisted=False)},
            "persistent storage",
            "navigator.storage.persist",
        ),
        ({"navigator_deviceMemory": None}, "memory", "does not tell"),
    ],
)
def test_what_is_missing_is_one_note(way: StandIn, changed: Mapping[str, object], about: str, words: str):
    browse(way, **changed)
    (note,) = look().notes
    assert note.about == about
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(str(note))


def test_each_feature_of_webassembly_is_asked_for_by_itself(way: StandIn):
    def validate(module: Uint8Array) -> bool:
        return module.to_bytes() != PROBES["relaxed-simd"]

    browse(way)
    way.js.WebAssembly.validate = validate
    facts = look()
    assert set(PROBES) - set(facts.wasm or ()) == {"relaxed-simd"}
    assert list(notes(facts)) == ["relaxed-simd"]


def test_without_webassembly_nothing_of_it_is_asked(way: StandIn):
    browse(way, WebAssembly=None)
    facts = look()
    assert facts.wasm is None
    assert set(notes(facts)) == {"wasm", "jspi"}


def test_software_and_what_an_adapter_lacks_are_told(way: StandIn):
    adapter = SimpleNamespace(info=SimpleNamespace(vendor="google", architecture="swiftshader"), features=["subgroups"])
    browse(way, navigator_gpu=SimpleNamespace(requestAdapter=soon(adapter)))
    facts = look()
    assert facts.webgpu is not None and facts.webgpu.is_software
    found = notes(facts)
    assert set(found) == {"webgpu", "shader-f16", "timestamp-query", "packed dot products"}
    assert "software (google swiftshader)" in found["webgpu"].why
    assert [row.name for row in rows_of(facts) if row.has is False and not row.note] == []


def test_a_browser_that_does_not_answer_is_not_waited_for(way: StandIn, monkeypatch: pytest.MonkeyPatch):
    async def hang(options: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 0.05)
    browse(way, navigator_gpu=SimpleNamespace(requestAdapter=hang))
    facts = look()
    assert facts.webgpu is None and facts.webgl is not None
    assert notes(facts)["webgpu"].why == "the browser gave no answer in 0.05 s"


@pytest.mark.parametrize(
    "page, media, words",
    [
        (NO_PAGE, MediaFacts(None, None, "denied"), "this is a worker"),
        (PageFacts(None, "it took too long"), MediaFacts(None, None, "denied"), "it took too long"),
        (PageFacts(None), MediaFacts(False, None, "denied"), "no navigator.mediaDevices"),
        (PageFacts(()), MediaFacts(True, False, "denied"), "none is connected"),
        (PageFacts(("videoinput",)), MediaFacts(True, True, "denied"), "has denied it"),
    ],
)
def test_the_camera_is_known_by_what_the_page_tells(way: StandIn, page: object, media: MediaFacts, words: str):
    browse(way, navigator_permissions=SimpleNamespace(query=soon(SimpleNamespace(state="denied"))))
    facts = look(page)
    assert facts.camera == media
    reasons = [note.why for note in facts.notes if note.about == "camera"]
    assert any(words in reason for reason in reasons)


def test_a_page_that_runs_python_itself_is_asked_for_its_devices(way: StandIn):
    devices = [SimpleNamespace(kind="videoinput"), SimpleNamespace(kind="audiooutput")]
    browse(way, document=object(), navigator_mediaDevices=SimpleNamespace(enumerateDevices=soon(devices)))
    facts = look(NO_PAGE)
    assert (facts.camera.connected, facts.microphone.connected) == (True, False)


def test_a_permission_that_cannot_be_asked_for_is_unknown(way: StandIn):
    query = soon(JsError("TypeError", "'camera' is not a valid name"))
    browse(way, navigator_permissions=SimpleNamespace(query=query))
    facts = look()
    assert facts.camera == MediaFacts(True, True, "unknown")
    assert "not a valid name" in notes(facts)["camera"].why


@pytest.mark.parametrize(
    "protocol, origin, kind",
    [("https:", "https://a.test", "https"), ("blob:", "null", "file"), ("blob:", "http://a.test", "http")],
)
def test_where_the_page_comes_from(way: StandIn, protocol: str, origin: str, kind: str):
    browse(way, location=SimpleNamespace(protocol=protocol), origin=origin)
    assert look().origin == kind


class Trap(SimpleNamespace):
    """An object of which some properties throw when they are looked at, as getters of JavaScript may."""

    def __init__(self, inner: SimpleNamespace, *traps: str) -> None:
        super().__init__(**vars(inner))
        self.traps = traps

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("__") and name != "traps" and name in self.traps:
            raise JsError("SecurityError", f"{name} is not for you")
        return super().__getattribute__(name)


OF_NAVIGATOR = ("gpu", "storage", "permissions", "deviceMemory", "hardwareConcurrency", "userAgent", "mediaDevices")
OF_SCOPE = (
    *("isSecureContext", "crossOriginIsolated", "WebAssembly", "OffscreenCanvas", "indexedDB", "SharedArrayBuffer"),
    *("location", "navigator"),
)


@pytest.mark.parametrize("name", [*OF_NAVIGATOR, *OF_SCOPE])
@pytest.mark.parametrize("page", [NO_PAGE, PageFacts(("videoinput",))])
def test_properties_that_throw_are_told(way: StandIn, name: str, page: object):
    browse(way, document=object())
    way.js.navigator = Trap(way.js.navigator, *({name} & set(OF_NAVIGATOR)))
    way.js = Trap(way.js, *({name} & set(OF_SCOPE)))
    facts = look(page)
    assert facts.place == "browser" and rows_of(facts)
    is_told = any(f"{name} is not for you" in note.why and note.remedy for note in facts.notes)
    assert is_told or (name == "mediaDevices" and page is not NO_PAGE), "only a page is asked for its devices"


# What each property decides, of those that a whole browser has; all else must stay as it is.
DECIDES = {
    "gpu": ("webgpu",),
    "storage": ("storage",),
    "indexedDB": ("storage",),
    "permissions": ("camera", "microphone"),
    "deviceMemory": ("memory_nbytes",),
    "hardwareConcurrency": ("processors",),
    "userAgent": ("agent",),
    "mediaDevices": ("camera", "microphone"),
    "isSecureContext": ("is_secure",),
    "crossOriginIsolated": ("is_isolated",),
    "WebAssembly": ("wasm", "jspi"),
    "OffscreenCanvas": ("offscreen_canvas", "webgl"),
    "SharedArrayBuffer": ("wasm",),
    "location": ("origin",),
}


@pytest.mark.parametrize("name", DECIDES)
def test_a_property_that_throws_loses_its_own_facts_alone(way: StandIn, name: str):
    devices = [SimpleNamespace(kind="videoinput"), SimpleNamespace(kind="audioinput")]
    browse(way, document=object(), navigator_mediaDevices=SimpleNamespace(enumerateDevices=soon(devices)))
    whole = look(NO_PAGE)
    assert whole.notes == ()
    way.js.navigator = Trap(way.js.navigator, *({name} & set(OF_NAVIGATOR)))
    way.js = Trap(way.js, *({name} & set(OF_SCOPE)))
    facts = look(NO_PAGE)
    lost = {field.name for field in fields(facts) if getattr(facts, field.name) != getattr(whole, field.name)}
    assert lost == {*DECIDES[name], "notes"}
    assert facts.wasm is None or set(PROBES) - set(facts.wasm) <= {"threads"}
    assert [row.name for row in rows_of(facts) if row.has is False and not row.note] == []


OF_ADAPTER = {
    "info": ("adapter", "subgroup sizes", "webgpu"),
    "features": ("features", "shader-f16", "subgroups", "timestamp-query", "webgpu"),
    "limits": ("limits", "webgpu"),
}


@pytest.mark.parametrize("name", OF_ADAPTER)
def test_what_an_adapter_does_not_let_see_is_lost_alone_and_it_is_not_preferred(way: StandIn, name: str):
    browse(way)
    whole = look()
    adapter = SimpleNamespace(
        info=SimpleNamespace(vendor="intel", architecture="xe"),
        features=["shader-f16", "subgroups", "timestamp-query"],
        limits=SimpleNamespace(maxBufferSize=1 << 30),
    )
    way.js.navigator.gpu.requestAdapter = soon(Trap(adapter, name))
    facts = look()
    assert whole.webgpu is not None and facts.webgpu is not None and facts.webgpu.is_software
    lost = {
        field.name
        for field in fields(facts.webgpu)
        if getattr(facts.webgpu, field.name) != getattr(whole.webgpu, field.name)
    }
    assert lost == {"is_software", *(("vendor", "architecture") if name == "info" else (name,))}
    assert set(notes(facts)) == set(OF_ADAPTER[name])
    assert all(note.remedy for note in facts.notes)
    assert replace(facts, webgpu=None, notes=()) == replace(whole, webgpu=None)


async def never(*arguments: object) -> None:
    await asyncio.Event().wait()


HANGING: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "requestAdapter": ({"navigator_gpu": SimpleNamespace(requestAdapter=never)}, ("webgpu",)),
    "estimate": ({"navigator_storage": SimpleNamespace(estimate=never, persisted=soon(True))}, ("storage",)),
    "persisted": (
        {"navigator_storage": SimpleNamespace(estimate=soon(SimpleNamespace(quota=1000)), persisted=never)},
        ("persistent storage",),
    ),
    "query": ({"navigator_permissions": SimpleNamespace(query=never)}, ("camera", "microphone")),
    "enumerateDevices": (
        {"navigator_mediaDevices": SimpleNamespace(enumerateDevices=never)},
        ("camera", "microphone"),
    ),
}


@pytest.mark.parametrize("name", HANGING)
def test_a_promise_that_never_settles_ends_after_a_bounded_wait_with_a_note(
    way: StandIn, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 0.02)
    devices = [SimpleNamespace(kind="videoinput"), SimpleNamespace(kind="audioinput")]
    changed, about = HANGING[name]
    browse(
        way, document=object(), **{"navigator_mediaDevices": SimpleNamespace(enumerateDevices=soon(devices))} | changed
    )
    facts = look(NO_PAGE)
    found = notes(facts)
    assert set(found) == set(about)
    assert all(note.why == "the browser gave no answer in 0.02 s" and note.remedy for note in found.values())
    assert (facts.is_isolated, facts.processors, facts.wasm) == (True, 2, tuple(PROBES))


def test_all_that_never_settles_is_waited_for_at_once(way: StandIn, monkeypatch: pytest.MonkeyPatch):
    """One wait after the other would add up to a page that seems dead."""
    waits: list[asyncio.Task[Any] | None] = []
    most = 0

    async def hang(*arguments: object) -> None:
        nonlocal most
        waits.append(asyncio.current_task())
        most = max(most, len(waits))
        try:
            await asyncio.Event().wait()
        finally:
            waits.pop()

    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 0.05)
    browse(
        way,
        document=object(),
        navigator_gpu=SimpleNamespace(requestAdapter=hang),
        navigator_storage=SimpleNamespace(estimate=hang, persisted=hang),
        navigator_permissions=SimpleNamespace(query=hang),
        navigator_mediaDevices=SimpleNamespace(enumerateDevices=hang),
    )
    facts = look(NO_PAGE)
    assert most == 7 and not waits
    assert (facts.webgpu, facts.storage) == (None, StorageFacts(None, None, None))
    assert facts.camera == facts.microphone == MediaFacts()


@pytest.mark.parametrize(
    "changed, about",
    [
        ({"navigator_gpu": SimpleNamespace()}, {"webgpu"}),
        ({"navigator_gpu": SimpleNamespace(requestAdapter="no function")}, {"webgpu"}),
        ({"navigator_storage": SimpleNamespace()}, {"storage", "persistent storage"}),
        (
            {"navigator_storage": SimpleNamespace(estimate=soon(NULL), persisted=soon(NULL))},
            {"storage", "persistent storage"},
        ),
        ({"navigator_permissions": SimpleNamespace()}, {"camera", "microphone"}),
        ({"navigator_permissions": NULL}, {"camera", "microphone"}),
        ({"navigator_mediaDevices": SimpleNamespace(enumerateDevices=soon(7))}, {"camera", "microphone"}),
        ({"OffscreenCanvas": SimpleNamespace()}, {"webgl2"}),
        ({"navigator_deviceMemory": float("nan")}, {"memory"}),
        ({"navigator_deviceMemory": float("inf")}, {"memory"}),
        ({"navigator_deviceMemory": "eight"}, {"memory"}),
        ({"navigator_hardwareConcurrency": "two"}, {"processors"}),
        ({"navigator_hardwareConcurrency": float("nan")}, {"processors"}),
        ({"navigator_userAgent": 7}, {"browser"}),
    ],
)
def test_a_browser_of_another_kind_is_told_with_remedies(way: StandIn, changed: Mapping[str, object], about: set[str]):
    devices = [SimpleNamespace(kind="videoinput"), SimpleNamespace(kind="audioinput")]
    browse(
        way, document=object(), **{"navigator_mediaDevices": SimpleNamespace(enumerateDevices=soon(devices))} | changed
    )
    facts = look(NO_PAGE)
    assert set(notes(facts)) == about
    assert all(note.remedy for note in facts.notes)
    assert facts.is_isolated and set(about) <= {row.name for row in rows_of(facts)}


def test_a_shared_memory_without_its_name_is_no_memory_for_threads(way: StandIn):
    browse(way, SharedArrayBuffer=None)
    facts = look()
    assert facts.is_isolated and set(PROBES) - set(facts.wasm or ()) == {"threads"}
    assert not Device(**{field.name: getattr(facts, field.name) for field in fields(facts)}).can_share_memory


class BrokenGl(Gl):
    """A context of which every method throws."""

    def getSupportedExtensions(self) -> list[str]:
        raise JsError("Error", "lost")

    def getParameter(self, name: object) -> object:
        raise JsError("Error", "lost")

    def getExtension(self, name: str) -> object:
        raise JsError("Error", "lost")


def test_a_context_that_throws_costs_nothing_else(way: StandIn):
    browse(way, OffscreenCanvas=canvas(BrokenGl("any")))
    facts = look()
    assert facts.webgl == GlFacts("") and facts.webgpu is not None and facts.offscreen_canvas
    assert {note.about for note in facts.notes} == {"webgl2", "webgl2 limits", "webgl2 float targets"}
