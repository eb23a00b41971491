"""Reductions, normalisations and matrix products."""

from typing import Any

import numpy as np
import pytest

from intab.errors import ModelFormatError, UnsupportedOpError
from tests.formats.small_models import Fixed, check, floats, node_model, read_model, whole

X = floats(2, 3, 4)
POSITIVE = np.abs(X) + 0.1
REDUCTIONS = [
    *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare"),
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"),
]


@pytest.mark.parametrize("op", REDUCTIONS)
@pytest.mark.parametrize("axes", [None, [1], [-1], [0, 2], [2, 0]])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reduction(op: str, axes: list[int] | None, keepdims: int) -> None:
    by_attribute = {} if axes is None else {"axes": axes}
    check(op, POSITIVE, opset=11, keepdims=keepdims, **by_attribute)
    by_input = [] if axes is None else [Fixed(axes)]
    check(op, POSITIVE, *by_input, opset=13 if op == "ReduceSum" else 18, keepdims=keepdims)


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMean", "ReduceMax"])
@pytest.mark.parametrize("noop", [0, 1])
def test_reduction_over_no_axes(op: str, noop: int) -> None:
    check(op, X, Fixed(np.zeros(0)), opset=18, noop_with_empty_axes=noop)
    check(op, X, opset=18, noop_with_empty_axes=noop)


def test_log_sum_exp_of_large_numbers() -> None:
    x = np.array([[1000, 1001], [-1000, -999]], np.float32)
    check("ReduceLogSumExp", x, opset=13, axes=[1])


def test_reduction_of_a_scalar_and_of_integers() -> None:
    check("ReduceSum", np.array(3, np.float32), opset=11)
    check("ReduceSum", whole(3, 4), Fixed([0]), opset=13)
    check("ReduceMax", whole(3, 4, dtype=np.int32), opset=13, axes=[1])


@pytest.mark.parametrize("axes", [[3], [-4], [0, 0], [0, -3]])
def test_axes_that_do_not_exist(axes: list[int]) -> None:
    model, _ = node_model("ReduceMean", [X], opset=11, axes=axes)
    with pytest.raises(ModelFormatError, match=r"ax[ei]s"):
        read_model(model)


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("attributes", [{}, {"axis": 1}, {"axis": -1, "keepdims": 0}])
def test_arg_extreme(op: str, attributes: dict[str, int]) -> None:
    ties = np.round(X)
    check(op, ties, opset=11, **attributes)
    check(op, ties, opset=13, select_last_index=1, **attributes)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1, -2])
@pytest.mark.parametrize("opset", [11, 13])
def test_softmax(op: str, axis: int | None, opset: int) -> None:
    """Until opset 12 the axes from `axis` on count as one."""
    check(op, X, opset=opset, **({} if axis is None else {"axis": axis}))
    check(op, floats(2, 5, 1, 1), opset=opset, **({} if axis is None else {"axis": axis}))


def channels(count: int) -> list[Any]:
    return [
        Fixed(floats(count, seed=1), np.float32),
        Fixed(floats(count, seed=2), np.float32),
        Fixed(floats(count, seed=3), np.float32),
        Fixed(np.abs(floats(count, seed=4)) + 0.5, np.float32),
    ]


@pytest.mark.parametrize("opset", [7, 9, 14, 15])
@pytest.mark.parametrize("attributes", [{}, {"epsilon": 1e-2, "momentum": 0.5}])
def test_batch_normalization(opset: int, attributes: dict[str, float]) -> None:
    check("BatchNormalization", X, *channels(3), opset=opset, **attributes)


def test_batch_normalization_of_opset_6() -> None:
    scale, bias, mean, variance = (part.array[:, None] for part in channels(3))
    expected = (X - mean) / np.sqrt(variance + 1e-5) * scale + bias
    check("BatchNormalization", X, *channels(3), opset=6, expected=[expected], is_test=1, spatial=1)


