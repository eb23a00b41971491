"""Pictures and frames of videos that JavaScript has, as pixels in a GPU's memory: none pass through Python."""

from dataclasses import dataclass
from typing import Any

from intab.browser._js import describe, door, is_js
from intab.browser.files import BLOBS
from intab.browser.gpu_device import Device, GpuBuffer, load_script
from intab.browser.proxies import closed, opened
from intab.errors import MediaError

FRAMES = ("VideoFrame", "HTMLVideoElement")
# Properties that say how large a picture is, in the order in which they count.
_SIZES = (("displayWidth", "displayHeight"), ("videoWidth", "videoHeight"), ("naturalWidth", "naturalHeight"))
PICTURES = ("ImageBitmap", "ImageData", "HTMLImageElement", "HTMLCanvasElement", "OffscreenCanvas")
# WebGPU copies lines of a texture at multiples of this (spec, bytesPerRow).
LINE_NBYTES = 256
PIXEL_NBYTES = 4


@dataclass(slots=True, eq=False)
class GpuTexture:
    """What pictures of one size are brought to on their way."""

    width: int
    height: int
    js: Any

    def destroy(self) -> None:
        """Free the memory; a second call does nothing."""
        if self.js is not None:
            self.js.destroy()
            self.js = None
            closed("gpu texture")


@dataclass(slots=True, eq=False)
class Picture:
    """A picture or frame of JavaScript. `own`: it was made here, and is closed here."""

    js: Any
    width: int
    height: int
    is_frame: bool
    own: bool

    def close(self) -> None:
        """Let go of what was made here."""
        if self.own:
            self.js.close()


def is_picture(source: object) -> bool:
    """Whether `picture_of` takes it."""
    return is_js(source, *PICTURES, *FRAMES, *BLOBS)


async def picture_of(source: Any) -> Picture:
    """The picture that `source` is: an ImageBitmap, ImageData, canvas, image, video, VideoFrame, File or Blob.

    Raises MediaError for all else, for a file that is no picture, and for a picture that has no pixels (yet).
    """
    if not is_picture(source):
        raise MediaError(
            f"{type(source).__name__}: a GPU takes no picture from this. Give an ImageBitmap, ImageData, canvas, img, "
            "video, VideoFrame, File or Blob of JavaScript; session.run takes arrays."
        )
    own = is_js(source, *BLOBS)
    if own:
        try:
            options = door().to_js({"premultiplyAlpha": "none"})
            source = await door().js.createImageBitmap(source, options)
        except door().exception as error:
            raise MediaError(f"the picture cannot be read ({describe(error)}). Give a PNG, JPEG or WebP.") from error
    is_frame = is_js(source, *FRAMES)
    names = [pair for pair in _SIZES if getattr(source, pair[0], None) is not None]
    width, height = (int(getattr(source, name)) for name in (names[0] if names else ("width", "height")))
    picture = Picture(source, width, height, is_frame, own)
    if width * height == 0:
        picture.close()
        raise MediaError(
            f"{source.constructor.name}: it has no pixels. It was closed or detached, or is not loaded: wait for "
            "its decode() or its event loadeddata."
        )
    return picture


def pitch_of(width: int) -> int:
    """Bytes between the lines of a picture in a buffer."""
    return -(-width * PIXEL_NBYTES // LINE_NBYTES) * LINE_NBYTES


class GpuPictures:
    """What a device does with pictures."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._script = load_script("gpu_pictures.js")(device.js, device.script)
        # Browsers that draw pages without the GPU may not import frames; that is known after the first one.
        self.imports_frames = True

    def needs_texture(self, picture: Picture) -> bool:
        """Whether the picture is copied to a texture on its way."""
        return not (picture.is_frame and self.imports_frames)

    async def texture(self, width: int, height: int) -> GpuTexture:
        """Room for pictures on their way. Raises OutOfMemoryError, KernelError for a size that it does not have."""
        doing = f"room for a picture of {width} x {height}"
        self._device.check(doing)
        with self._device.failures(doing):
            made = await self._script.createTexture(width, height)
        opened("gpu texture")
        return GpuTexture(width, height, made)

    async def bring(self, picture: Picture, texture: GpuTexture | None, buffer: GpuBuffer) -> bool:
        """The pixels in a buffer, lines `pitch_of` apart: red, green, blue and alpha in sRGB, alpha not multiplied in.

        False where it `needs_texture` after all. Raises MediaError where the browser does not give a picture's pixels.
        """
        doing = f"bringing a picture of {picture.width} x {picture.height}"
        self._device.check(doing)
        room = buffer.range(0, pitch_of(picture.width) * picture.height)
        try:
            if texture is None:
                brought = await self._script.bringFrame(picture.js, picture.width, picture.height, room)
                self.imports_frames = bool(brought)
                return self.imports_frames
            bring = self._script.bringCopy if picture.is_frame else self._script.bring
            await bring(picture.js, texture.js, room)
            return True
        except door().exception as error:
            if getattr(error, "name", "") in ("lost", "memory"):
                with self._device.failures(doing):
                    raise
            raise MediaError(
                f"{doing}: the browser does not give its pixels ({describe(error)}). It may be closed, or of another "
                "site, which then has to allow it (CORS)."
            ) from error
