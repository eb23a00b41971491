"""Models in parts, from bytes to results. WebAssembly that refuses what a GPU refuses stands in for one."""

import asyncio
import gc
import sys
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import ref

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from intab.backends.engine import Executable
from intab.backends.wasm import executable as wasm
from intab.errors import DeviceLostError, UnsupportedOpError
from intab.graph.ir import Graph, Node
from intab.graph.storage import MemoryStorage
from intab.program import Program
from intab.program.build import refusals
from intab.program.wide_integers import beyond_32_bits
from intab.runtime import Session, load
from intab.runtime.back_end import BackEnd, Progress, wasm_back_end
from intab.runtime.cache import MemoryPrograms
from intab.runtime.device import wasm_pool
from intab.target import Target
from tests.agreement import assert_agree
from tests.formats.small_models import model_of

pytestmark = pytest.mark.wasmtime

WEIGHT = np.random.default_rng(5).standard_normal((64, 64)).astype(np.float32)


class Losable:
    """An executable whose device is lost when it is told so."""

    backend = "webgpu"

    def __init__(self, inner: Executable) -> None:
        self.inner = inner
        self.lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def run(self, *arguments: Any) -> Any:
        if self.lost:
            raise DeviceLostError("The stand-in was lost.")
        return await self.inner.run(*arguments)


@dataclass
class StandIn:
    """A back end with 32-bit integers."""

    name = "webgpu"
    whole_only = False
    adapter = "a stand-in"
    made: list[Losable] = field(default_factory=list)
    takes_nothing: bool = False

    @property
    def target(self) -> Target:
        return wasm_pool().machine.target

    def check(self, graph: Graph) -> None:
        if self.takes_nothing:
            raise UnsupportedOpError("Nothing is taken.")
        for node, reason in beyond_32_bits(graph).items():
            raise UnsupportedOpError(f"{node.name}: {reason}")

    def refusals(self, graph: Graph) -> dict[Node, str]:
        return refusals(graph, self.target) | beyond_32_bits(graph, alone=False)

    def module_of(self, program: Program) -> bytes:
        return wasm.module_of(program)

    async def prepare(self, program: Program, module: bytes, progress: Progress) -> Executable:
        inner = await wasm.prepare(program, wasm_pool(), progress, module)
        self.made.append(Losable(inner))
        return self.made[-1]


class Other:
    """WebAssembly beside it, for another target."""

    name = "wasm"
    whole_only = True
    adapter = ""

    def __init__(self, target: Target) -> None:
        self.target = target

    def __getattr__(self, name: str) -> Any:
        return getattr(wasm_back_end(), name)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    back_end = StandIn()

    async def instead(choice: object) -> BackEnd:
        return back_end

    monkeypatch.setattr(sys.modules["intab.runtime.load"], "back_end_of", instead)
    return back_end


def model(nodes: list[onnx.NodeProto], inputs: dict[str, tuple[int, list[Any]]], *outputs: str) -> bytes:
    given = [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()]
    made = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph(nodes, "parted", given, made, [numpy_helper.from_array(WEIGHT, "w")])
    data: bytes = model_of(graph, 17).SerializeToString()
    return data


def doubled() -> bytes:
    """y = cos(x @ w) @ w, the cosine in float64."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("Cast", ["a"], ["b"], name="widen", to=TensorProto.DOUBLE),
        helper.make_node("Cos", ["b"], ["c"], name="cosine"),
        helper.make_node("Cast", ["c"], ["d"], name="narrow", to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["d", "w"], ["y"], name="last"),
    ]
    return model(nodes, {"x": (TensorProto.FLOAT, ["N", 64])}, "y")


def expected(x: np.ndarray) -> dict[str, np.ndarray]:
    return {"y": np.cos((x @ WEIGHT).astype(np.float64)).astype(np.float32) @ WEIGHT}


X = np.random.default_rng(6).standard_normal((5, 64)).astype(np.float32) / 8


def loaded(source: object, **options: Any) -> Session:
    return asyncio.run(load(source, backend="webgpu", **options))


def test_a_model_with_float64_in_its_middle(stand_in: StandIn) -> None:
    session = loaded(doubled())
    assert_agree(session.run_sync({"x": X}), expected(X), 1e-4)
    parts = [reason for reason in session.choice.reasons if reason.startswith("part")]
    assert [reason.partition(":")[0] for reason in parts] == [
        "part 1 of 3 on webgpu",
        "part 2 of 3 on reference",
        "part 3 of 3 on webgpu",
    ]
    assert "since node 'widen' (Cast), not on webgpu: " in parts[1] and "f64" in parts[1]
    assert (session.choice.backend, session.stats().backend) == ("webgpu", "webgpu+reference")
    assert session.stats().adapter == "a stand-in"
    assert session.memory().weights >= 2 * WEIGHT.nbytes
    kinds = [kernel.partition(":")[0] for kernel in session.profile(repeats=1).by_kernel()]
    assert set(kinds) == {"webgpu", "reference"}
    used = wasm_pool().used_nbytes
    session.dispose()
    assert wasm_pool().used_nbytes < used


def test_integers_of_more_than_32_bits(stand_in: StandIn) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("Mul", ["i", "i"], ["square"], name="square"),
        helper.make_node("Sub", ["square", "i"], ["less"], name="less"),
        helper.make_node("Cast", ["less"], ["f"], name="float", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["a", "f"], ["y"], name="last"),
    ]
    inputs = {"x": (TensorProto.FLOAT, ["N", 64]), "i": (TensorProto.INT64, [64])}
    session = loaded(model(nodes, inputs, "y", "less"))
    i = np.arange(64) * 10_000_000
    found = session.run_sync({"x": X, "i": i})
    assert_agree(found, {"y": (X @ WEIGHT) * (i * i - i).astype(np.float32), "less": i * i - i}, 1e-4)
    np.testing.assert_array_equal(found["less"], i * i - i)
    (why,) = (reason for reason in session.choice.reasons if " on wasm: " in reason)
    assert "node 'square' (Mul), not on webgpu: 'square' may be " in why
    session.dispose()


def test_what_only_passes_through(stand_in: StandIn) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Identity", ["w"], ["fixed"])]
    nodes.append(helper.make_node("Size", ["x"], ["count"]))
    stand_in.takes_nothing = True
    session = loaded(model(nodes, {"x": (TensorProto.DOUBLE, ["N", 2])}, "y", "fixed", "count"))
    x = np.ones((3, 2))
    found = session.run_sync({"x": x})
    np.testing.assert_array_equal(found["y"], x)
    np.testing.assert_array_equal(found["fixed"], WEIGHT)
    np.testing.assert_array_equal(found["count"], 6)
    session.dispose()


def test_a_lost_device_is_replaced(stand_in: StandIn) -> None:
    session = loaded(doubled())
    session.run_sync({"x": X})
    before = list(stand_in.made)
    before[1].lost = True
    assert_agree(session.run_sync({"x": X}), expected(X), 1e-4)
    assert len(stand_in.made) == 2 * len(before)
    assert any("the device was lost" in reason for reason in session.choice.reasons)
    session.dispose()


def squares() -> bytes:
    """a = x @ w; y = i * i, which takes 64 bits; s the sizes of x, counted twice."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("Mul", ["i", "i"], ["y"], name="square"),
        helper.make_node("Shape", ["x"], ["shape"], name="shape"),
        helper.make_node("Add", ["shape", "shape"], ["s"], name="twice"),
    ]
    return model(nodes, {"x": (TensorProto.FLOAT, ["N", 64]), "i": (TensorProto.INT64, [64])}, "a", "y", "s")


