"""The probe against browsers that hide, throw, hang or answer oddly: each fact is lost alone, and told."""

import asyncio
from collections.abc import Mapping
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest

from intab.browser import asking
from intab.browser.facts import GlFacts, MediaFacts, PageFacts, StorageFacts
from intab.browser.wasm_features import PROBES
from intab.runtime.device_table import rows_of
from intab.runtime.probe import Device
from tests.browser_layer.browsers import NO_PAGE, Gl, browse, canvas, look, notes, soon
from tests.browser_layer.stand_in import NULL, JsError, StandIn


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
