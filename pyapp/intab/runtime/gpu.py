"""The GPU of this tab, as authors use it: kernels of their own."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from intab.backends.webgpu.author_function import AuthorFunction
from intab.backends.webgpu.author_text import is_whole, read_body, read_whole
from intab.backends.webgpu.launch import shared_launcher
from intab.browser.gpu_info import GpuInfo
from intab.dtypes import DType, dtype_of, float32
from intab.errors import KernelError
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


def _refuse(name: str, what: str, **given: object) -> None:
    """Raise KernelError for options that a kind of kernel does not have."""
    for option, value in given.items():
        if value is not None:
            raise KernelError(f"{name}: {what} has no {option}=. Leave it out.")
