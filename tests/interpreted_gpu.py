"""Programs for GPUs run by the interpreter of kernels, on memory laid out as the device would have it."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from intab.backends.segments import Guesses
from intab.backends.webgpu.elements import fed_to_device, from_device, to_device
from intab.dtypes import DType, dtype_of
from intab.graph.ir import Array
from intab.kernels.verify import verify
from intab.kernels.wgsl import stored_as
from intab.program.bind import Binder, Plan
from intab.program.ir import ALIGNMENT, WEIGHTS, Program, Reading
from intab.program.memory import aligned
from intab.program.pages import split_regions
from tests.wide_machine import Bound, Numbers, run_all

# What nobody wrote: NaN in halves and floats, -1 in whole numbers.
NOTHING = 0xFF


@dataclass(slots=True, eq=False)
class InterpretedGpu:
    """A program with its weights in place; pages are arrays of bytes."""

    program: Program
    binder: Binder = field(init=False)
    pages: list[Numbers] = field(init=False)
    _feeds: Mapping[str, Array] = field(init=False)

    def __post_init__(self) -> None:
        for kernel in self.program.kernels:
            verify(kernel)
        accesses = [
            tuple("read" if b.access == "read" else "read_write" for b in k.buffers) for k in self.program.kernels
        ]
        self.binder = Binder(self.program, split_regions(self.program, accesses))
        self.pages = [np.zeros(0, np.uint8) for _ in self.binder.pages.regions]
        for page, region in enumerate(self.binder.pages.regions):
            if region == WEIGHTS:
                self._write_weights(page)

    def run(self, feeds: Mapping[str, Array], sizes: Mapping[str, int]) -> dict[str, Array]:
        """All outputs, by name."""
        self._feeds = feeds
        plan, known = asyncio.run(Guesses(self.program).run(self, sizes))
        self.binder.check_late(known)
        found = {}
        for port in self.program.outputs:
            shape = self.binder.shape_of(port, plan)
            data = self._elements(plan, port.buffer, port.dtype, math.prod(shape))
            found[port.name] = from_device(data.tobytes(), shape, port.dtype, self.program.target)
        return found

    async def start(self, sizes: Mapping[str, int]) -> Plan:
        plan = self.binder.bind(sizes)
        more = len(self.binder.pages.regions) - len(self.pages)  # what was spread
        self.pages += [np.zeros(0, np.uint8) for _ in range(more)]
        for page, region in enumerate(self.binder.pages.regions):
            if region != WEIGHTS:
                self.pages[page] = _empty(plan.region_nbytes[page])
        for port in self.program.inputs:
            if port.buffer >= 0:
                array = fed_to_device(self._feeds[port.name], port.dtype, self.program.target, port.name)
                self._elements(plan, port.buffer, port.dtype, array.size)[:] = array.reshape(-1)
        return plan

    async def read_sizes(self, plan: Plan, readings: Sequence[Reading]) -> dict[str, int]:
        found: dict[str, int] = {}
        for reading in readings:
            numbers = self._elements(plan, reading.buffer, reading.dtype, len(reading.symbols))
            found |= {symbol: int(size) for symbol, size in zip(reading.symbols, numbers, strict=True)}
        return found

    async def run_segment(self, plan: Plan, number: int) -> None:
        segment = self.program.segments[number]
        for step in range(segment.first_step, segment.end_step):
            self._run_step(plan, step)

    def _run_step(self, plan: Plan, number: int) -> None:
        step = self.program.steps[number]
        kernel = self.program.kernels[step.kernel]
        words = plan.words[self.binder.word_starts[number] :][: len(step.words)]
        buffers = {}
        for buffer, word, start in zip(kernel.buffers, step.words, words, strict=False):
            page = self.pages[self.binder.pages.of_buffer[word.buffer]]
            buffers[buffer.name] = Bound(page.view(stored_as(buffer.dtype, self.program.target).numpy), int(start))
        rest = zip(kernel.words, words[len(kernel.buffers) :], strict=True)
        given = {w.name: bits.view(np.float32) if w.type.scalar == "f32" else bits for w, bits in rest}
        run_all(kernel, buffers, given, int(plan.items[number]))

    def _elements(self, plan: Plan, buffer: int, dtype: DType, count: int) -> Numbers:
        stored = stored_as(dtype.name, self.program.target)
        page, first = self.pages[self.binder.pages.of_buffer[buffer]], int(plan.buffer_offsets[buffer])
        return page[first : first + count * stored.itemsize].view(stored.numpy)

    def _write_weights(self, page: int) -> None:
        places, nbytes = self.binder.fixed_places(page)
        self.pages[page] = _empty(nbytes)
        for weight in self.program.weights:
            if self.binder.pages.of_buffer[weight.buffer] == page:
                packed = weight.numpy()
                numbers = to_device(packed, weight.stored or dtype_of(packed), self.program.target, "a weight").reshape(
                    -1
                )
                first = places[weight.buffer]
                self.pages[page][first : first + numbers.nbytes] = numbers.view(np.uint8)


def _empty(nbytes: int) -> Numbers:
    """A page, with the line behind it that vectors may be read past a buffer's end."""
    return np.full(aligned(nbytes) + ALIGNMENT, NOTHING, np.uint8)
