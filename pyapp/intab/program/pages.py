"""Regions split in pages, for devices on which a kernel may not write the buffer that it reads from (WebGPU).

Each page is one buffer of the device, bound as a whole. The arena has as many as it takes for no step to bind a page
that it writes to twice; so have the outputs. Weights are only read: they have as many as it takes for none to be larger
than what a kernel may see. What else has sizes that are known only when a plan is made, so that a page is spread over
several then, where it would be too large (`Pages.spread`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from intab.errors import KernelError, OutOfMemoryError
from intab.program.ir import ALIGNMENT, ARENA, OUTPUTS, REGIONS, WEIGHTS, Program
from intab.program.memory import aligned


@dataclass(frozen=True, slots=True)
class Pages:
    """The page of each buffer of a program, and the region of each page; the first pages are the regions in order.

    `limit`: bytes that a page may have, 0 for any number.
    """

    of_buffer: tuple[int, ...]
    regions: tuple[int, ...]
    limit: int = 0

    def spread(self, page: int, members: Mapping[int, int]) -> "Pages":
        """The same where `members`, buffers of a page, are in several: each in the so many-th of them."""
        more = max(members.values(), default=0)
        numbers = [page, *range(len(self.regions), len(self.regions) + more)]
        of_buffer = tuple(numbers[members[b]] if b in members else p for b, p in enumerate(self.of_buffer))
        return replace(self, of_buffer=of_buffer, regions=(*self.regions, *[self.regions[page]] * more))


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
    return Pages(tuple(splitting.pages), tuple(splitting.regions), _limit(program))


def too_large(program: Program, buffer: int, nbytes: int, given: str = "") -> OutOfMemoryError:
    """The error for a value that no page can hold: which one, how large it is, and what would hold it."""
    named = [port.name for port in (*program.inputs, *program.outputs) if port.buffer == buffer]
    kind, step = REGIONS[program.buffers[buffer].region], program.buffers[buffer].first_step
    what = f"{named[0]!r}" if named else f"a weight of node {program.steps[step].label!r}"
    if not named and program.buffers[buffer].region == ARENA:
        what = f"what node {program.steps[step].label!r} computes"
    with_sizes = f" with {given}" if given else ""
    return OutOfMemoryError(
        f"{program.name}: {what} ({kind}) takes {nbytes:,} bytes{with_sizes}; a kernel of this GPU may see "
        f'{_limit(program):,} of one buffer. Use smaller input, or backend="wasm", which has no such limit.'
    )


def _limit(program: Program) -> int:
    return program.target.binding_nbytes // ALIGNMENT * ALIGNMENT


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
    limit = _limit(program)
    page, room = WEIGHTS, limit
    for number, buffer in enumerate(program.buffers):
        if buffer.region != WEIGHTS:
            continue
        nbytes = program.dims[buffer.nbytes_dim]
        assert isinstance(nbytes, int), "weights have sizes that are known"
        if nbytes > limit:
            raise too_large(program, number, nbytes)
        if aligned(nbytes) > room:
            page, room = len(splitting.regions), limit
            splitting.regions.append(WEIGHTS)
        splitting.pages[number] = page
        room -= aligned(nbytes)
