"""Regions split in pages, for devices on which a kernel may not write the buffer that it reads from (WebGPU).

Each page is one buffer of the device, bound as a whole. The arena has as many as it takes for no step to bind a page
that it writes to twice; so have the outputs. Weights are only read: they have as many as it takes for none to be too
large.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from intab.errors import KernelError, OutOfMemoryError
from intab.program.ir import ARENA, OUTPUTS, REGIONS, WEIGHTS, Program
from intab.program.memory import aligned


@dataclass(frozen=True, slots=True)
class Pages:
    """The page of each buffer of a program, and the region of each page; the first pages are the regions in order."""

    of_buffer: tuple[int, ...]
    regions: tuple[int, ...]


def whole_regions(program: Program) -> Pages:
    """One page a region."""
    return Pages(tuple(buffer.region for buffer in program.buffers), tuple(range(len(REGIONS))))


def split_regions(program: Program, accesses: Sequence[Sequence[str]]) -> Pages:
    """Pages such that no step uses one that it writes to for anything else.

    `accesses` are those of each kernel's buffers ("read", "write" or "read_write"), in order. Raises KernelError where
    a step writes a buffer that it also reads under another name, OutOfMemoryError for a weight larger than a binding.
    """
    splitting = _Splitting([buffer.region for buffer in program.buffers])
    against = _neighbours(program, accesses)
    for number, buffer in enumerate(program.buffers):
        if buffer.region in (ARENA, OUTPUTS):
            taken = {splitting.pages[other] for other in against.get(number, ()) if other in splitting.placed}
            splitting.put(number, taken)
    _split_weights(program, splitting)
    return Pages(tuple(splitting.pages), tuple(splitting.regions))


@dataclass(slots=True)
class _Splitting:
    """Pages given to buffers one after the other: the first of the buffer's region that is free to it."""

    pages: list[int]
    regions: list[int] = field(default_factory=lambda: list(range(len(REGIONS))))
    placed: set[int] = field(default_factory=set)

    def put(self, buffer: int, taken: Iterable[int]) -> None:
        region, taken = self.pages[buffer], set(taken)
        self.placed.add(buffer)
        free = (page for page, kind in enumerate(self.regions) if kind == region and page not in taken)
        self.pages[buffer] = next(free, len(self.regions))
        if self.pages[buffer] == len(self.regions):
            self.regions.append(region)


def _neighbours(program: Program, accesses: Sequence[Sequence[str]]) -> dict[int, set[int]]:
    """For each buffer those that some step reads or writes while writing it, or writes while reading it."""
    found: dict[int, set[int]] = {}
    for step in program.steps:
        kinds = accesses[step.kernel]
        buffers = [word.buffer for word in step.words[: len(kinds)]]
        written = {b for b, kind in zip(buffers, kinds, strict=True) if kind != "read"}
        read = {b for b, kind in zip(buffers, kinds, strict=True) if kind == "read"}
        if written & read:
            raise KernelError(
                f"{program.name}: the step {step.label!r} ({program.kernel_names[step.kernel]}) reads the buffer that "
                "it writes. This is a mistake in intab; please report it with the model."
            )
        for one in written:
            found.setdefault(one, set()).update(read | written - {one})
        for one in read:
            found.setdefault(one, set()).update(written)
    return found


def _split_weights(program: Program, splitting: _Splitting) -> None:
    """Weights fill one page after the other, none beyond what a kernel may see of one buffer."""
    limit = program.target.binding_nbytes
    page, room = WEIGHTS, limit
    for number, buffer in enumerate(program.buffers):
        if buffer.region != WEIGHTS:
            continue
        nbytes = program.dims[buffer.nbytes_dim]
        assert isinstance(nbytes, int), "weights have sizes that are known"
        if nbytes > limit:
            raise OutOfMemoryError(
                f"{program.name}: a weight takes {nbytes:,} bytes; a kernel of this GPU may see {limit:,} of one "
                'buffer. Use backend="wasm".'
            )
        if aligned(nbytes) > room:
            page, room = len(splitting.regions), limit
            splitting.regions.append(WEIGHTS)
        splitting.pages[number] = page
        room -= aligned(nbytes)
