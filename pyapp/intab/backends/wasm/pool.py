"""One linear memory shared by all sessions, handed out in regions.

A WebAssembly memory that is dropped comes back only when the browser collects, seconds later, so memories are
not made for each session: regions are.
"""

from bisect import insort
from collections.abc import Hashable
from dataclasses import dataclass

from intab.backends.engine import Instance, Machine
from intab.errors import KernelError, OutOfMemoryError

ALIGNMENT = 64


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """Bytes address .. address + nbytes of a pool's memory."""

    address: int
    nbytes: int

    @property
    def end(self) -> int:
        return self.address + self.nbytes


class Pool:
    """Hands out regions of a machine's memory: the first gap that is large enough, else more memory."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        # What packs the weights of all sessions, made when first needed (`intab.backends.wasm.packer`).
        self.packing: dict[Hashable, Instance] = {}
        # Address 0 stays free of data, as a null pointer; what the machine keeps for itself follows.
        self._used: list[Region] = [Region(0, ALIGNMENT + machine.reserved_nbytes)]

    @property
    def used_nbytes(self) -> int:
        """Bytes in regions now handed out."""
        return sum(region.nbytes for region in self._used[1:])

    def allocate(self, nbytes: int, purpose: str = "a region") -> Region:
        """A region of at least `nbytes`, its contents arbitrary.

        Raises OutOfMemoryError, with the purpose, when there is no room; what is handed out is not touched.
        """
        # A vector may be read past a buffer's end by less than a line, so each region ends with a spare one.
        wanted = -(-nbytes // ALIGNMENT) * ALIGNMENT + ALIGNMENT
        address = self._used[0].end
        for region in self._used[1:]:
            if region.address - address >= wanted:
                break
            address = region.end
        found = Region(address, wanted)
        try:
            self.machine.memory.grow_to(found.end)
        except OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"{purpose}: {wanted:,} bytes cannot be had, beside {self.used_nbytes:,} that sessions hold. {error}"
            ) from error
        insort(self._used, found)
        return found

    def free(self, region: Region) -> None:
        """Take a region back."""
        try:
            self._used.remove(region)
        except ValueError:
            raise KernelError(f"A region at {region.address} was given back twice.") from None
