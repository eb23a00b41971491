"""Where the bytes of a model lie.

A reader and a constant ask for byte ranges; they do not care whether these come from memory, a file,
or a buffer that stays on the JavaScript side of a browser tab.
"""

from typing import Protocol, runtime_checkable

from intab.errors import ModelFormatError


@runtime_checkable
class Storage(Protocol):
    """A named, read-only run of bytes."""

    @property
    def name(self) -> str: ...

    @property
    def nbytes(self) -> int: ...

    def read(self, offset: int, nbytes: int) -> memoryview:
        """Bytes offset .. offset + nbytes. Raises ModelFormatError when they pass the end."""
        ...


class MemoryStorage:
    """Bytes held by Python; `read` copies nothing."""

    __slots__ = ("_view", "name")

    def __init__(self, name: str, data: bytes | bytearray | memoryview) -> None:
        self.name = name
        self._view = memoryview(data).cast("B").toreadonly()

    @property
    def nbytes(self) -> int:
        return self._view.nbytes

    def read(self, offset: int, nbytes: int) -> memoryview:
        check_range(self.name, self.nbytes, offset, nbytes)
        return self._view[offset : offset + nbytes]


def check_range(name: str, available_nbytes: int, offset: int, nbytes: int) -> None:
    """Raise ModelFormatError unless offset .. offset + nbytes lies inside what is there."""
    if offset < 0 or nbytes < 0 or offset + nbytes > available_nbytes:
        raise ModelFormatError(
            f"{name}: {nbytes} bytes were expected at offset {offset}, but the file has {available_nbytes}. "
            "It is damaged or cut short; fetch it again."
        )
