"""Values that stay on a device, between sessions and between the parts of a model; the device is made up."""

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from intab.backends.device_tensor import DeviceTensor, Fed
from intab.backends.engine import Executable
from intab.backends.keeping import check_held, kept_names, reasons_to_read, run_keeping
from intab.backends.mixed import MixedExecutable, Ready
from intab.backends.reference import ReferenceExecutable, evaluate
from intab.dtypes import DType, dtype_of
from intab.errors import DeviceLostError, IntabError
from intab.graph.bind import bindings_of
from intab.graph.ir import Array, Graph
from intab.graph.parse import parse_graph
from intab.ops.inference import infer
from intab.program.partition import Way, partition
from tests.agreement import assert_agree


class Memory:
    """What a device holds of one tensor; every reading of it is counted."""

    backend = "device"
    on_host = False

    def __init__(self, device: "Device", name: str, array: Array, *, known: bool) -> None:
        self.device = device
        self.name = name
        self.array = array
        self.known = known
        device.held.append(self)

    @property
    def lost(self) -> str | None:
        return self.device.lost

    async def read(self) -> Array:
        if not self.known:
            self.device.read.append(self.name)
        return self.array.copy()

    def release(self) -> None:
        self.device.held.remove(self)


class Device:
    """Memory that all executables on it share: what it holds, what was read back of it, and what was written to it."""

    def __init__(self) -> None:
        self.held: list[Memory] = []
        self.read: list[str] = []
        self.written: list[str] = []
        self.lost: str | None = None


class OnDevice(ReferenceExecutable):
    """A graph that numpy computes, with its values on a device."""

    backend = "device"
    kernel_count = 1

    def __init__(self, graph: Graph, device: Device) -> None:
        super().__init__(graph)
        self.device = device

    def keeps(self, dtype: DType) -> bool:
        return dtype.itemsize < 8

    def why_read(self, name: str, tensor: DeviceTensor) -> str:
        held = tensor.held()
        if not isinstance(held, Memory) or held.device is not self.device:
            return "it lies on another device"
        return "" if self.keeps(tensor.dtype) else "it is long"

    def kept_names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.device.held)

    async def run_keeping(
        self, feeds: Mapping[str, Fed], sizes: Mapping[str, int], fetches: Sequence[str], keep: Sequence[str]
    ) -> dict[str, Fed]:
        arrays: dict[str, Array] = {}
        for name, fed in feeds.items():
            held = fed.held() if isinstance(fed, DeviceTensor) else None
            if isinstance(held, Memory) and held.device is self.device:
                arrays[name] = held.array
            else:
                assert not isinstance(fed, DeviceTensor)
                self.device.written.append(name)
                arrays[name] = fed
        made = await super().run(arrays, sizes, tuple(dict.fromkeys((*fetches, *keep))))
        self.device.read += fetches
        return {
            name: self._kept(name, array, known=name in fetches) if name in keep else array
            for name, array in made.items()
        }

    def _kept(self, name: str, array: Array, *, known: bool) -> DeviceTensor:
        return DeviceTensor(name, dtype_of(array), array.shape, Memory(self.device, name, array, known=known))


# As large as it takes for nodes not to be moved to where their neighbours run.
ROWS, WIDTH = 9000, 64
SINES = """
graph g(%x: f32[9000, 64], %s: i64[9000, 64]) -> (y = %y, mean = %m, again = %x, whole = %k) {
  %a = Exp(%x)
  %b = Neg(%a)
  %c = Sin(%a)
  %k = Add(%s, %s)
  %m = Cos(%c)
  %e = Exp(%c)
  %f = Cast(%k) {to=f32}
  %g = Add(%b, %f)
  %y = Add(%e, %g)
}"""
EXP = "graph g(%x: f32[N, 64]) -> (e = %e) {\n  %e = Exp(%x)\n}"


def parsed(text: str) -> Graph:
    return parse_graph(text, infer=infer)


def in_parts(graph: Graph, device: Device, *refused_ops: str) -> MixedExecutable:
    """Operators that the device refuses run by numpy, in parts of their own."""
    refused = {node: "no such numbers" for node in graph.nodes if node.op in refused_ops}
    parts = partition(graph, (Way("device", refused), Way("reference", {})))
    made: list[Ready] = []
    for part in parts:
        executable: Executable = ReferenceExecutable(part.graph)
        if part.way == "device":
            executable = OnDevice(part.graph, device)
        made.append(Ready(part, executable))
    return MixedExecutable(graph, made)


def feeds_of() -> dict[str, Array]:
    x = np.random.default_rng(1).standard_normal((ROWS, WIDTH)).astype(np.float32)
    return {"x": x, "s": np.arange(x.size).reshape(x.shape) % 7}


def run(executable: Executable, graph: Graph, feeds: Mapping[str, Fed], names: Sequence[str], keep: Sequence[str]):
    sizes = bindings_of(graph.inputs, {name: value.shape for name, value in feeds.items()})
    return asyncio.run(run_keeping(executable, feeds, sizes, names, keep))


