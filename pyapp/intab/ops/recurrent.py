"""Recurrent layers over whole sequences: LSTM, GRU, RNN, with what they share in ops/recurrent_parts.py."""

from collections.abc import Sequence

import numpy as np

from intab.graph.ir import Value
from intab.kernels.families import recurrent as family
from intab.kernels.ir import Kernel
from intab.ops.arrays import Numbers
from intab.ops.lowering import Lowering, Place
from intab.ops.recurrent_packing import Sizes, gate_rows
from intab.ops.recurrent_parts import (
    Activation,
    Layer,
    activations_of,
    all_operands,
    check_operands,
    hidden_bias,
    kernel_gates,
    project,
    run_directions,
    start_state,
    step_words,
    step_work,
)
from intab.ops.registry import Result, op


class Recurrent:
    """Base of recurrent layers: what all of them are told, and how each begins and ends its step."""

    __slots__ = ()

    direction: str
    activations: tuple[str, ...]
    alphas: tuple[float, ...]
    betas: tuple[float, ...]
    clip: float

    def _functions(self, count: int, directions: int) -> list[Activation]:
        """`count` activations for each direction."""
        return activations_of(self.activations, self.alphas, self.betas, count, directions)

    def _gate(self, function: Activation, sums: Numbers) -> Numbers:
        return np.asarray(function.compute(np.clip(sums, -self.clip, self.clip) if self.clip else sums))

    def _begin(
        self, lowering: Lowering, layer: Layer, inputs: Sequence[Value | None], y: Value, last: Value
    ) -> dict[str, Place]:
        """The buffers that every layer has. `inputs`: x, w, r, bias, lengths, first state, and more."""
        x, w, r, bias, lengths, state, *_ = inputs
        assert x is not None and w is not None and r is not None
        buffers = project(lowering, layer, x, w, r, bias)
        buffers |= {"y": lowering.place(y), "state": start_state(lowering, last, state)}
        if lengths is not None:
            buffers["lengths"] = lowering.place(lengths)
        return buffers

    def _gates(self, layer: Layer, count: int, lengths: Value | None) -> family.Gates:
        return kernel_gates(
            layer, self.activations, self.alphas, self.betas, count, bool(self.clip), lengths is not None
        )

    def _step(
        self,
        lowering: Lowering,
        layer: Layer,
        kernel: Kernel,
        buffers: dict[str, Place],
        x: Value,
        y: Value,
        last: Value,
    ) -> None:
        """The step that loops over time."""
        words = step_words(layer, x, last, self.clip)
        lowering.step(kernel, buffers, words, layer.directions * x.shape[1], work=step_work(layer, y))


