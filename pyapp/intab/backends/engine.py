"""The seam between programs and devices.

A `Machine` is where WebAssembly lives: a linear memory and a way to make instances over it. There are two, with
one meaning: the browser's (`intab.browser.wasm`) and wasmtime's, for fast tests on the desktop. An `Executable`
is a model made ready on some device; `runtime.Session` knows nothing else of back ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from intab.graph.ir import Array
from intab.graph.storage import Storage
from intab.target import Target


class Memory(Protocol):
    """A linear memory. Addresses in bytes; it grows and never shrinks."""

    nbytes: int

    def grow_to(self, nbytes: int) -> None:
        """Raises OutOfMemoryError when the memory cannot be had."""
        ...

    def write(self, address: int, data: memoryview) -> None: ...

    def write_from(self, address: int, source: Storage, offset: int, nbytes: int) -> None:
        """Copy nbytes of a storage, from `offset` on, to `address`."""
        ...

    def read(self, address: int, out: memoryview) -> None: ...

    def dispose(self) -> None: ...


class Instance(Protocol):
    """A module over its memory."""

    @property
    def team_size(self) -> int:
        """Threads that a run may be shared among: what step tables are written for."""
        ...

    @property
    def threads(self) -> int:
        """Threads that would run a step table now: `team_size`, or 1 while the others are not there."""
        ...

    def about_threads(self) -> tuple[str, ...]:
        """What an author should know of them: how fast they were found to be, why they are not there."""
        ...

    def run(self, table_address: int, step_count: int, *, together: bool = False) -> None:
        """Run steps of the table, on one thread or `together`, on all that are there.

        Raises KernelError when the code traps, DeviceLostError when a thread is lost.
        """
        ...

    def dispose(self) -> None: ...


class Machine(Protocol):
    """A place where WebAssembly runs."""

    @property
    def target(self) -> Target: ...

    @property
    def memory(self) -> Memory: ...

    @property
    def reserved_nbytes(self) -> int:
        """Bytes behind the first ALIGNMENT of the memory that the machine keeps for itself."""
        ...

    async def instantiate(self, module: bytes, threads: int = 1, *, measured: bool = False) -> Instance:
        """An instance to be run by so many threads; a machine whose memory is not shared has one.

        With `measured`, by the fewest of them that are found to be about as fast as any.
        """
        ...

    def dispose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """What a session holds, in bytes by purpose. `kept`: outputs that stay on the device, and room for more of them."""

    weights: int
    arena: int
    inputs: int
    outputs: int
    code: int
    kept: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.arena + self.inputs + self.outputs + self.code + self.kept

    @classmethod
    def of_all(cls, uses: "Sequence[MemoryUse]") -> "MemoryUse":
        """What several hold together."""
        return cls(
            sum(use.weights for use in uses),
            sum(use.arena for use in uses),
            sum(use.inputs for use in uses),
            sum(use.outputs for use in uses),
            sum(use.code for use in uses),
            sum(use.kept for use in uses),
        )


@dataclass(frozen=True, slots=True)
class StepTime:
    """How long one step took, in ms, and what it had to do: None where its operator has not counted that.

    `label` names the node that the step came from, `kernel` what ran. What is counted: `intab.ops.lowering.Work`.
    `ms` is one thread's; `together_ms` that of `threads`, None where there is one.
    """

    label: str
    kernel: str
    ms: float
    flops: int | None
    nbytes: int | None
    threads: int = 1
    together_ms: float | None = None


class Executable(Protocol):
    """A model made ready to run on one device."""

    @property
    def backend(self) -> str: ...

    @property
    def step_count(self) -> int: ...

    @property
    def kernel_count(self) -> int: ...

    @property
    def threads(self) -> int:
        """Threads that would take part in a run now."""
        ...

    @property
    def team_size(self) -> int:
        """Threads that it was made for: what `threads` is when all are there."""
        ...

    def about_threads(self) -> tuple[str, ...]:
        """What an author should know of them: how fast they were found to be, why they are not there."""
        ...

    @property
    def waits(self) -> bool:
        """Whether a run must wait for the device; one that need not is over when its coroutine is first awaited."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the device is gone for good, with all that was on it: then only making this anew helps."""
        ...

    async def run(
        self, feeds: Mapping[str, Array], sizes: Mapping[str, int], fetches: Sequence[str]
    ) -> dict[str, Array]:
        """Compute the fetches. The feeds are complete, contiguous and of the right dtypes; sizes bind every symbol."""
        ...

    async def time_steps(self, repeats: int) -> tuple[StepTime, ...]:
        """Run the last run's steps again over its feeds, one by one; the median of `repeats` times each.

        On one thread, and where there are more on all of them too.

        Raises BackendUnavailableError on a back end that has no steps, IntabError before the first run.
        """
        ...

    def memory(self) -> MemoryUse: ...

    def dispose(self) -> None:
        """Give everything back; a second call does nothing."""
        ...