def test_programs_of_parts_are_stored(stand_in: StandIn) -> None:
    store = MemoryPrograms()
    given = {"x": X, "i": np.arange(64) * 10_000_000}
    first, second = (loaded(squares(), programs=store) for _ in range(2))
    assert len(store.kept) == 1
    assert "compiled earlier, from the store" in second.choice.reasons
    parts = [[r for r in one.choice.reasons if r.startswith("part ")] for one in (first, second)]
    assert parts[0] == parts[1] and len(parts[0]) > 1
    assert [(info.name, info.shape) for info in first.outputs] == [(info.name, info.shape) for info in second.outputs]
    expected = {"a": X @ WEIGHT, "y": given["i"] ** 2, "s": np.array([10, 128])}
    for session in (first, second):
        found = session.run_sync(given)
        np.testing.assert_array_equal(found["y"], expected["y"])
        assert_agree(found, expected, 1e-4)
        session.dispose()


def test_stored_parts_of_another_device_are_compiled_anew(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryPrograms()
    loaded(squares(), programs=store).dispose()
    plain = replace(wasm_pool().machine.target, registers=8)
    monkeypatch.setattr(sys.modules["intab.runtime.load"], "wasm_back_end", lambda threads: Other(plain))
    session = loaded(squares(), programs=store)
    assert any(
        "compiled anew" in r and "its part on wasm was compiled for another device" in r for r in session.choice.reasons
    )
    session.dispose()


def test_damaged_parts_are_compiled_anew(stand_in: StandIn) -> None:
    store = MemoryPrograms()
    loaded(squares(), programs=store).dispose()
    ((key, data),) = store.kept.items()
    store.kept[key] = data[:-1] + bytes([data[-1] ^ 1])
    session = loaded(squares(), programs=store)
    assert any("the stored parts are not what was stored" in reason for reason in session.choice.reasons)
    assert store.kept[key] == data
    session.dispose()


def test_parts_for_numpy_are_not_stored(stand_in: StandIn) -> None:
    store = MemoryPrograms()
    session = loaded(doubled(), programs=store)
    assert not store.kept
    assert any("not stored: " in reason and "which numpy runs" in reason for reason in session.choice.reasons)
    session.dispose()


class Watched(MemoryStorage):
    """Bytes of which can be told whether somebody still holds them."""

    __slots__ = ("__weakref__",)


def test_the_bytes_of_a_model_go_with_the_load_or_with_the_session(stand_in: StandIn) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("Mul", ["i", "i"], ["y"], name="square"),
    ]
    inputs = {"x": (TensorProto.FLOAT, ["N", 64]), "i": (TensorProto.INT64, [64])}
    source = Watched("watched", model(nodes, inputs, "a", "y"))
    session = loaded(source)
    session.run_sync({"x": X, "i": np.arange(64)})
    session.dispose()
    held = ref(source)
    del source, session
    gc.collect()
    assert held() is None


def test_whoever_takes_no_parts_refuses_the_model() -> None:
    with pytest.raises(UnsupportedOpError, match=r"node 'cosine' \(Cos\)|node 'widen' \(Cast\)"):
        asyncio.run(load(doubled(), backend="wasm"))
