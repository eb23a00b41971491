"""Values that are made inside larger ones: nothing is copied, and the numbers are those of the reference."""

from collections import Counter

import numpy as np
import pytest

from intab.dtypes import float32
from intab.graph.dims import symbol
from intab.graph.ir import Array, Graph, Value
from intab.ops.builder import Builder
from intab.program import build
from intab.target import WASM_SIMD
from tests.ops.bodies import activation, epilogue
from tests.running import assert_as_reference

pytestmark = pytest.mark.wasmtime

N, H, W = symbol("N"), symbol("H"), symbol("W")
PICTURES = [(1, 9, 11), (2, 6, 5), (1, 3, 3), (2, 1, 1)]
CHANNELS = 8


class Net:
    """A graph that is written line by line, with seeded weights."""

    def __init__(self, channels: int = CHANNELS) -> None:
        self.builder = Builder("net")
        self.random = np.random.default_rng(7)
        self.x = self.builder.input("x", float32, (N, H, W, channels))

    def numbers(self, *shape: int) -> Array:
        return self.random.standard_normal(shape).astype(np.float32)

    def conv(self, x: Value, features: int, kernel: int = 1, *extra: Value, group: int = 1, stride: int = 1) -> Value:
        """A convolution with bias and ReLU, or SiLU after the sum with `extra`."""
        channels = x.shape[-1]
        assert isinstance(channels, int)
        w = self.builder.constant(self.numbers(features, kernel, kernel, channels // group))
        body = epilogue() if extra else activation()
        window = {"strides": (stride, stride), "pads": (kernel // 2,) * 4, "dilations": (1, 1), "group": group}
        bias = self.builder.constant(self.numbers(features))
        return self.builder.emit("Conv", x, w, bias, *extra, epilogue=body, layout="NHWC", **window)

    def emit(self, op: str, *inputs: Value, **attributes: object) -> Value:
        return self.builder.emit(op, *inputs, **attributes)

    def concat(self, *inputs: Value, axis: int = 3) -> Value:
        return self.emit("Concat", *inputs, axis=axis)

    def graph(self, *outputs: Value) -> Graph:
        return self.builder.graph([(f"y{i}", value) for i, value in enumerate(outputs)])


def steps_of(graph: Graph) -> Counter[str]:
    program = build(graph, WASM_SIMD)
    return Counter(program.kernels[step.kernel].name for step in program.steps)


def check(graph: Graph, channels: int = CHANNELS) -> None:
    for picture in PICTURES:
        x = np.random.default_rng(sum(picture)).standard_normal((*picture, channels)).astype(np.float32)
        assert_as_reference(graph, {"x": x}, 1e-4)


COPIES = {"elementwise", "elementwise_flat", "pad_lines", "pad"}


def test_branches_are_made_where_their_concat_has_them() -> None:
    net = Net()
    pooled = net.emit("MaxPool", net.x, kernel=(3, 3), strides=(1, 1), pads=(1,) * 4, dilations=(1, 1), layout="NHWC")
    branches = [
        net.conv(net.x, 6),
        net.conv(net.x, 5, 5),
        net.conv(net.x, CHANNELS, 3, group=CHANNELS),
        net.conv(net.x, 12, 3, group=4),
        pooled,
    ]
    graph = net.graph(net.emit("Relu", net.conv(net.concat(*branches), 7)))
    assert steps_of(graph)["elementwise"] == 0
    check(graph)


def test_growing_concats_are_one_buffer() -> None:
    net = Net()
    grown = net.conv(net.x, 6)
    for _ in range(3):
        grown = net.concat(grown, net.conv(net.emit("Sigmoid", grown), 4, 5))
    graph = net.graph(net.conv(grown, 3))
    assert steps_of(graph)["elementwise"] == 3  # the sigmoids alone
    check(graph)


def test_winograd_reads_and_writes_inside() -> None:
    net = Net()
    grown = net.conv(net.x, 8, 3)
    for _ in range(3):
        grown = net.concat(grown, net.conv(grown, 4, 3))
    bordered = net.conv(grown, 8, 3)
    graph = net.graph(net.conv(net.concat(bordered, net.conv(bordered, 8, 3)), 5, 3, stride=2))
    assert steps_of(graph) == {"winograd_4": 6, "convolution": 1, "frame": 1}
    check(graph)


@pytest.mark.parametrize("group, stride", [(16, 1), (16, 2), (1, 2), (4, 1)])
def test_a_picture_is_made_within_its_border(group: int, stride: int) -> None:
    net = Net()
    inner = net.conv(net.conv(net.x, 16, stride=2), 16, 5, group=group, stride=stride)
    graph = net.graph(net.conv(inner, 9, 5))
    assert steps_of(graph)["frame"] == 2
    assert not COPIES & set(steps_of(graph))
    check(graph)


def test_windows_of_several_sizes_share_a_border() -> None:
    net = Net()
    x = net.conv(net.x, 12, stride=2)
    parts = [net.conv(x, 12, kernel, group=12) for kernel in (3, 5, 7)]
    graph = net.graph(net.conv(net.concat(*parts, net.conv(x, 3)), 5))
    assert steps_of(graph)["frame"] == 1
    assert not COPIES & set(steps_of(graph))
    check(graph)


def test_a_concat_is_made_within_a_border() -> None:
    net = Net()
    joined = net.concat(net.conv(net.x, 8, 5), net.emit("Sigmoid", net.x))
    graph = net.graph(net.conv(joined, 16, 5, group=16))
    made = {"frame": 1, "convolution": 1, "elementwise": 1, "depthwise_5x5s1d1": 1}
    assert steps_of(graph) == {**made, "pad_lines": 1}  # of the input
    check(graph)


def test_sums_read_what_lies_inside() -> None:
    net = Net()
    x = net.conv(net.x, 6)
    y = net.conv(x, 6, 1, x)
    depthwise = net.conv(y, 6, 1, y, group=6)
    graph = net.graph(net.conv(net.concat(x, y, depthwise), 5))
    assert not COPIES & set(steps_of(graph))
    check(graph)


def test_what_is_wanted_elsewhere_is_copied() -> None:
    """Outputs, inputs, constants, what is there twice, and what an operator reads that knows no gaps."""
    net = Net()
    x, y = net.conv(net.x, 6), net.conv(net.x, 4)
    mean = net.emit("ReduceMean", y, axes=(1, 2), keepdims=True)
    joined = net.concat(x, y, net.x, x)
    graph = net.graph(x, net.emit("Mul", net.conv(joined, 4), mean), net.concat(x, y))
    check(graph)


def test_a_concat_along_another_axis_and_slices_of_it() -> None:
    net = Net()
    upper, lower = net.conv(net.x, 8, 5), net.emit("Tanh", net.x)
    joined = net.concat(upper, lower, axis=1)
    part = net.emit("Slice", joined, starts=(0, 1, 0, 2), sizes=(N, H, W, 5), steps=(1, 1, 1, 1))
    graph = net.graph(net.conv(net.concat(part, net.conv(net.x, 3)), 4, 5))
    check(graph)


def test_a_result_may_be_the_output_itself() -> None:
    net = Net()
    graph = net.graph(net.concat(net.conv(net.x, 3), net.conv(net.x, 5)))
    assert not COPIES & set(steps_of(graph))
    check(graph)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resized_pictures_are_made_where_their_concat_has_them(mode: str) -> None:
    net = Net()
    small = net.emit("MaxPool", net.x, kernel=(1, 1), strides=(2, 2), pads=(0,) * 4, dilations=(1, 1), layout="NHWC")
    _, height, width, channels = small.shape
    resized = net.emit(
        "Resize", small, sizes=(N, 2 * height, 2 * width, channels), scales=(1.0, 2.0, 2.0, 1.0), mode=mode
    )
    graph = net.graph(net.conv(net.concat(resized, net.emit("Tanh", resized)), 16, 5))
    assert steps_of(graph)["elementwise"] == 1  # the tangents
    assert not COPIES & set(steps_of(graph)) - {"elementwise"}
    check(graph)


@pytest.mark.parametrize("groups", [4, 3])
def test_shuffled_channels_are_made_within_a_border(groups: int) -> None:
    net = Net()
    shuffled = net.emit("Shuffle", net.conv(net.x, 12), axis=3, groups=groups)
    graph = net.graph(net.conv(shuffled, 12, 5, group=12))
    assert not COPIES & set(steps_of(graph))
    check(graph)


def test_a_matmul_leaves_the_border_to_others() -> None:
    net = Net()
    graph = net.graph(net.conv(net.conv(net.x, 12), 12, 5, group=12))
    assert steps_of(graph) == {"matmul": 1, "pad_lines": 1, "depthwise_5x5s1d1": 1}
    check(graph)
