"""Questions to a browser, each by itself: whatever throws or does not answer becomes a note, and nothing is raised."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar

from intab.browser._js import describe, door
from intab.browser.facts import Note
from intab.browser.remedies import REMEDIES

# A browser whose GPU process hangs never answers; nobody should wait for it longer than this.
PATIENCE_SECONDS = 5.0

T = TypeVar("T")


class Notes:
    """What is found missing on the way."""

    def __init__(self) -> None:
        self.taken: list[Note] = []

    def add(self, about: str, why: str, remedy: str | None = None) -> None:
        """`remedy`: whose remedy it is in the table, where that is not `about`."""
        self.taken.append(Note(about, why, REMEDIES.get(remedy or about, "")))

    def lacking(self, about: str, why: str, remedy: str | None = None) -> None:
        """The same, unless it has been told already why nobody knows."""
        if not self.told(about):
            self.add(about, why, remedy)

    def told(self, about: str) -> bool:
        """Whether something is said of it."""
        return any(note.about == about for note in self.taken)

    def see(self, about: str, question: Callable[[], T], otherwise: T) -> T:
        """What is there to see at once, or `otherwise` and a note when JavaScript throws."""
        try:
            return question()
        except _failures() as error:
            self.add(about, _why(error))
            return otherwise

    async def ask(self, about: str, answer: Awaitable[T], otherwise: T) -> T:
        """The answer, or `otherwise` and a note when JavaScript throws or does not answer."""
        try:
            return await asyncio.wait_for(answer, PATIENCE_SECONDS)
        except _failures() as error:
            self.add(about, _why(error))
            return otherwise


def _failures() -> tuple[type[Exception], ...]:
    """What JavaScript throws, no answer, and what comes of a method that is not there or of values of another kind."""
    return door().exception, TimeoutError, AttributeError, TypeError


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"the browser gave no answer in {PATIENCE_SECONDS:g} s"
    if isinstance(error, AttributeError | TypeError):
        return f"this browser answers in a way of its own ({error})"
    return f"asking failed ({describe(error)})"


async def kept(promise: Any) -> Any:
    """What a promise comes to, with null as None; a value that is none counts as kept."""
    return there(await promise if isawaitable(promise) else promise)


def there(value: Any) -> Any:
    """`value`, with JavaScript's null as None, as undefined is."""
    return None if value is door().null else value


def part(source: Any, name: str) -> Any:
    """A property of a JavaScript object; None where it is missing, null or undefined."""
    return there(getattr(source, name, None))
