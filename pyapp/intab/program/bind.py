"""Program + sizes -> Plan: numbers for every word, item count and place.

Binding happens at every new input size, so the work that does not depend on sizes is done once, in a
`Binder`: the table of dims becomes one Python function, words become index arrays. What is left is one call,
a few numpy gathers and, when the arena must grow, its placement.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from intab.errors import OutOfMemoryError, ShapeError
from intab.graph.dims import Atom, Dim, Shape, Symbol, evaluate, symbols_of
from intab.graph.ir import Equality
from intab.program.ir import ARENA, INPUTS, OUTPUTS, WEIGHTS, Port, Program
from intab.program.memory import Lifetime, Placement, place_apart, place_reused, spread_over_pages
from intab.program.pages import Pages, too_large, whole_regions

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Relocation:
    """Where in `Plan.words` buffers' places stand: word index, region and element size of each."""

    positions: Numbers
    regions: Numbers
    itemsizes: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A program at known sizes.

    `words` are all steps' words, one step after the other (`Binder.word_starts` says where), i32; words that
    name a buffer hold its place in elements from the start of its region. `items` counts each step's items.
    `region_nbytes` and `buffer_offsets` (bytes in the region) are the memory it needs.
    """

    words: NDArray[np.int32]
    items: NDArray[np.int32]
    buffer_offsets: Numbers
    buffer_nbytes: Numbers
    region_nbytes: tuple[int, ...]
    dims: Numbers


class Binder:
    """Binds one program, again and again.

    `pages` say which regions' memory is split, for devices that want it so: a region number is then a page's. They
    become more when a plan is made that takes it; plans made before do not know of these.
    """

    def __init__(self, program: Program, pages: Pages | None = None) -> None:
        self.program = program
        self.pages = pages or whole_regions(program)
        self.symbols = tuple(sorted({s for dim in program.dims for s in symbols_of(dim)}))
        self._evaluate = _compiled(program.dims, self.symbols)
        words = [word for step in program.steps for word in step.words]
        self.word_starts = np.cumsum([0] + [len(step.words) for step in program.steps])
        self._constants = np.array([w.constant for w in words], np.int64)
        self._word_dims = np.array([w.dim for w in words], np.int64)
        positions = np.array([i for i, w in enumerate(words) if w.buffer >= 0], np.int64)
        self._word_buffers = np.array([w.buffer for w in words if w.buffer >= 0], np.int64)
        itemsizes = np.array([w.itemsize for w in words if w.buffer >= 0], np.int64)
        self._buffer_regions = np.array(self.pages.of_buffer, np.int64)
        self.relocation = Relocation(positions, self._buffer_regions[self._word_buffers], itemsizes)
        self._item_dims = np.array([s.items for s in program.steps], np.int64)
        self._nbytes_dims = np.array([b.nbytes_dim for b in program.buffers], np.int64)
        numbers = {dim: i for i, dim in enumerate(program.dims)}
        self._shape_dims = {p: [numbers[d] for d in p.shape] for p in (*program.inputs, *program.outputs)}
        in_mid_run = {s for part in program.segments for reading in part.readings for s in reading.symbols}
        self._late = [e for e in program.equalities if in_mid_run & (symbols_of(e.left) | symbols_of(e.right))]
        self._placement: tuple[Numbers, Numbers, tuple[int, ...]] | None = None

    def bind(self, sizes: Mapping[str, int]) -> Plan:
        """A plan for these sizes. Raises ShapeError when one is missing or a size comes out negative.

        As long as all buffers fit where an earlier, larger binding put them, they stay there.
        """
        dims = self._dims(sizes)
        nbytes = dims[self._nbytes_dims]
        if self._placement is None or (nbytes > self._placement[0]).any():
            self._spread(nbytes, sizes)
            self._placement = (nbytes, *self._place(nbytes))
        _, offsets, region_nbytes = self._placement
        words = self._constants + dims[self._word_dims]
        relocation = self.relocation
        words[relocation.positions] += offsets[self._word_buffers] // relocation.itemsizes
        return Plan(
            words.astype(np.int32), dims[self._item_dims].astype(np.int32), offsets, nbytes, region_nbytes, dims
        )

    def forget_places(self) -> None:
        """Place buffers anew at the next binding: those of the last one could not be had."""
        self._placement = None

    def work(self, sizes: Mapping[str, int]) -> list[tuple[int, int] | None]:
        """Floating-point operations and bytes of each step at these sizes; None where they are not counted."""

        def number(factors: Shape) -> int:
            return math.prod(evaluate(factor, sizes) for factor in factors)

        works = (step.work for step in self.program.steps)
        return [None if w is None else (number(w.flops), sum(map(number, w.tensors))) for w in works]

    def check_late(self, sizes: Mapping[str, int]) -> None:
        """Raise ShapeError where sizes computed in mid-run are not what shape inference took them for."""
        check_late(self.program.name, self._late, sizes)

    def fixed_places(self, region: int) -> tuple[dict[int, int], int]:
        """Where the buffers of a page lie whose sizes are plain numbers: offsets by buffer, and bytes in all."""
        members = np.flatnonzero(self._buffer_regions == region)
        sizes = [self.program.dims[self._nbytes_dims[i]] for i in members]
        placement = place_apart([size for size in sizes if isinstance(size, int)])
        return dict(zip(members.tolist(), placement.offsets, strict=True)), placement.nbytes

    def shape_of(self, port: Port, plan: Plan) -> tuple[int, ...]:
        """The shape of an input or output under a plan."""
        return tuple(int(plan.dims[i]) for i in self._shape_dims[port])

    def _dims(self, sizes: Mapping[str, int]) -> Numbers:
        missing = [s for s in self.symbols if s not in sizes]
        if missing:
            raise ShapeError(f"{self.program.name}: no value for the size {', '.join(missing)}.")
        dims = np.array(self._evaluate(*(sizes[s] for s in self.symbols)), np.int64)
        if (dims[self._nbytes_dims] < 0).any() or (dims[self._item_dims] < 0).any():
            given = ", ".join(f"{s}={sizes[s]}" for s in self.symbols)
            raise ShapeError(f"{self.program.name}: with {given} a size comes out negative: the input is too small.")
        largest = int(dims[self._nbytes_dims].max(initial=0))
        if largest > np.iinfo(np.int32).max:
            given = ", ".join(f"{s}={sizes[s]}" for s in self.symbols)
            raise OutOfMemoryError(
                f"{self.program.name}: with {given} a tensor takes {largest:,} bytes; the most that one can have is "
                f"{np.iinfo(np.int32).max:,}. Use smaller input, or a part of it at a time."
            )
        if (abs(dims) > np.iinfo(np.int32).max).any():
            given = ", ".join(f"{s}={sizes[s]}" for s in self.symbols)
            raise ShapeError(f"{self.program.name}: with {given} a tensor passes 2 GiB, which WebAssembly cannot hold.")
        return dims

    def _spread(self, nbytes: Numbers, sizes: Mapping[str, int]) -> None:
        """More pages where one would be larger than it may. Raises OutOfMemoryError for a value larger than a page."""
        limit = self.pages.limit
        if not limit:
            return
        for buffer in np.flatnonzero(nbytes > limit):
            given = ", ".join(f"{s}={sizes[s]}" for s in self.symbols)
            raise too_large(self.program, int(buffer), int(nbytes[buffer]), given)
        for page, region in enumerate(self.pages.regions):
            members = np.flatnonzero(self._buffer_regions == page)
            if region == WEIGHTS or self._place_region(region, members, nbytes).nbytes <= limit:
                continue
            lives = self._lifetimes(members, nbytes)
            if region != ARENA:  # what is fed and fetched stays
                lives = [replace(life, first_step=0, last_step=0) for life in lives]
            numbers = spread_over_pages(lives, limit)
            self.pages = self.pages.spread(page, dict(zip(members.tolist(), numbers, strict=True)))
        self._buffer_regions = np.array(self.pages.of_buffer, np.int64)
        self.relocation = replace(self.relocation, regions=self._buffer_regions[self._word_buffers])

    def _place(self, nbytes: Numbers) -> tuple[Numbers, tuple[int, ...]]:
        offsets = np.zeros(len(nbytes), np.int64)
        totals = []
        for page, region in enumerate(self.pages.regions):
            members = np.flatnonzero(self._buffer_regions == page)
            placement = self._place_region(region, members, nbytes)
            offsets[members] = placement.offsets
            totals.append(placement.nbytes)
        return offsets, tuple(totals)

    def _place_region(self, region: int, members: Numbers, nbytes: Numbers) -> Placement:
        if region in (WEIGHTS, INPUTS, OUTPUTS):
            return place_apart([int(nbytes[i]) for i in members])
        assert region == ARENA
        return place_reused(self._lifetimes(members, nbytes))

    def _lifetimes(self, members: Numbers, nbytes: Numbers) -> list[Lifetime]:
        buffers = self.program.buffers
        return [Lifetime(buffers[i].first_step, buffers[i].last_step, int(nbytes[i])) for i in members]


def check_late(name: str, equalities: Iterable[Equality], sizes: Mapping[str, int]) -> None:
    """Raise ShapeError where two sizes differ, one of which a model has computed."""
    for equality in equalities:
        left, right = evaluate(equality.left, sizes), evaluate(equality.right, sizes)
        if left != right:
            raise ShapeError(
                f"{name}: node {equality.node!r}: the sizes {equality.left} = {left} and {equality.right} = {right}, "
                'one of them computed by the model, must be equal. Use backend="reference", which follows every size.'
            )


def _compiled(dims: Sequence[Dim], symbols: Sequence[str]) -> Callable[..., tuple[int, ...]]:
    """One Python function of all symbols that computes every dim."""
    text = _Text({Symbol(name): f"s{i}" for i, name in enumerate(symbols)})
    results = [text.of(dim) for dim in dims]
    arguments = ", ".join(text.names[Symbol(name)] for name in symbols)
    lines = [f"def dims({arguments}):", *text.lines, f" return ({''.join(r + ', ' for r in results)})"]
    made: dict[str, Callable[..., tuple[int, ...]]] = {}
    exec("\n".join(lines), {"max": max, "min": min}, made)  # our own text, no outside names
    return made["dims"]


@dataclass(frozen=True, slots=True)
class _Text:
    """Dims as Python text in which each division, maximum and minimum is computed once and has a name."""

    names: dict[Atom, str]
    lines: list[str] = field(default_factory=list)

    def of(self, dim: Dim) -> str:
        if isinstance(dim, int):
            return str(dim)
        return " + ".join("*".join([str(factor), *map(self._name, monomial)]) for monomial, factor in dim.terms)

    def _name(self, atom: Atom) -> str:
        known = self.names.get(atom)
        if known is None:
            assert not isinstance(atom, Symbol), f"{atom} is none of the program's symbols"
            left, right = self.of(atom.left), self.of(atom.right)
            is_call = atom.function in ("max", "min")
            value = f"{atom.function}({left}, {right})" if is_call else f"({left}){atom.function}({right})"
            known = self.names[atom] = f"a{len(self.names)}"
            self.lines.append(f" {known} = {value}")
        return known
