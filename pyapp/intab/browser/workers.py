"""Workers of this page or worker: started, spoken to and ended."""

from collections.abc import Callable
from typing import Any

from intab.browser._js import describe, door
from intab.browser.proxies import Proxy, closed, opened
from intab.errors import BackendUnavailableError


class Worker:
    """A module worker. `receive` is given each message's data; `fail` the reason why its script cannot run."""

    def __init__(self, url: str, name: str, receive: Callable[[Any], None], fail: Callable[[str], None]) -> None:
        """url: relative to the page or worker that this Python runs in. Raises BackendUnavailableError when refused."""
        way = door()
        try:
            address = way.js.URL.new(url, way.js.location.href).href
            self._worker: Any = way.js.Worker.new(address, way.to_js({"type": "module", "name": name}))
        except way.exception as error:
            raise BackendUnavailableError(
                f"browser: no worker of {url} could be started ({describe(error)}). Use threads=1."
            ) from error
        self._listeners = {
            "message": Proxy(lambda event: receive(event.data)),
            "error": Proxy(lambda event: fail(str(getattr(event, "message", "") or f"{url} could not be loaded"))),
        }
        for kind, listener in self._listeners.items():
            self._worker.addEventListener(kind, listener.js)
        opened("worker")

    def post(self, message: object) -> None:
        """Send a number, or a dict whose values may be JavaScript objects that can be cloned."""
        self._worker.postMessage(door().to_js(message) if isinstance(message, dict) else message)

    def terminate(self) -> None:
        """End it wherever it is; a second call does nothing."""
        if self._worker is None:
            return
        self._worker.terminate()
        for kind, listener in self._listeners.items():
            self._worker.removeEventListener(kind, listener.js)
            listener.destroy()
        self._worker = None
        closed("worker")
