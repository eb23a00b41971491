"""Programs at known sizes."""

from dataclasses import replace

import numpy as np
import pytest

from intab.errors import OutOfMemoryError, ShapeError, UnsupportedOpError
from intab.graph.dims import evaluate, maximum, minimum, symbol
from intab.graph.parse import parse_graph
from intab.ops.inference import infer
from intab.program import Binder, build
from intab.program.ir import ARENA, INPUTS, OUTPUTS, WEIGHTS
from intab.target import WASM_SIMD

TEXT = """
graph g(%x: f32[N, 3, W]) -> (y = %y) {
  %w = const f32[3, 5] {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}
  %t = Transpose(%x) {perm=[0, 2, 1]}
  %m = MatMul(%t, %w)
  %y = Relu(%m)
}"""


@pytest.fixture
def binder() -> Binder:
    return Binder(build(parse_graph(TEXT, infer=infer), WASM_SIMD))


def test_sizes_become_numbers(binder: Binder) -> None:
    plan = binder.bind({"N": 2, "W": 10})
    (output,) = binder.program.outputs
    assert binder.shape_of(output, plan) == (2, 10, 5)
    assert plan.region_nbytes[INPUTS] >= 2 * 3 * 10 * 4
    assert plan.region_nbytes[OUTPUTS] >= 2 * 10 * 5 * 4
    assert (plan.items > 0).all() and plan.words.dtype == np.int32


def test_a_smaller_size_keeps_the_places(binder: Binder) -> None:
    large, small = binder.bind({"N": 2, "W": 100}), binder.bind({"N": 1, "W": 7})
    assert large.region_nbytes == small.region_nbytes
    assert (large.buffer_offsets == small.buffer_offsets).all()
    larger = binder.bind({"N": 3, "W": 100})
    assert larger.region_nbytes[ARENA] > small.region_nbytes[ARENA]


def test_the_same_size_gives_the_same_words(binder: Binder) -> None:
    first = binder.bind({"N": 2, "W": 9})
    assert (first.words == binder.bind({"N": 2, "W": 9}).words).all()


def test_weights_have_fixed_places(binder: Binder) -> None:
    offsets, nbytes = binder.fixed_places(WEIGHTS)
    assert len(offsets) == len(binder.program.weights) and nbytes >= 3 * 8 * 4


def test_a_missing_or_huge_size_is_refused(binder: Binder) -> None:
    with pytest.raises(ShapeError, match="no value for the size W"):
        binder.bind({"N": 1})
    with pytest.raises(OutOfMemoryError, match="a tensor takes [0-9,]+ bytes; the most that one can have is 2,147,"):
        binder.bind({"N": 1 << 20, "W": 1 << 20})


def test_too_small_an_input_is_refused() -> None:
    text = """
    graph g(%x: f32[1, H, W, 2]) -> (y = %y) {
      %w = const f32[1, 3, 3, 2] {1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9}
      %y = Conv(%x, %w) {strides=[1, 1], pads=[0, 0, 0, 0], dilations=[1, 1], layout="NHWC"}
    }"""
    binder = Binder(build(parse_graph(text, infer=infer), WASM_SIMD))
    with pytest.raises(ShapeError, match="too small"):
        binder.bind({"H": 1, "W": 9})


def test_what_cannot_be_lowered_names_the_node() -> None:
    text = """
    graph g(%x: f64[N, 4]) -> (y = %y) {
      %y = MatMul(%x, %x) {transpose_b=true} "the product"
    }"""
    with pytest.raises(UnsupportedOpError, match=r"g: node 'the product' \(MatMul\): .*f64"):
        build(parse_graph(text, infer=infer), WASM_SIMD)


def test_every_kind_of_size_comes_out_as_it_is_evaluated() -> None:
    a, b = symbol("a size: 1"), symbol("lambda")
    halved = (a + 1) // 2
    dims = (
        0,
        7,
        a,
        3 * a - 2 * b,
        halved,
        halved * halved - b,
        (halved + b) % 3,
        maximum(halved, b) * a,
        minimum(a, 9),
    )
    program = build(parse_graph(TEXT, infer=infer), WASM_SIMD)
    binder = Binder(replace(program, dims=dims, steps=(), buffers=(), weights=(), inputs=(), outputs=()))
    for sizes in ({"a size: 1": 5, "lambda": 2}, {"a size: 1": 12, "lambda": 31}):
        assert binder.bind(sizes).dims.tolist() == [evaluate(dim, sizes) for dim in dims]
