"""Just enough JavaScript, in Python, for the host tests of intab.browser."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin

from intab.browser import _js

PAGE_NBYTES = 65536
HERE = "http://site.test/folder/worker.js"


class JsError(Exception):
    """A JavaScript error as Pyodide shows it."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


class Null:
    """JavaScript's null."""

    def __repr__(self) -> str:
        return "null"


NULL = Null()


class Named:
    """Anything whose `constructor.name` is looked at."""

    @property
    def constructor(self) -> SimpleNamespace:
        return SimpleNamespace(name=type(self).__name__)


class Uint8Array(Named):
    """A view of bytes that may be shared."""

    def __init__(self, data: bytearray | memoryview) -> None:
        self.view = memoryview(data)
        self.buffer = data

    @property
    def byteLength(self) -> int:
        return self.view.nbytes

    def subarray(self, begin: int, end: int) -> "Uint8Array":
        return Uint8Array(self.view[begin:end])

    def slice(self, begin: int, end: int) -> "Uint8Array":
        return Uint8Array(bytearray(self.view[begin:end]))

    def set(self, source: "Uint8Array", offset: int) -> None:
        self.view[offset : offset + source.byteLength] = source.view

    def assign(self, source: memoryview) -> None:
        self.view[:] = source

    def assign_to(self, target: memoryview) -> None:
        target[:] = self.view

    def to_memoryview(self) -> memoryview:
        return memoryview(bytearray(self.view))

    def to_bytes(self) -> bytes:
        return bytes(self.view)


class Blob(Named):
    """A file that may have gone."""

    def __init__(self, content: bytes, name: str | None = None, gone: bool = False) -> None:
        self.content = content
        self.name = name
        self.gone = gone

    async def arrayBuffer(self) -> Uint8Array:
        if self.gone:
            raise JsError("NotFoundError", "A requested file could not be found")
        return Uint8Array(bytearray(self.content))


class Memory:
    """A linear memory; `refuse` makes growing fail, as a full machine does."""

    def __init__(self, descriptor: Mapping[str, int]) -> None:
        if descriptor["initial"] > 1000:
            raise JsError("RangeError", "could not allocate memory")
        self.maximum = descriptor["maximum"]
        self.buffer = bytearray(descriptor["initial"] * PAGE_NBYTES)

    def grow(self, pages: int) -> None:
        if len(self.buffer) // PAGE_NBYTES + pages > self.maximum:
            raise JsError("RangeError", "Maximum memory size exceeded")
        self.buffer = bytearray(self.buffer) + bytearray(pages * PAGE_NBYTES)


@dataclass
class Answer:
    """What the network gives for one address: pieces of the body, then an error when `breaks`."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    statusText: str = "OK"
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks: bool = False
    hangs: bool = False

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def body(self) -> SimpleNamespace:
        pieces: Iterator[bytes] = iter(self.pieces)

        async def read() -> SimpleNamespace:
            piece = next(pieces, None)
            if piece is not None:
                return SimpleNamespace(done=False, value=Uint8Array(bytearray(piece)))
            if self.hangs:
                await asyncio.sleep(60)
            if self.breaks:
                raise JsError("TypeError", "network error")
            return SimpleNamespace(done=True, value=None)

        return SimpleNamespace(getReader=lambda: SimpleNamespace(read=read))


class StandIn:
    """The door over this file's classes. `web`: address -> answer; `modules`: bytes -> exports or error."""

    exception = JsError
    null = NULL

    def __init__(self) -> None:
        self.web: dict[str, Answer] = {}
        self.fetched: list[str] = []
        self.aborted = 0
        self.proxies = 0
        self.exports: Any = SimpleNamespace(run=lambda table, steps: None)
        self.loaded: dict[str, bool] = {}
        self.available: set[str] = set()
        self.js = SimpleNamespace(
            Uint8Array=SimpleNamespace(new=self._make_array),
            WebAssembly=SimpleNamespace(
                Memory=SimpleNamespace(new=Memory), instantiate=self._instantiate, validate=lambda module: False
            ),
            AbortController=SimpleNamespace(new=self._make_controller),
            URL=SimpleNamespace(new=self._make_url),
            location=SimpleNamespace(href=HERE),
            fetch=self._fetch,
            navigator=SimpleNamespace(hardwareConcurrency=2, userAgent="stand-in"),
            crossOriginIsolated=True,
        )
        self.pyodide = SimpleNamespace(loadPackage=self._load_package, loadedPackages=SimpleNamespace())

    def to_js(self, value: object) -> Any:
        if isinstance(value, bytes | bytearray | memoryview):
            return Uint8Array(bytearray(value))
        if isinstance(value, dict):
            return {key: self.to_js(item) for key, item in value.items()}
        return [self.to_js(item) for item in value] if isinstance(value, list) else value

    def create_proxy(self, function: Callable[..., object]) -> Any:
        self.proxies += 1

        def destroy() -> None:
            self.proxies -= 1

        return SimpleNamespace(call=function, destroy=destroy)

    def _make_array(self, source: int | bytearray) -> Uint8Array:
        return Uint8Array(bytearray(source) if isinstance(source, int) else source)

    def _make_url(self, url: str, base: str) -> SimpleNamespace:
        if url.startswith("http://["):
            raise JsError("TypeError", "Invalid URL")
        return SimpleNamespace(href=urljoin(base, url))

    def _make_controller(self) -> SimpleNamespace:
        def abort() -> None:
            self.aborted += 1

        return SimpleNamespace(signal=object(), abort=abort)

    async def _fetch(self, address: str, options: object) -> Answer:
        self.fetched.append(address)
        if address not in self.web:
            raise JsError("TypeError", "Failed to fetch")
        return self.web[address]

    async def _instantiate(self, module: Uint8Array, imports: Any) -> SimpleNamespace:
        if module.to_bytes() == b"bad":
            raise JsError("CompileError", "expected magic word")
        if module.to_bytes() == b"huge":
            raise JsError("RangeError", "Out of memory: cannot compile")
        assert isinstance(imports["env"]["memory"], Memory)
        return SimpleNamespace(module=module, instance=SimpleNamespace(exports=self.exports))

    async def _load_package(self, names: Sequence[str], options: Mapping[str, Any]) -> None:
        for name in names:
            if name in self.available:
                setattr(self.pyodide.loadedPackages, name, "site")
                options["messageCallback"].call(f"Loaded {name}")
            elif name != "silent":
                options["errorCallback"].call(f"No known package with name '{name}'")


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """A fresh door, in place until the block ends."""
    door = StandIn()
    with _js.standing_in(door):
        yield door
