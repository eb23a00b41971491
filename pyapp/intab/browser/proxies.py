"""What this package holds open on the JavaScript side, counted by kind, so that tests can see a leak.

Objects of JavaScript that Python refers to are freed with the Python reference. What is not freed by
itself are functions of Python that JavaScript may call (proxies), and whatever has a `dispose()`:
those are entered here when they open and struck out when they close.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from intab.browser._js import door

_open: Counter[str] = Counter()


def opened(kind: str) -> None:
    """Enter one more open handle of `kind`."""
    _open[kind] += 1


def closed(kind: str) -> None:
    """Strike out one handle of `kind`."""
    _open[kind] -= 1


def live() -> dict[str, int]:
    """How many handles of each kind are open now; kinds with none are left out."""
    return {kind: count for kind, count in sorted(_open.items()) if count}


class Proxy:
    """A JavaScript function, `js`, that calls a Python function until `destroy()`."""

    __slots__ = ("js",)

    def __init__(self, function: Callable[..., object]) -> None:
        self.js: Any = door().create_proxy(function)
        opened("proxy")

    def destroy(self) -> None:
        """Free both sides; a second call does nothing."""
        if self.js is not None:
            self.js.destroy()
            self.js = None
            closed("proxy")


@contextmanager
def proxied(function: Callable[..., object]) -> Iterator[Any]:
    """The JavaScript side of `function`, freed on leaving."""
    proxy = Proxy(function)
    try:
        yield proxy.js
    finally:
        proxy.destroy()
