"""Operators that read, change or cut shapes, and operators that move elements."""

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

from intab.errors import ModelFormatError, ShapeError, UnsupportedOpError
from tests.agreement import assert_agree
from tests.formats.small_models import (
    Fixed,
    check,
    expected_by_onnxruntime,
    floats,
    model_of,
    node_model,
    read_model,
    run_model,
    whole,
    with_output_types,
)

X = floats(2, 3, 4)
FAR = 2**63 - 1


@pytest.mark.parametrize(("start", "end"), [(None, None), (1, None), (-2, None), (0, 2), (1, -1), (-9, 9), (2, 1)])
def test_shape(start: int | None, end: int | None) -> None:
    bounds = {key: value for key, value in (("start", start), ("end", end)) if value is not None}
    check("Shape", X, opset=15 if bounds else 11, **bounds)


def test_size() -> None:
    check("Size", X, opset=11)


@pytest.mark.parametrize("shape", [[6, 4], [-1], [0, -1], [0, 0, 4], [1, 2, 3, 4], [4, -1, 2], [0, 0, -1]])
def test_reshape(shape: list[int]) -> None:
    check("Reshape", X, Fixed(shape), opset=13, sizes="both" if 0 in shape or -1 in shape else "known")


def test_reshape_that_allows_zero() -> None:
    check("Reshape", floats(0, 3), Fixed([3, 0]), opset=14, allowzero=1)


def test_reshape_by_attribute() -> None:
    check("Reshape", X, opset=1, expected=[X.reshape(2, 12)], shape=[0, -1])


@pytest.mark.parametrize("shape", [[5, -1], [-1, -1], [-2, 12], [0, 0, 0, 0]])
def test_reshape_to_nonsense(shape: list[int]) -> None:
    model, _ = node_model("Reshape", [X, Fixed(shape)], opset=13)
    with pytest.raises((ModelFormatError, ShapeError), match=r"small\.onnx: node 'node'"):
        read_model(model)


def test_reshape_to_what_is_fed() -> None:
    model, _ = node_model("Reshape", [X, np.array([6, 4])], opset=13)
    with pytest.raises(UnsupportedOpError, match="the new shape is not known before the model runs"):
        read_model(model)


@pytest.mark.parametrize("axis", [None, 0, 1, 2, 3, -1, -3])
def test_flatten(axis: int | None) -> None:
    check("Flatten", X, opset=11, **({} if axis is None else {"axis": axis}))


def test_squeeze() -> None:
    x = floats(1, 3, 1, 2)
    for axes in ([0], [2], [0, 2], [-2], [-4, 2]):
        check("Squeeze", x, opset=11, axes=axes)
        check("Squeeze", x, Fixed(axes), opset=13)
    check("Squeeze", x, opset=11, sizes="known")
    check("Squeeze", x, opset=13, sizes="known")


def test_squeeze_needs_sizes_of_1() -> None:
    model, _ = node_model("Squeeze", [X], opset=11, axes=[0])
    with pytest.raises(ModelFormatError, match="sizes 2 and 1 have to be the same"):
        read_model(model)
    model, feeds = node_model("Squeeze", [X], opset=11, symbolic=True, axes=[0])
    with pytest.raises(ShapeError, match="in0:0"):
        run_model(model, feeds)
    model, _ = node_model("Squeeze", [X], opset=11, symbolic=True)
    with pytest.raises(UnsupportedOpError, match="the axes to drop depend on the sizes"):
        read_model(model)


@pytest.mark.parametrize("axes", [[0], [3], [-1], [0, 2], [4, 1], [-1, 0]])
def test_unsqueeze(axes: list[int]) -> None:
    check("Unsqueeze", X, opset=11, axes=axes)
    check("Unsqueeze", X, Fixed(axes), opset=13)


@pytest.mark.parametrize("perm", [None, [2, 0, 1], [0, 2, 1]])
def test_transpose(perm: list[int] | None) -> None:
    check("Transpose", X, opset=13, **({} if perm is None else {"perm": perm}))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(axis: int) -> None:
    check("Concat", X, X * 2, X - 1, opset=11, axis=axis)
    check("Concat", X, opset=11, axis=axis)


def test_concat_of_opset_1_has_a_default_axis() -> None:
    check("Concat", X, X, opset=1, expected=[np.concatenate([X, X], 1)])


