"""Python's own memory, which in a browser is a linear memory of its own with a limit of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from intab.errors import OutOfMemoryError


@contextmanager
def python_memory(name: str) -> Iterator[None]:
    """Tell of a MemoryError as what it is to an author: an OutOfMemoryError of the model `name`."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemoryError(
            f"{name}: Python's own memory is full ({error}). Use smaller input or a smaller model, let go of arrays "
            "that are not needed, or reload the page."
        ) from error
