"""The probe against browsers that lack things, throw or do not answer: it raises nothing and says why."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from intab.browser import asking
from intab.browser.facts import DeviceFacts, GlFacts, MediaFacts, PageFacts, StorageFacts
from intab.browser.wasm_features import PROBES
from intab.runtime.device_table import rows_of
from tests.browser_layer.browsers import NO_PAGE, Gl, browse, canvas, look, notes, soon, storage
from tests.browser_layer.stand_in import NULL, JsError, StandIn, Uint8Array


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
