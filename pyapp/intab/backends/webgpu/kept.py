"""Outputs that stay on the GPU: each in a buffer of its own, which is used again once its tensor is disposed of."""

import math
from collections.abc import Callable, Sequence

from intab.backends.webgpu.elements import from_device, stored_nbytes
from intab.browser.gpu import Gpu, GpuBuffer
from intab.dtypes import DType
from intab.graph.ir import Array
from intab.kernels.wgsl import stored_as
from intab.target import Target

# Buffers that wait for the next tensor: as many, and as many bytes.
SPARE_BUFFERS = 8
SPARE_NBYTES = 1 << 26
# Sizes are rounded up to this, so that tensors of nearly one size share buffers.
UNIT_NBYTES = 256


class KeptBuffers:
    """The buffers of kept tensors, and those that wait for the next ones."""

    def __init__(self, gpu: Gpu, owner: str) -> None:
        self._gpu = gpu
        self._owner = owner
        self._held: dict[GpuBuffer, str] = {}
        self._spare: list[GpuBuffer] = []
        self._is_closed = False

    @property
    def nbytes(self) -> int:
        return sum(buffer.nbytes for buffer in (*self._held, *self._spare))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the tensors that nobody has disposed of."""
        return tuple(self._held.values())

    async def take(self, wanted: Sequence[tuple[str, int]]) -> list[GpuBuffer]:
        """A buffer for each (name, bytes), all of them or none. Nothing is asked of JavaScript where enough wait.

        What is in them is no matter. Raises OutOfMemoryError naming the tensor, DeviceLostError.
        """
        found = [self._fitting(nbytes) for _, nbytes in wanted]
        missing = [(i, name, nbytes) for i, (name, nbytes) in enumerate(wanted) if found[i] is None]
        labelled = [(f"{self._owner}: the kept {name!r}", rounded(nbytes)) for _, name, nbytes in missing]
        try:
            made = await self._gpu.buffers(labelled) if labelled else []
        except BaseException:
            for buffer in found:
                if buffer is not None:
                    self._set_aside(buffer)
            raise
        for (i, _, _), buffer in zip(missing, made, strict=True):
            found[i] = buffer
        taken = [buffer for buffer in found if buffer is not None]
        self._held |= {buffer: name for buffer, (name, _) in zip(taken, wanted, strict=True)}
        return taken

    def give_back(self, buffer: GpuBuffer) -> None:
        """Keep the buffer for the next tensor, or destroy it where enough are kept."""
        del self._held[buffer]
        self._set_aside(buffer)

    def _set_aside(self, buffer: GpuBuffer) -> None:
        enough = len(self._spare) >= SPARE_BUFFERS or sum(one.nbytes for one in self._spare) > SPARE_NBYTES
        if self._is_closed or enough or self._gpu.lost is not None:
            buffer.destroy()
        else:
            self._spare.append(buffer)

    def close(self) -> None:
        """Destroy what nobody uses; what tensors hold is destroyed with them."""
        self._is_closed = True
        for buffer in self._spare:
            buffer.destroy()
        self._spare.clear()

    def _fitting(self, nbytes: int) -> GpuBuffer | None:
        """The smallest that waits, is large enough and not twice as large."""
        least = rounded(nbytes)
        fitting = [buffer for buffer in self._spare if least <= buffer.nbytes <= 2 * least]
        if not fitting:
            return None
        best = min(fitting, key=lambda buffer: buffer.nbytes)
        self._spare.remove(best)
        return best


class GpuValue:
    """The memory of a tensor on a GPU: from the start of a buffer, as programs for `target` store its numbers.

    `array`: the numbers, where they were read back already. `check` raises for numbers that are wrong, once they are.
    """

    backend = "webgpu"
    on_host = False

    def __init__(
        self, gpu: Gpu, buffers: KeptBuffers, buffer: GpuBuffer, dtype: DType, shape: tuple[int, ...], target: Target
    ) -> None:
        self.gpu = gpu
        self.buffer = buffer
        self.array: Array | None = None
        self.check: Callable[[Array], None] | None = None
        self._buffers = buffers
        self._dtype = dtype
        self._shape = shape
        self._target = target

    @property
    def lost(self) -> str | None:
        return self.gpu.lost

    @property
    def stored(self) -> DType:
        """What its numbers are in memory."""
        return stored_as(self._dtype.name, self._target)

    @property
    def nbytes(self) -> int:
        """Bytes that the numbers take on the device, in whole words."""
        return stored_nbytes(math.prod(self._shape), self._dtype, self._target)

    async def read(self) -> Array:
        if self.array is not None:
            return self.array.copy()
        (data,) = await self.gpu.read([(self.buffer, 0, self.nbytes)])
        array = from_device(data, self._shape, self._dtype, self._target)
        if self.check is not None:
            self.check(array)
        return array

    def release(self) -> None:
        self._buffers.give_back(self.buffer)


def rounded(nbytes: int) -> int:
    """Bytes of a buffer that holds so many."""
    return max(1, -(-nbytes // UNIT_NBYTES)) * UNIT_NBYTES