@pytest.mark.parametrize(
    ("opset", "attributes", "outputs"),
    [(6, {}, 1), (14, {"training_mode": 1}, 1), (7, {}, 5), (7, {"spatial": 0}, 1)],
)
def test_batch_normalization_that_is_refused(opset: int, attributes: dict[str, int], outputs: int) -> None:
    model, _ = node_model("BatchNormalization", [X, *channels(3)], opset=opset, outputs=outputs, **attributes)
    with pytest.raises(UnsupportedOpError, match=r"training mode|spatial=0"):
        read_model(model)


@pytest.mark.parametrize("axis", [None, -1, 1, 0])
def test_layer_normalization(axis: int | None) -> None:
    attributes: dict[str, Any] = {"epsilon": 1e-3} if axis is None else {"axis": axis}
    shape = X.shape[-1 if axis is None else axis :]
    scale, bias = Fixed(floats(*shape, seed=1), np.float32), Fixed(floats(*shape, seed=2), np.float32)
    check("LayerNormalization", X, scale, bias, opset=17, **attributes)
    check("LayerNormalization", X, scale, opset=17, expected="onnx", outputs=3, **attributes)


def test_other_normalizations() -> None:
    picture = floats(2, 4, 3, 5)
    by_channel = [Fixed(floats(4, seed=s), np.float32) for s in (1, 2)]
    check("InstanceNormalization", picture, *by_channel, opset=6, epsilon=1e-3)
    check("GroupNormalization", picture, *by_channel, opset=21, expected="onnx", num_groups=2)
    check("RMSNormalization", X, Fixed(floats(4), np.float32), opset=23, expected="onnx")
    check("SimplifiedLayerNormalization", X, Fixed(floats(4), np.float32), opset=17, epsilon=1e-3)
    for axes in ({}, {"axes": [1, -1]}):
        check("MeanVarianceNormalization", picture, opset=13, tolerance=1e-5, **axes)
    for p in (1, 2):
        check("LpNormalization", X, opset=11, axis=1, p=p)


def test_group_normalization_of_opset_18_scales_groups() -> None:
    x, scale, bias = floats(2, 4, 6), floats(2, seed=1), floats(2, seed=2)
    groups = x.reshape(2, 2, 12)
    normal = (groups - groups.mean(2, keepdims=True)) / np.sqrt(groups.var(2, keepdims=True) + 1e-5)
    expected = (normal * scale[:, None] + bias[:, None]).reshape(x.shape)
    check("GroupNormalization", x, scale, bias, opset=18, expected=[expected], sizes="known", num_groups=2)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
@pytest.mark.parametrize("attributes", [{}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}])
def test_cumulative_sum(dtype: type, attributes: dict[str, int]) -> None:
    for axis in (0, -1, [1]):
        check("CumSum", (X * 9).astype(dtype), Fixed(axis, np.int32), opset=14, **attributes)


@pytest.mark.parametrize(
    ("a", "b"),
    [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (3, 4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,))],
)
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    check("MatMul", floats(*a), floats(*b, seed=1), opset=13, sizes="known" if 1 in a else "both")


@pytest.mark.parametrize("c", [None, (5,), (1, 5), (3, 5), (3, 1), (1,), ()])
@pytest.mark.parametrize("attributes", [{}, {"alpha": 0.5}, {"beta": 2.0}, {"alpha": 0.5, "beta": 0.0}])
def test_gemm(c: tuple[int, ...] | None, attributes: dict[str, float]) -> None:
    bias = [] if c is None else [Fixed(floats(*c, seed=2), np.float32)]
    check("Gemm", floats(3, 4), floats(4, 5, seed=1), *bias, opset=13, **attributes)


@pytest.mark.parametrize("transposes", [{"transA": 1}, {"transB": 1}, {"transA": 1, "transB": 1}])
def test_gemm_of_transposed_operands(transposes: dict[str, int]) -> None:
    a = floats(4, 3) if "transA" in transposes else floats(3, 4)
    b = floats(5, 4, seed=1) if "transB" in transposes else floats(4, 5, seed=1)
    check("Gemm", a, b, Fixed(floats(5), np.float32), opset=11, **transposes)


def test_gemm_of_opset_6() -> None:
    a, b, c = floats(3, 4), floats(4, 5, seed=1), floats(5, seed=2)
    check("Gemm", a, b, c, opset=6, expected=[a @ b + c], broadcast=1)
