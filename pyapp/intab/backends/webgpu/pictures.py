"""Pictures as a model's input, on the GPU from their pixels on."""

import asyncio
from dataclasses import dataclass, field

import numpy as np

from intab.backends.device_tensor import DeviceTensor
from intab.backends.webgpu.kept import GpuValue
from intab.backends.webgpu.launch import Launcher
from intab.browser.gpu import GpuBuffer, GpuCall, GpuCommands, GpuPipeline, GpuShader
from intab.browser.gpu_pictures import PIXEL_NBYTES, GpuPictures, GpuTexture, Picture, pitch_of
from intab.dtypes import float32
from intab.errors import ShapeError
from intab.kernels.families.picture import CHANNELS, picture_numbers
from intab.kernels.ir import Kernel
from intab.kernels.wgsl import generate, pack_words, workgroups
from intab.ops.bilinear_taps import bilinear_taps

FITS = ("fill", "contain", "cover")
ORDERS = ("RGB", "BGR")
LAYOUTS = ("NCHW", "NHWC")
# Sizes of pictures that are made ready at one time, and results that each of them knows.
ROOMS, RESULTS = 4, 4


@dataclass(frozen=True, slots=True)
class PictureForm:
    """What a model wants of a picture; see `TabGpu.picture`."""

    height: int
    width: int
    fit: str
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: str
    layout: str
    pad: tuple[float, float, float]

    def __post_init__(self) -> None:
        for name, value, known in (
            ("fit", self.fit, FITS),
            ("channels", self.channels, ORDERS),
            ("layout", self.layout, LAYOUTS),
        ):
            if value not in known:
                raise ShapeError(f"picture: {name}={value!r}; there is {', '.join(known)}.")
        if min(self.height, self.width) < 1:
            raise ShapeError(f"picture: {self.height} x {self.width} is no size. Give height and width of 1 or more.")
        if 0 in self.std:
            raise ShapeError(f"picture: std={self.std}, and numbers are divided by it. Leave it out for 1.")

    @property
    def shape(self) -> tuple[int, ...]:
        planes = (1, CHANNELS, self.height, self.width)
        return planes if self.layout == "NCHW" else (1, self.height, self.width, CHANNELS)

    def strides(self) -> dict[str, int]:
        """Of the result, in elements."""
        if self.layout == "NCHW":
            return {"y_line": self.width, "y_pixel": 1, "y_channel": self.height * self.width}
        return {"y_line": self.width * CHANNELS, "y_pixel": CHANNELS, "y_channel": 1}


@dataclass(frozen=True, slots=True)
class Fitted:
    """Which part of a picture becomes which part of the result, in pixels: left, top, width, height."""

    source: tuple[int, int, int, int]
    part: tuple[int, int, int, int]


