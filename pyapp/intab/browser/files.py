"""What a visitor hands over: files, blobs and buffers of JavaScript, read as Python bytes."""

from typing import Any

from intab.browser._js import describe, door, is_js
from intab.errors import MediaError

BLOBS = ("File", "Blob")
BUFFERS = ("ArrayBuffer", "Uint8Array", "Uint8ClampedArray", "SharedArrayBuffer")


def is_file(value: object) -> bool:
    """Whether `value` is something of JavaScript that `read_bytes` reads."""
    return is_js(value, *BLOBS, *BUFFERS)


def name_of(value: Any) -> str:
    """What to call `value` in a message: a file's name, else its kind."""
    name = getattr(value, "name", None)
    return name if isinstance(name, str) and name else str(value.constructor.name)


async def read_bytes(value: Any) -> bytes:
    """The content of a File, Blob, ArrayBuffer or byte array. Raises MediaError when it cannot be read."""
    content: bytes = (await read_array(value)).to_bytes()
    return content


async def read_array(value: Any) -> Any:
    """The content as a Uint8Array or an ArrayBuffer, which stays in JavaScript. Raises MediaError as `read_bytes`."""
    if is_js(value, *BLOBS):
        try:
            value = await value.arrayBuffer()
        except door().exception as error:
            raise MediaError(
                f"{name_of(value)}: the browser could not read it ({describe(error)}). "
                "It may have been moved, deleted or be too large; choose it again."
            ) from error
    elif not is_js(value, *BUFFERS):
        raise MediaError(f"{type(value).__name__}: this is not a file, blob or buffer. Hand over one of these.")
    return value
