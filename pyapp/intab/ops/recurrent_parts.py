"""What recurrent layers share: checks of their operands, activations, the projected inputs, and the loop over time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np

from intab.dtypes import float32, int32
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Dim, dense_strides, product
from intab.graph.ir import Value
from intab.kernels.families import recurrent as family
from intab.kernels.families.matmul import matmul
from intab.kernels.families.register_tile import Epilogue
from intab.ops.arrays import Numbers
from intab.ops.broadcast import NO_PAIRS, agree, shape_text
from intab.ops.dense import EpilogueOperands, blocking, matmul_words, require_float32, tiles_for
from intab.ops.elementwise import Elementwise, scalar_function
from intab.ops.grid_dense import LeftRows, OutRows, RightLines, product_step
from intab.ops.kernel_steps import copy_step, fill_step
from intab.ops.lowering import Lowering, Place, Work
from intab.ops.recurrent_activations import OWN_ACTIVATIONS
from intab.ops.recurrent_packing import Sizes, bias_sums, gate_rows, input_lines, input_panels, known_size, state_stream
from intab.ops.registry import Result, operator_of

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
    "Affine": ("alpha", "beta"),
    "ScaledTanh": ("alpha", "beta"),
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

    def sizes(self, r: Value, depth: int = 1) -> Sizes:
        """Of weights with so many depths."""
        return Sizes(self.directions, self.gates, known_size(self.name, r, 2), depth)


def activations_of(
    names: tuple[str, ...], alphas: tuple[float, ...], betas: tuple[float, ...], count: int, directions: int = 1
) -> list[Activation]:
    """`count` operators for each direction. `names` are those of one direction or of each; alphas and betas none or
    one for each name. Raises UnsupportedOpError."""
    if len(names) not in (count, count * directions) or any(len(g) not in (0, len(names)) for g in (alphas, betas)):
        raise UnsupportedOpError(f"{count} activations a direction are needed, and parameters for each, not {names}.")
    found: list[Activation] = []
    for index, name in enumerate(names):
        if name not in ACTIVATION_PARAMETERS:
            raise UnsupportedOpError(f"Activation {name!r} is not one of {', '.join(ACTIVATION_PARAMETERS)}.")
        numbers = {"alpha": alphas[index] if alphas else 0.0, "beta": betas[index] if betas else 0.0}
        if name in OWN_ACTIVATIONS:
            found.append(OWN_ACTIVATIONS[name](**numbers))
            continue
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
    sizes, state_sizes = layer.sizes(r, known_size(layer.name, w, 2)), layer.sizes(r, known_size(layer.name, r, 2))
    depth, columns, rows = sizes.depth, layer.sizes(r).count, x.shape[0] * x.shape[1]
    projected = lowering.scratch(float32, rows * columns)
    sums: dict[str, Place] = {}
    if bias is not None:
        sums["bias"] = bias_sums(lowering, bias, layer.sizes(r), layer.apart, layer.name)
    work = Work((2, rows, depth, columns), ((4, rows, depth), (4, depth, columns), (4, rows, columns)))
    if lowering.target.small_items:
        product_step(
            lowering,
            LeftRows(lowering.place(x), depth, {"a_row": depth, "a_batch": 0}),
            RightLines(input_lines(lowering, w, sizes, layer.name), columns),
            OutRows(projected, {"out_row": columns, "out_batch": 0}),
            EpilogueOperands(Epilogue(bias is not None), sums, {}),
            sizes=(1, rows, depth, columns),
            work=work,
        )
    else:
        blocks = blocking(depth).for_threads(lowering.target, rows, columns)
        buffers = {"a": lowering.place(x), "b": input_panels(lowering, w, sizes, layer.name), "out": projected, **sums}
        words, kernel = (
            matmul_words(rows, depth, columns, blocks),
            matmul(Epilogue(bool(sums)), tiles_for(rows, columns)),
        )
        lowering.step(kernel, buffers, words, blocks.items(rows, columns), work=work)
    return {"x": projected, "weights": state_stream(lowering, r, state_sizes, layer.name)}


def hidden_bias(lowering: Lowering, layer: Layer, r: Value, bias: Value | None) -> Place:
    """The recurrent bias of the last gate [D, blocks, UNITS]."""
    sizes = Sizes(layer.directions, 1, layer.sizes(r).units)
    if bias is None:
        zeros = lowering.scratch(float32, sizes.count)
        fill_step(lowering, zeros, sizes.count, 0.0)
        return zeros
    count = 2 * layer.gates
    return gate_rows(lowering, bias, sizes, "recurrent bias of the last gate", first=count - 1, gates=count)


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