@op("LSTM")
class Lstm(Recurrent):
    """Long short-term memory over a whole sequence.

    x [T, B, I]; w [D, 4H, I], r [D, 4H, H] with the gates input, output, forget, cell; bias [D, 8H] (of w, then of
    r); lengths i32 [B], the steps of each sequence; first state and cell [D, B, H]; peepholes [D, 3H] of input,
    output and forget gate -> y [T, D, B, H], last state and last cell [D, B, H]. D is 2 for "bidirectional", else 1.

        i = f(Wi x + Ri s + Pi c)   k = f(Wf x + Rf s + Pf c)   n = g(Wc x + Rc s)
        c' = k c + i n              o = f(Wo x + Ro s + Po c')  s' = o h(c')

    `activations` are f, g, h of one direction or of each, `alphas` and `betas` their parameters. `clip` above 0
    limits what the activations of gates get; `input_forget` makes k = 1 - i. Source: ONNX LSTM-14.
    """

    direction: str = "forward"
    activations: tuple[str, ...] = ("Sigmoid", "Tanh", "Tanh")
    alphas: tuple[float, ...] = ()
    betas: tuple[float, ...] = ()
    clip: float = 0.0
    input_forget: bool = False

    def infer(
        self,
        x: Value,
        w: Value,
        r: Value,
        bias: Value | None = None,
        lengths: Value | None = None,
        state: Value | None = None,
        cell: Value | None = None,
        peepholes: Value | None = None,
    ) -> tuple[Result, ...]:
        layer = Layer("LSTM", self.direction, family.LSTM_GATES)
        self._functions(3, layer.directions)
        y, last = check_operands(layer, x, w, r, bias, lengths, (state, cell), peepholes)
        return y, last, last

    def reference(
        self,
        x: Numbers,
        w: Numbers,
        r: Numbers,
        bias: Numbers | None = None,
        lengths: Numbers | None = None,
        state: Numbers | None = None,
        cell: Numbers | None = None,
        peepholes: Numbers | None = None,
    ) -> tuple[Numbers, ...]:
        functions = self._functions(3, len(w))

        def step(direction: int, x: Numbers, s: Numbers, c: Numbers) -> tuple[Numbers, Numbers]:
            f, g, h = functions[3 * direction : 3 * direction + 3]
            sums = x @ w[direction].T.astype(np.float64) + s @ r[direction].T.astype(np.float64)
            if bias is not None:
                sums = sums + bias[direction].astype(np.float64).reshape(2, -1).sum(axis=0)
            given, shown, kept, new = np.split(sums, 4, axis=-1)
            peeks = np.zeros((3, 1)) if peepholes is None else peepholes[direction].astype(np.float64).reshape(3, -1)
            opened = self._gate(f, given + peeks[0] * c)
            forget = 1 - opened if self.input_forget else self._gate(f, kept + peeks[2] * c)
            after = forget * c + opened * self._gate(g, new)
            return self._gate(f, shown + peeks[1] * after) * np.asarray(h.compute(after)), after

        return run_directions(self.direction, step, x, r.shape[-1], lengths, state, cell)

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        operands, (y, last, last_cell) = all_operands(inputs, 8), outputs
        x, _, r, _, lengths, _, cell, peepholes = operands
        assert x is not None and r is not None
        layer = Layer("LSTM", self.direction, family.LSTM_GATES)
        buffers = self._begin(lowering, layer, operands, y, last)
        buffers["cell"] = start_state(lowering, last_cell, cell)
        if peepholes is not None:
            sizes = Sizes(layer.directions, 3, layer.sizes(r).units)
            buffers["peepholes"] = gate_rows(lowering, peepholes, sizes, "peepholes")
        gates = self._gates(layer, 3, lengths)
        kernel = family.lstm(gates, peepholes=peepholes is not None, input_forget=self.input_forget)
        self._step(lowering, layer, kernel, buffers, x, y, last)


@op("GRU")
class Gru(Recurrent):
    """Gated recurrent units over a whole sequence.

    x [T, B, I]; w [D, 3H, I], r [D, 3H, H] with the gates update, reset, hidden; bias [D, 6H] (of w, then of r);
    lengths i32 [B], the steps of each sequence; first state [D, B, H] -> y [T, D, B, H], last state [D, B, H].

        z = f(Wz x + Rz s)   q = f(Wr x + Rr s)   s' = (1 - z) n + z s
        n = g(Wh x + Rh (q s)), with `linear_before_reset` g(Wh x + q (Rh s + bias of Rh))

    `activations` are f, g of one direction or of each, `alphas` and `betas` their parameters. `clip` above 0 limits
    what the activations get. Source: ONNX GRU-14.
    """

    direction: str = "forward"
    activations: tuple[str, ...] = ("Sigmoid", "Tanh")
    alphas: tuple[float, ...] = ()
    betas: tuple[float, ...] = ()
    clip: float = 0.0
    linear_before_reset: bool = False

    def infer(
        self,
        x: Value,
        w: Value,
        r: Value,
        bias: Value | None = None,
        lengths: Value | None = None,
        state: Value | None = None,
    ) -> tuple[Result, ...]:
        layer = Layer("GRU", self.direction, family.GRU_GATES)
        self._functions(2, layer.directions)
        return check_operands(layer, x, w, r, bias, lengths, (state,), None)

    def reference(
        self,
        x: Numbers,
        w: Numbers,
        r: Numbers,
        bias: Numbers | None = None,
        lengths: Numbers | None = None,
        state: Numbers | None = None,
    ) -> tuple[Numbers, ...]:
        functions = self._functions(2, len(w))

        def step(direction: int, x: Numbers, s: Numbers, nothing: Numbers) -> tuple[Numbers, Numbers]:
            f, g = functions[2 * direction : 2 * direction + 2]
            inputs = np.split(x @ w[direction].T.astype(np.float64), 3, axis=-1)
            weights = np.split(r[direction].astype(np.float64), 3)
            biases = np.zeros((6, 1)) if bias is None else bias[direction].astype(np.float64).reshape(6, -1)
            z, q = (self._gate(f, inputs[i] + biases[i] + s @ weights[i].T + biases[3 + i]) for i in (0, 1))
            if self.linear_before_reset:
                product = q * (s @ weights[2].T + biases[5])
            else:
                product = (q * s) @ weights[2].T + biases[5]
            return (1 - z) * self._gate(g, inputs[2] + biases[2] + product) + z * s, nothing

        return run_directions(self.direction, step, x, r.shape[-1], lengths, state, None)[:2]

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        operands, (y, last) = all_operands(inputs, 6), outputs
        x, _, r, bias, lengths, _ = operands
        assert x is not None and r is not None
        layer = Layer("GRU", self.direction, family.GRU_GATES, apart=int(self.linear_before_reset))
        buffers = self._begin(lowering, layer, operands, y, last)
        if self.linear_before_reset:
            buffers["hidden_bias"] = hidden_bias(lowering, layer, r, bias)
        else:
            count = x.shape[1] * Sizes(layer.directions, 1, layer.sizes(r).units).count
            buffers |= {name: lowering.scratch(x.dtype, count) for name in ("update", "reset")}
        gates = self._gates(layer, 2, lengths)
        kernel = family.gru(gates, linear_before_reset=self.linear_before_reset)
        self._step(lowering, layer, kernel, buffers, x, y, last)


