"""Waiting for JavaScript inside synchronous Python: JavaScript Promise Integration."""

from collections.abc import Awaitable
from typing import Any

from intab.browser._js import in_browser


def can_wait() -> bool:
    """Whether this stack of calls may be suspended."""
    if not in_browser():
        return False
    from pyodide.ffi import can_run_sync

    return bool(can_run_sync())


def wait(awaitable: Awaitable[Any]) -> Any:
    """The result of an awaitable, with this stack suspended until it is there."""
    from pyodide.ffi import run_sync

    return run_sync(awaitable)
