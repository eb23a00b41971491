"""Browsers made up for the probe: one that has everything, changed as a test likes."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from intab.browser import probe
from intab.browser.facts import DeviceFacts, Note, PageFacts
from tests.browser_layer.stand_in import NULL, JsError, StandIn

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
