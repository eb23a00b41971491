"""Waiting for JavaScript inside synchronous Python: JavaScript Promise Integration."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import cache
from typing import Any, TypeVar

from intab.browser._js import in_browser
from intab.errors import IntabError

Result = TypeVar("Result")


def can_wait() -> bool:
    """Whether this stack of calls may be suspended."""
    if not in_browser():
        return False
    from pyodide.ffi import can_run_sync

    return bool(can_run_sync()) and _is_in_core()


@cache
def _is_in_core() -> bool:
    """Whether Pyodide's core can, too: one that a snapshot was made of in a place that cannot never can."""
    from pyodide.ffi import run_sync

    nothing = asyncio.sleep(0)
    try:
        run_sync(nothing)
    except RuntimeError:
        nothing.close()
        return False
    return True


def wait(awaitable: Awaitable[Any]) -> Any:
    """The result of an awaitable, with this stack suspended until it is there."""
    from pyodide.ffi import run_sync

    return run_sync(awaitable)


def result_now(begin: Callable[[], Coroutine[Any, Any, Result]], *, waits: bool, instead: str) -> Result:
    """The result of a coroutine for code that cannot await. What need not wait is over at once.

    Raises IntabError, which tells what to use `instead`, where the device must be waited for and cannot be.
    """
    if not waits:
        running = begin()
        try:
            running.send(None)
        except StopIteration as finished:
            done: Result = finished.value
            return done
        running.close()  # it had to wait after all, for a compilation: begin again where waiting is possible
    if can_wait():
        waited: Result = wait(begin())
        return waited
    if not in_browser():
        return asyncio.run(begin())
    raise IntabError(f"The device must be waited for, which synchronous code cannot do here. Use {instead}.")
