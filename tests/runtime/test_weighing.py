"""A choice of the GPU for a model that it runs in parts: what crosses counts, and to and fro is not worth it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from intab.backends.engine import Executable
from intab.errors import KernelError, OutOfMemoryError
from intab.program import Program
from intab.runtime.back_end import Progress
from intab.runtime.cache import MemoryPrograms
from intab.runtime.choose import decide
from intab.runtime.device import Choice
from intab.runtime.weighing import NotWorthParts, PartsEstimate, weighed
from tests.formats.small_models import model_of
from tests.runtime.automatic import loading_on
from tests.runtime.devices import LAPTOP
from tests.runtime.test_choose import BIG
from tests.runtime.test_parts import StandIn

pytestmark = pytest.mark.wasmtime
ROWS, WIDTH, ROUNDS = 512, 1024, 3


def to_and_fro() -> bytes:
    """Products of floats with whole numbers of 64 bits between them, three times over."""
    nodes, value = [], "x"
    for number in range(ROUNDS):
        nodes += [
            helper.make_node("MatMul", [value, "w"], [f"a{number}"], name=f"product {number}"),
            helper.make_node("Cast", [f"a{number}"], [f"b{number}"], to=TensorProto.INT64),
            helper.make_node("Mul", [f"b{number}", f"b{number}"], [f"c{number}"], name=f"square {number}"),
            helper.make_node("Cast", [f"c{number}"], [f"d{number}"], to=TensorProto.FLOAT),
        ]
        value = f"d{number}"
    return model([*nodes, helper.make_node("MatMul", [value, "w"], ["y"], name="last")])


def products() -> bytes:
    """Four products, one after the other."""
    names = ["x", "a", "b", "c", "y"]
    return model([helper.make_node("MatMul", [one, "w"], [two]) for one, two in pairwise(names)])


def model(nodes: list[onnx.NodeProto]) -> bytes:
    weight = np.random.default_rng(1).standard_normal((WIDTH, WIDTH)).astype(np.float32) / 64
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [ROWS, WIDTH])]
    graph = helper.make_graph(
        nodes, "to and fro", given, [onnx.ValueInfoProto(name="y")], [numpy_helper.from_array(weight, "w")]
    )
    data: bytes = model_of(graph, 17).SerializeToString()
    return data


def test_a_model_that_would_go_to_and_fro_runs_whole_by_webassembly(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, programs = StandIn(), MemoryPrograms()
    loaded = loading_on(LAPTOP, gpu, monkeypatch)
    whole = decide(LAPTOP, replace(BIG, flops=4 * 2 * ROWS * WIDTH**2))
    assert whole.backend == "webgpu", "without its parts the GPU is thought to be faster"
    session = loaded(to_and_fro(), programs=programs)
    assert session.choice.backend == "wasm" and not gpu.made
    (why,) = [reason for reason in session.choice.reasons if reason.startswith("not webgpu: it would run in 7 parts")]
    assert "4 of them on the GPU" in why and "MB crossing between them, by wasm about" in why
    assert "in 7 parts" in session.choice.table()
    session.dispose()
    again = loaded(to_and_fro(), programs=programs)
    assert again.choice.backend == "wasm" and "decided at an earlier visit" in again.choice.reasons
    again.dispose()


def test_a_gpu_that_cannot_run_it_after_all_is_told_and_webassembly_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(StandIn):
        async def prepare(self, program: Program, module: bytes, progress: Progress) -> Executable:
            raise OutOfMemoryError("no buffer of 4 MB")

    programs = MemoryPrograms()
    session = loading_on(LAPTOP, Broken(), monkeypatch)(products(), programs=programs)
    assert session.choice.backend == "wasm"
    assert "not webgpu: tried, and failed: no buffer of 4 MB" in session.choice.reasons
    session.dispose()
    again = loading_on(LAPTOP, StandIn(), monkeypatch)(products(), programs=programs)
    assert again.choice.backend == "webgpu", "the next visit may find memory again"
    again.dispose()


def test_a_gpu_that_never_runs_it_is_not_tried_at_the_next_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(StandIn):
        async def prepare(self, program: Program, module: bytes, progress: Progress) -> Executable:
            raise KernelError("no shader is taken")

    programs = MemoryPrograms()
    loading_on(LAPTOP, Broken(), monkeypatch)(products(), programs=programs).dispose()
    again = loading_on(LAPTOP, StandIn(), monkeypatch)(products(), programs=programs)
    assert again.choice.backend == "wasm" and "decided at an earlier visit" in again.choice.reasons
    again.dispose()


def chosen() -> Choice:
    choice = decide(LAPTOP, BIG)
    assert choice.backend == "webgpu"
    return choice


def test_few_parts_are_worth_it_and_counted() -> None:
    choice = weighed(chosen(), PartsEstimate(ms=39.5, parts=3, on_gpu=2, crossing_nbytes=1_500_000))
    assert choice.reasons[-1] == "in 3 parts, 2 of them on the GPU, about 39.5 ms with 1.5 MB crossing between them"
    (one,) = [one for one in choice.candidates if one.backend == "webgpu"]
    assert one.estimated_ms == 39.5


def test_parts_that_take_longer_than_webassembly_are_refused() -> None:
    with pytest.raises(NotWorthParts, match=r"it would run in 9 parts.* by wasm about \d"):
        weighed(chosen(), PartsEstimate(ms=500.0, parts=9, on_gpu=5, crossing_nbytes=0))


def test_parts_stay_where_webassembly_cannot_run_the_model_whole() -> None:
    slow = PartsEstimate(ms=500.0, parts=9, on_gpu=5, crossing_nbytes=0, only_parts=True)
    assert weighed(chosen(), slow).backend == "webgpu"
