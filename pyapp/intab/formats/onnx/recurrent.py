"""Recurrent layers."""

from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.graph.ir import Attribute, Value
from intab.ops.recurrent_parts import ACTIVATION_PARAMETERS, DIRECTIONS

# What an activation's parameters are when the file does not say. Source: onnx/defs/rnn/defs.cc.
_ALPHAS = {"LeakyRelu": 0.01, "ThresholdedRelu": 1.0, "Elu": 1.0, "HardSigmoid": 0.2}
_BETAS = {"HardSigmoid": 0.5}
# Of the weights, which are w, r, bias and lengths.
_LENGTHS = 3


@onnx_op("LSTM", since=7)
def lstm(
    call: Call,
    x: Value,
    w: Value,
    r: Value,
    bias: Value | None = None,
    lengths: Value | None = None,
    state: Value | None = None,
    cell: Value | None = None,
    peepholes: Value | None = None,
) -> tuple[Value, ...]:
    attributes = _attributes(call, r, ("Sigmoid", "Tanh", "Tanh"))
    attributes["input_forget"] = call.flag("input_forget", default=False)
    return _layer(call, "LSTM", x, (w, r, bias, lengths), (state, cell), (peepholes,), attributes)


@onnx_op("GRU", since=7)
def gru(
    call: Call,
    x: Value,
    w: Value,
    r: Value,
    bias: Value | None = None,
    lengths: Value | None = None,
    state: Value | None = None,
) -> tuple[Value, ...]:
    attributes = _attributes(call, r, ("Sigmoid", "Tanh"))
    attributes["linear_before_reset"] = call.flag("linear_before_reset", default=False)
    return _layer(call, "GRU", x, (w, r, bias, lengths), (state,), (), attributes)


@onnx_op("RNN", since=7)
def rnn(
    call: Call,
    x: Value,
    w: Value,
    r: Value,
    bias: Value | None = None,
    lengths: Value | None = None,
    state: Value | None = None,
) -> tuple[Value, ...]:
    return _layer(call, "RNN", x, (w, r, bias, lengths), (state,), (), _attributes(call, r, ("Tanh",)))


def _layer(
    call: Call,
    op: str,
    x: Value,
    weights: tuple[Value | None, ...],
    states: tuple[Value | None, ...],
    further: tuple[Value | None, ...],
    attributes: dict[str, Attribute],
) -> tuple[Value, ...]:
    """The layer's outputs; with layout 1 the batch comes first in all that has one."""
    batch_first = call.flag("layout", default=False)
    if batch_first:
        x = call.part("Transpose", x, perm=(1, 0, 2))
        states = tuple(None if s is None else call.part("Transpose", s, perm=(1, 0, 2)) for s in states)
    wanted = call.node.outputs
    names = tuple("" if batch_first or index >= len(wanted) else wanted[index] for index in range(1 + len(states)))
    apart = _by_direction(attributes)
    if apart is None:
        made = call.outputs(names, op, x, *weights, *states, *further, **attributes)
    else:
        made = _two_layers(call, op, x, (*weights, *states, *further), apart, 1 + len(states))
    if not batch_first:
        return made
    y, *last = made
    turned = tuple(call.part("Transpose", s, perm=(1, 0, 2)) for s in last)
    return call.part("Transpose", y, perm=(2, 0, 1, 3)), *turned


_Attributes = dict[str, Attribute]


def _by_direction(attributes: _Attributes) -> tuple[_Attributes, _Attributes] | None:
    """The attributes of the layer forwards and of that backwards where their activations differ, else None."""
    if attributes["direction"] != "bidirectional":
        return None
    forward: _Attributes = {**attributes, "direction": "forward"}
    backward: _Attributes = {**attributes, "direction": "reverse"}
    for key in ("activations", "alphas", "betas"):
        both = attributes.get(key, ())
        assert isinstance(both, tuple)
        if both:
            forward[key], backward[key] = both[: len(both) // 2], both[len(both) // 2 :]
    return (forward, backward) if any(forward[key] != backward[key] for key in forward if key != "direction") else None


def _two_layers(
    call: Call,
    op: str,
    x: Value,
    operands: tuple[Value | None, ...],
    attributes: tuple[_Attributes, _Attributes],
    count: int,
) -> tuple[Value, ...]:
    """A layer of both directions as two layers of one, `count` outputs of each put side by side."""
    parts = []
    for number, own in enumerate(attributes):
        # All but the lengths of the sequences have an axis of directions in front.
        taken = [v if v is None or i == _LENGTHS else _direction(call, v, number) for i, v in enumerate(operands)]
        parts.append(call.outputs(("",) * count, op, x, *taken, **own))
    axes = (1, *(0,) * (count - 1))
    return tuple(
        call.part("Concat", *both, axis=axis) for both, axis in zip(zip(*parts, strict=True), axes, strict=True)
    )


def _direction(call: Call, value: Value, number: int) -> Value:
    """One direction's part of an operand."""
    starts = (number, *(0 for _ in value.shape[1:]))
    return call.part("Slice", value, starts=starts, sizes=(1, *value.shape[1:]), steps=(1,) * value.rank)


def _attributes(call: Call, r: Value, usual: tuple[str, ...]) -> dict[str, Attribute]:
    """Direction, activations with their parameters, clip. `hidden_size` says what the weights say."""
    direction = call.choice("direction", tuple(DIRECTIONS), "forward")
    call.integer("hidden_size", 0)
    if call.opset < 14 and call.has("output_sequence"):
        call.ignore("output_sequence")
    count = len(usual) * DIRECTIONS[direction]
    names = _names(call, usual * DIRECTIONS[direction])
    alphas, betas = list(call.numbers("activation_alpha", ())), list(call.numbers("activation_beta", ()))
    attributes: dict[str, Attribute] = {"direction": direction, "activations": names}
    if any(ACTIVATION_PARAMETERS[name] for name in names):
        attributes["alphas"] = tuple(_parameter(call, "alpha", name, alphas, _ALPHAS) for name in names)
        attributes["betas"] = tuple(_parameter(call, "beta", name, betas, _BETAS) for name in names)
    if len(names) != count:
        raise call.malformed(f"{len(names)} activations are given where {count} are expected")
    clip = call.number("clip", 0.0)
    if clip < 0:
        raise call.malformed(f"attribute 'clip' is {clip}, but it is not negative")
    return {**attributes, "clip": clip}


def _names(call: Call, usual: tuple[str, ...]) -> tuple[str, ...]:
    """The activations, whose names may be written in any case."""
    known = {name.lower(): name for name in ACTIVATION_PARAMETERS}
    given = call.texts("activations", usual)
    for name in given:
        if name.lower() not in known:
            raise call.unsupported(f"activation {name!r} is not one of {', '.join(known.values())}")
    return tuple(known[name.lower()] for name in given)


def _parameter(call: Call, kind: str, name: str, given: list[float], usual: dict[str, float]) -> float:
    """The next number of the list for an activation that takes one, in the order of the activations."""
    if kind not in ACTIVATION_PARAMETERS[name]:
        return 0.0
    if given:
        return given.pop(0)
    if name not in usual:
        raise call.malformed(f"activation {name!r} needs a number in 'activation_{kind}'")
    return usual[name]