def fitted(width: int, height: int, form: PictureForm) -> Fitted:
    """How a picture is laid into the result; the names are those of CSS's object-fit.

    fill: all of it, whatever its sides are. contain: all of it, its sides kept, in the middle. cover: its middle, its
    sides kept, as much as there is room for.
    """
    whole, result = (0, 0, width, height), (0, 0, form.width, form.height)
    if form.fit == "contain":
        ratio = min(form.width / width, form.height / height)
        part = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        return Fitted(whole, ((form.width - part[0]) // 2, (form.height - part[1]) // 2, *part))
    if form.fit == "cover":
        ratio = max(form.width / width, form.height / height)
        seen = (min(width, max(1, round(form.width / ratio))), min(height, max(1, round(form.height / ratio))))
        return Fitted(((width - seen[0]) // 2, (height - seen[1]) // 2, *seen), result)
    return Fitted(whole, result)


def picture_words(kernel: Kernel, width: int, height: int, form: PictureForm) -> bytes:
    """The kernel's words for a picture of this size."""
    place = fitted(width, height, form)
    left, top, part_width, part_height = place.part
    pitch = pitch_of(width) // PIXEL_NBYTES
    words: dict[str, float] = {"pitch": pitch, "width": form.width, "part_left": left, "part_top": top}
    words |= {"part_width": part_width, "part_height": part_height, **form.strides()}
    for channel in range(CHANNELS):
        mean, std = form.mean[channel], form.std[channel]
        words[f"factor_{channel}"] = form.scale / std
        words[f"addend_{channel}"] = -mean / std
        words[f"pad_{channel}"] = (form.pad[channel] * form.scale - mean) / std
    first = place.source[1] * pitch + place.source[0]
    return pack_words(kernel, form.height * form.width, {"x": first}, words)


def picture_taps(width: int, height: int, form: PictureForm) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    """The kernel's taps: of columns, then of rows."""
    place = fitted(width, height, form)
    both = [bilinear_taps(size, new) for size, new in zip(place.source[2:], place.part[2:], strict=True)]
    rows = [row for taps in both for row in (taps.first, taps.second, taps.first_weight, taps.second_weight)]
    return np.concatenate(rows).astype(np.int32)


@dataclass(slots=True)
class _Room:
    """All that pictures of one size need to get one form."""

    texture: GpuTexture | None
    pixels: GpuBuffer
    taps: GpuBuffer
    words: GpuBuffer
    pipeline: GpuPipeline
    words_nbytes: int
    commands: dict[GpuBuffer, GpuCommands] = field(default_factory=dict)

    def dispose(self) -> None:
        for commands in self.commands.values():
            commands.dispose()
        self.commands.clear()
        for one in (self.texture, self.pixels, self.taps, self.words):
            if one is not None:
                one.destroy()


class PictureReader:
    """Makes tensors of pictures on one device. What it needs for pictures of a size is kept for the next ones."""

    def __init__(self, launcher: Launcher) -> None:
        self.launcher = launcher
        self._pictures = GpuPictures(launcher.gpu.device)
        self._rooms: dict[tuple[object, ...], _Room] = {}
        self._turn = asyncio.Lock()  # pictures of one size go through the same memory: one after the other

    async def read(self, picture: Picture, form: PictureForm) -> DeviceTensor:
        """The tensor of a picture. Raises MediaError, OutOfMemoryError, DeviceLostError."""
        async with self._turn:
            return await self._read(picture, form)

    async def _read(self, picture: Picture, form: PictureForm) -> DeviceTensor:
        kept, gpu = self.launcher.kept, self.launcher.gpu
        room = await self._room(picture, form)
        if not await self._pictures.bring(picture, room.texture, room.pixels):
            room.texture = await self._pictures.texture(picture.width, picture.height)
            await self._pictures.bring(picture, room.texture, room.pixels)
        nbytes = 4 * form.height * form.width * CHANNELS
        (buffer,) = await kept.take([("picture", nbytes)])
        try:
            commands = await self._commands(room, buffer, nbytes, form)
            await commands.run(0, 1)
        except BaseException:
            kept.give_back(buffer)
            raise
        value = GpuValue(gpu, kept, buffer, float32, form.shape, self.launcher.target)
        return DeviceTensor("picture", float32, form.shape, value)

    def close(self) -> None:
        """Give back what is kept."""
        for room in self._rooms.values():
            room.dispose()
        self._rooms.clear()

    async def _commands(self, room: _Room, buffer: GpuBuffer, nbytes: int, form: PictureForm) -> GpuCommands:
        known = room.commands.pop(buffer, None)
        if known is None:
            buffers, groups = (room.pixels, room.taps, buffer), workgroups(form.height * form.width)
            known = await self.launcher.gpu.commands(
                [GpuCall(room.pipeline, buffers, 0, room.words_nbytes, groups)], room.words
            )
        room.commands[buffer] = known  # the newest is last
        if len(room.commands) > RESULTS:
            room.commands.pop(next(iter(room.commands))).dispose()
        return known

    async def _room(self, picture: Picture, form: PictureForm) -> _Room:
        key = (picture.width, picture.height, picture.is_frame, form)
        room = self._rooms.pop(key, None) or await self._made(picture, form)
        self._rooms[key] = room  # the newest is last
        if len(self._rooms) > ROOMS:
            self._rooms.pop(next(iter(self._rooms))).dispose()
        return room

    async def _made(self, picture: Picture, form: PictureForm) -> _Room:
        gpu, (width, height) = self.launcher.gpu, (picture.width, picture.height)
        kernel = picture_numbers(reversed_channels=form.channels == "BGR", opaque=picture.is_frame)
        shader = generate(kernel, self.launcher.target)
        (pipeline,) = await gpu.pipelines(
            [GpuShader(kernel.name, shader.text, tuple(access for _, access in shader.buffers))]
        )
        words, taps = picture_words(kernel, width, height, form), picture_taps(width, height, form)
        sizes = [("a picture's pixels", pitch_of(width) * height), ("a picture's taps", taps.nbytes)]
        made = await gpu.buffers(sizes)
        try:
            made += await gpu.buffers([("a picture's words", len(words))], uniform=True)
            needed = self._pictures.needs_texture(picture)
            gpu.write(made[1], 0, taps.view(np.uint8).data)
            gpu.write(made[2], 0, memoryview(words))
            texture = await self._pictures.texture(width, height) if needed else None
        except BaseException:
            for buffer in made:
                buffer.destroy()
            raise
        return _Room(texture, made[0], made[1], made[2], pipeline, len(words))


_reader: PictureReader | None = None


def reader_of(launcher: Launcher) -> PictureReader:
    """The reader of a device's launcher."""
    global _reader
    if _reader is None or _reader.launcher is not launcher:
        if _reader is not None:
            _reader.close()
        _reader = PictureReader(launcher)
    return _reader
