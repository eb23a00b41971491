"""One run of a program on a GPU: what each crossing into JavaScript takes along, and what it brings back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from intab.backends.device_tensor import DeviceTensor, Fed
from intab.backends.webgpu.elements import fed_to_device, from_device, stored_nbytes
from intab.backends.webgpu.kept import GpuValue, KeptBuffers
from intab.backends.webgpu.room import Room
from intab.browser.gpu import Download, GpuBuffer, GpuCopy, Upload
from intab.program.bind import Plan
from intab.program.ir import Port, Program, Reading


@dataclass(slots=True)
class Run:
    """Feeds are arrays, or tensors on the device of `room`; outputs are `fetched`, which is read back, or `kept` there.

    `buffers` hold what is kept, once it is; whoever made the run gives them to tensors, or back.
    """

    room: Room
    pool: KeptBuffers
    feeds: Mapping[str, Fed]
    fetched: Sequence[Port]
    kept: Sequence[Port]
    buffers: list[GpuBuffer] = field(default_factory=list)
    _uploads: list[Upload] = field(default_factory=list)
    _here: list[tuple[DeviceTensor, GpuBuffer, int]] = field(default_factory=list)
    _results: list[bytes] = field(default_factory=list)

    @property
    def program(self) -> Program:
        return self.room.program

    def read(self) -> Iterable[tuple[Port, bytes]]:
        """What was fetched, as it lay on the device."""
        return zip(self.fetched, self._results, strict=True)

    async def start(self, sizes: Mapping[str, int]) -> Plan:
        plan = await self.room.load_plan(sizes)
        self._uploads, self._here = [], []
        for port in self.program.inputs:
            if port.buffer < 0:
                continue
            fed, place = self.feeds[port.name], self.room.place(plan, port.buffer)
            if isinstance(fed, DeviceTensor):
                self._here.append((fed, *place))
            else:
                data = fed_to_device(fed, port.dtype, self.program.target, port.name).data
                self._uploads.append((*place, data))
        return plan

    async def read_sizes(self, plan: Plan, readings: Sequence[Reading]) -> dict[str, int]:
        parts = [self._part(plan, reading) for reading in readings]
        read = await self.room.commands_of(plan).run(0, 0, downloads=parts)
        found: dict[str, int] = {}
        for reading, data in zip(readings, read, strict=True):
            numbers = from_device(data, (len(reading.symbols),), reading.dtype, self.program.target)
            found |= {symbol: int(size) for symbol, size in zip(reading.symbols, numbers, strict=True)}
        return found

    async def run_segment(self, plan: Plan, number: int) -> None:
        segment, is_last = self.program.segments[number], number == len(self.program.segments) - 1
        downloads = [(*self.room.place(plan, p.buffer), self.room.nbytes_of(plan, p)) for p in self.fetched]
        uploads, self._uploads = self._uploads, []
        here, self._here = self._here, []
        after = await self._keep(plan) if is_last and self.kept else ()
        self._results = await self.room.commands_of(plan).run(
            segment.first_step,
            segment.end_step,
            uploads=uploads,
            downloads=downloads if is_last else (),
            # Only now, when nothing is awaited before they are submitted: whoever disposes of a tensor gives its memory
            # to the next one.
            before=[_copy_of(*one) for one in here],
            after=after,
        )

    async def _keep(self, plan: Plan) -> list[GpuCopy]:
        """Copies of what is kept, out of memory that the next run will use."""
        sizes = [self.room.nbytes_of(plan, port) for port in self.kept]
        self.buffers = await self.pool.take([(p.name, n) for p, n in zip(self.kept, sizes, strict=True)])
        places = [self.room.place(plan, port.buffer) for port in self.kept]
        return [GpuCopy(*place, b, 0, n) for place, b, n in zip(places, self.buffers, sizes, strict=True)]

    def _part(self, plan: Plan, reading: Reading) -> Download:
        """The first numbers of a buffer, which are sizes."""
        nbytes = stored_nbytes(len(reading.symbols), reading.dtype, self.program.target)
        return *self.room.place(plan, reading.buffer), nbytes


def _copy_of(fed: DeviceTensor, page: GpuBuffer, place: int) -> GpuCopy:
    """A tensor's memory to where a run reads it. Raises IntabError for one that was disposed of."""
    held = fed.held()
    assert isinstance(held, GpuValue)
    return GpuCopy(held.buffer, 0, page, place, held.nbytes)