@op("RNN")
class Rnn(Recurrent):
    """Plain recurrent units over a whole sequence.

    x [T, B, I]; w [D, H, I], r [D, H, H]; bias [D, 2H] (of w, then of r); lengths i32 [B], the steps of each sequence;
    first state [D, B, H] -> y [T, D, B, H], last state [D, B, H].

        s' = f(W x + R s)

    `activations` are f of one direction or of each, `alphas` and `betas` their parameters. `clip` above 0 limits what
    the activations get. Source: ONNX RNN-14.
    """

    direction: str = "forward"
    activations: tuple[str, ...] = ("Tanh",)
    alphas: tuple[float, ...] = ()
    betas: tuple[float, ...] = ()
    clip: float = 0.0

    def infer(
        self,
        x: Value,
        w: Value,
        r: Value,
        bias: Value | None = None,
        lengths: Value | None = None,
        state: Value | None = None,
    ) -> tuple[Result, ...]:
        layer = Layer("RNN", self.direction, family.RNN_GATES)
        self._functions(1, layer.directions)
        return check_operands(layer, x, w, r, bias, lengths, (state,), None)

    def reference(
        self,
        x: Numbers,
        w: Numbers,
        r: Numbers,
        bias: Numbers | None = None,
        lengths: Numbers | None = None,
        state: Numbers | None = None,
    ) -> tuple[Numbers, ...]:
        functions = self._functions(1, len(w))

        def step(direction: int, x: Numbers, s: Numbers, nothing: Numbers) -> tuple[Numbers, Numbers]:
            sums = x @ w[direction].T.astype(np.float64) + s @ r[direction].T.astype(np.float64)
            if bias is not None:
                sums = sums + bias[direction].astype(np.float64).reshape(2, -1).sum(axis=0)
            return self._gate(functions[direction], sums), nothing

        return run_directions(self.direction, step, x, r.shape[-1], lengths, state, None)[:2]

    def lower(self, lowering: Lowering, inputs: tuple[Value | None, ...], outputs: tuple[Value, ...]) -> None:
        operands, (y, last) = all_operands(inputs, 6), outputs
        x, lengths = operands[0], operands[4]
        assert x is not None
        layer = Layer("RNN", self.direction, family.RNN_GATES)
        buffers = self._begin(lowering, layer, operands, y, last)
        kernel = family.rnn(self._gates(layer, 1, lengths))
        self._step(lowering, layer, kernel, buffers, x, y, last)
