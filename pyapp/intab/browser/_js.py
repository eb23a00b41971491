"""The seam between Python and JavaScript: whatever this package does with `js` or `pyodide` goes through `door()`.

In a browser the door is Pyodide's foreign function interface. Elsewhere there is none, so that asking for
it raises BackendUnavailableError; tests put a stand-in in its place with `standing_in`.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from intab.errors import BackendUnavailableError


class Door(Protocol):
    """What the modules beside this one need of Pyodide."""

    @property
    def js(self) -> Any:
        """The global scope of the page or worker: `js.fetch`, `js.Uint8Array`, ..."""

    @property
    def exception(self) -> type[Exception]:
        """How a JavaScript error arrives in Python; it has `name` and `message`."""

    @property
    def null(self) -> Any:
        """JavaScript's null, which Pyodide keeps apart from None (undefined)."""

    @property
    def pyodide(self) -> Any:
        """Pyodide's own JavaScript object: `loadPackage`, ..."""

    def to_js(self, value: object) -> Any:
        """A copy of `value`: dicts become plain objects, bytes Uint8Array. Never makes a proxy of a Python object."""

    def create_proxy(self, function: Callable[..., object]) -> Any:
        """A JavaScript function that calls `function`; alive until its `destroy()`."""


class PyodideDoor:
    """The real door."""

    def __init__(self) -> None:
        import js
        import pyodide_js
        from pyodide import ffi

        self.js: Any = js
        self.pyodide: Any = pyodide_js
        self.exception: type[Exception] = ffi.JsException
        self.null: Any = ffi.jsnull
        self._ffi = ffi
        self._from_entries = js.Object.fromEntries

    def to_js(self, value: object) -> Any:
        return self._ffi.to_js(value, dict_converter=self._from_entries, create_pyproxies=False)

    def create_proxy(self, function: Callable[..., object]) -> Any:
        return self._ffi.create_proxy(function)


_door: Door | None = PyodideDoor() if sys.platform == "emscripten" else None


def in_browser() -> bool:
    """Whether JavaScript can be reached at all."""
    return _door is not None


def door() -> Door:
    """The way to JavaScript. Raises BackendUnavailableError where there is none."""
    if _door is None:
        raise BackendUnavailableError(
            "intab.browser: this Python does not run in a browser, so there is no JavaScript to call. "
            "Open the page that `intab` builds, or use what works on the desktop."
        )
    return _door


@contextmanager
def standing_in(stand_in: Door) -> Iterator[None]:
    """Use `stand_in` as the door; for tests of this package on the desktop."""
    global _door
    before, _door = _door, stand_in
    try:
        yield
    finally:
        _door = before


def is_js(value: object, *names: str) -> bool:
    """Whether `value` is a JavaScript object made by one of the constructors `names`, such as "Blob"."""
    if _door is None:
        return False
    constructor = getattr(value, "constructor", None)
    return constructor is not None and getattr(constructor, "name", None) in names


def describe(error: Exception) -> str:
    """`TypeError: Failed to fetch`: a JavaScript error in one line."""
    name, message = getattr(error, "name", type(error).__name__), getattr(error, "message", str(error))
    return f"{name}: {message}"
