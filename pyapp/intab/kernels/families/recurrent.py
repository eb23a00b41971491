"""Recurrent layers: all steps of a sequence in one kernel, the state in a buffer.

The products with the inputs are one matmul over all steps before; here each step adds the product with the
state and passes the gates. Units are computed in blocks of UNITS: all gates of a block lie side by side, in the
projected inputs [.., blocks, gates, UNITS] as in the recurrent weights [.., blocks, hidden, gates, UNITS], so that a
block reads one stream of weights and holds all its gates in registers. Units past the last are zeros.

Buffers of both kernels, D directions, T steps, B sequences, H units:
    x         [T, B, D, blocks, gates, UNITS]   projected inputs with their bias
    weights   [D, blocks, H, gates, UNITS]
    lengths   [B] i32, where asked for: steps of each sequence; what lies behind in y becomes 0
    y         [T, D, B, H]
    state     [D, B, H]   the first state; becomes the last one
Words: steps, batch, hidden, directions, backward (1 where the first direction runs from the last step to the first).
Items: D * B.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from intab.kernels.block import KernelWriter, at, load
from intab.kernels.families.loops import stream
from intab.kernels.ir import F32, I32, Const, Expr, Fma, Kernel, Lane, Select, Splat, Var
from intab.kernels.scalar import ScalarFunction, inline

UNITS = 8
LANES = 4
VECTORS = UNITS // LANES
UNROLL = 4
F32X4 = F32.wide(LANES)

LSTM_GATES = 4
GRU_GATES = 3
RNN_GATES = 1


@dataclass(frozen=True, slots=True)
class Gates:
    """What both kinds of cell may ask for: their activations, whether sums are clipped before them, and lengths."""

    activations: tuple[ScalarFunction, ...]
    clip: bool = False
    lengths: bool = False


class _Writer:
    """A kernel of recurrent cells while it is written."""

    def __init__(self, name: str, gates: Gates, count: int, extra: tuple[tuple[str, str], ...]) -> None:
        self.kernel = kernel = KernelWriter(name)
        self.gates, self.count = gates, count
        kernel.buffer("x", "f32", "read")
        kernel.buffer("weights", "f32", "read")
        if gates.lengths:
            kernel.buffer("lengths", "i32", "read")
        for buffer, access in extra:
            kernel.buffer(buffer, "f32", access)
        kernel.buffer("y", "f32", "read_write")
        kernel.buffer("state", "f32", "read_write")
        words = ("steps", "batch", "hidden", "directions", "backward")
        self.steps, self.batch, self.hidden, directions, backward = (kernel.word(word) for word in words)
        self.limit = kernel.word("clip", F32) if gates.clip else None
        self.blocks = kernel.let("blocks", (self.hidden + (UNITS - 1)) // UNITS)
        self.direction = kernel.let("direction", kernel.item // self.batch)
        self.sequence = kernel.let("sequence", kernel.item % self.batch)
        self.row = kernel.let("row", kernel.item * self.hidden)
        """Where this item's state starts."""
        self.padded_row = kernel.let("padded_row", kernel.item * (self.blocks * UNITS))
        self.is_backward = kernel.let("is_backward", (self.direction + backward).equal(1))
        self.x_step = kernel.let("x_step", self.batch * directions * (self.blocks * (count * UNITS)))
        self.y_step = kernel.let("y_step", directions * self.batch * self.hidden)
        first = (self.sequence * directions + self.direction) * (self.blocks * (count * UNITS))
        self.x_first = kernel.let("x_first", first)
        self.weights_first = kernel.let("weights_first", self.direction * (self.blocks * (count * UNITS)) * self.hidden)

    @contextmanager
    def each_step(self) -> Iterator[tuple[Expr, Expr]]:
        """A loop over time: where the step's x and y lie. After it the y of missing steps is 0."""
        kernel = self.kernel
        length: Expr = self.steps
        if self.gates.lengths:
            length = kernel.let("length", load("lengths", self.sequence, I32).maximum(0).minimum(self.steps))
        with kernel.loop("time", 0, length) as time:
            here = kernel.let("here", Select(self.is_backward, length - 1 - time, time))
            x_at = kernel.let("x_at", self.x_first + here * self.x_step)
            y_at = kernel.let("y_at", self.row + here * self.y_step)
            yield x_at, y_at
            self._keep(y_at)
        if self.gates.lengths:
            with kernel.loop("missing", length, self.steps) as missing:
                zeros = kernel.let("zeros", at("y", self.row + missing * self.y_step))
                stream(kernel, self.hidden, LANES, [zeros], lambda w: kernel.store("y", zeros, Const(0.0, F32.wide(w))))

    def _keep(self, y_at: Expr) -> None:
        """The new state in place of the old, which the whole step still needed."""
        kernel = self.kernel
        reading, writing = kernel.let("reading", at("y", y_at)), kernel.let("writing", at("state", self.row))
        move: Callable[[int], None] = lambda w: kernel.store("state", writing, load("y", reading, F32.wide(w)))  # noqa: E731
        stream(kernel, self.hidden, LANES, [reading, writing], move)

    def start(self, x_at: Expr, block: Expr, gate: int) -> list[Var]:
        """The registers of a gate's sums, holding the projected input."""
        first = x_at + block * (self.count * UNITS)
        offset = gate * UNITS
        return [self.kernel.let("sum", load("x", first, F32X4, offset + LANES * vector)) for vector in range(VECTORS)]

    def multiply(self, sums: dict[int, list[Var]], source: str, start: Expr, block: Expr) -> None:
        """sums[gate] += state @ weights of the gate, the state lying in buffer `source` from `start` on."""
        kernel = self.kernel
        state = kernel.let("state_at", at(source, start))
        step = self.count * UNITS
        weights = kernel.let("weights_at", at("weights", self.weights_first + block * self.hidden * step))

        def products(k: int) -> None:
            left = kernel.let("left", Splat(load(source, state, F32, k), LANES))
            for gate, registers in sums.items():
                for vector, register in enumerate(registers):
                    right = load("weights", weights, F32X4, k * step + gate * UNITS + LANES * vector)
                    kernel.assign(register, Fma(left, right, register))

        whole = kernel.let("whole", self.hidden - self.hidden % UNROLL)
        for begin, end, count in ((Const(0, I32), whole, UNROLL), (whole, self.hidden, 1)):
            with kernel.loop("k", begin, end, count):
                for k in range(count):
                    products(k)
                kernel.advance(state, count)
                kernel.advance(weights, step * count)

    def activate(self, number: int, value: Expr) -> Expr:
        """An activation of a sum, which is clipped before."""
        if self.limit is not None:
            limit = Splat(self.limit, LANES)
            value = self.kernel.let("clipped", value.maximum(-limit).minimum(limit))
        return self.kernel.let("gate", inline(self.kernel, self.gates.activations[number], (value,)))

    def store(self, buffer: str, row: Expr, unit: Expr, offset: int, value: Expr) -> None:
        """Store a vector of units, as far as there are so many."""
        kernel = self.kernel
        place = row + unit
        with kernel.when((unit + (offset + LANES)).le(self.hidden)):
            kernel.store(buffer, place, value, offset)
        with kernel.otherwise():
            for lane in range(LANES):
                with kernel.when((unit + (offset + lane)).lt(self.hidden)):
                    kernel.store(buffer, place, Lane(value, lane), offset + lane)


