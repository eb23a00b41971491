"""Recurrent layers and local response normalisation."""

from typing import Any

import numpy as np
import pytest

from intab.errors import ModelFormatError, UnsupportedOpError
from tests.agreement import assert_agree
from tests.formats.small_models import Fixed, check, floats, node_model, read_model, run_model

STEPS, BATCH, INPUTS, UNITS = 4, 2, 3, 5
X = floats(STEPS, BATCH, INPUTS)


def operands(gates: int, directions: int = 1) -> list[Any]:
    """x, w, r, bias."""
    shapes = ((gates * UNITS, INPUTS), (gates * UNITS, UNITS), (2 * gates * UNITS,))
    return [X, *(Fixed(0.5 * floats(directions, *shape), np.float32) for shape in shapes)]


GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_directions(op: str, direction: str) -> None:
    directions = 2 if direction == "bidirectional" else 1
    given = operands(GATES[op], directions)
    check(op, *given, opset=14, outputs=3 if op == "LSTM" else 2, hidden_size=UNITS, direction=direction)
    check(op, *given, opset=7, outputs=1, hidden_size=UNITS, direction=direction)


def test_attributes_of_lstm() -> None:
    given = operands(4)
    check("LSTM", *given, opset=14, outputs=3, hidden_size=UNITS, clip=0.4)
    check("LSTM", *given, opset=14, outputs=3, hidden_size=UNITS, input_forget=1)
    check("LSTM", *given, opset=14, outputs=3, hidden_size=UNITS, activations=["sigmoid", "RELU", "Tanh"])
    named = {"activations": ["HardSigmoid", "LeakyRelu", "Elu"]}
    numbers = {"activation_alpha": [0.3, 0.1, 0.7], "activation_beta": [0.4]}
    check("LSTM", *given, opset=14, outputs=3, hidden_size=UNITS, **named, **numbers)


@pytest.mark.parametrize("linear", [0, 1])
def test_attributes_of_gru(linear: int) -> None:
    given = operands(3)
    check("GRU", *given, opset=14, outputs=2, hidden_size=UNITS, linear_before_reset=linear)
    named = {"activations": ["HardSigmoid", "Softsign"], "activation_alpha": [0.3]}
    check("GRU", *given, opset=14, outputs=2, hidden_size=UNITS, linear_before_reset=linear, **named)


def test_directions_with_activations_of_their_own() -> None:
    lengths = np.array([2, 4], np.int32)
    given = [*operands(4, 2), lengths, floats(2, BATCH, UNITS, seed=3), None, floats(2, 3 * UNITS, seed=4)]
    names = ["Sigmoid", "Tanh", "Relu", "HardSigmoid", "ScaledTanh", "Affine"]
    numbers = {"activation_alpha": [0.3, 1.1, 0.8], "activation_beta": [0.4, 0.7, 0.1]}
    for outputs in (1, 3):
        attributes = {"activations": names, **numbers, "hidden_size": UNITS, "direction": "bidirectional"}
        check("LSTM", *given, opset=14, outputs=outputs, sizes="known", **attributes)
    plain = {"activations": ["Tanh", "Relu"], "hidden_size": UNITS, "direction": "bidirectional"}
    check("RNN", *operands(1, 2), opset=14, outputs=2, **plain)


@pytest.mark.parametrize("op", GATES)
def test_batch_first(op: str) -> None:
    """onnxruntime refuses layout 1, which is layout 0 with the axes of steps and batch changed over."""
    given = operands(GATES[op])
    outputs = 3 if op == "LSTM" else 2
    turned = [np.ascontiguousarray(X.transpose(1, 0, 2)), *given[1:]]
    model, feeds = node_model(op, turned, opset=14, outputs=outputs, hidden_size=UNITS, layout=1)
    plain, plain_feeds = node_model(op, given, opset=14, outputs=outputs, hidden_size=UNITS)
    y, *last = run_model(plain, plain_feeds).values()
    expected = [y.transpose(2, 0, 1, 3), *(state.transpose(1, 0, 2) for state in last)]
    assert_agree(run_model(model, feeds), {f"out{i}": array for i, array in enumerate(expected)}, 0.0)


def test_what_a_layer_refuses() -> None:
    def refused(**attributes: Any) -> str:
        model, _ = node_model("LSTM", operands(4), opset=14, hidden_size=UNITS, **attributes)
        with pytest.raises((UnsupportedOpError, ModelFormatError)) as caught:
            read_model(model)
        return str(caught.value)

    assert "activation 'Sine' is not one of" in refused(activations=["Sine", "Tanh", "Tanh"])
    assert "activation 'Affine' needs a number in 'activation_alpha'" in refused(activations=["Affine"] * 3)
    assert "1 activations are given where 3 are expected" in refused(activations=["Tanh"])
    assert "'direction' is 'sideways'" in refused(direction="sideways")
    assert "'clip' is -1.0" in refused(clip=-1.0)


def test_local_response_normalisation() -> None:
    x = 9 * floats(2, 7, 3, 4)
    check("LRN", x, opset=13, size=5)
    check("LRN", x, opset=1, size=3, alpha=0.2, beta=0.6, bias=2.0)
    model, _ = node_model("LRN", [x], opset=13, size=3, bias=0.0)
    with pytest.raises(UnsupportedOpError, match="'bias' is 0"):
        read_model(model)
