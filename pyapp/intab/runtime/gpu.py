"""The GPU of this tab, as authors use it: kernels of their own, and pictures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from intab.backends.device_tensor import DeviceTensor
from intab.backends.webgpu.author_function import AuthorFunction
from intab.backends.webgpu.author_text import is_whole, read_body, read_whole
from intab.backends.webgpu.launch import shared_launcher
from intab.backends.webgpu.pictures import PictureForm, reader_of
from intab.browser.gpu_info import GpuInfo
from intab.browser.gpu_pictures import picture_of
from intab.dtypes import DType, dtype_of, float32
from intab.errors import KernelError, ShapeError
from intab.runtime.custom_kernel import FunctionKernel, Kernel, TextKernel

# Invocations of a workgroup, where a kernel does not say; more than devices run in step, fewer than any limit.
WORKGROUP_SIZE = 64


class TabGpu:
    """The device that all sessions of this tab share. It is asked for when it is first needed."""

    async def info(self) -> GpuInfo:
        """Names, features and limits of the device. Raises BackendUnavailableError, saying why, where there is none."""
        return (await shared_launcher()).gpu.info

    async def kernel(
        self,
        source: str | Callable[..., Any],
        *,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        uniforms: Mapping[str, Any] | None = None,
        workgroup_size: int | None = None,
        constants: Mapping[str, float] | None = None,
        entry_point: str | None = None,
        name: str = "",
    ) -> Kernel:
        """A kernel of your own, compiled.

            double = await gpu.kernel(lambda a, b: a * 2 + b)                    # numpy's functions and operators
            double = await gpu.kernel("out[i] = a[i] * 2.0 + b[i];",             # WGSL of one element
                                      inputs={"a": "float32", "b": "float32"}, outputs={"out": "float32"})
            double = await gpu.kernel(shader)                                    # a whole shader with its own bindings

        source: a function computes one element of each array, and its arrays broadcast; text with `@compute` is a whole
        shader; other text is what is done for element `i` of `count`. inputs, outputs, uniforms: dtypes by name, as
        numpy names them; of a function's parameters float32 unless given; of a whole shader only where its text says
        too little. uniforms: numbers that are given with each call. workgroup_size: invocations of a workgroup, of text
        for one element. constants: values of `override` declarations. entry_point: which of several. name: what
        messages call it.

        Raises KernelError, with line and column, for what the compiler refuses; DTypeError, UnsupportedOpError;
        BackendUnavailableError where there is no WebGPU.
        """
        launcher = await shared_launcher()
        read, written, numbers = (_dtypes(given) for given in (inputs, outputs, uniforms))
        called = name or (getattr(source, "__name__", "") if callable(source) else "kernel")
        called = "kernel" if called == "<lambda>" else called
        if callable(source):
            _refuse(called, "a function", outputs=outputs, uniforms=uniforms, workgroup_size=workgroup_size)
            _refuse(called, "a function", constants=constants, entry_point=entry_point)
            known = AuthorFunction(called, source, read, float32)
            if strange := sorted(read.keys() - known.dtypes.keys()):
                raise KernelError(f"{called}: its function has no parameter {', '.join(strange)}.")
            made: Kernel = FunctionKernel(known)
        elif is_whole(source):
            _refuse(called, "a whole shader", uniforms=uniforms, workgroup_size=workgroup_size)
            made = TextKernel(read_whole(called, source, read | written, entry_point), constants or {})
        else:
            _refuse(called, "text for one element", entry_point=entry_point)
            size = workgroup_size or WORKGROUP_SIZE
            body = read_body(called, source, read, written, numbers, size, launcher.target)
            made = TextKernel(body, constants or {}, per_element=size)
        await made.compile()
        return made

    async def picture(
        self,
        source: Any,
        *,
        height: int,
        width: int,
        fit: str = "fill",
        scale: float = 1 / 255,
        mean: float | Sequence[float] = 0.0,
        std: float | Sequence[float] = 1.0,
        channels: str = "RGB",
        layout: str = "NCHW",
        pad: float | Sequence[float] = 0.0,
    ) -> DeviceTensor:
        """A picture as a model's input, float32 [1, 3, height, width] or, in layout "NHWC", [1, height, width, 3].

            async with await intab.gpu().picture(frame, height=224, width=224, mean=MEAN, std=STD) as x:
                outputs = await session.run({"input": x})

        source: an ImageBitmap, ImageData, canvas, img, video, VideoFrame, File or Blob of JavaScript; its pixels do not
        pass through Python, and who opened it closes it. Bytes are scaled exactly as `media.resize` does it (OpenCV's
        bilinear, half-pixel centres), what is transparent over white; then (byte * scale - mean) / std, for each
        channel in the order of `channels`, "RGB" or "BGR". Colours are sRGB's. fit: "fill" takes all of it, "contain"
        keeps its sides and has bytes of `pad` around it, "cover" keeps them and takes its middle (CSS's object-fit).

        Give the tensor back with `dispose()` or `async with`. Raises MediaError where there are no pixels to be had,
        ShapeError, OutOfMemoryError, BackendUnavailableError where there is no WebGPU.
        """
        three = [_three(name, value) for name, value in (("mean", mean), ("std", std), ("pad", pad))]
        form = PictureForm(height, width, fit, scale, three[0], three[1], channels, layout, three[2])
        picture = await picture_of(source)
        try:
            return await reader_of(await shared_launcher()).read(picture, form)
        finally:
            picture.close()


def gpu() -> TabGpu:
    """The GPU of this tab. Nothing is asked of it yet."""
    return TabGpu()


def _dtypes(given: Mapping[str, Any] | None) -> dict[str, DType]:
    return {name: dtype_of(_numpy_dtype(name, dtype)) for name, dtype in (given or {}).items()}


def _numpy_dtype(name: str, dtype: Any) -> Any:
    try:
        return np.dtype(dtype)
    except TypeError as error:
        raise KernelError(f'{name}: {dtype!r} is no dtype of numpy. Say "float32", say.') from error


def _three(name: str, value: float | Sequence[float]) -> tuple[float, float, float]:
    """A number for each channel."""
    numbers = list(value) if isinstance(value, (Sequence, np.ndarray)) else [value] * 3
    if len(numbers) != 3:
        raise ShapeError(f"picture: {name} is {len(numbers)} numbers. Give one, or one for each of three channels.")
    return float(numbers[0]), float(numbers[1]), float(numbers[2])


def _refuse(name: str, what: str, **given: object) -> None:
    """Raise KernelError for options that a kind of kernel does not have."""
    for option, value in given.items():
        if value is not None:
            raise KernelError(f"{name}: {what} has no {option}=. Leave it out.")
