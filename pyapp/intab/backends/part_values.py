"""What is known while a model runs in parts: what was fed and made, on devices and as arrays."""

from collections.abc import Mapping

import numpy as np

from intab.backends.device_tensor import DeviceTensor, Fed
from intab.backends.keeping import Keeping, array_of, on_host
from intab.graph.dims import evaluate
from intab.graph.ir import Array, Value


class PartValues:
    """Values by name, as arrays or as tensors on a device; what is needed of a tensor as an array is read back once.

    Tensors that parts made belong to the run until `leave` hands one on: `dispose` gives back the others.
    """

    def __init__(self, feeds: Mapping[str, Fed], sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)
        self._arrays: dict[str, Array] = {}
        self._tensors: dict[str, DeviceTensor] = {}
        self._made: dict[str, DeviceTensor] = {}
        self._backends: dict[str, str] = {}
        self._sort(feeds)

    def add(self, made: Mapping[str, Fed], backend: str) -> None:
        """Take note of what a part has made."""
        self._sort(made)
        self._made |= {name: value for name, value in made.items() if isinstance(value, DeviceTensor)}
        self._backends |= dict.fromkeys(made, backend)

    async def fed_to(self, device: Keeping, value: Value) -> Fed:
        """A value for a part whose device may have it already."""
        tensor = self._tensors.get(value.name)
        return tensor if tensor is not None and not device.why_read(value.name, tensor) else await self.array(value)

    async def array(self, value: Value) -> Array:
        """The numbers of a value that was fed or made, or that follows from sizes."""
        name = value.name
        if name in self._arrays or name in self._tensors or value.elements is None:
            return await self.numbers(name)
        numbers = np.array([evaluate(element, self.sizes) for element in value.elements], value.dtype.numpy)
        return numbers.reshape([evaluate(dim, self.sizes) for dim in value.shape])

    async def numbers(self, name: str) -> Array:
        """Those of a value that was fed or made."""
        if name not in self._arrays:
            self._arrays[name] = await array_of(self._tensors[name])
        return self._arrays[name]

    async def leave(self, value: Value, name: str) -> DeviceTensor:
        """A value as a tensor of the caller's own, under the name of an output."""
        tensor = self._made.pop(value.name, None)
        if tensor is None:  # from no device, fed, or handed on under another name
            return on_host(name, await self.array(value), self._backends.get(value.name, "reference"))
        tensor.name = name
        return tensor

    def dispose(self) -> None:
        """Give back what was made and not handed on."""
        for tensor in self._made.values():
            tensor.dispose()
        self._made.clear()
        self._tensors.clear()

    def _sort(self, values: Mapping[str, Fed]) -> None:
        for name, value in values.items():
            if isinstance(value, DeviceTensor):
                self._tensors[name] = value
            else:
                self._arrays[name] = value