SLICES: list[tuple[list[int], list[int], list[int] | None, list[int] | None]] = [
    ([0], [1], None, None),
    ([1, 0], [2, 3], [1, 2], None),
    ([-1], [FAR], [2], None),
    ([-2], [-1], [1], None),
    ([1], [FAR], [2], None),
    ([0], [-1], [2], None),
    ([0, 0, 0], [FAR, FAR, FAR], None, [1, 1, 2]),
    ([1], [FAR], [2], [2]),
    ([-1], [-FAR], [2], [-1]),
    ([-1], [-FAR], [1], [-2]),
    ([-9], [9], [0], None),
    ([5], [9], [1], None),
    ([2], [1], [1], None),
]


@pytest.mark.parametrize(("starts", "ends", "axes", "steps"), SLICES)
def test_slice(starts: list[int], ends: list[int], axes: list[int] | None, steps: list[int] | None) -> None:
    optional = [None if part is None else Fixed(part) for part in (axes, steps)]
    check("Slice", X, Fixed(starts), Fixed(ends), *optional, opset=11)
    if steps is None:
        attributes = {"starts": starts, "ends": ends, **({} if axes is None else {"axes": axes})}
        check("Slice", X, opset=9, **attributes)


@pytest.mark.parametrize("size", range(1, 5))
@pytest.mark.parametrize("step", [-3, -2, -1, 1, 2, 3])
def test_slices_of_known_sizes(size: int, step: int) -> None:
    """Every pair of bounds around a small axis, against onnxruntime."""
    x = np.arange(size, dtype=np.float32)
    bounds = [*range(-size - 2, size + 3), FAR, -FAR]
    names, nodes, weights = [], [], []
    for i, (start, end) in enumerate((s, e) for s in bounds for e in bounds):
        for name, number in ((f"s{i}", start), (f"e{i}", end)):
            weights.append(helper.make_tensor(name, TensorProto.INT64, [1], [number]))
        nodes.append(helper.make_node("Slice", ["x", f"s{i}", f"e{i}", "axes", "steps"], [f"y{i}"]))
        names.append(f"y{i}")
    weights += [helper.make_tensor(name, TensorProto.INT64, [1], [n]) for name, n in (("axes", 0), ("steps", step))]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in names]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [size])]
    model = model_of(helper.make_graph(nodes, "slices", inputs, outputs, weights), 13)
    assert_agree(run_model(model, {"x": x}), expected_by_onnxruntime(model, {"x": x}), 0)


@pytest.mark.parametrize(
    ("shape", "starts", "ends", "steps"),
    [([3], [0], [0], [0]), ([3], [0, 0], [1], [1]), ([3, 3], [0, 0], [1, 1], [1, 1])],
)
def test_slices_of_nonsense(shape: list[int], starts: list[int], ends: list[int], steps: list[int]) -> None:
    axes = [0] * len(starts)
    model, _ = node_model("Slice", [floats(*shape), Fixed(starts), Fixed(ends), Fixed(axes), Fixed(steps)], opset=11)
    with pytest.raises(ModelFormatError, match=r"small.onnx: node 'node' \(Slice, opset 11\)"):
        read_model(model)


def test_a_slice_next_to_the_end_takes_the_size_for_1_or_more() -> None:
    model, feeds = node_model("Slice", [X, Fixed([1]), Fixed([FAR]), Fixed([2])], opset=11, symbolic=True)
    graph = read_model(model)
    assert str(graph.outputs[0].shape[2]) == "`in0:2` - 1"
    assert [str(e.left) for e in graph.equalities] == ["min(1, `in0:2`)"]
    with pytest.raises(ShapeError):
        run_model(model, {"in0": X[:, :, :0]})
    assert run_model(model, feeds)["out0"].shape == (2, 3, 3)


@pytest.mark.parametrize("lengths", [None, [1, 3], [4, 0], [2, 2]])
def test_split(lengths: list[int] | None) -> None:
    check("Split", X, *([] if lengths is None else [Fixed(lengths)]), opset=13, outputs=2, axis=2)
    check("Split", X, opset=11, outputs=2, axis=-1, **({} if lengths is None else {"split": lengths}))


def test_split_into_unequal_parts() -> None:
    check("Split", floats(7, 2), opset=18, outputs=3, sizes="known", num_outputs=3)
    model, _ = node_model("Split", [floats(7, 2)], opset=13, outputs=3)
    with pytest.raises(ModelFormatError, match="does not split into 3 equal parts"):
        read_model(model)
    model, _ = node_model("Split", [floats(7, 2), Fixed([3, 3])], opset=13, outputs=2)
    with pytest.raises(ModelFormatError, match="sizes 6 and 7 have to be the same"):
        read_model(model)
    model, _ = node_model("Split", [floats(6, 2)], opset=18, outputs=3, num_outputs=2**40)
    with pytest.raises(ModelFormatError, match="'num_outputs' is"):
        read_model(model)