def test_parts_on_one_device_hand_on_what_they_make() -> None:
    graph, device = parsed(SINES), Device()
    executable = in_parts(graph, device, "Sin")
    assert [one.part.way for one in executable._parts] == ["device", "reference", "device"]
    feeds = feeds_of()
    for names, last in ((["y"], {"y"}), (["y", "mean"], {"y", "m"}), (["mean"], {"m"})):
        device.read.clear()
        device.written.clear()
        assert_agree(run(executable, graph, feeds, names, ()), evaluate(graph, feeds, names), 1e-6)
        assert sorted(device.read) == sorted({"a"} | last), "only what numpy reads comes back, and what is fetched"
        assert "g" not in device.written and "c" in device.written
        assert not device.held


def test_what_both_kinds_of_parts_read_comes_back_once_and_stays() -> None:
    graph, device = parsed(SINES.replace("%e = Exp(%c)", "%e = Mul(%c, %a)")), Device()
    executable, feeds = in_parts(graph, device, "Sin"), feeds_of()
    assert_agree(run(executable, graph, feeds, ["y"], ()), evaluate(graph, feeds, ["y"]), 1e-6)
    assert device.read.count("a") == 1 and "a" not in device.written
    assert not device.held


def test_outputs_of_parts_are_kept_wherever_they_were_made() -> None:
    graph, device = parsed(SINES), Device()
    executable, feeds = in_parts(graph, device, "Sin", "Cos"), feeds_of()
    made = run(executable, graph, feeds, ["mean"], ["y", "again", "whole", "mean"])
    assert {name: value.backend for name, value in made.items()} == {
        "y": "device",
        "again": "reference",
        "whole": "device",
        "mean": "reference",
    }
    assert all(value.name == name for name, value in made.items())
    assert set(kept_names(executable)) == {"y", "k"}
    assert_agree({name: asyncio.run(value.numpy()) for name, value in made.items()}, evaluate(graph, feeds), 1e-6)
    for value in made.values():
        value.dispose()
    assert not device.held


def test_a_part_that_fails_leaves_nothing() -> None:
    graph, device = parsed(SINES), Device()
    executable = in_parts(graph, device, "Sin")

    async def fail(*_: object) -> dict[str, Fed]:
        raise DeviceLostError("gone")

    executable._parts[-1].executable.run_keeping = fail  # type: ignore[attr-defined]
    with pytest.raises(DeviceLostError):
        run(executable, graph, feeds_of(), ["y"], ())
    assert not device.held


def test_tensors_are_fed_to_parts_and_read_back_for_those_elsewhere() -> None:
    graph, device = parsed(EXP), Device()
    whole = parsed(SINES)
    (tensor,) = run(OnDevice(graph, device), graph, {"x": feeds_of()["x"]}, (), ("e",)).values()
    feeds = feeds_of() | {"x": tensor}
    expected = evaluate(whole, feeds_of() | {"x": tensor.held().array})
    executable = in_parts(whole, device, "Sin")
    assert reasons_to_read(executable, feeds) == []
    found = run(executable, whole, feeds, ["y"], ())
    assert_agree(found, {"y": expected["y"]}, 1e-6)
    assert "e" not in device.read and "x" not in device.written[1:]
    assert reasons_to_read(in_parts(whole, device, "Exp"), feeds) == [
        "the feed 'x' is read back from device before a run, since g, part 1 runs on reference"
    ]
    assert reasons_to_read(ReferenceExecutable(whole), feeds) == [
        "the feed 'x' is read back from device before a run, since the model runs on reference"
    ]
    other = in_parts(whole, Device(), "Sin")
    assert "since it lies on another device" in reasons_to_read(other, feeds)[0]
    assert_agree(run(other, whole, feeds, ["y"], ()), {"y": expected["y"]}, 1e-6)
    assert device.read.count("e") == 1


def test_tensors_that_are_gone_are_named_all_at_once() -> None:
    graph, device = parsed(EXP), Device()
    executable = OnDevice(graph, device)
    first, second = (run(executable, graph, {"x": feeds_of()["x"]}, (), ("e",))["e"] for _ in range(2))
    check_held("model", {"a": first, "b": second})
    device.lost = "it crashed."
    with pytest.raises(DeviceLostError) as raised:
        check_held("model", {"a": first, "b": second, "c": np.zeros(1)})
    gone = "The kept tensor 'e' float32[9000, 64] was lost with its device (it crashed). Run its session again."
    assert str(raised.value) == (f"model: feeds that were lost with their device: 'a': {gone} 'b': {gone}")
    assert repr(first) == "<DeviceTensor 'e' float32[9000, 64] on device, lost, 2,304,000 bytes>"
    first.dispose()
    with pytest.raises(IntabError, match="model: the feed 'a': The kept tensor 'e'.* was disposed of"):
        check_held("model", {"a": first})
