"""Weights on their way from a model's bytes into a machine's memory, packed there by kernels.

Ranges of the bytes are copied into a staging region, in the browser without passing through Python, and steps of
modules that all sessions of a pool share move them on to where they belong. What no kernel packs, and what is small,
numpy does.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from intab.backends.engine import Instance
from intab.backends.wasm.pool import ALIGNMENT, Pool, Region
from intab.browser.net import JsStorage
from intab.dtypes import float32, int8, uint8
from intab.errors import KernelError
from intab.graph.derived import View, bytes_of, view_of
from intab.graph.storage import MemoryStorage
from intab.kernels.families.pack_panels import pack_panels_of, pack_winograd_of
from intab.kernels.families.register_tile import TILE_COLUMNS
from intab.kernels.families.winograd_transform import LARGE, SMALL
from intab.kernels.ir import Kernel
from intab.kernels.wasm import STEP_NBYTES, generate
from intab.ops.panels import Panels
from intab.program.ir import Weight

# A step costs about as much as numpy takes for so many bytes.
LEAST_NBYTES = 16 << 10
# Ranges are gathered until so many bytes or steps are there; only what makes one panel may be more.
STAGING_NBYTES = 1 << 20
MOST_STEPS = 128
MOST_WORDS = 11
TABLE_NBYTES = MOST_STEPS * (STEP_NBYTES + 4 * MOST_WORDS)
# Storages of which a part can be read without computing the whole.
PLAIN = (MemoryStorage, JsStorage)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which kernel packs: element type, order of columns, whether it scales, outputs of Winograd's transform or 0."""

    dtype: str
    order: tuple[int, ...]
    scaled: bool
    outputs: int

    def kernel(self) -> Kernel:
        if not self.outputs:
            return pack_panels_of(self.dtype, scaled=self.scaled, order=self.order)
        return pack_winograd_of(TRANSFORMS[self.outputs], scaled=self.scaled)


# Element types that there are kernels for, and as what they are moved.
MOVED_AS = {float32: "f32", int8: "u8", uint8: "u8"}
TRANSFORMS = {transform.outputs: transform for transform in (SMALL, LARGE)}


async def packing_instances(pool: Pool, weights: Sequence[Weight]) -> Mapping[Recipe, Instance]:
    """What packs these weights: a module for each kernel, made when it is first needed, for all sessions of a pool."""
    wanted = {work.recipe for weight in weights if (work := _work(weight)) is not None}
    for recipe in wanted:
        if recipe not in pool.packing:
            made = await pool.machine.instantiate(generate([recipe.kernel()], pool.machine.target))
            if pool.packing.setdefault(recipe, made) is not made:  # another model, loaded meanwhile, was sooner
                made.dispose()
    return {recipe: pool.packing[recipe] for recipe in wanted}


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """A weight that kernels can pack: what is read, how, and by which kernel."""

    view: View
    panels: Panels
    recipe: Recipe

    @property
    def itemsize(self) -> int:
        return self.view.source.dtype.itemsize

    @property
    def factor_nbytes(self) -> int:
        return 0 if self.view.factor is None else self.view.factor.nbytes

    @property
    def least_nbytes(self) -> int:
        """Room for the smallest piece."""
        return self.panels.least_count() * self.itemsize + self.factor_nbytes + 2 * ALIGNMENT

    @property
    def whole_nbytes(self) -> int:
        """Room for all of it at once."""
        return self.view.source.nbytes + self.factor_nbytes + 2 * ALIGNMENT


@dataclass(frozen=True, slots=True)
class _Step:
    recipe: Recipe
    items: int
    words: tuple[int, ...]