def test_expand_and_tile() -> None:
    check("Expand", floats(3, 1), Fixed([2, 1, 4]), opset=8, sizes="known")
    check("Expand", floats(3, 4), Fixed([1, 1]), opset=13)
    check("Tile", X, Fixed([2, 1, 3]), opset=6)
    check("Tile", X, Fixed([1, 0, 1]), opset=13)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_pad(mode: str) -> None:
    pads = [0, 1, 2, 0, 1, 1]
    check("Pad", X, opset=2, expected="onnxruntime", mode=mode, pads=pads)
    check("Pad", X, Fixed(pads), opset=11, mode=mode)


@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap"])
def test_pad_of_what_negative_pads_leave(mode: str) -> None:
    check("Pad", X, Fixed([0, -1, 1, 0, 1, -1]), opset=19, mode=mode, sizes="known")
    check("Pad", X, Fixed([1, 0, 2, 0, 1, 1]), opset=19, mode="wrap")


def test_pad_with_value_axes_and_cuts() -> None:
    check("Pad", X, Fixed([0, 1, 0, 0, 0, 2]), Fixed(1.5, np.float32), opset=13)
    check("Pad", X, Fixed([1, 2]), None, Fixed([-1]), opset=18)
    check("Pad", X, Fixed([0, -1, 0, 0, 0, -2]), opset=13, sizes="known")
    check("Pad", X, opset=2, pads=[0, 0, 1, 0, 0, 1], value=2.5)
    check("Pad", X, opset=1, expected=[np.pad(X, [(0, 0), (1, 0), (0, 2)])], paddings=[0, 1, 0, 0, 0, 2])
    check("Pad", whole(3, 2), Fixed([1, 0, 0, 0]), Fixed(7), opset=13)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("indices", [1, [0, 1], [[1, 0], [-1, 1]]])
def test_gather(axis: int, indices: Any) -> None:
    check("Gather", X, Fixed(indices), opset=11, axis=axis)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(mode: str) -> None:
    check("DepthToSpace", floats(2, 12, 2, 3), opset=11, blocksize=2, mode=mode)


def test_space_to_depth() -> None:
    check("SpaceToDepth", floats(2, 3, 4, 6), opset=11, blocksize=2)


def test_constants() -> None:
    array = floats(2, 3)
    check("Constant", opset=9, expected=[array], value=helper.make_tensor("t", 1, [2, 3], array.reshape(-1)))
    check("Constant", opset=12, expected=[np.array(1.5, np.float32)], value_float=1.5)
    check("Constant", opset=12, expected=[np.array([1.5, 2], np.float32)], value_floats=[1.5, 2.0])
    check("Constant", opset=12, expected=[np.array(3)], value_int=3)
    check("Constant", opset=12, expected=[np.array([3, 4])], value_ints=[3, 4])
    model, _ = node_model("Constant", [], opset=12, value_string="text")
    with pytest.raises(UnsupportedOpError, match="it holds a string"):
        read_model(model)


def test_constant_of_shape() -> None:
    check("ConstantOfShape", Fixed([2, 3]), opset=9)
    seven = helper.make_tensor("value", TensorProto.INT32, [1], [7])
    check("ConstantOfShape", Fixed([2, 3]), opset=9, value=seven)
    check("ConstantOfShape", Fixed([]), opset=9)
    check("ConstantOfShape", Fixed([300, 400]), opset=9, value=seven)
    model, _ = node_model("ConstantOfShape", [Fixed([2**40, 2**20])], opset=9)
    assert read_model(model).outputs[0].shape == (2**40, 2**20)


@pytest.mark.parametrize(("start", "limit", "delta"), [(0, 5, 1), (5, 0, -2), (3, 3, 1), (3, 9, -1)])
def test_range(start: int, limit: int, delta: int) -> None:
    check("Range", Fixed(start), Fixed(limit), Fixed(delta), opset=11)
    check("Range", *(Fixed(n / 4, np.float32) for n in (start, limit, delta)), opset=11)


