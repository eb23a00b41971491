"""Weights on their way from a model's bytes into a GPU's memory.

Bytes that lie in the file as on the device are written from where JavaScript holds them. Others are written, as they
are, into a staging buffer, and a kernel moves them on to where they belong. What no kernel packs, and what is small,
numpy does, one weight after the other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from intab.backends.webgpu.elements import to_device
from intab.browser.gpu import Gpu, GpuBuffer, GpuCall, GpuPipeline, GpuShader
from intab.browser.net import JsStorage
from intab.dtypes import dtype_of, float32
from intab.errors import KernelError
from intab.graph.derived import View, bytes_of, view_of
from intab.graph.storage import MemoryStorage
from intab.kernels.families.grid_shape import LANES
from intab.kernels.families.pack_lines import pack_lines
from intab.kernels.wgsl import generate, pack_words, workgroups
from intab.ops.panels import Panels
from intab.program.ir import ALIGNMENT, Weight
from intab.program.memory import aligned
from intab.target import Target

# A dispatch costs about as much as numpy takes for so many bytes.
LEAST_NBYTES = 16 << 10
# Ranges are gathered until so many bytes are there; only a single weight may be more.
STAGING_NBYTES = 16 << 20
PLAIN = (MemoryStorage, JsStorage)
STORED_AS_THEY_ARE = ("f32", "i32", "u32")
Place = tuple[GpuBuffer, int]


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """A weight that the kernel can pack: what is read, and along which axes."""

    view: View
    panels: Panels

    @property
    def staged_nbytes(self) -> int:
        factor = self.view.factor
        return aligned(self.view.source.nbytes) + (0 if factor is None else aligned(factor.nbytes))

    @property
    def line(self) -> int:
        """Columns up to whole vectors."""
        return -(-self.panels.columns.size // LANES) * LANES

    @property
    def count(self) -> int:
        """Elements once it is packed."""
        return self.panels.groups.size * self.panels.outer.size * self.panels.inner.size * self.line

    def words(self) -> dict[str, int]:
        panels = self.panels
        sizes = {"columns": panels.columns.size, "outer": panels.outer.size, "inner": panels.inner.size}
        axes = {"group": panels.groups, "column": panels.columns, "outer": panels.outer, "inner": panels.inner}
        return {**sizes, "line": self.line, **{f"{name}_step": axis.stride for name, axis in axes.items()}}


@dataclass(frozen=True, slots=True)
class _Move:
    """What a staged weight waits for: elements in the staging buffer where it and its factor begin, and where to."""

    lines: Lines
    start: int
    factor: int | None
    place: Place


class WeightWriter:
    """Writes the weights of one program: `write` each, then `finish`; `dispose` in any case."""

    def __init__(self, gpu: Gpu, target: Target, name: str, weights: Sequence[Weight]) -> None:
        """`name` is the model's."""
        self._gpu, self._target, self._name = gpu, target, name
        self._lines = {w.buffer: lines for w in weights if (lines := lines_of(w, target.binding_nbytes)) is not None}
        sizes = [lines.staged_nbytes for lines in self._lines.values()]
        self._capacity = max(min(STAGING_NBYTES, sum(sizes)), *sizes, 0)
        self._staging: GpuBuffer | None = None
        self._filled_nbytes = 0
        self._moves: list[_Move] = []
        self._pipelines: dict[bool, GpuPipeline] = {}

    async def write(self, weight: Weight, buffer: GpuBuffer, place: int) -> int:
        """Have the packed numbers at `place`, in bytes, by `finish` at the latest. Returns how many bytes they take."""
        lines = self._lines.get(weight.buffer)
        if lines is not None:
            await self._stage(lines, (buffer, place))
            return lines.count * float32.itemsize
        constant = weight.constants[0]
        if lies_as_stored(weight):
            self._gpu.write_from(buffer, place, constant.storage, constant.offset, constant.nbytes)
            return constant.nbytes
        packed = weight.numpy()
        numbers = to_device(packed, weight.stored or dtype_of(packed), self._target, f"{self._name}: a weight")
        self._gpu.write(buffer, place, bytes_of(numbers))
        return numbers.nbytes

    async def finish(self) -> None:
        """Run the moves that wait."""
        if self._staging is None or not self._moves:
            return
        step = self._gpu.info.limits["minUniformBufferOffsetAlignment"]
        words = [self._words(move) for move in self._moves]
        stride = -(-max(map(len, words)) // step) * step
        block = b"".join(one.ljust(stride, b"\0") for one in words)
        calls = [await self._call(move, n * stride, len(words[n])) for n, move in enumerate(self._moves)]
        (uniform,) = await self._gpu.buffers([(f"{self._name}: words to pack by", len(block))], uniform=True)
        try:
            self._gpu.write(uniform, 0, memoryview(block))
            commands = await self._gpu.commands(calls, uniform)
            try:
                await commands.run(0, len(calls))
            finally:
                commands.dispose()
        finally:
            uniform.destroy()
        self._moves.clear()
        self._filled_nbytes = 0

    def dispose(self) -> None:
        """Give the staging buffer back; a second call does nothing."""
        if self._staging is not None:
            self._staging.destroy()
            self._staging = None

    async def _stage(self, lines: Lines, place: Place) -> None:
        if self._staging is None:
            label = f"{self._name}: room to pack its weights"
            (self._staging,) = await self._gpu.buffers([(label, self._capacity)])
        if self._filled_nbytes + lines.staged_nbytes > self._capacity:
            await self.finish()
        source, factor, start = lines.view.source, lines.view.factor, self._filled_nbytes
        self._gpu.write_from(self._staging, start, source.storage, source.offset, source.nbytes)
        scales = None
        if factor is not None:
            scales = start + aligned(source.nbytes)
            self._gpu.write(self._staging, scales, bytes_of(factor.numpy()))
            scales //= float32.itemsize
        self._moves.append(_Move(lines, start // float32.itemsize, scales, place))
        self._filled_nbytes += lines.staged_nbytes

    def _words(self, move: _Move) -> bytes:
        offsets = {"x": move.start, "y": move.place[1] // float32.itemsize, "factor": move.factor or 0}
        kernel = pack_lines(scaled=move.factor is not None)
        return pack_words(kernel, move.lines.count, offsets, move.lines.words())

    async def _call(self, move: _Move, words_at: int, words_nbytes: int) -> GpuCall:
        assert self._staging is not None
        scaled = move.factor is not None
        if scaled not in self._pipelines:
            kernel = pack_lines(scaled=scaled)
            shader = generate(kernel, self._target)
            access = tuple(access for _, access in shader.buffers)
            (self._pipelines[scaled],) = await self._gpu.pipelines([GpuShader(kernel.name, shader.text, access)])
        buffers = (*(self._staging,) * (1 + scaled), move.place[0])
        return GpuCall(self._pipelines[scaled], buffers, words_at, words_nbytes, workgroups(move.lines.count))


def lies_as_stored(weight: Weight) -> bool:
    """Whether the bytes of a weight's constant are those that the device wants."""
    constant, pack = weight.constants[0], weight.pack
    if (
        len(weight.constants) > 1
        or not isinstance(constant.storage, PLAIN)
        or weight.stored not in (None, constant.dtype)
    ):
        return False
    if pack is None:
        return constant.dtype.name in STORED_AS_THEY_ARE
    return pack.is_as_it_lies(constant.shape)


def lines_of(weight: Weight, most_nbytes: int) -> Lines | None:
    """How the kernel packs a weight; None where numpy has to, or does it sooner."""
    if weight.pack is None or len(weight.constants) != 1 or weight.constants[0].nbytes < LEAST_NBYTES:
        return None
    if weight.stored not in (None, float32):
        return None
    view = view_of(weight.constants[0])
    source = view.source
    if not isinstance(source.storage, PLAIN) or source.dtype != float32 or not weight.pack.in_lines:
        return None
    panels = weight.pack.panels(view)
    if panels is None or source.nbytes + ALIGNMENT > most_nbytes:
        return None
    lines = Lines(view, panels)
    if lines.count != math.prod(weight.shape):
        raise KernelError(f"A weight was announced as {list(weight.shape)}; the kernel would pack it as {panels}.")
    return lines if lines.staged_nbytes <= most_nbytes else None
