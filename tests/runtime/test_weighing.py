"""A choice of the GPU for a model that it runs in parts: what crosses counts, and to and fro is not worth it."""

import asyncio
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from intab.graph.storage import Storage
from intab.runtime import Session, load
from intab.runtime.back_end import BackEnd, wasm_back_end
from intab.runtime.cache import MemoryPrograms
from intab.runtime.choose import decide
from intab.runtime.device import Choice
from intab.runtime.probe import Device
from intab.runtime.source import Progress, Source, open_source
from intab.runtime.weighing import NotWorthParts, PartsEstimate, weighed
from tests.formats.small_models import model_of
from tests.runtime.devices import DEVICES
from tests.runtime.test_choose import BIG
from tests.runtime.test_parts import StandIn, stand_in

__all__ = ["stand_in"]
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
    nodes.append(helper.make_node("MatMul", [value, "w"], ["y"], name="last"))
    weight = np.random.default_rng(1).standard_normal((WIDTH, WIDTH)).astype(np.float32) / 64
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [ROWS, WIDTH])]
    graph = helper.make_graph(
        nodes, "to and fro", given, [onnx.ValueInfoProto(name="y")], [numpy_helper.from_array(weight, "w")]
    )
    data: bytes = model_of(graph, 17).SerializeToString()
    return data


def loaded_on(device: Device, data: bytes, monkeypatch: pytest.MonkeyPatch, programs: MemoryPrograms) -> Session:
    async def open_and_ask(source: Source, progress: Progress) -> tuple[Storage, Device]:
        return await open_source(source, progress), device

    module = sys.modules["intab.runtime.load"]
    monkeypatch.setattr(module, "in_browser", lambda: True)
    monkeypatch.setattr(module, "open_and_ask", open_and_ask)
    return asyncio.run(load(data, programs=programs))


def test_a_model_that_would_go_to_and_fro_runs_whole_by_webassembly(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, programs, real = to_and_fro(), MemoryPrograms(), sys.modules["intab.runtime.load"].back_end_of

    async def back_end_of(choice: Choice) -> BackEnd:
        return await real(choice) if choice.backend == "webgpu" else wasm_back_end()

    monkeypatch.setattr(sys.modules["intab.runtime.load"], "back_end_of", back_end_of)
    whole = decide(DEVICES["laptop with a chip"], replace(BIG, flops=4 * 2 * ROWS * WIDTH**2))
    assert whole.backend == "webgpu", "without its parts the GPU is thought to be faster"
    session = loaded_on(DEVICES["laptop with a chip"], data, monkeypatch, programs)
    assert session.choice.backend == "wasm" and not stand_in.made
    (why,) = [reason for reason in session.choice.reasons if reason.startswith("not webgpu: it would run in 7 parts")]
    assert "4 of them on the GPU" in why and "MB crossing between them, by wasm about" in why
    assert "not webgpu" not in session.choice.table() and "in 7 parts" in session.choice.table()
    session.dispose()
    again = loaded_on(DEVICES["laptop with a chip"], data, monkeypatch, programs)
    assert again.choice.backend == "wasm" and "decided at an earlier visit" in again.choice.reasons
    again.dispose()


def chosen() -> Choice:
    choice = decide(DEVICES["laptop with a chip"], BIG)
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
