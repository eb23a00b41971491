"""What a model asks of a device: counted from its program, and estimated from its graph before there is one."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from intab.formats import read
from intab.graph.dims import symbol
from intab.graph.storage import MemoryStorage
from intab.optimize import optimize
from intab.program import build
from intab.runtime.demand import MULTIPLICATIONS, Demand, Sizes, Variant, demand_of_graph, demand_of_program
from intab.target import WASM_RELAXED_SIMD
from tests.light_models import light_model
from tests.ops.case import OpCase
from tests.ops.cases import OP_CASES


def demands(data: bytes, sizes: Mapping[str, int] | None = None) -> tuple[Demand, Demand]:
    """Estimated and counted."""
    graph = read(MemoryStorage("model", data))
    program = build(optimize(graph, target=WASM_RELAXED_SIMD), WASM_RELAXED_SIMD)
    return demand_of_graph(graph, sizes), demand_of_program(program, sizes)


def assert_near(estimated: Demand, counted: Demand, **factors: float) -> None:
    """Each field within a factor; operations within a tenth."""
    for name, factor in ({"flops": 1.1, "steps": 2, "values_nbytes": 2.5, "arena_nbytes": 2.5} | factors).items():
        ratio = getattr(estimated, name) / getattr(counted, name)
        assert 1 / factor <= ratio <= factor, f"{name}: {ratio:.2f}"


@pytest.mark.parametrize("name", ["resnet50", "shufflenet", "densenet121"])
def test_an_estimate_is_near_what_operators_count(name: str):
    estimated, counted = demands(light_model(name))
    assert_near(estimated, counted)
    assert estimated.assumed == counted.assumed == ()
    assert estimated.variants[0].precision == "float32"
    assert estimated.variants[0].weights_nbytes > 1e6


def test_known_operations_are_counted_to_the_last():
    """ResNet-50 takes 4.1e9 multiply-adds for a picture (He et al. 2016: 3.8e9 without the projections)."""
    _, counted = demands(light_model("resnet50"))
    assert counted.flops == pytest.approx(8.18e9, rel=0.01)


@pytest.mark.parametrize("which", ["det", "rec", "cls"])
def test_sizes_that_are_given_count(ocr_models: Mapping[str, Path], which: str):
    data = ocr_models[which].read_bytes()
    inputs = read(MemoryStorage("model", data)).inputs
    names = [str(dim).strip("`") for dim in inputs[0].shape if not isinstance(dim, int)]
    small, counted = demands(data, dict.fromkeys(names, 64) | {names[0]: 1})
    assert_near(small, counted, arena_nbytes=3)
    assert small.assumed == ()
    large, _ = demands(data, dict.fromkeys(names, 64) | {names[0]: 4})
    assert 3 * small.flops < large.flops <= 4 * small.flops
    usual, _ = demands(data)
    assert dict(usual.assumed) == dict.fromkeys(names, 256) | {names[0]: 1}


PRODUCTS = [case for case in OP_CASES if case.op in MULTIPLICATIONS and case.kernel]
RECURRENT = ("LSTM", "GRU", "RNN")
# Small cases are mostly what the estimate leaves out: bias, activations, borders.
LEAST_FLOPS = 2000


@pytest.mark.parametrize("case", PRODUCTS, ids=lambda case: case.name)
def test_products_are_estimated_as_their_operators_count_them(case: OpCase):
    graph = case.bound_graph()
    estimated, counted = demand_of_graph(graph).flops, demand_of_program(build(graph, WASM_RELAXED_SIMD)).flops
    if counted >= LEAST_FLOPS:
        assert (0.5 if case.op in RECURRENT else 0.75) <= estimated / counted <= 1.1


def test_every_product_has_cases():
    assert {case.op for case in PRODUCTS} == set(MULTIPLICATIONS)


def test_an_unknown_size_is_taken_for_something_usual():
    batch, length = symbol("batch"), symbol("length")
    sizes = Sizes({"length": 10}, [(batch, length * 2, symbol("width"))])
    assert sizes.count((batch, length, symbol("width"))) == 1 * 10 * 256
    assert sizes.number(symbol("found in mid-run")) == 256
    assert sizes.assumed == (("batch", 1), ("found in mid-run", 256), ("width", 256))


def test_a_size_that_comes_out_as_nothing_counts_as_one():
    assert Sizes({"n": 3}, []).number(symbol("n") - 7) == 1


def test_a_model_can_be_offered_in_several_forms():
    estimated, _ = demands(light_model("shufflenet"))
    forms = (Variant("float32", 400), Variant("int8", 100))
    offered = estimated.offered_as(*forms)
    assert offered.variants == forms and offered.flops == estimated.flops