@cache
def lstm(gates: Gates, *, peepholes: bool = False, input_forget: bool = False) -> Kernel:
    """Long short-term memory. Gates in ONNX's order: input, output, forget, cell; activations f, g, h.

    Further buffers: cell [D, B, H], the first cell state, becomes the last one; peepholes [D, 3, blocks, UNITS] of
    input, output and forget gate where asked for. Words: clip (f32) where asked for.
    """
    extra = (("peepholes", "read"),) if peepholes else ()
    writer = _Writer("lstm", gates, LSTM_GATES, (*extra, ("cell", "read_write")))
    kernel = writer.kernel
    with writer.each_step() as (x_at, y_at), kernel.loop("block", 0, writer.blocks) as block, kernel.tile("cells"):
        sums = {gate: writer.start(x_at, block, gate) for gate in range(LSTM_GATES)}
        writer.multiply(sums, "state", writer.row, block)
        unit = kernel.let("unit", block * UNITS)
        for vector in range(VECTORS):
            offset = LANES * vector
            given, shown, forgotten, new = (sums[gate][vector] for gate in range(LSTM_GATES))
            before = kernel.let("before", load("cell", writer.row + unit, F32X4, offset))

            def peeked(value: Expr, cell: Expr, number: int, offset: int = offset) -> Expr:
                if not peepholes:
                    return value
                first = (writer.direction * 3 + number) * (writer.blocks * UNITS) + unit
                return Fma(load("peepholes", first, F32X4, offset), cell, value)

            opened = writer.activate(0, peeked(given, before, 0))
            kept = Const(1.0, F32X4) - opened if input_forget else writer.activate(0, peeked(forgotten, before, 2))
            after = kernel.let("after", kept * before + opened * writer.activate(1, new))
            shown_part = writer.activate(0, peeked(shown, after, 1))
            squashed = kernel.let("squashed", inline(kernel, gates.activations[2], (after,)))
            writer.store("cell", writer.row, unit, offset, after)
            writer.store("y", y_at, unit, offset, shown_part * squashed)
    return kernel.kernel()


