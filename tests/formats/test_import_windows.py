"""Convolutions and poolings: paddings stated, automatic, and rounded up; sizes known or symbols."""

from typing import Any

import numpy as np
import pytest

from intab.errors import ModelFormatError, UnsupportedOpError
from tests.formats.small_models import Fixed, check, floats, node_model, read_model

X = floats(2, 4, 9, 8)


def weights(*shape: int) -> Fixed:
    return Fixed(floats(*shape, seed=3), np.float32)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"strides": [2, 1], "pads": [0, 1, 2, 0]},
        {"dilations": [2, 2]},
        {"auto_pad": "SAME_UPPER"},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 3]},
        {"auto_pad": "SAME_UPPER", "strides": [3, 3]},
        {"auto_pad": "VALID", "strides": [2, 2]},
        {"auto_pad": "NOTSET", "kernel_shape": [3, 2]},
    ],
)
@pytest.mark.parametrize("opset", [7, 11])
def test_conv(attributes: dict[str, Any], opset: int) -> None:
    check("Conv", X, weights(5, 4, 3, 2), opset=opset, **attributes)


def test_conv_with_short_window_and_long_stride() -> None:
    """SAME of a window shorter than its stride may ask for less than no padding."""
    for size in range(3, 8):
        for auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            check("Conv", floats(1, 1, size, size), weights(1, 1, 1, 2), opset=11, auto_pad=auto_pad, strides=[3, 3])


def test_conv_with_bias_groups_and_other_ranks() -> None:
    check("Conv", X, weights(6, 2, 3, 3), Fixed(floats(6), np.float32), opset=11, group=2)
    check("Conv", X, weights(4, 1, 3, 3), opset=11, group=4, pads=[1, 1, 1, 1])
    check("Conv", floats(2, 3, 10), weights(4, 3, 3), opset=11, strides=[2])
    check("Conv", floats(1, 2, 4, 5, 6), weights(3, 2, 2, 3, 2), opset=11, auto_pad="SAME_UPPER")


def test_conv_with_weights_that_are_fed() -> None:
    check("Conv", X, floats(5, 4, 3, 2), opset=11, sizes="known")


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 2]},
        {"strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"strides": [2, 3], "output_padding": [1, 2], "pads": [1, 0, 0, 1]},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"strides": [3, 2], "auto_pad": "SAME_UPPER"},
        {"dilations": [2, 1]},
        {"auto_pad": "VALID"},
    ],
)
def test_conv_transpose(attributes: dict[str, Any]) -> None:
    check("ConvTranspose", X, weights(4, 3, 3, 3), opset=11, **attributes)


@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
def test_conv_transpose_of_stated_size(auto_pad: str) -> None:
    check(
        "ConvTranspose",
        X,
        weights(4, 3, 3, 3),
        opset=11,
        sizes="known",
        strides=[2, 2],
        output_shape=[18, 16],
        auto_pad=auto_pad,
    )


def test_conv_transpose_of_stated_size_beyond_its_windows() -> None:
    """The result ends in zeros."""
    model, _ = node_model(
        "ConvTranspose", [floats(1, 1, 3, 3), weights(1, 2, 3, 3)], opset=11, strides=[3, 2], output_shape=[10, 8]
    )
    assert read_model(model).outputs[0].shape == (1, 2, 10, 8)


def test_conv_transpose_with_groups_and_bias() -> None:
    check("ConvTranspose", X, weights(4, 3, 2, 2), Fixed(floats(6), np.float32), opset=11, group=2, strides=[2, 2])


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [3, 2]},
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 1, 1], "ceil_mode": 1},
        {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "VALID"},
    ],
)
@pytest.mark.parametrize("opset", [10, 12])
def test_pool(op: str, attributes: dict[str, Any], opset: int) -> None:
    check(op, X, opset=opset, **attributes)


def test_pool_with_dilations() -> None:
    check("MaxPool", X, opset=12, kernel_shape=[2, 2], dilations=[2, 3])
    check("AveragePool", X, opset=19, kernel_shape=[2, 2], dilations=[2, 3], pads=[1, 1, 1, 1])


@pytest.mark.parametrize("include", [0, 1])
def test_average_pool_may_count_padding(include: int) -> None:
    check("AveragePool", X, opset=11, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=include)


def test_pool_of_opset_1() -> None:
    expected = X.reshape(2, 4, 9, 4, 2).max(-1)
    check("MaxPool", X, opset=1, expected=[expected], kernel_shape=[1, 2], strides=[1, 2])


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [(2, 4, 9, 8), (2, 3, 7), (1, 2, 3, 4, 5)])
def test_global_pool(op: str, shape: tuple[int, ...]) -> None:
    check(op, floats(*shape), opset=9)


@pytest.mark.parametrize("auto_pad", ["VALID", "SAME_UPPER", "SAME_LOWER"])
def test_pool_that_rounds_up_and_pads_by_itself(auto_pad: str) -> None:
    for op in ("MaxPool", "AveragePool"):
        check(op, floats(2, 3, 8, 6), opset=12, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, auto_pad=auto_pad)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_pools_of_powers(p: int) -> None:
    x = floats(2, 3, 7, 6)
    check("LpPool", x, opset=18, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], p=p)
    check("GlobalLpPool", floats(2, 3, 4), opset=11, p=p)


def test_symbols_stay_readable() -> None:
    """SAME gives ceil(size / stride) without a maximum, so that residual sums agree without assumptions."""
    model, _ = node_model(
        "Conv", [X, weights(4, 4, 3, 3)], opset=11, symbolic=True, auto_pad="SAME_UPPER", strides=[2, 2]
    )
    graph = read_model(model)
    assert [str(dim) for dim in graph.outputs[0].shape[2:]] == ["(`in0:2` + 1)//2", "(`in0:3` + 1)//2"]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"pads": [1, 1]}, "'pads' is"),
        ({"pads": [-1, 0, 0, 0]}, "'pads' is"),
        ({"strides": [0, 1]}, "'strides' is"),
        ({"strides": [1]}, "'strides' is"),
        ({"dilations": [1, -1]}, "'dilations' is"),
        ({"kernel_shape": [5, 5]}, "but the weights have"),
        ({"auto_pad": "SAME_UPPER", "pads": [1, 1, 1, 1]}, "has both pads"),
        ({"group": 0}, "'group' is 0"),
    ],
)
def test_nonsense_is_refused(attributes: dict[str, Any], message: str) -> None:
    model, _ = node_model("Conv", [X, weights(5, 4, 3, 2)], opset=11, **attributes)
    with pytest.raises(ModelFormatError, match=message):
        read_model(model)


def test_uses_that_cannot_be_run_are_refused() -> None:
    model, _ = node_model("Conv", [X, weights(5, 4, 3, 2)], opset=11, auto_pad="SAME")
    with pytest.raises(UnsupportedOpError, match="'auto_pad' is 'SAME'; known are NOTSET, SAME_UPPER"):
        read_model(model)
    model, _ = node_model("MaxPool", [X], opset=12, outputs=2, kernel_shape=[2, 2])
    with pytest.raises(UnsupportedOpError, match=r"output 1 \('out1'\) is asked for"):
        read_model(model)
