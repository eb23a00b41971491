"""Inside Pyodide: pictures and frames that JavaScript has, as a model's input on the GPU."""

import asyncio
import gc

import js
import numpy as np
from pyodide.ffi import to_js

import intab
from intab.backends.webgpu.device import shared_gpu
from intab.browser import proxies
from intab.errors import IntabError
from tests.pictures import FORMS, form_of, meant, pattern

SIZES = ((97, 61), (64, 48))
COUNTED = """(device) => {
  let held = 0;
  for (const kind of ["Buffer", "Texture"]) {
    const make = device[`create${kind}`].bind(device);
    device[`create${kind}`] = (descriptor) => {
      const made = make(descriptor);
      const destroy = made.destroy.bind(made);
      let is_there = true;
      held += 1;
      made.destroy = () => { if (is_there) held -= 1; is_there = false; destroy(); };
      return made;
    };
  }
  return () => held;
}"""


def image_data(pixels):
    height, width = pixels.shape[:2]
    return js.ImageData.new(
        js.Uint8ClampedArray.new(to_js(np.ascontiguousarray(pixels).reshape(-1).data)), width, height
    )


def canvas_of(pixels):
    height, width = pixels.shape[:2]
    canvas = js.OffscreenCanvas.new(width, height)
    canvas.getContext("2d").putImageData(image_data(pixels), 0, 0)
    return canvas


async def made(kind, pixels):
    """A source of a kind with these pixels, and how to close it."""
    if kind == "ImageData":
        return image_data(pixels), lambda: None
    if kind == "ImageBitmap":
        bitmap = await js.createImageBitmap(
            image_data(pixels), to_js({"premultiplyAlpha": "none"}, dict_converter=js.Object.fromEntries)
        )
        return bitmap, bitmap.close
    canvas = canvas_of(pixels)
    if kind == "OffscreenCanvas":
        return canvas, lambda: None
    if kind == "VideoFrame":
        frame = js.VideoFrame.new(canvas, to_js({"timestamp": 0}, dict_converter=js.Object.fromEntries))
        return frame, frame.close
    blob = await canvas.convertToBlob()
    if kind == "Blob":
        return blob, lambda: None
    assert kind == "HTMLImageElement"
    image = js.document.createElement("img")
    image.src = js.URL.createObjectURL(blob)
    await image.decode()
    return image, lambda: js.URL.revokeObjectURL(image.src)


async def differences(kind, opaque):
    """Of every form and size, in units of what one level of 8 bits makes."""
    found = []
    for size in SIZES:
        pixels = pattern(*size, opaque=opaque)
        source, close = await made(kind, pixels)
        for options in FORMS:
            form = form_of(options)
            async with await intab.gpu().picture(source, **options) as tensor:
                got, wanted = await tensor.numpy(), meant(pixels, form)
            assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
            found.append(float(np.abs(got - wanted).max()) * min(form.std) / form.scale)
        close()
    return found


async def video_colours(colours):
    """The middle of a video of one colour, in bytes."""
    canvas = js.document.createElement("canvas")
    canvas.width, canvas.height = 64, 48
    context = canvas.getContext("2d")
    context.fillStyle = f"rgb({', '.join(map(str, colours))})"
    video = js.document.createElement("video")
    video.muted = True
    video.srcObject = canvas.captureStream(10)
    playing = asyncio.ensure_future(video.play())
    while not (playing.done() and video.videoWidth):
        context.fillRect(0, 0, 64, 48)
        await asyncio.sleep(0.05)
    async with await intab.gpu().picture(video, height=8, width=8, scale=1.0) as tensor:
        numbers = await tensor.numpy()
    video.srcObject = None
    return numbers[0, :, 4, 4].tolist()


async def at_the_same_time(count):
    """The first byte of each of many pictures of one size that are all asked for before the first is there."""
    sources = []
    for number in range(count):
        pixels = pattern(5, 5, opaque=True)
        pixels[...] = number
        pixels[..., 3] = 255
        sources.append(image_data(pixels))
    waiting = (intab.gpu().picture(source, height=2, width=2, scale=1.0) for source in sources)
    tensors = await asyncio.gather(*waiting)
    return [float((await tensor.numpy())[0, 0, 0, 0]) for tensor in tensors]


async def speed(count):
    """Milliseconds for a picture of 640 x 480 at 224 x 224, until its tensor is made, as the median of `count`."""
    source, times = image_data(pattern(640, 480, opaque=True)), []
    for _ in range(count):
        start = js.performance.now()
        async with await intab.gpu().picture(source, height=224, width=224):
            times.append(js.performance.now() - start)
    return sorted(times)[count // 2]


async def fed(url):
    """The largest difference between a session fed a picture's tensor and the same session fed the array."""
    pixels = pattern(100, 30, opaque=True)
    options = {"height": 48, "width": 192, "mean": 0.5, "std": 0.5, "channels": "BGR"}
    session = await intab.load(url, backend="webgpu")
    try:
        name = session.inputs[0].name
        async with await intab.gpu().picture(image_data(pixels), **options) as tensor:
            first = await session.run({name: tensor})
        second = await session.run({name: meant(pixels, form_of(options))})
        double = await intab.gpu().kernel(lambda x: x * 2)
        async with await intab.gpu().picture(image_data(pixels), **options) as tensor:
            twice = await double(tensor)
        assert np.abs(twice - 2 * meant(pixels, form_of(options))).max() < 1e-5
        return max(float(np.abs(first[one] - second[one]).max()) for one in first)
    finally:
        session.dispose()


async def error_of(awaitable):
    try:
        result = await awaitable
    except IntabError as error:
        return [type(error).__name__, str(error)]
    return ["none", repr(result)]


async def refused():
    picture = intab.gpu().picture
    bitmap = await js.createImageBitmap(image_data(pattern(4, 4)))
    bitmap.close()
    damaged = js.Blob.new(to_js([to_js(b"no picture")]))
    size = {"height": 4, "width": 4}
    return [
        await error_of(picture(bitmap, **size)),
        await error_of(picture(damaged, **size)),
        await error_of(picture(np.zeros((4, 4, 3), np.uint8), **size)),
        await error_of(picture(image_data(pattern(4, 4)), **size, mean=(1, 2))),
        await error_of(picture(js.ImageData.new(20_000, 1), **size)),
    ]


async def flat(count):
    """What is held before and after many pictures of several sizes and forms, by intab and by the device."""
    held = js.eval(COUNTED)((await shared_gpu()).device.js)
    sources = [image_data(pattern(width, 20)) for width in (30, 40, 50)]

    async def bring(number):
        options = FORMS[number % 2]
        async with await intab.gpu().picture(sources[number % 3], **options) as tensor:
            if number % 100 == 0:
                await tensor.numpy()

    for number in range(60):
        await bring(number)
    gc.collect()
    before = [proxies.live(), held()]
    for number in range(count):
        await bring(number)
    gc.collect()
    return before, [proxies.live(), held()]