@cache
def rnn(gates: Gates) -> Kernel:
    """The plain recurrent cell: y = f(x + state @ weights). Words: clip (f32) where asked for."""
    writer = _Writer("rnn", gates, RNN_GATES, ())
    kernel = writer.kernel
    with writer.each_step() as (x_at, y_at), kernel.loop("block", 0, writer.blocks) as block, kernel.tile("cells"):
        sums = {0: writer.start(x_at, block, 0)}
        writer.multiply(sums, "state", writer.row, block)
        unit = kernel.let("unit", block * UNITS)
        for vector, value in enumerate(sums[0]):
            writer.store("y", y_at, unit, LANES * vector, writer.activate(0, value))
    return kernel.kernel()


@cache
def gru(gates: Gates, *, linear_before_reset: bool) -> Kernel:
    """Gated recurrent units. Gates in ONNX's order: update, reset, hidden; activations f, g.

    Further buffers: with `linear_before_reset` hidden_bias [D, blocks, UNITS], added to the hidden gate's product
    before it is reset; otherwise update and reset [D, B, blocks * UNITS], where those gates are kept within a step.
    Words: clip (f32) where asked for.
    """
    if linear_before_reset:
        return _gru_at_once(gates)
    writer = _Writer("gru", gates, GRU_GATES, (("update", "read_write"), ("reset", "read_write")))
    kernel = writer.kernel
    with writer.each_step() as (x_at, y_at):
        with kernel.loop("block", 0, writer.blocks) as block, kernel.tile("resets"):
            sums = {gate: writer.start(x_at, block, gate) for gate in (0, 1)}
            writer.multiply(sums, "state", writer.row, block)
            unit = kernel.let("unit", block * UNITS)
            for vector in range(VECTORS):
                offset = LANES * vector
                before = load("state", writer.row + unit, F32X4, offset)
                place = writer.padded_row + unit
                kernel.store("update", place, writer.activate(0, sums[0][vector]), offset)
                kernel.store("reset", place, writer.activate(0, sums[1][vector]) * before, offset)
        with kernel.loop("block", 0, writer.blocks) as block, kernel.tile("cells"):
            hidden = {2: writer.start(x_at, block, 2)}
            writer.multiply(hidden, "reset", writer.padded_row, block)
            unit = kernel.let("unit", block * UNITS)
            for vector, value in enumerate(hidden[2]):
                update = kernel.let("update_gate", load("update", writer.padded_row + unit, F32X4, LANES * vector))
                _blend(writer, y_at, unit, LANES * vector, update, writer.activate(1, value))
    return kernel.kernel()


def _gru_at_once(gates: Gates) -> Kernel:
    writer = _Writer("gru_linear", gates, GRU_GATES, (("hidden_bias", "read"),))
    kernel = writer.kernel
    with writer.each_step() as (x_at, y_at), kernel.loop("block", 0, writer.blocks) as block, kernel.tile("cells"):
        unit = kernel.let("unit", block * UNITS)
        bias_at = writer.direction * (writer.blocks * UNITS) + unit
        inputs = writer.start(x_at, block, 2)
        sums = {gate: writer.start(x_at, block, gate) for gate in (0, 1)}
        sums[2] = [kernel.let("sum", load("hidden_bias", bias_at, F32X4, LANES * v)) for v in range(VECTORS)]
        writer.multiply(sums, "state", writer.row, block)
        for vector in range(VECTORS):
            update, reset = (writer.activate(0, sums[gate][vector]) for gate in (0, 1))
            new = writer.activate(1, Fma(reset, sums[2][vector], inputs[vector]))
            _blend(writer, y_at, unit, LANES * vector, update, new)
    return kernel.kernel()


def _blend(writer: _Writer, y_at: Expr, unit: Expr, offset: int, update: Expr, new: Expr) -> None:
    """y = (1 - update) * new + update * state"""
    before = load("state", writer.row + unit, F32X4, offset)
    blended = writer.kernel.let("blended", (Const(1.0, F32X4) - update) * new + update * before)
    writer.store("y", y_at, unit, offset, blended)
