"""Values that stay where they were computed, between runs and between sessions."""

import math
import weakref
from types import TracebackType
from typing import Protocol

import numpy as np

from intab.browser.jspi import result_now
from intab.dtypes import DType
from intab.errors import DeviceLostError, IntabError
from intab.graph.ir import Array


class Held(Protocol):
    """The memory of a tensor: on a GPU (`backends.webgpu.kept`) or among Python's own (`HostValue`)."""

    @property
    def backend(self) -> str: ...

    @property
    def on_host(self) -> bool:
        """Whether it lies in memory that Python reads at once, so that giving it on is not reading it back."""
        ...

    @property
    def lost(self) -> str | None:
        """Why the device is gone, and the numbers with it; None while they are there."""
        ...

    async def read(self) -> Array:
        """The numbers: a copy that its reader may write to."""
        ...

    def release(self) -> None:
        """Give the memory back."""
        ...


class DeviceTensor:
    """An output that stays on the device that computed it: what `session.run(..., keep=("name",))` returns for it.

        features = (await encoder.run({"image": picture}, keep=("features",)))["features"]
        scores = await head.run({"features": features})     # on one GPU nothing is read back
        features.dispose()

    It owns its memory: later runs do not change it, and it outlives its session. `await tensor.numpy()` reads it;
    `np.asarray(tensor)` does the same where Python can wait for the device, and raises an IntabError where it cannot.
    It is given to any session as a feed, by the rules that `Session.run` tells. Give the memory back with `dispose()`
    or `async with`; a tensor that nobody refers to any more gives it back by itself, sooner or later.

    `name`: the output's; `dtype`, `shape`; `nbytes`: bytes of the array that `numpy()` gives, which may take more on a
    device (`session.memory().kept` counts those); `backend`: where it lies: "webgpu", "wasm" or "reference".
    """

    def __init__(self, name: str, dtype: DType, shape: tuple[int, ...], held: Held) -> None:
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.backend = held.backend
        self._held: Held | None = held
        self._forgotten = weakref.finalize(self, held.release)
        self._forgotten.atexit = False

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def is_disposed(self) -> bool:
        return self._held is None

    def held(self) -> Held:
        """The memory, for back ends. Raises IntabError after `dispose()`, DeviceLostError when its device was lost."""
        if self._held is None:
            raise IntabError(f"{self._said()} was disposed of. Dispose of it later, or run its session again.")
        if self._held.lost is not None:
            raise DeviceLostError(
                f"{self._said()} was lost with its device ({self._held.lost.rstrip('.')}). Run its session again."
            )
        return self._held

    async def numpy(self) -> Array:
        """The numbers as an array of their own, which may be written to. Raises as `held`."""
        return await self.held().read()

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> Array:
        """What `np.asarray(tensor)` gives: read back now, where Python can wait for it. Raises IntabError elsewhere."""
        if copy is False:
            raise ValueError(f"{self._said()} is read back, which makes a copy. Leave out copy=False.")
        array = result_now(self.numpy, waits=not self.held().on_host, instead="`await tensor.numpy()`")
        return array if dtype is None else array.astype(dtype)

    def dispose(self) -> None:
        """Give the memory back; a second call does nothing. Using the tensor afterwards raises an IntabError."""
        self._held = None
        self._forgotten()

    async def __aenter__(self) -> "DeviceTensor":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dispose()

    def _said(self) -> str:
        return f"The kept tensor {self.name!r} {self.dtype.numpy_name}{list(self.shape)}"

    def __repr__(self) -> str:
        state = "disposed of" if self._held is None else f"on {self.backend}"
        if self._held is not None and self._held.lost is not None:
            state += ", lost"
        return f"<DeviceTensor {self.name!r} {self.dtype.numpy_name}{list(self.shape)} {state}, {self.nbytes:,} bytes>"


# What a back end that keeps values may be fed, and what it gives.
Fed = Array | DeviceTensor


class HostValue:
    """Numbers in Python's own memory."""

    on_host = True
    lost = None

    def __init__(self, array: Array, backend: str) -> None:
        self.backend = backend
        self.array = array

    async def read(self) -> Array:
        return self.array.copy()

    def release(self) -> None:
        pass  # Python frees it with the last reference