class Packer:
    """Writes the weights of one program: `write` each, then `finish`; `dispose` in any case."""

    def __init__(self, pool: Pool, instances: Mapping[Recipe, Instance], name: str, weights: Sequence[Weight]) -> None:
        """`instances` are those of `packing_instances`, `name` the model's.

        Raises OutOfMemoryError when there is no room to work in.
        """
        self._memory = pool.machine.memory
        self._pool = pool
        self._instances = instances
        self._works = {weight.buffer: work for weight in weights if (work := _work(weight)) is not None}
        works = self._works.values()
        wanted = min(STAGING_NBYTES, sum(work.whole_nbytes for work in works))
        self._capacity = max([wanted, *(work.least_nbytes for work in works)])
        self._staging: Region | None = None
        if self._works:
            self._staging = pool.allocate(TABLE_NBYTES + self._capacity, f"{name}: room to pack its weights")
        self._filled_nbytes = 0
        self._steps: list[_Step] = []

    def has_kernel(self, weight: Weight) -> bool:
        """Whether a weight is packed by a kernel, not copied as it is or packed by numpy."""
        return weight.buffer in self._works

    def write(self, weight: Weight, address: int) -> None:
        """Have the packed numbers at `address`, by `finish` at the latest."""
        work, constant = self._works.get(weight.buffer), weight.constants[0]
        if work is not None:
            self._pack(work, address)
        elif weight.pack is None and isinstance(constant.storage, PLAIN):
            self._memory.write_from(address, constant.storage, constant.offset, constant.nbytes)
        else:
            self._memory.write(address, bytes_of(weight.numpy()))

    def finish(self) -> None:
        """Run the steps that wait."""
        if self._staging is None or not self._steps:
            return
        table = self._staging.address
        by_recipe: dict[Recipe, list[_Step]] = {}
        for step in self._steps:
            by_recipe.setdefault(step.recipe, []).append(step)
        steps = [step for some in by_recipe.values() for step in some]
        starts = table + STEP_NBYTES * len(steps) + 4 * np.cumsum([0, *(len(step.words) for step in steps)])
        records = [number for step, at in zip(steps, starts, strict=False) for number in (0, at, step.items, 0)]
        words = [word for step in steps for word in step.words]
        # Addresses past 2 GiB do not fit i32 but have the same bits as u32.
        self._memory.write(table, bytes_of(np.array([*records, *words], np.int64).astype(np.uint32)))
        for recipe, some in by_recipe.items():
            self._instances[recipe].run(table, len(some))
            table += STEP_NBYTES * len(some)
        self._steps.clear()
        self._filled_nbytes = 0

    def dispose(self) -> None:
        """Give the staging region back; a second call does nothing."""
        if self._staging is not None:
            self._pool.free(self._staging)
            self._staging = None

    def _pack(self, work: _Work, address: int) -> None:
        """Make the steps of a weight, run whenever the staging region is full of what they read."""
        source, factor, panels = work.view.source, work.view.factor, work.panels
        itemsize = work.itemsize
        most = (self._capacity - work.factor_nbytes - 2 * ALIGNMENT) // itemsize
        depths = (panels.columns.stride, panels.outer.stride, panels.inner.stride)
        for piece in panels.pieces(most):
            nbytes = piece.count * itemsize
            self._make_room(nbytes + work.factor_nbytes + 2 * ALIGNMENT)
            scales = []
            if factor is not None:
                at = self._stage(work.factor_nbytes)
                self._memory.write(at, bytes_of(factor.numpy()))
                scales = [at + factor.dtype.itemsize * piece.column]
            at = self._stage(nbytes)
            self._memory.write_from(at, source.storage, source.offset + piece.start * itemsize, nbytes)
            words = (at, *scales, address + piece.place * itemsize, *piece.sizes, *depths, *panels.gaps)
            self._steps.append(_Step(work.recipe, -(-piece.sizes[0] // TILE_COLUMNS), words))

    def _make_room(self, nbytes: int) -> None:
        if len(self._steps) == MOST_STEPS or self._filled_nbytes + nbytes > self._capacity:
            self.finish()

    def _stage(self, nbytes: int) -> int:
        """The address of a free part of the staging region."""
        assert self._staging is not None
        address = self._staging.address + TABLE_NBYTES + self._filled_nbytes
        self._filled_nbytes += -(-nbytes // ALIGNMENT) * ALIGNMENT
        return address


def is_packed_by_kernels(weight: Weight) -> bool:
    """Whether a weight's bytes go their way without numpy."""
    return _work(weight) is not None


def _work(weight: Weight) -> _Work | None:
    """How kernels pack a weight; None where numpy has to, or does it sooner."""
    if weight.pack is None or len(weight.constants) != 1 or weight.constants[0].nbytes < LEAST_NBYTES:
        return None
    view = view_of(weight.constants[0])
    panels = weight.pack.panels(view) if isinstance(view.source.storage, PLAIN) else None
    if panels is None:
        return None
    dtype = MOVED_AS.get(view.source.dtype)
    if dtype is None or (dtype != "f32" and view.factor is not None):
        return None
    if panels.packed_count != math.prod(weight.shape):
        raise KernelError(f"A weight was announced as {list(weight.shape)}; kernels would pack it as {panels}.")
    return _Work(view, panels, Recipe(dtype, panels.order, view.factor is not None, panels.outputs))
