"""What a model may be given as, and how its bytes are opened."""

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intab.browser import files, in_browser, net
from intab.errors import DownloadError, ModelFormatError
from intab.graph.storage import MemoryStorage, Storage

# progress(stage, done, total): stage is "download" (bytes), "compile" or "run"; total 0 means not known.
Progress = Callable[[str, float, float], None]
# A str is relative to the page (desktop: to the working directory), a Path is a file, Any is a JavaScript File.
Source = str | Path | bytes | bytearray | memoryview | Storage | Any


def no_progress(stage: str, done: float, total: float) -> None:
    """Tell nobody."""


async def open_source(source: Source, progress: Progress = no_progress) -> Storage:
    """The bytes of a model, left where they are. Raises DownloadError or ModelFormatError when there are none."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return MemoryStorage("model", source)
    if isinstance(source, Path):
        return _open_file(source)
    if isinstance(source, str) and not in_browser():
        if "://" in source:  # a Path would keep only one of the slashes
            raise DownloadError(f"{source}: on the desktop a model is a file. Download it first and give its path.")
        return _open_file(Path(source))
    if isinstance(source, str):
        return await net.fetch(source, progress)
    if isinstance(source, Storage):
        return source
    if files.is_file(source):
        return net.JsStorage(files.name_of(source), await files.read_array(source))
    raise ModelFormatError(
        f"A model is given as a URL, a path, bytes or a File, not as {type(source).__name__}. "
        "Pass one of these to intab.load."
    )


def close_source(storage: Storage, source: Source) -> None:
    """Let go of bytes that `open_source` opened; what the caller opened stays the caller's."""
    if isinstance(storage, net.JsStorage) and storage is not source:
        storage.dispose()


def _open_file(path: Path) -> Storage:
    """A file, mapped into memory: only what is read is loaded."""
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                return MemoryStorage(path.name, b"")
            return MemoryStorage(path.name, memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
