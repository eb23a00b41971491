"""Reading pictures: whatever an author or a visitor has, as uint8 RGB [H, W, 3].

Pillow decodes, and is imported only then. The rest of the package sees arrays.
"""

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from intab.errors import BackendUnavailableError, DTypeError, MediaError, ShapeError
from intab.media.sources import name_of, read_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = NDArray[np.uint8]

MAX_PIXELS = 64_000_000
"""Decoding takes 7 bytes a pixel (Pillow's own picture and ours), and a browser tab has 4 GB at most."""

# What Pillow's readers raise on damaged files, found by feeding them such; it has no common root for them.
DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
)


async def load_picture(source: object) -> Picture:
    """The picture behind `source` as uint8 RGB [H, W, 3].

    source: a path, URL, bytes, File, PIL image, or a uint8 array [H, W, 3], [H, W, 4], [H, W, 1] or [H, W].
    EXIF rotation is applied; what is transparent shows white; of an animation it is the first frame; 16-bit
    grays are scaled to 8. Raises MediaError when it cannot be decoded or is larger than 64 megapixels,
    ShapeError or DTypeError for an array that is no picture.
    """
    if isinstance(source, np.ndarray):
        return from_array(source)
    if is_pil(source):
        return _from_pil(source, "PIL image")
    name = name_of(source)
    return decode(await read_bytes(source), name)


def decode(data: bytes | bytearray | memoryview, name: str = "picture") -> Picture:
    """Decode a picture file (PNG, JPEG, WebP, GIF, BMP, TIFF and more) to uint8 RGB [H, W, 3]."""
    if not memoryview(data).nbytes:
        raise MediaError(f"{name}: there are no bytes in it. Give a picture file.")
    images = _pillow()
    try:
        image = images.open(io.BytesIO(data))
    except images.DecompressionBombError as error:
        raise _too_large(name, str(error)) from error
    except images.UnidentifiedImageError as error:
        raise MediaError(f"{name}: this is not a picture, or of no format known here. Give a PNG or JPEG.") from error
    except DECODE_ERRORS as error:
        raise MediaError(f"{name}: the picture's head is damaged ({error}). Get it again.") from error
    return _from_pil(image, name)


def from_array(array: NDArray[Any]) -> Picture:
    """Check an array and give it three channels; one that already is a picture comes back as it is."""
    if array.dtype != np.uint8:
        raise DTypeError(
            f"picture: the array is {array.dtype}, and pictures are uint8, 0 to 255. Scale and convert it first."
        )
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or 0 in array.shape:
        raise ShapeError(f"picture: an array {array.shape} is no picture. Give [height, width, 3] in RGB order.")
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise _too_large("picture", f"{array.shape[1]} x {array.shape[0]}")
    if channels == 4:
        return _over_white(array)
    return array if channels == 3 else np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)


def is_pil(value: object) -> bool:
    """Whether `value` is a PIL image, without importing Pillow."""
    return any(kind.__module__ == "PIL.Image" and kind.__name__ == "Image" for kind in type(value).__mro__)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise BackendUnavailableError(
            "pictures: Pillow is not installed, and it decodes picture files. "
            "Install it (pip install pillow; in a page: await micropip.install('pillow')), or give a uint8 array."
        ) from error
    return Image


def _too_large(name: str, what: str) -> MediaError:
    return MediaError(f"{name}: it is too large ({what}); the limit is {MAX_PIXELS:,} pixels. Scale it down first.")


def _from_pil(image: Any, name: str) -> Picture:
    from PIL import ImageOps

    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(name, f"{width} x {height}")
    if width * height == 0:
        raise MediaError(f"{name}: it has no pixels ({width} x {height}).")
    try:
        image.load()
        return _to_rgb(ImageOps.exif_transpose(image))
    except DECODE_ERRORS as error:
        raise MediaError(
            f"{name}: the {image.format or image.mode} picture is damaged or cut short ({error}). Get it again."
        ) from error


def _to_rgb(image: "Image") -> Picture:
    if image.mode.startswith(("I", "F")):
        return _from_wide_gray(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _over_white(np.asarray(image.convert("RGBA")))
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _from_wide_gray(gray: NDArray[Any]) -> Picture:
    """Grays of more than 8 bits. Integers are taken as 16-bit; floats as 0 to 1, or 0 to 255 where they exceed 1."""
    if np.issubdtype(gray.dtype, np.floating):
        finite = np.nan_to_num(gray.astype(np.float64), posinf=255.0, neginf=0.0)
        scaled = finite * 255 if finite.max() <= 1 else finite
    else:
        scaled = gray.astype(np.float64) / 257
    return from_array(np.rint(np.clip(scaled, 0, 255)).astype(np.uint8))


def _over_white(picture: Picture) -> Picture:
    """RGBA [H, W, 4] laid over white."""
    alpha = picture[..., 3:].astype(np.uint16)
    blended = (picture[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return blended.astype(np.uint8)
