"""Fetching: the bytes stay in a JavaScript Uint8Array, and Python reads the ranges that it needs."""

import json
from collections.abc import Callable
from typing import Any

from intab.browser._js import describe, door, is_js
from intab.browser.proxies import closed, opened
from intab.errors import DownloadError, ModelFormatError, OutOfMemoryError

Progress = Callable[[str, float, float], None]
"""progress(stage, done, total); here the stage is "download" and the unit bytes. A total of 0 is unknown."""

FIRST_NBYTES = 1 << 20  # where the length is not told, room for this much, doubled whenever it is full


class JsStorage:
    """Bytes held by JavaScript, in the shape of graph.storage.Storage."""

    def __init__(self, name: str, array: Any) -> None:
        """`array` is a Uint8Array, or another buffer or array of bytes."""
        if not is_js(array, "Uint8Array"):
            whole = array if is_js(array, "ArrayBuffer", "SharedArrayBuffer") else array.buffer
            begin = 0 if whole is array else array.byteOffset
            array = door().js.Uint8Array.new(whole, begin, array.byteLength)
        self.name = name
        self.nbytes = int(array.byteLength)
        self._array: Any = array
        self._digest: bytes | None = None
        opened("storage")

    def read(self, offset: int, nbytes: int) -> memoryview:
        """A copy of the bytes offset .. offset + nbytes. Raises ModelFormatError when they pass the end."""
        copied: memoryview = self.part(offset, nbytes).to_memoryview()
        return copied.toreadonly()

    def part(self, offset: int, nbytes: int) -> Any:
        """A Uint8Array over the bytes offset .. offset + nbytes, which are not copied. Raises as `read` does."""
        if self._array is None:
            raise ModelFormatError(f"{self.name}: its bytes were already let go of. Load the model again.")
        if offset < 0 or nbytes < 0 or offset + nbytes > self.nbytes:
            raise ModelFormatError(
                f"{self.name}: {nbytes} bytes were expected at offset {offset}, but the file has {self.nbytes}. "
                "It is damaged or cut short; fetch it again."
            )
        return self._array.subarray(offset, offset + nbytes)

    async def sha256(self) -> bytes | None:
        """The digest of all bytes, worked out by the browser, once; None where it cannot, as on plain http."""
        if self._digest is not None:
            return self._digest
        subtle = getattr(door().js.crypto, "subtle", None)
        if not subtle or self._array is None:
            return None
        try:
            self._digest = (await subtle.digest("SHA-256", self._array)).to_bytes()
        except door().exception:  # it does not take shared memory
            return None
        return self._digest

    def dispose(self) -> None:
        """Let go of the bytes; a second call does nothing."""
        if self._array is not None:
            self._array = None
            closed("storage")


_adopted: dict[str, Any] = {}


def adopt(url: str, promise: Any) -> None:
    """Let `fetch(url)` take the Uint8Array of `promise`, a download that JavaScript began before Python ran."""
    _adopted[absolute(url)] = promise


def absolute(url: str) -> str:
    """`url` as seen from the page or worker, without its fragment."""
    try:
        return str(door().js.URL.new(url, door().js.location.href).href).partition("#")[0]
    except door().exception as error:
        raise DownloadError(f"{url}: this is not an address ({describe(error)}). Give a URL or a path.") from error


async def fetch(url: str, progress: Progress | None = None) -> JsStorage:
    """Fetch `url`, telling `progress` of every piece that arrives.

    A relative URL is seen from the page or worker. Raises DownloadError when the server cannot be reached,
    answers with an error, or sends less than it announced.
    """
    address = absolute(url)
    promise = _adopted.pop(address, None)
    if promise is not None:
        array = await _await_adopted(promise)
        if array is not None:
            return JsStorage(address, array)
    controller = door().js.AbortController.new()
    finished = False
    try:
        response = await _respond(address, controller.signal)
        array = await _receive(address, response, progress)
        finished = True
    finally:
        if not finished:  # an error, or the task was cancelled: let the network stop too
            controller.abort()
    return JsStorage(address, array)


async def fetch_json(url: str) -> Any:
    """Fetch and parse a JSON file. Raises DownloadError, also when it is not JSON."""
    storage = await fetch(url)
    try:
        return json.loads(bytes(storage.read(0, storage.nbytes)))
    except ValueError as error:
        raise DownloadError(f"{storage.name}: this is not JSON ({error}). Check that the site was built.") from error
    finally:
        storage.dispose()


async def _await_adopted(promise: Any) -> Any | None:
    """The early download's bytes; None when it failed, since fetching once more gives the reason in full."""
    try:
        return await promise
    except door().exception:
        return None


async def _respond(address: str, signal: Any) -> Any:
    try:
        response = await door().js.fetch(address, door().to_js({"signal": signal}))
    except door().exception as error:
        raise DownloadError(
            f"{address}: it could not be reached ({describe(error)}). Check the connection and the address, "
            "and that the server allows this page to read it (CORS)."
        ) from error
    if not response.ok:
        raise DownloadError(
            f"{address}: the server answered {response.status} {response.statusText}".rstrip()
            + ". Check the address, or ask whoever hosts the page."
        )
    return response


def _announced_nbytes(response: Any) -> int | None:
    """The length that is to come. Of a compressed answer it is told before unpacking, which says nothing here."""
    length, encoding = response.headers.get("content-length"), response.headers.get("content-encoding")
    packed = isinstance(encoding, str) and encoding not in ("", "identity")
    return int(length) if isinstance(length, str) and length.isdigit() and not packed else None


def _room(address: str, nbytes: int) -> Any:
    """A Uint8Array of so many bytes. Raises OutOfMemoryError when JavaScript has no room for it."""
    try:
        return door().js.Uint8Array.new(nbytes)
    except door().exception as error:
        raise OutOfMemoryError(
            f"{address}: no memory for its {nbytes:,} bytes ({describe(error)}). "
            "Use a smaller model, or close other tabs."
        ) from error


async def _receive(address: str, response: Any, progress: Progress | None) -> Any:
    """The body as one Uint8Array, written once where its length was announced."""
    announced_nbytes = _announced_nbytes(response)
    array = _room(address, announced_nbytes if announced_nbytes is not None else FIRST_NBYTES)
    room_nbytes, received_nbytes = int(array.byteLength), 0
    reader = response.body.getReader()
    try:
        while True:
            piece = await reader.read()
            if piece.done:
                break
            end = received_nbytes + int(piece.value.byteLength)
            if end > room_nbytes:
                room_nbytes = max(end, 2 * room_nbytes)
                wider = _room(address, room_nbytes)
                wider.set(array.subarray(0, received_nbytes), 0)
                array = wider
            array.set(piece.value, received_nbytes)
            received_nbytes = end
            if progress is not None:
                progress("download", received_nbytes, announced_nbytes or 0)
    except door().exception as error:
        raise DownloadError(
            f"{address}: the connection broke after {received_nbytes:,} bytes ({describe(error)}). Try again."
        ) from error
    if announced_nbytes is not None and received_nbytes != announced_nbytes:
        raise DownloadError(
            f"{address}: {announced_nbytes:,} bytes were announced and {received_nbytes:,} came. Try again."
        )
    return array if received_nbytes == room_nbytes else array.slice(0, received_nbytes)
