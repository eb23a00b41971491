"""A browser with a GPU that computes nothing, and tells what it was asked for."""

from types import SimpleNamespace
from typing import Any

from tests.browser_layer.stand_in import JsError, StandIn, Uint8Array

LIMITS = {"maxBufferSize": 1 << 20, "minUniformBufferOffsetAlignment": 256}
STORAGE, UNIFORM, COPY_SRC, COPY_DST = 128, 64, 4, 8


class Set:
    """A JavaScript set of strings."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __iter__(self) -> Any:
        return iter(self._names)


class Script:
    """What gpu_device.js gives, with what it was asked for; `error` is thrown by whatever is asked next."""

    def __init__(self) -> None:
        self.lost = ""
        self.asked: list[Any] = []
        self.error: JsError | None = None
        self.encodeMs = 0.25
        self.released = 0

    def _note(self, *what: Any) -> None:
        self.asked.append(what)
        if self.error is not None:
            raise self.error

    def createBuffers(self, wanted: list[Any]) -> Any:
        async def ready() -> list[Any]:
            self._note(wanted)
            return [SimpleNamespace(destroy=lambda: None) for _ in wanted]

        return SimpleNamespace(ready=ready())

    async def createPipelines(self, shaders: list[Any]) -> list[Any]:
        self._note(shaders)
        return ["3:1: no such name" if code == "wrong" else ("pipeline", label) for label, code, *_ in shaders]

    async def prepare(self, *described: Any) -> Any:
        self._note(*described)
        return SimpleNamespace(run=self.run)

    def write(self, buffer: Any, offset: int, array: Uint8Array) -> None:
        self._note(offset, array.to_bytes())

    def run(self, what: list[Any]) -> Any:
        first, end, uploads, downloads, before, after = what
        self._note(first, end, [(offset, data.to_bytes()) for _, offset, data in uploads], downloads, before, after)
        return self._ticket(downloads)

    def read(self, downloads: list[Any]) -> Any:
        self._note(downloads)
        return self._ticket(downloads)

    def _ticket(self, downloads: list[Any]) -> Any:
        arrays = [Uint8Array(bytearray(range(nbytes))) for _, _, nbytes in downloads]

        async def ready() -> list[Uint8Array]:
            if self.lost:
                raise JsError("lost", self.lost)
            return arrays

        def release() -> None:
            self.released += 1

        return SimpleNamespace(ready=ready(), release=release)

    def close(self) -> None:
        self._note("close")


class Browser:
    """A browser with a GPU, or with less: no `adapter`, or a `refusal` of it."""

    def __init__(self, way: StandIn, adapter: Any = None, refusal: JsError | None = None) -> None:
        self.script = Script()
        self.requested: Any = None
        self._refusal = refusal
        self._adapter = adapter or SimpleNamespace(
            info=SimpleNamespace(vendor="intel", architecture="xe"),
            features=Set("timestamp-query", "subgroups", "depth32float-stencil8"),
            limits=SimpleNamespace(**LIMITS),
            requestDevice=self._request,
        )
        way.js.navigator.gpu = SimpleNamespace(requestAdapter=self._request_adapter)
        way.js.eval = self._evaluate
        way.js.GPUBufferUsage = SimpleNamespace(STORAGE=STORAGE, UNIFORM=UNIFORM, COPY_SRC=COPY_SRC, COPY_DST=COPY_DST)

    def _evaluate(self, text: str) -> Any:
        if text.endswith("gpu_device.js"):
            return lambda device: self.script
        assert text.endswith("gpu_commands.js")
        return lambda device, script, *described: script.prepare(*described)

    async def _request_adapter(self, options: Any) -> Any:
        return self._adapter

    async def _request(self, descriptor: Any) -> Any:
        self.requested = descriptor
        if self._refusal is not None:
            raise self._refusal
        return object()
