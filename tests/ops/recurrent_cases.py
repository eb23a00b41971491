"""Cases of recurrent layers."""

from dataclasses import replace

import numpy as np

from intab.graph.ir import Attribute
from tests.ops.case import Numbers, OpCase, floats

STEPS, BATCH, INPUTS = 5, 2, 3
SEQUENCES = {(0, 0): "T", (0, 1): "B"}
LENGTHS = np.array([3, 5], np.int32)
WEIGHTS = (1, 2, 3, 7)


def lstm(name: str, units: int, *, batch: int = BATCH, given: tuple[str, ...] = (), **attributes: Attribute) -> OpCase:
    return _case(f"LSTM-{name}", "LSTM", units, batch, given, attributes)


def gru(name: str, units: int, *, batch: int = BATCH, given: tuple[str, ...] = (), **attributes: Attribute) -> OpCase:
    return _case(f"GRU-{name}", "GRU", units, batch, given, attributes)


def rnn(name: str, units: int, *, batch: int = BATCH, given: tuple[str, ...] = (), **attributes: Attribute) -> OpCase:
    return _case(f"RNN-{name}", "RNN", units, batch, given, attributes)


def _case(
    name: str, op: str, units: int, batch: int, given: tuple[str, ...], attributes: dict[str, Attribute]
) -> OpCase:
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    optional: dict[str, Numbers] = {
        "bias": 0.5 * floats(directions, 2 * gates * units, seed=4),
        "lengths": LENGTHS[:batch],
        "state": 0.5 * floats(directions, batch, units, seed=5),
    }
    if op == "LSTM":
        optional["cell"] = 0.5 * floats(directions, batch, units, seed=6)
        optional["peepholes"] = 0.5 * floats(directions, 3 * units, seed=7)
    inputs = [
        floats(STEPS, batch, INPUTS),
        0.5 * floats(directions, gates * units, INPUTS, seed=2),
        0.5 * floats(directions, gates * units, units, seed=3),
        *(array if key in given else None for key, array in optional.items()),
    ]
    axes = dict(SEQUENCES)
    for index, key in enumerate(optional, start=3):
        if key in given and key in ("lengths", "state", "cell"):
            axes[index, 0 if key == "lengths" else 1] = "B"
    constants = tuple(index for index in WEIGHTS if index < len(inputs) and inputs[index] is not None)
    return OpCase(name, op, attributes, inputs, axes, constants, tolerance=1e-5)


EVERYTHING = ("bias", "lengths", "state", "cell", "peepholes")


def fed(case: OpCase) -> OpCase:
    """The same with weights that are fed."""
    return replace(case, name=f"{case.name}-fed", constants=())


RECURRENT_CASES = [
    lstm("plain", 8),
    lstm("bias", 3, given=("bias",)),
    lstm("one", 1, batch=1, given=("bias", "state", "cell")),
    lstm("states", 13, given=("bias", "state", "cell")),
    lstm("reverse", 5, given=("bias", "lengths", "state", "cell"), direction="reverse"),
    lstm("bidirectional", 9, given=("bias", "state", "cell"), direction="bidirectional"),
    lstm("everything", 6, given=EVERYTHING, direction="bidirectional"),
    lstm("clip", 4, given=("bias", "peepholes"), clip=0.3),
    lstm("input-forget", 4, given=("bias",), input_forget=True),
    lstm(
        "activations",
        4,
        given=("bias",),
        activations=("HardSigmoid", "Relu", "Softsign"),
        alphas=(0.3, 0.0, 0.0),
        betas=(0.4, 0.0, 0.0),
    ),
    *map(
        fed,
        (
            lstm("weights", 8),
            lstm("weights-everything", 13, given=EVERYTHING, direction="bidirectional"),
            rnn("weights", 5, given=("bias", "state"), direction="bidirectional"),
            gru("weights", 5, given=("bias", "state")),
            gru("weights-linear", 11, given=("bias", "lengths"), direction="bidirectional", linear_before_reset=True),
        ),
    ),
    rnn("plain", 8),
    rnn("reverse", 5, given=("bias", "lengths", "state"), direction="reverse"),
    rnn("bidirectional", 9, given=("bias", "lengths"), direction="bidirectional", clip=0.4),
    rnn("affine", 4, given=("bias",), activations=("Affine",), alphas=(0.7,), betas=(0.1,)),
    rnn("scaled-tanh", 4, activations=("ScaledTanh",), alphas=(1.2,), betas=(0.6,)),
    gru("plain", 8),
    gru("bias", 3, given=("bias",)),
    gru("reverse", 5, given=("bias", "lengths", "state"), direction="reverse"),
    gru("bidirectional", 9, given=("bias", "lengths", "state"), direction="bidirectional"),
    gru("linear", 10, given=("bias", "state"), linear_before_reset=True),
    gru("linear-no-bias", 4, linear_before_reset=True),
    gru(
        "linear-bidirectional",
        6,
        given=("bias", "lengths", "state"),
        direction="bidirectional",
        linear_before_reset=True,
    ),
    gru("clip", 4, given=("bias",), clip=0.3),
    gru("activations", 4, given=("bias",), activations=("HardSigmoid", "Elu"), alphas=(0.2, 0.7), betas=(0.5, 0.0)),
]
