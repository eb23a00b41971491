"""Convolutions of bytes by Winograd's algorithm on generated WebAssembly: where they are chosen; they are exact."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from intab.dtypes import dtype_of, int32
from intab.graph.dims import Dim, Shape, symbol
from intab.graph.ir import Attribute, Graph
from intab.kernels.families.integer_winograd import QUADS, fits, pack_filter_pairs, units
from intab.kernels.families.winograd_transform import SMALL, Transform, filter_matrix
from intab.ops.builder import Builder
from intab.program import build
from intab.program.bind import Binder
from intab.target import WASM_SIMD
from tests.running import assert_as_reference

pytestmark = pytest.mark.wasmtime

N, H, W = symbol("N"), symbol("H"), symbol("W")
Octets = NDArray[Any]


def octets(dtype: str, *shape: int) -> Octets:
    """Numbers of the whole range of a dtype."""
    limits = np.iinfo(dtype)
    return np.random.default_rng(sum(shape)).integers(limits.min, limits.max + 1, shape).astype(dtype)


def convolution(
    shape: Shape,
    weights: Octets,
    *,
    dtype: str = "uint8",
    zero: int | None = None,
    weights_zero: int | None = None,
    constant: bool = True,
    **attributes: Attribute,
) -> Graph:
    """One IntegerConv of x of this shape to sums."""
    builder = Builder("test")
    x = builder.input("x", dtype_of(np.dtype(dtype)), shape)
    given = weights.shape
    w = builder.constant(weights) if constant else builder.input("w", dtype_of(weights.dtype), given)
    zeros = [
        None if number is None else builder.constant(np.array(number, side))
        for number, side in ((zero, dtype), (weights_zero, weights.dtype))
    ]
    window: dict[str, Attribute] = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1), "group": 1}
    window |= {"layout": "NHWC", "to": int32, **attributes}
    return builder.graph([("y", builder.emit("IntegerConv", x, w, *zeros, **window))])


def outputs_of(graph: Graph) -> int:
    """How many outputs a line of a tile has, 0 where it is no Winograd convolution."""
    found = [kernel.name.split("_")[2] for kernel in build(graph, WASM_SIMD).kernels if "winograd" in kernel.name]
    return int(found[0]) if found else 0


def is_winograd(graph: Graph) -> bool:
    return outputs_of(graph) > 0


@pytest.mark.parametrize(
    ("dtype", "zero", "weights", "weights_zero"),
    [
        ("uint8", 0, "int8", 0),
        ("uint8", 255, "int8", 127),
        ("uint8", 128, "uint8", 255),
        ("int8", -128, "uint8", 0),
        ("int8", 127, "int8", -128),
        ("int8", None, "int8", None),
    ],
)
def test_extremes(dtype: str, zero: int | None, weights: str, weights_zero: int | None) -> None:
    """Tiles and windows of the least and the largest number only, so many channels that products wrap on the way."""
    for outputs, channels in ((2, 912), (4, 112)):
        if outputs == 4 and (weights == "uint8" or weights_zero):
            continue
        extremes_of(outputs, channels, dtype, zero, weights, weights_zero)


def extremes_of(
    outputs: int, channels: int, dtype: str, zero: int | None, weights: str, weights_zero: int | None
) -> None:
    limits, other = np.iinfo(dtype), np.iinfo(weights)
    filters = np.full((16, 3, 3, channels), other.max, weights)
    filters[1::3] = other.min
    filters[2::3, 1, 1] = other.min
    graph = convolution((N, H, W, channels), filters, dtype=dtype, zero=zero, weights_zero=weights_zero)
    assert outputs_of(graph) == outputs
    x = np.full((1, 7, 9, channels), limits.max, dtype)
    x[:, ::2, :4] = limits.min
    x[:, 3:, 5:, ::2] = limits.min
    for picture in (x, np.full_like(x, limits.min), np.full_like(x, limits.max)):
        assert_as_reference(graph, {"x": picture}, 0.0)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (4, 1, 1), (2, 1, 9), (1, 9, 1), (3, 16, 5), (1, 33, 14)])
def test_sizes(sizes: tuple[int, int, int]) -> None:
    graph = convolution((N, H, W, 72), octets("int8", 21, 3, 3, 72), zero=131, weights_zero=-3)
    assert is_winograd(graph)
    assert_as_reference(graph, {"x": octets("uint8", *sizes, 72)}, 0.0)


@pytest.mark.parametrize("features", [16, 136, 300])
def test_columns_in_blocks(features: int) -> None:
    graph = convolution((1, 12, 10, 24), octets("uint8", features, 3, 3, 24), zero=7, weights_zero=200)
    assert is_winograd(graph)
    assert_as_reference(graph, {"x": octets("uint8", 1, 12, 10, 24)}, 0.0)


@pytest.mark.parametrize("dilations", [(2, 2), (3, 1), (2, 4)])
def test_dilation(dilations: tuple[int, int]) -> None:
    down, across = dilations
    weights = octets("int8", 19, 3, 3, 16)
    graph = convolution((N, H, W, 16), weights, zero=9, pads=(down, across, down, across), dilations=dilations)
    assert is_winograd(graph)
    for sizes in ((1, 12, 17), (2, 5, 4), (1, 1, 1)):
        assert_as_reference(graph, {"x": octets("uint8", *sizes, 16)}, 0.0)


def test_what_stays_direct() -> None:
    weights, sizes = octets("int8", 16, 3, 3, 16), (1, 20, 20, 16)
    assert is_winograd(convolution(sizes, weights))
    for graph in (
        convolution(sizes, weights, strides=(2, 1)),
        convolution(sizes, weights, constant=False),
        convolution((1, 20, 20, 32), octets("int8", 32, 3, 3, 16), group=2),
        convolution(sizes, octets("int8", 16, 3, 5, 16)),
        convolution((1, 20, 20, 20), octets("int8", 16, 3, 3, 20)),  # no whole vectors
        convolution((1, 1, 40, 16), weights),  # tiles that would be mostly empty
        convolution((1, 20, 20, 920), octets("uint8", 16, 3, 3, 920)),  # sums that might not fit
    ):
        assert not is_winograd(graph)


def test_threads_share_pictures() -> None:
    def items(shape: tuple[Dim, ...], *, threads: bool) -> int:
        target = WASM_SIMD.with_feature("threads") if threads else WASM_SIMD
        (count,) = Binder(build(convolution(shape, octets("int8", 64, 3, 3, 64)), target)).bind({}).items
        return int(count)

    assert items((1, 56, 56, 64), threads=False) == 1
    assert items((1, 56, 56, 64), threads=True) >= 8


def test_the_transform_follows_from_weights_channels_and_pixels() -> None:
    def chosen(channels: int, weights: str, zero: int | None = None, size: Dim = H) -> int:
        filters = octets(weights, 16, 3, 3, channels)
        return outputs_of(convolution((N, size, size, channels), filters, weights_zero=zero))

    assert [chosen(112, "int8"), chosen(112, "int8", 0), chosen(16, "int8", size=20)] == [4, 4, 4]
    assert [chosen(120, "int8"), chosen(16, "int8", 1), chosen(16, "uint8", 0)] == [2, 2, 2]
    assert [chosen(912, "uint8"), chosen(920, "uint8")] == [2, 0]
    assert chosen(64, "int8", size=4) == 2  # larger tiles would be mostly empty


def test_what_is_exact() -> None:
    assert fits(SMALL, 917, 255) and not fits(SMALL, 918, 255)
    assert fits(QUADS, 114, 128) and not fits(QUADS, 115, 128)
    assert not fits(QUADS, 8, 255)


@pytest.mark.parametrize("transform", [SMALL, QUADS])
def test_packed_filters_are_transformed_in_units(transform: Transform) -> None:
    filters = np.random.default_rng(0).integers(-128, 129, (11, 3, 3, 6)).astype(np.float64)
    matrix = np.array(filter_matrix(transform), np.float64)
    matrix[:-1] *= units(transform).unit
    positions = transform.positions
    wanted = np.einsum("ia,jb,oabc->ijco", matrix, matrix, filters).reshape(positions, 6, 11)
    packed = pack_filter_pairs(transform, filters)
    assert packed.shape == (positions, 2, 3, 8)
    flat = packed.view(np.int16).reshape(positions, 2, 3, 8, 2).transpose(0, 2, 4, 1, 3).reshape(positions, 6, 16)
    assert np.array_equal(flat[..., :11], np.rint(wanted))
    assert not flat[..., 11:].any()
