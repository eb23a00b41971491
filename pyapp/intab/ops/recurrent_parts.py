"""What recurrent layers share: checks of their operands, activations, packed weights, and the loop over time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np

from intab.dtypes import float32, int32
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, product
from intab.graph.ir import Value
from intab.kernels.families import recurrent as family
from intab.kernels.families.matmul import matmul
from intab.kernels.families.recurrent import UNITS
from intab.kernels.families.register_tile import Epilogue, pack_panels
from intab.ops.arrays import Numbers
from intab.ops.broadcast import NO_PAIRS, agree, shape_text
from intab.ops.dense import blocking, matmul_words, panels_shape, require_float32
from intab.ops.elementwise import Elementwise, scalar_function
from intab.ops.kernel_steps import copy_step, fill_step
from intab.ops.lowering import Lowering, Place, Work
from intab.ops.registry import Result, operator_of
from intab.ops.strides import dense_strides

Activation = Elementwise

DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}

# Which of alpha and beta an activation takes.
ACTIVATION_PARAMETERS: dict[str, tuple[str, ...]] = {
    "Relu": (),
    "Tanh": (),
    "Sigmoid": (),
    "Softsign": (),
    "Softplus": (),
    "LeakyRelu": ("alpha",),
    "ThresholdedRelu": ("alpha",),
    "Elu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """What kind of layer it is: `gates` of them, of which the recurrent bias of the last `apart` stays apart."""

    name: str
    direction: str
    gates: int
    apart: int = 0

    @property
    def directions(self) -> int:
        found = DIRECTIONS.get(self.direction)
        if found is None:
            raise UnsupportedOpError(f"{self.name} runs {', '.join(DIRECTIONS)}, not {self.direction!r}.")
        return found

    def padded_units(self, r: Value) -> int:
        """Units of a direction, up to whole blocks."""
        return -(-units_of(r) // UNITS) * UNITS

    def bias_apart(self, lowering: Lowering, r: Value, bias: Value | None) -> Place:
        """The recurrent bias of the last gate [D, blocks, UNITS]."""
        count = self.directions * self.padded_units(r)
        if bias is None:
            zeros = lowering.scratch(float32, count)
            fill_step(lowering, zeros, count, 0.0)
            return zeros

        def pack(array: Numbers) -> Numbers:
            return _padded(array.reshape(self.directions, 2 * self.gates, -1)[:, -1:])

        _need_constants(lowering, self.name, bias)
        return lowering.weight((bias,), "recurrent bias of the last gate", (count,), pack)


def activations_of(
    names: tuple[str, ...], alphas: tuple[float, ...], betas: tuple[float, ...], count: int, directions: int = 1
) -> list[Activation]:
    """`count` operators for each direction. `names` are those of one direction or of each; alphas and betas none or
    one for each name. Raises UnsupportedOpError."""
    if len(names) not in (count, count * directions) or any(len(g) not in (0, len(names)) for g in (alphas, betas)):
        raise UnsupportedOpError(f"{count} activations a direction are needed, and parameters for each, not {names}.")
    found = []
    for index, name in enumerate(names):
        if name not in ACTIVATION_PARAMETERS:
            raise UnsupportedOpError(f"Activation {name!r} is not one of {', '.join(ACTIVATION_PARAMETERS)}.")
        numbers = {"alpha": alphas[index] if alphas else 0.0, "beta": betas[index] if betas else 0.0}
        operator = operator_of(name, {key: numbers[key] for key in ACTIVATION_PARAMETERS[name]})
        found.append(cast(Activation, operator))
    return found * (count * directions // len(found))


def all_operands(inputs: tuple[Value | None, ...], count: int) -> tuple[Value | None, ...]:
    """The inputs of a node, with None for those left out at the end."""
    absent: tuple[Value | None, ...] = (None,) * (count - len(inputs))
    return inputs + absent


def check_operands(
    layer: Layer,
    x: Value,
    w: Value,
    r: Value,
    bias: Value | None,
    lengths: Value | None,
    states: tuple[Value | None, ...],
    peepholes: Value | None,
) -> tuple[Result, Result]:
    """What y and a last state are. Raises ShapeError or DTypeError for operands that do not fit together."""
    name, directions = layer.name, layer.directions
    floats = [value for value in (x, w, r, bias, *states, peepholes) if value is not None]
    if not x.dtype.is_float or any(value.dtype != x.dtype for value in floats):
        raise DTypeError(f"{name} needs float tensors of one dtype, not {', '.join(map(str, floats))}.")
    if lengths is not None and lengths.dtype != int32:
        raise DTypeError(f"{name} takes the lengths of sequences as i32, not {lengths}.")
    if any(value.rank != 3 for value in (x, w, r)):
        raise ShapeError(f"{name} needs x, w and r of three axes, not {x}, {w} and {r}.")
    steps, batch, inputs = x.shape
    units = r.shape[2]
    wanted: list[tuple[Value | None, tuple[Dim, ...]]] = [
        (w, (directions, units * layer.gates, inputs)),
        (r, (directions, units * layer.gates, units)),
        (bias, (directions, units * (2 * layer.gates))),
        (lengths, (batch,)),
        (peepholes, (directions, units * 3)),
        *((state, (directions, batch, units)) for state in states),
    ]
    pairs = NO_PAIRS
    for value, shape in wanted:
        if value is None:
            continue
        if value.rank != len(shape):
            raise ShapeError(f"{name} needs {shape_text(shape)} where {value} is given.")
        for found, size in zip(value.shape, shape, strict=True):
            pairs += agree(found, size, f"{name}: {value} where {shape_text(shape)} is needed")[1]
    y = Result(x.dtype, (steps, directions, batch, units), equal=pairs)
    return y, Result(x.dtype, (directions, batch, units))


Step = Callable[[int, Numbers, Numbers, Numbers], tuple[Numbers, Numbers]]


def run_directions(
    direction: str,
    step: Step,
    x: Numbers,
    units: int,
    lengths: Numbers | None,
    state: Numbers | None,
    cell: Numbers | None,
) -> tuple[Numbers, Numbers, Numbers]:
    """y, last state, last cell of step(direction, x [B, I], state [B, H], cell [B, H]) -> (state, cell), in float64."""
    steps, batch, _ = x.shape
    directions = DIRECTIONS[direction]
    y = np.zeros((steps, directions, batch, units))
    shape = (directions, batch, units)
    states, cells = (np.zeros(shape) if given is None else given.astype(np.float64) for given in (state, cell))
    ends = np.full(batch, steps) if lengths is None else np.clip(lengths, 0, steps)
    wide, rows = x.astype(np.float64), np.arange(batch)
    with np.errstate(all="ignore"):
        for number in range(directions):
            backward = direction == "reverse" or number == 1
            for time in range(steps):
                alive = time < ends
                here = np.where(alive, ends - 1 - time if backward else time, 0)
                new, new_cell = step(number, wide[here, rows], states[number], cells[number])
                states[number] = np.where(alive[:, None], new, states[number])
                cells[number] = np.where(alive[:, None], new_cell, cells[number])
                y[here[alive], number, rows[alive]] = new[alive]
    return y.astype(x.dtype), states.astype(x.dtype), cells.astype(x.dtype)


def project(lowering: Lowering, layer: Layer, x: Value, w: Value, r: Value, bias: Value | None) -> dict[str, Place]:
    """Buffers x and weights of the recurrent kernels: one matmul of all steps, and the packed weights."""
    require_float32(layer.name, x, w, r, bias)
    _need_constants(lowering, layer.name, w, r, bias)
    directions, gates, units = layer.directions, layer.gates, units_of(r)
    depth = w.shape[2]
    assert isinstance(depth, int)
    columns = directions * gates * layer.padded_units(r)

    def pack_inputs(array: Numbers) -> Numbers:
        return pack_panels(_blocks(array.reshape(directions, gates, units, depth)).reshape(columns, depth).T)

    def pack_states(array: Numbers) -> Numbers:
        return np.ascontiguousarray(np.moveaxis(_blocks(array.reshape(directions, gates, units, units)), -1, 2))

    def pack_bias(array: Numbers) -> Numbers:
        both = array.reshape(directions, 2, gates, units).copy()
        both[:, 1, gates - layer.apart :] = 0
        return _blocks(both.sum(axis=1)[..., None]).reshape(-1)

    name = f"{layer.name} gates in blocks"
    rows = x.shape[0] * x.shape[1]
    projected = lowering.scratch(float32, rows * columns)
    blocks = blocking(depth)
    buffers = {
        "a": lowering.place(x),
        "b": lowering.weight((w,), name, panels_shape(depth, columns), pack_inputs),
        "out": projected,
    }
    if bias is not None:
        buffers["bias"] = lowering.weight((bias,), f"{name}, {layer.apart} apart", (columns,), pack_bias)
    words = matmul_words(rows, depth, columns, blocks)
    work = Work((2, rows, depth, columns), ((4, rows, depth), (4, depth, columns), (4, rows, columns)))
    lowering.step(matmul(Epilogue(bias is not None)), buffers, words, blocks.items(rows, columns), work=work)
    packed = lowering.weight((r,), f"{name} of the state", (columns * units,), pack_states)
    return {"x": projected, "weights": packed}


def gate_order(lowering: Lowering, value: Value, directions: int, gates: int) -> Place:
    """A constant [D, gates * H] as [D, gates, blocks, UNITS]."""
    _need_constants(lowering, "Peepholes", value)
    length = value.shape[1]
    assert isinstance(length, int)
    padded = -(-length // gates // UNITS) * UNITS

    def pack(array: Numbers) -> Numbers:
        return _padded(array.reshape(directions, gates, -1))

    return lowering.weight((value,), "gates padded", (directions * gates * padded,), pack)


def start_state(lowering: Lowering, last: Value, first: Value | None) -> Place:
    """Where the last state will be, holding the first: what is given, or zeros."""
    place, shape = lowering.place(last), last.shape
    if first is None:
        fill_step(lowering, place, product(shape), 0.0)
    else:
        copy_step(lowering, lowering.place(first), dense_strides(shape), place, dense_strides(shape), shape)
    return place


def kernel_gates(
    layer: Layer,
    names: tuple[str, ...],
    alphas: tuple[float, ...],
    betas: tuple[float, ...],
    count: int,
    clip: bool,
    lengths: bool,
) -> family.Gates:
    """The key of a kernel. Raises UnsupportedOpError when the directions differ in their activations."""
    for given in (names, alphas, betas):
        if len(given) > count and given[:count] != given[count:]:
            raise UnsupportedOpError(
                f'{layer.name} with other activations backwards than forwards has no kernel. Use backend="reference".'
            )
    operators = activations_of(names[:count], alphas[:count], betas[:count], count)
    functions = tuple(scalar_function(operator, (float32,)) for operator in operators)
    return family.Gates(functions, clip, lengths)


def step_words(layer: Layer, x: Value, last: Value, clip: float) -> dict[str, Dim | float]:
    """The words that both kernels take."""
    words: dict[str, Dim | float] = {
        "steps": x.shape[0],
        "batch": x.shape[1],
        "hidden": last.shape[2],
        "directions": layer.directions,
        "backward": int(layer.direction == "reverse"),
    }
    return words | ({"clip": float(clip)} if clip else {})


def step_work(layer: Layer, y: Value) -> Work:
    """The products with the state; the gates' functions are not counted."""
    units = y.shape[3]
    weights = (layer.gates, units, units)
    steps = product(y.shape[:3])
    return Work((2, steps, *weights), ((4, steps, layer.gates, units), (4, layer.directions, *weights), (4, *y.shape)))


def units_of(r: Value) -> int:
    """H, which is known where the weights are constants."""
    units = r.shape[2]
    assert isinstance(units, int)
    return units


def _need_constants(lowering: Lowering, name: str, *values: Value | None) -> None:
    for value in values:
        if value is not None and lowering.constant(value) is None:
            raise UnsupportedOpError(
                f"{name}: there is a kernel for weights fixed at load, and {value} is computed or fed. "
                'Use backend="reference".'
            )


def _padded(array: Numbers) -> Numbers:
    """[..., H] with zeros up to whole blocks."""
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, -array.shape[-1] % UNITS)])


def _blocks(array: Numbers) -> Numbers:
    """[D, gates, H, K] -> [D, blocks, gates, UNITS, K], zeros past the last unit."""
    directions, gates, units, depth = array.shape
    padded = np.pad(array, ((0, 0), (0, 0), (0, -units % UNITS), (0, 0)))
    return padded.reshape(directions, gates, -1, UNITS, depth).transpose(0, 2, 1, 3, 4)
