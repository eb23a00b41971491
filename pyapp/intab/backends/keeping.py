"""Runs that are fed tensors which lie on devices, and that leave outputs there.

A back end whose values may stay on its device is `Keeping`; for all others tensors are arrays in Python's memory.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from intab.backends.device_tensor import DeviceTensor, Fed, HostValue
from intab.backends.engine import Executable
from intab.dtypes import DType, dtype_of
from intab.errors import DeviceLostError, IntabError
from intab.graph.ir import Array


@runtime_checkable
class Keeping(Protocol):
    """What an executable has more when its values may stay on its device."""

    def keeps(self, dtype: DType) -> bool:
        """Whether tensors of a dtype that its runs keep need not be read back before they are fed to it."""
        ...

    def why_read(self, name: str, tensor: DeviceTensor) -> str:
        """Why a tensor that lies on some device has to be read back before it is fed as `name`; "" when it need not."""
        ...

    def kept_names(self) -> tuple[str, ...]:
        """The names of its tensors that nobody has disposed of."""
        ...

    async def run_keeping(
        self, feeds: Mapping[str, Fed], sizes: Mapping[str, int], fetches: Sequence[str], keep: Sequence[str]
    ) -> dict[str, Fed]:
        """As `Executable.run`; outputs in `keep` are DeviceTensors, which know their numbers if in `fetches`."""
        ...


async def run_keeping(
    executable: Executable,
    feeds: Mapping[str, Fed],
    sizes: Mapping[str, int],
    fetches: Sequence[str],
    keep: Sequence[str],
) -> dict[str, Fed]:
    """Compute the fetches as arrays, and what is to be kept as tensors."""
    if isinstance(executable, Keeping):
        return await executable.run_keeping(feeds, sizes, fetches, keep)
    arrays = {name: await array_of(fed) for name, fed in feeds.items()}
    made = await executable.run(arrays, sizes, tuple(dict.fromkeys((*fetches, *keep))))
    return {name: on_host(name, array, executable.backend) if name in keep else array for name, array in made.items()}


async def array_of(fed: Fed) -> Array:
    """The numbers of what is fed, to be read only: brought from its device where it lies on one."""
    if not isinstance(fed, DeviceTensor):
        return fed
    held = fed.held()
    return held.array if isinstance(held, HostValue) else await held.read()


def on_host(name: str, array: Array, backend: str) -> DeviceTensor:
    """A tensor in Python's memory with numbers of its own."""
    own = np.array(array)
    own.setflags(write=False)
    return DeviceTensor(name, dtype_of(own), own.shape, HostValue(own, backend))


def reasons_to_read(executable: Executable, feeds: Mapping[str, Fed]) -> list[str]:
    """Which feeds have to be read back from their devices before a run, and why."""
    reasons = []
    for name, fed in feeds.items():
        if not isinstance(fed, DeviceTensor) or fed.held().on_host:
            continue
        elsewhere = f"the model runs on {executable.backend}"
        why = executable.why_read(name, fed) if isinstance(executable, Keeping) else elsewhere
        if why:
            reasons.append(f"the feed {name!r} is read back from {fed.backend} before a run, since {why}")
    return reasons


def kept_names(executable: Executable) -> tuple[str, ...]:
    """The names of tensors on its device that nobody has disposed of."""
    return executable.kept_names() if isinstance(executable, Keeping) else ()


def check_held(model: str, feeds: Mapping[str, Fed]) -> None:
    """Raise IntabError when a tensor that is fed was disposed of, DeviceLostError, naming all, when some were lost."""
    lost = []
    for name, fed in feeds.items():
        if isinstance(fed, DeviceTensor):
            try:
                fed.held()
            except DeviceLostError as error:
                lost.append(f"{name!r}: {error}")
            except IntabError as error:
                raise IntabError(f"{model}: the feed {name!r}: {error}") from error
    if lost:
        raise DeviceLostError(f"{model}: feeds that were lost with their device: {' '.join(lost)}")