def test_range_up_to_a_size() -> None:
    """Range(0, size of x) and, backwards, Range(size of x - 1, -1, -2)."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Squeeze", ["shape"], ["size"]),
        helper.make_node("Range", ["zero", "size", "one"], ["up"]),
        helper.make_node("Sub", ["size", "one"], ["last"]),
        helper.make_node("Range", ["last", "minus", "step"], ["down"]),
    ]
    fixed = {"zero": 0, "one": 1, "minus": -1, "step": -2}
    weights = [numpy_helper.from_array(np.array(n, np.int64), name) for name, n in fixed.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])]
    outputs = [ValueInfoProto(name=name) for name in ("up", "down")]
    model = model_of(helper.make_graph(nodes, "small", inputs, outputs, weights), 13)
    for size in (1, 6, 7):
        found = run_model(model, {"x": np.zeros(size, np.float32)})
        expected = {"up": np.arange(size), "down": np.arange(size - 1, -1, -2)}
        assert_agree(found, {name: array.astype(np.int64) for name, array in expected.items()}, 0.0)


def test_range_of_nonsense() -> None:
    model, _ = node_model("Range", [Fixed(0), Fixed(2**60), Fixed(1)], opset=11)
    with pytest.raises(UnsupportedOpError, match="are made at load"):
        read_model(model)
    model, _ = node_model("Range", [Fixed(0), Fixed(5), Fixed(0)], opset=11)
    with pytest.raises(ModelFormatError, match="in steps of 0"):
        read_model(model)


def test_identity_and_dropout_do_nothing() -> None:
    check("Identity", X, opset=13)
    check("Dropout", X, opset=7, ratio=0.4)
    check("Dropout", X, Fixed(0.4, np.float32), opset=12)
    check("Dropout", X, Fixed(0.4, np.float32), Fixed(False, np.bool_), opset=13)
    check("Dropout", X, opset=12, outputs=2)
    check("Dropout", X, opset=6, expected=[X], is_test=1)


def test_dropout_in_training_is_refused() -> None:
    for opset, inputs in ((6, [X]), (13, [X, Fixed(0.5, np.float32), Fixed(True, np.bool_)])):
        model, _ = node_model("Dropout", inputs, opset=opset)
        with pytest.raises(UnsupportedOpError, match="it is in training mode"):
            read_model(model)


def test_shape_arithmetic_over_symbols() -> None:
    """x [N, C, H, W] -> [N, H*W, C], as exporters write it: Shape, Slice, Concat, Reshape."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Slice", ["shape", "zero", "two"], ["front"]),
        helper.make_node("Cast", ["front"], ["front32"], to=TensorProto.INT32),
        helper.make_node("Cast", ["front32"], ["front64"], to=TensorProto.INT64),
        helper.make_node("Concat", ["front64", "minus"], ["flat"], axis=0),
        helper.make_node("Reshape", ["x", "flat"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["y"], perm=[0, 2, 1]),
    ]
    weights = [helper.make_tensor(n, TensorProto.INT64, [1], [v]) for n, v in (("zero", 0), ("two", 2), ("minus", -1))]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "C", "H", "W"])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    model = model_of(helper.make_graph(nodes, "flat", inputs, outputs, weights), 11)
    graph = read_model(model)
    assert [str(dim) for dim in graph.outputs[0].shape] == ["N", "H*W", "C"]
    assert not graph.equalities
    feeds = {"x": floats(2, 3, 4, 5)}
    assert_agree(run_model(model, feeds), expected_by_onnxruntime(with_output_types(model), feeds), 0)


def test_gather_elements() -> None:
    for axis in (0, 1, -1):
        indices = whole(2, 3, 4, low=-2, high=2)
        check("GatherElements", X, indices, opset=13, axis=axis)
    check("GatherElements", X, whole(1, 3, 2, low=0, high=3), opset=13, axis=1, sizes="known")


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_scatter(reduction: str) -> None:
    updates = floats(2, 2, 4, seed=3)
    indices = np.array([[[0, 1, 2, -1]] * 2] * 2) + np.array([[[0], [-1]]])
    check("ScatterElements", X, indices, updates, opset=18, axis=1, reduction=reduction)
    places = np.array([[0, 2], [1, -1]])
    check("ScatterND", X, places, floats(2, 4, seed=4), opset=18, sizes="known", reduction=reduction)
    check("ScatterND", X, np.array([[1]]), floats(1, 3, 4, seed=4), opset=11, sizes="known")


def test_scatter_that_is_refused() -> None:
    model, _ = node_model("ScatterElements", [X, whole(1, 3, 4), floats(1, 3, 4)], opset=13, axis=1)
    with pytest.raises(UnsupportedOpError, match="it updates 1 of 2 elements along axis 0, not all"):
        read_model(model)
