"""The door to one GPU device: gpu_device.js evaluated where Python runs, and its failures as intab's errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from intab.browser._js import describe, door
from intab.browser.proxies import closed, opened
from intab.errors import DeviceLostError, IntabError, KernelError, OutOfMemoryError

WORD_NBYTES = 4
# WebGPU binds no empty buffer, and arrays of four numbers only where there is room for one.
UNIT_NBYTES = 16
# Words are bound in whole units, so that calls with more and with fewer of them share a bind group.
WORDS_UNIT_NBYTES = 256


def counted(count: int, what: str) -> str:
    """`1 GPU call`, `2 GPU calls`."""
    return f"{max(count, 0)} {what}{'' if count == 1 else 's'}"


def round_up(nbytes: int, unit_nbytes: int) -> int:
    """The smallest multiple of `unit_nbytes` that is not smaller than `nbytes`."""
    return -(-nbytes // unit_nbytes) * unit_nbytes


def load_script(name: str) -> Any:
    """The function that a script of this folder is.

    Its text is evaluated: no address is asked for it, so that it is there in pages opened from files, too, and in
    workers of any kind.
    """
    text = files("intab.browser").joinpath(name).read_text(encoding="utf-8")
    return door().js.eval(f"{text}\n//# sourceURL=intab/browser/{name}")


class Device:
    """A GPUDevice, `js`, from when it is had until `close()`; `script` is what gpu_device.js does with it."""

    def __init__(self, device: Any) -> None:
        self.js: Any = device
        self.script: Any = load_script("gpu_device.js")(device)
        self._prepare: Any = load_script("gpu_commands.js")
        self._exception = door().exception
        self.is_open = True
        opened("gpu device")

    async def prepare(self, *described: Any) -> Any:
        """The list of dispatches that gpu_commands.js makes of what is described."""
        return await self._prepare(self.js, self.script, *described)

    @property
    def lost(self) -> str | None:
        """Why the device is gone; None while it is there."""
        if not self.is_open:
            return "it was disposed of"
        return self.script.lost or None

    def check(self, doing: str) -> None:
        """Raise DeviceLostError when the device is gone. `doing` begins the message."""
        if (reason := self.lost) is not None:
            raise _lost(doing, reason)

    def check_open(self, doing: str) -> None:
        """As `check`, of whether it was disposed of only; the rest JavaScript sees for itself when it is asked."""
        if not self.is_open:
            self.check(doing)

    @contextmanager
    def failures(self, doing: str) -> Iterator[None]:
        """Have what JavaScript throws within arrive as an error of intab; `doing` begins its message."""
        try:
            yield
        except self._exception as error:
            raise self._as_intab(doing, error) from error

    def _as_intab(self, doing: str, error: Exception) -> IntabError:
        name, message = getattr(error, "name", ""), str(getattr(error, "message", error))
        if name == "lost" or self.lost is not None:
            return _lost(doing, self.lost or message)
        if name == "memory":
            return OutOfMemoryError(
                f"{doing}: the GPU has no memory for it ({message}). "
                "Use smaller input or a smaller model, dispose of sessions that are not needed, or close other tabs."
            )
        return broken(doing, message if name == "kernel" else describe(error))

    def close(self) -> None:
        """Destroy the device and all that it holds; a second call does nothing."""
        if self.is_open:
            self.is_open = False
            self.script.close()
            self.js = self.script = self._prepare = None
            closed("gpu device")


def _lost(doing: str, reason: str) -> DeviceLostError:
    return DeviceLostError(
        f"{doing}: the GPU device was lost ({reason.rstrip('.')}). Load the model again; if it happens again, "
        'close other tabs that use the GPU, or use backend="wasm".'
    )


def broken(doing: str, reason: str) -> KernelError:
    """What breaks the rules of WebGPU."""
    words = " ".join(reason.split())
    return KernelError(f"{doing}: the GPU refused it ({words}). This is a mistake in intab; please report it.")


@dataclass(slots=True, eq=False)
class GpuBuffer:
    """Memory on the GPU. `nbytes` is what was asked for; `size` what there is, in whole units and never nothing."""

    label: str
    nbytes: int
    size: int
    js: Any

    def destroy(self) -> None:
        """Free the memory; a second call does nothing."""
        if self.js is not None:
            self.js.destroy()
            self.js = None
            closed("gpu buffer")

    def range(self, offset: int, nbytes: int) -> Any:
        """The GPUBuffer, once it is known that the bytes offset .. offset + nbytes lie in it. Raises KernelError."""
        if self.js is None:
            raise KernelError(f"{self.label}: this GPU buffer was destroyed. Load the model again.")
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size:
            raise KernelError(
                f"{self.label}: {nbytes} bytes at offset {offset} lie outside a GPU buffer of {self.nbytes:,} bytes. "
                "This is a mistake in intab; please report it with the model."
            )
        return self.js

    def words(self, offset: int, nbytes: int) -> Any:
        """As `range`, for what is copied on the device: whole words of 4 bytes. Raises KernelError."""
        if offset % WORD_NBYTES or nbytes % WORD_NBYTES:
            raise KernelError(
                f"{self.label}: {nbytes} bytes at offset {offset} are to be copied, and WebGPU copies words of 4. "
                "This is a mistake in intab; please report it with the model."
            )
        return self.range(offset, nbytes)

    def writable(self, offset: int, nbytes: int) -> Any:
        """As `range`, for what is written: in whole words of 4 bytes. Raises KernelError."""
        if offset % WORD_NBYTES:
            raise KernelError(
                f"{self.label}: bytes are written at offset {offset}, and WebGPU writes at multiples of 4 only. "
                "This is a mistake in intab; please report it with the model."
            )
        return self.range(offset, round_up(nbytes, WORD_NBYTES))


def buffer_size(nbytes: int, *, uniform: bool) -> int:
    """The bytes that a buffer of `nbytes` gets."""
    if uniform:  # one unit more, so that words bound in whole units end within, wherever they begin
        return round_up(nbytes, WORDS_UNIT_NBYTES) + WORDS_UNIT_NBYTES
    return max(round_up(nbytes, UNIT_NBYTES), UNIT_NBYTES)


def adopt_buffer(label: str, nbytes: int, size: int, made: Any) -> GpuBuffer:
    """Count a GPUBuffer as opened."""
    opened("gpu buffer")
    return GpuBuffer(label, nbytes, size, made)
