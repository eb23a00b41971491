"""Where the bytes of a picture or a sound come from: a path, an address, bytes, or a file of the browser."""

from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from intab.browser import files, in_browser, net
from intab.errors import DownloadError, MediaError

TIMEOUT_S = 60.0


def name_of(source: object) -> str:
    """What to call `source` in a message."""
    if isinstance(source, (str, Path)):
        return str(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"{memoryview(source).nbytes:,} bytes"
    return files.name_of(source) if files.is_file(source) else type(source).__name__


async def read_bytes(source: object) -> bytes | bytearray | memoryview:
    """The bytes behind `source`.

    A str is an address: relative to the page in a browser; on the desktop a path in the working directory, or
    a URL. A Path is a file. Raises MediaError when there is no such file or nothing is known of the type,
    DownloadError when the network fails.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return source
    if isinstance(source, Path):
        return _read_file(source)
    if isinstance(source, str):
        if in_browser():
            return await _fetch(source)
        return _download(source) if source.startswith(("http://", "https://")) else _read_file(Path(source))
    if files.is_file(source):
        return await files.read_bytes(source)
    raise MediaError(
        f"{type(source).__name__}: nothing can be read from this. Give a path, URL, bytes, a File of the browser, "
        "or for a picture a PIL image or a uint8 array [H, W, 3]."
    )


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise MediaError(f"{path}: it cannot be read ({error}). Check the path.") from error


async def _fetch(address: str) -> memoryview:
    storage = await net.fetch(address)
    try:
        return storage.read(0, storage.nbytes)
    finally:
        storage.dispose()


def _download(address: str) -> bytes:
    try:
        with urlopen(Request(address, headers={"User-Agent": "intab"}), timeout=TIMEOUT_S) as response:
            content: bytes = response.read()
    except (URLError, TimeoutError, ConnectionError, ValueError) as error:
        raise DownloadError(f"{address}: it could not be fetched ({error}). Check the address.") from error
    return content
