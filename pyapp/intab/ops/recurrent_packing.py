"""Weights of recurrent layers in the order that their kernels read: packed at load, or in each run where they are fed.

All have axes of directions D, gates G, units H and, where they are matrices, depths K. What is packed has its units in
blocks, zeros past the last one.
"""

from dataclasses import dataclass

import numpy as np

from intab.dtypes import float32
from intab.errors import UnsupportedOpError
from intab.graph.dims import Dim
from intab.graph.ir import Value
from intab.kernels import functions
from intab.kernels.families.recurrent import UNITS
from intab.kernels.families.register_tile import pack_panels
from intab.kernels.ir import F32, Binary
from intab.kernels.scalar import identity
from intab.ops.arrays import Numbers
from intab.ops.kernel_steps import compute_step, fill_step, moved
from intab.ops.lowering import Lowering, Place
from intab.ops.packing import Packing, packing
from intab.ops.strides import Walk, collapse


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many directions, gates, units and depths a weight has."""

    directions: int
    gates: int
    units: int
    depth: int = 1

    @property
    def blocks(self) -> int:
        return -(-self.units // UNITS)

    def numbers(self) -> tuple[int, int, int, int]:
        return self.directions, self.gates, self.units, self.depth

    @property
    def count(self) -> int:
        """Elements once it is packed."""
        return self.directions * self.gates * self.blocks * UNITS * self.depth


@dataclass(frozen=True, slots=True)
class Strides:
    """How far elements lie apart."""

    direction: int
    block: int
    gate: int
    depth: int
    unit: int

    def axes(self) -> tuple[int, ...]:
        return (self.direction, self.block, self.gate, self.depth, self.unit)


def input_panels(lowering: Lowering, w: Value, sizes: Sizes, name: str) -> Place:
    """[D, G * H, K] as the right side of a matmul, columns [D, blocks, G, UNITS] in panels of UNITS."""
    if lowering.constant(w) is not None:
        pack = Packing("gates in panels", sizes.numbers())
        return lowering.weight((w,), f"{name} in panels", (sizes.count,), pack)
    panel = sizes.depth * UNITS
    block = sizes.gates * panel
    return _packed(lowering, w, sizes, Strides(sizes.blocks * block, block, panel, UNITS, 1))


def input_lines(lowering: Lowering, w: Value, sizes: Sizes, name: str) -> Place:
    """The same as GPUs read it: one depth after the other, [K, D, blocks, G, UNITS]."""
    if lowering.constant(w) is not None:
        pack = Packing("gates in lines", sizes.numbers())
        return lowering.weight((w,), f"{name} in lines", (sizes.count,), pack)
    block = sizes.gates * UNITS
    direction = sizes.blocks * block
    return _packed(lowering, w, sizes, Strides(direction, block, UNITS, sizes.directions * direction, 1))


def state_stream(lowering: Lowering, r: Value, sizes: Sizes, name: str) -> Place:
    """[D, G * H, K] as [D, blocks, K, G, UNITS]."""
    if lowering.constant(r) is not None:
        pack = Packing("gates in a stream", sizes.numbers())
        return lowering.weight((r,), f"{name} in a stream", (sizes.count,), pack)
    row = sizes.gates * UNITS
    block = sizes.depth * row
    return _packed(lowering, r, sizes, Strides(sizes.blocks * block, block, UNITS, row, 1))


def bias_sums(lowering: Lowering, bias: Value, sizes: Sizes, apart: int, name: str) -> Place:
    """[D, 2 * G * H] as [D, blocks, G, UNITS]: both halves added, but for the second of the last `apart` gates."""
    if lowering.constant(bias) is not None:
        pack = Packing("sums of gate biases", (*sizes.numbers()[:3], apart))
        return lowering.weight((bias,), f"{name}, {apart} apart", (sizes.count,), pack)
    gates, units = sizes.gates, sizes.units
    target = _zeros(lowering, sizes)
    given = Strides(2 * gates * units, UNITS, units, 0, 1)
    wanted = Strides(sizes.blocks * gates * UNITS, gates * UNITS, UNITS, 0, 1)
    first, second = lowering.place(bias), moved(lowering.place(bias), gates * units)
    added, alone = (Sizes(sizes.directions, count, units) for count in (gates - apart, apart))
    _spread(lowering, first, given, target, wanted, added, plus=second)
    behind = moved(first, added.gates * units), moved(target, added.gates * wanted.gate)
    _spread(lowering, behind[0], given, behind[1], wanted, alone)
    return target


def gate_rows(
    lowering: Lowering, value: Value, sizes: Sizes, name: str, *, first: int = 0, gates: int | None = None
) -> Place:
    """Of [D, all gates * H] the `sizes.gates` from `first` on, as [D, gates, blocks, UNITS]; `gates` is how many
    there are."""
    every = sizes.gates if gates is None else gates
    if lowering.constant(value) is not None:
        pack = Packing("rows of gates", (sizes.directions, every, sizes.units, first, sizes.gates))
        return lowering.weight((value,), name, (sizes.count,), pack)
    padded = sizes.blocks * UNITS
    target = _zeros(lowering, sizes)
    source = moved(lowering.place(value), first * sizes.units)
    given = Strides(every * sizes.units, UNITS, sizes.units, 0, 1)
    _spread(lowering, source, given, target, Strides(sizes.gates * padded, UNITS, padded, 0, 1), sizes)
    return target


@packing("gates in panels")
def _gates_in_panels(array: Numbers, directions: int, gates: int, units: int, depth: int) -> Numbers:
    return pack_panels(_blocks(array.reshape(directions, gates, units, depth)).reshape(-1, depth).T)


@packing("gates in lines")
def _gates_in_lines(array: Numbers, directions: int, gates: int, units: int, depth: int) -> Numbers:
    lines = _blocks(array.reshape(directions, gates, units, depth)).reshape(-1, depth).T
    return np.ascontiguousarray(lines).reshape(-1)


@packing("gates in a stream")
def _gates_in_a_stream(array: Numbers, directions: int, gates: int, units: int, depth: int) -> Numbers:
    return np.ascontiguousarray(np.moveaxis(_blocks(array.reshape(directions, gates, units, depth)), -1, 2))


@packing("sums of gate biases")
def _sums_of_gate_biases(array: Numbers, directions: int, gates: int, units: int, apart: int) -> Numbers:
    both = array.reshape(directions, 2, gates, units).copy()
    both[:, 1, gates - apart :] = 0
    return _blocks(both.sum(axis=1)[..., None]).reshape(-1)


@packing("rows of gates")
def _rows_of_gates(array: Numbers, directions: int, every: int, units: int, first: int, gates: int) -> Numbers:
    rows = array.reshape(directions, every, units)[:, first : first + gates]
    return np.pad(rows, ((0, 0), (0, 0), (0, -units % UNITS)))


def known_size(name: str, value: Value, axis: int) -> int:
    """A size of a weight. Raises UnsupportedOpError when it is not known before the model runs."""
    size = value.shape[axis]
    if not isinstance(size, int):
        raise UnsupportedOpError(f'{name} needs weights of known sizes, not {value}. Use backend="reference".')
    return size


def _packed(lowering: Lowering, value: Value, sizes: Sizes, wanted: Strides) -> Place:
    """A matrix [D, G * H, K] that is fed or computed, moved to its packed order."""
    target = _zeros(lowering, sizes)
    row = sizes.depth
    given = Strides(sizes.gates * sizes.units * row, UNITS * row, sizes.units * row, 1, row)
    _spread(lowering, lowering.place(value), given, target, wanted, sizes)
    return target


def _zeros(lowering: Lowering, sizes: Sizes) -> Place:
    """Room for what is packed, with zeros where no unit will come."""
    target = lowering.scratch(float32, sizes.count)
    if sizes.units % UNITS:
        fill_step(lowering, target, sizes.count, 0.0)
    return target


def _spread(
    lowering: Lowering,
    source: Place,
    given: Strides,
    target: Place,
    wanted: Strides,
    sizes: Sizes,
    *,
    plus: Place | None = None,
) -> None:
    """Copy whole blocks of units, then what is left of one; `plus` are others, lying alike, that are added to them."""
    whole, rest = divmod(sizes.units, UNITS)
    for block, count, units in ((0, whole, UNITS), (whole, 1, rest)):
        if count == 0 or units == 0 or sizes.gates == 0:
            continue
        axes = (sizes.directions, count, sizes.gates, sizes.depth, units)
        here = moved(target, block * wanted.block)
        places = [moved(place, block * given.block) for place in (source, plus) if place is not None]
        strides = [*(given.axes() for _ in places), wanted.axes()]
        compute_step(lowering, _COPY if plus is None else _ADD, places, here, _walk(axes, strides))


def _walk(axes: tuple[int, ...], strides: list[tuple[int, ...]]) -> Walk:
    sizes: tuple[Dim, ...] = axes
    return collapse(sizes, strides)


_COPY = identity(F32)
_ADD = functions.scalar_function(lambda _block, a, b: Binary("add", a, b), F32, F32)


def _blocks(array: Numbers) -> Numbers:
    """[D, G, H, K] -> [D, blocks, G, UNITS, K], zeros past the last unit."""
    directions, gates, units, depth = array.shape
    padded = np.pad(array, ((0, 0), (0, 0), (0, -units % UNITS), (0, 0)))
    return padded.reshape(directions, gates, -1, UNITS, depth).transpose(0, 2, 1, 3, 4)
