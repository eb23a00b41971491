"""Convolutions by Winograd's algorithm on generated WebAssembly: where they are chosen, and how near they come."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from intab.dtypes import float32
from intab.graph.dims import Shape, symbol
from intab.graph.ir import Array, Graph
from intab.kernels.families.winograd_transform import LARGE, SMALL, Transform, filter_matrix, pack_filters
from intab.ops.builder import Builder
from intab.program import build
from intab.program.bind import Binder
from intab.target import WASM_SIMD
from tests.agreement import agreement
from tests.ops.bodies import epilogue
from tests.running import TARGETS, assert_as_reference, run_on_wasmtime

pytestmark = pytest.mark.wasmtime

N, H, W = symbol("N"), symbol("H"), symbol("W")
# What a model may lose by it; its kernels lose less than a tenth of it.
TOLERANCE = 1e-4
Floats = NDArray[np.float32]


def normal(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed + len(shape) + sum(shape)).standard_normal(shape).astype(np.float32)


def convolution(
    shape: Shape,
    weights: Array,
    *,
    pads: tuple[int, ...] = (1, 1, 1, 1),
    strides: tuple[int, int] = (1, 1),
    dilations: tuple[int, int] = (1, 1),
    group: int = 1,
) -> Graph:
    """One Conv of x of this shape by constant weights."""
    builder = Builder("test")
    x = builder.input("x", float32, shape)
    window = {"strides": strides, "pads": pads, "dilations": dilations, "group": group, "layout": "NHWC"}
    return builder.graph([("y", builder.emit("Conv", x, builder.constant(weights), **window))])


def kernels_of(graph: Graph) -> set[str]:
    return {kernel.name for kernel in build(graph, WASM_SIMD).kernels}


# (channels, features, pads, pictures); 256 x 136 filters are too many for the large transform
@pytest.mark.parametrize(
    ("channels", "features", "pads", "kernel"),
    [
        (8, 8, (1, 1, 1, 1), "winograd_4"),
        (4, 1, (1, 1, 1, 1), "winograd_4"),
        (12, 21, (1, 1, 1, 1), "winograd_4"),
        (20, 9, (0, 2, 3, 1), "winograd_4"),
        (36, 130, (0, 0, 0, 0), "winograd_4"),
        (256, 136, (1, 1, 1, 1), "winograd_2"),
        (260, 129, (2, 0, 0, 1), "winograd_2"),
    ],
)
def test_agrees_with_reference(channels: int, features: int, pads: tuple[int, ...], kernel: str) -> None:
    weights = normal(features, 3, 3, channels) / np.float32(3 * channels**0.5)
    graph = convolution((N, H, W, channels), weights, pads=pads)
    assert kernel in kernels_of(graph)
    for images, height, width in ((1, 3, 3), (2, 5, 7), (1, 9, 14), (3, 16, 4)):
        assert_as_reference(graph, {"x": normal(images, height, width, channels)}, TOLERANCE)


@pytest.mark.parametrize("dilations", [(2, 2), (3, 1), (2, 4)])
def test_dilation(dilations: tuple[int, int]) -> None:
    down, across = dilations
    graph = convolution((N, H, W, 8), normal(10, 3, 3, 8), pads=(down, across, down, across), dilations=dilations)
    assert "winograd_4" in kernels_of(graph)
    for sizes in ((1, 12, 17), (2, 5, 4), (1, 1, 1)):
        assert_as_reference(graph, {"x": normal(*sizes, 8)}, TOLERANCE)


@pytest.mark.parametrize(("group", "depth", "features"), [(2, 16, 32), (4, 17, 68), (3, 20, 57), (2, 24, 34)])
def test_groups(group: int, depth: int, features: int) -> None:
    graph = convolution((N, H, W, group * depth), normal(features, 3, 3, depth), group=group)
    assert kernels_of(graph) == {"winograd_4"}
    for sizes in ((1, 9, 14), (2, 21, 33), (3, 1, 2)):
        assert_as_reference(graph, {"x": normal(*sizes, group * depth)}, TOLERANCE)


def test_pictures_of_one_pixel() -> None:
    graph = convolution((N, H, W, 8), normal(10, 3, 3, 8))
    for sizes in ((1, 1, 1), (4, 1, 1), (2, 1, 9), (1, 9, 1)):
        assert_as_reference(graph, {"x": normal(*sizes, 8)}, TOLERANCE)


@pytest.mark.parametrize("features", [12, 9])
@pytest.mark.parametrize("shape", [(2, 10, 11, 0), (0,), (1, 1, 1, 1), (2, 10, 11, 1), (2, 1, 1, 0), (1, 10, 11, 0)])
def test_epilogue(shape: tuple[int, ...], features: int) -> None:
    extra_shape = tuple(size or features for size in shape)
    body = epilogue()
    builder = Builder("test")
    x, extra = builder.input("x", float32, (2, 10, 11, 8)), builder.input("extra", float32, extra_shape)
    w, bias = builder.constant(normal(features, 3, 3, 8)), builder.constant(normal(features))
    window = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1), "layout": "NHWC"}
    graph = builder.graph([("y", builder.emit("Conv", x, w, bias, extra, epilogue=body, **window))])
    assert "winograd_4" in kernels_of(graph)
    assert_as_reference(graph, {"x": normal(2, 10, 11, 8), "extra": normal(*extra_shape, seed=2)}, TOLERANCE)


def test_what_stays_direct() -> None:
    weights = normal(16, 3, 3, 16)
    sizes = (1, 20, 20, 16)
    assert kernels_of(convolution(sizes, weights)) == {"winograd_4"}
    for graph in (
        convolution(sizes, weights, strides=(2, 1)),
        convolution(sizes, weights, pads=(12, 12, 12, 12), dilations=(12, 12)),  # tiles that would be mostly empty
        convolution((1, 5, 5, 16), weights),
        convolution((N, H, W, 16), weights, pads=(1, 6, 1, 6), dilations=(1, 6)),  # the same, for all one knows
        convolution((1, 20, 20, 32), normal(32, 3, 3, 8), group=4),  # too few channels of a group to pay
        convolution(sizes, normal(16, 3, 5, 16)),
        convolution((1, 20, 20, 18), normal(16, 3, 3, 18)),  # no whole vectors
        convolution((1, 1, 40, 16), weights),  # tiles that would be mostly empty
        convolution((1, 7, 7, 512), np.zeros((512, 3, 3, 512), np.float32)),  # filters that few pixels share
    ):
        assert not {name for name in kernels_of(graph) if name.startswith("winograd")}


def test_the_transform_follows_from_filters_and_pixels() -> None:
    many = np.zeros((256, 3, 3, 256), np.float32)
    assert kernels_of(convolution((1, 14, 14, 256), many)) == {"winograd_2"}
    assert kernels_of(convolution((1, 28, 28, 256), many)) == {"winograd_4"}
    assert kernels_of(convolution((N, H, W, 256), many)) == {"winograd_2"}


def test_threads_share_bounded_room() -> None:
    graph = convolution((N, H, W, 64), normal(64, 3, 3, 64))
    for target, most in ((WASM_SIMD, 1), (WASM_SIMD.with_feature("threads"), 16)):
        binder = Binder(build(graph, target))
        small = binder.bind({"N": 1, "H": 8, "W": 8})
        large = binder.bind({"N": 2, "H": 200, "W": 333})
        assert small.items.tolist() == [1]
        assert most / 2 <= large.items[0] <= most


def test_threads_share_small_pictures_by_columns() -> None:
    filters = normal(32, 3, 3, 128)
    for target, items in ((WASM_SIMD, 1), (WASM_SIMD.with_feature("threads"), 4)):
        program = build(convolution((1, 14, 14, 128), filters), target)
        assert Binder(program).bind({}).items.tolist() == [items]


def adversaries() -> dict[str, Callable[[Floats], Floats]]:
    """Pictures that are harder than random ones: what changes in them is small beside what does not, or steep."""

    def spikes(x: Floats) -> Floats:
        x[:, ::5, ::7] *= 1e4
        return x

    def checkered(x: Floats) -> Floats:
        lines, columns = np.indices(x.shape[1:3])
        return x + np.where((lines + columns) % 2, np.float32(100), np.float32(-100))[:, :, None]

    return {
        "normal": lambda x: x,
        "offset": lambda x: x + 1000,
        "large": lambda x: x * 1e15,
        "tiny": lambda x: x * 1e-15,
        "spikes": spikes,
        "checkered": checkered,
        "channels": lambda x: x * 10.0 ** np.linspace(-6, 6, x.shape[-1]),
    }


@pytest.mark.parametrize("name", list(adversaries()))
def test_error_of_adversaries(name: str) -> None:
    """Beside the sum of sizes of all that is added, which bounds the error of any way to add it up."""
    for channels, features in ((64, 32), (256, 136)):
        x = adversaries()[name](normal(1, 17, 18, channels)).astype(np.float32)
        weights = normal(features, 3, 3, channels)
        weights -= weights.mean(axis=(1, 2), keepdims=True)  # windows that answer to changes only
        exact = direct(x, weights)
        size = direct(np.abs(x), np.abs(weights)).max()
        graph = convolution((N, H, W, channels), weights, pads=(0, 0, 0, 0))
        for target in TARGETS:
            found = run_on_wasmtime(graph, {"x": x}, target).outputs["y"]
            assert np.abs(found - exact).max() <= 2e-6 * size


def direct(x: Array, weights: Array) -> Array:
    """The convolution without border in float64."""
    height, width = x.shape[1] - 2, x.shape[2] - 2
    taps = [(i, j) for i in range(3) for j in range(3)]
    wide, filters = x.astype(np.float64), weights.astype(np.float64)
    return sum(
        (wide[:, i : i + height, j : j + width] @ filters[:, i, j].T for i, j in taps),
        start=np.zeros((x.shape[0], height, width, len(weights))),
    )


@pytest.mark.parametrize("transform", [SMALL, LARGE])
def test_packed_filters_are_transformed(transform: Transform) -> None:
    filters = normal(70, 3, 3, 5)  # more than are transformed at a time, and no whole panel
    packed = pack_filters(transform, filters)
    matrix = np.array(filter_matrix(transform), np.float64)
    wanted = np.einsum("ia,jb,oabc->ijco", matrix, matrix, filters.astype(np.float64)).astype(np.float32)
    flat = packed.transpose(0, 2, 1, 3).reshape(transform.positions, 5, 72)
    assert agreement(flat[..., :70], wanted.reshape(transform.positions, 5, 70)) < 1e-6
    assert not flat[..., 70:].any()
