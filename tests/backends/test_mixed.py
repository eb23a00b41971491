"""Graphs in parts: what the parts are, and that together they give what the whole gives.

WebAssembly and numpy stand in for a GPU and what helps it out: a way is only a name and what it refuses.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import pytest

from intab.backends.engine import Executable, MemoryUse
from intab.backends.mixed import MixedExecutable, Ready
from intab.backends.reference import ReferenceExecutable, evaluate
from intab.backends.wasm.executable import prepare
from intab.errors import IntabError, ShapeError
from intab.graph.bind import bindings_of
from intab.graph.ir import Array, Graph, Node
from intab.graph.parse import parse_graph
from intab.graph.verify import verify
from intab.ops.inference import infer
from intab.program import build
from intab.program.build import refusals
from intab.program.partition import Part, Way, partition
from intab.target import WASM_SIMD, WEBGPU
from tests.agreement import assert_agree
from tests.running import pool_of

pytestmark = pytest.mark.wasmtime


def parsed(text: str) -> Graph:
    return parse_graph(text, infer=infer)


def parts_of(graph: Graph, *refused_ops: str) -> tuple[Part, ...]:
    """Parts for WebAssembly, which is said to refuse some operators, and numpy."""
    refused = {node: f"no {node.op} here" for node in graph.nodes if node.op in refused_ops}
    refused = refusals(graph, WASM_SIMD) | refused
    parts = partition(graph, (Way("wasm", refused), Way("reference", {})))
    for part in parts:
        verify(part.graph, infer)
    return parts


async def made_ready(parts: tuple[Part, ...]) -> list[Ready]:
    ready = []
    for part in parts:
        executable: Executable = ReferenceExecutable(part.graph)
        if part.way == "wasm":
            executable = await prepare(build(part.graph, WASM_SIMD), pool_of(WASM_SIMD))
        ready.append(Ready(part, executable))
    return ready


def mixed(graph: Graph, parts: tuple[Part, ...], release: Callable[[], None] = lambda: None) -> MixedExecutable:
    return MixedExecutable(graph, asyncio.run(made_ready(parts)), release)


def run(executable: Executable, graph: Graph, feeds: Mapping[str, Array], *names: str) -> dict[str, Array]:
    sizes = bindings_of(graph.inputs, {name: array.shape for name, array in feeds.items()})
    return asyncio.run(executable.run(feeds, sizes, names or graph.output_names))


def assert_as_whole(graph: Graph, parts: tuple[Part, ...], feeds: Mapping[str, Array], tolerance: float = 1e-5) -> None:
    used = pool_of(WASM_SIMD).used_nbytes
    executable = mixed(graph, parts)
    try:
        for _ in range(2):
            assert_agree(run(executable, graph, feeds), evaluate(graph, feeds), tolerance)
        for name in graph.output_names:
            assert_agree(run(executable, graph, feeds, name), evaluate(graph, feeds, [name]), tolerance)
    finally:
        executable.dispose()
    assert pool_of(WASM_SIMD).used_nbytes == used, "parts kept memory"


def ways(parts: tuple[Part, ...]) -> list[tuple[str, list[str]]]:
    return [(part.way, [node.op for node in part.graph.nodes]) for part in parts]


MIDDLE = """
graph g(%x: f32[N, 8]) -> (y = %y) {
  %w = const f32[8, 8] {WEIGHTS}
  %a = MatMul(%x, %w)
  %b = Cast(%a) {to=f64}
  %c = Cos(%b)
  %d = Cast(%c) {to=f32}
  %y = MatMul(%d, %w)
}""".replace("WEIGHTS", ", ".join(f"{i % 5 - 2}.5" for i in range(64)))


def test_what_a_device_has_not_is_a_part_of_its_own() -> None:
    graph = parsed(MIDDLE)
    parts = parts_of(graph)
    assert ways(parts) == [("wasm", ["MatMul"]), ("reference", ["Cast", "Cos", "Cast"]), ("wasm", ["MatMul"])]
    assert_as_whole(graph, parts, {"x": np.random.default_rng(1).standard_normal((3, 8)).astype(np.float32)})


def test_a_gpu_refuses_numbers_of_64_bits() -> None:
    assert {node.op for node in refusals(parsed(MIDDLE), WEBGPU)} == {"Cast", "Cos"}


def test_two_branches_are_two_parts_not_four() -> None:
    graph = parsed("""
    graph g(%x: f32[9000, 64]) -> (y = %y) {
      %a = Exp(%x)
      %b = Sin(%a)
      %c = Cos(%x)
      %d = Sin(%c)
      %y = Add(%b, %d)
    }""")
    assert ways(parts_of(graph, "Sin")) == [("wasm", ["Exp", "Cos"]), ("reference", ["Sin", "Sin"]), ("wasm", ["Add"])]


def test_small_work_between_two_parts_joins_them() -> None:
    text = """
    graph g(%x: f32[9000, 64], %s: f32[4]) -> (y = %y, t = %t) {
      %y = Exp(%x)
      %a = Sin(%s)
      %b = Neg(%a)
      %t = Sin(%b)
    }"""
    assert sorted(ways(parts_of(parsed(text), "Sin"))) == [("reference", ["Sin", "Neg", "Sin"]), ("wasm", ["Exp"])]
    large = parsed(text.replace("f32[4]", "f32[4, 900000]"))
    assert [way for way, _ in ways(parts_of(large, "Sin"))] == ["reference", "wasm", "reference"]


def test_work_waits_for_where_less_crosses() -> None:
    graph = parsed("""
    graph g(%x: f32[9000, 64], %z: f32[9000, 64]) -> (y = %y) {
      %wide = Expand(%z) {shape=[4, 9000, 64]}
      %a = Exp(%x)
      %b = Sin(%a)
      %y = Add(%b, %wide)
    }""")
    assert ways(parts_of(graph, "Sin")) == [("wasm", ["Exp"]), ("reference", ["Sin"]), ("wasm", ["Expand", "Add"])]


def test_sizes_cross_nowhere() -> None:
    graph = parsed("""
    graph g(%x: f32[N, 1000]) -> (y = %y, s = %t) {
      %e = Exp(%x)
      %r = Sin(%e)
      %s = Shape(%e)
      %t = Add(%s, %s)
      %f = Cast(%t) {to=f32}
      %m = ReduceSum(%f) {axes=[0], keepdims=true}
      %q = Sin(%m)
      %y = Mul(%r, %q)
    }""")
    parts = parts_of(graph, "Sin", "Cast", "ReduceSum")
    assert all("Shape" not in ops for _, ops in ways(parts))
    assert_as_whole(graph, parts, {"x": np.linspace(-1, 1, 2000, dtype=np.float32).reshape(2, 1000)})


LATE = """
graph g(%x: f32[1, W], %shape: i64[2]) -> (y = %y, f = %f) {
  %one = const i64[2] {1, 1}
  %number = const f32[] {2.5}
  %e = Exp(%x)
  %s = Add(%shape, %one)
  %f = Fill(%s, %number) {symbols=["rows", "columns"]}
  %n = Sin(%f)
  %r = ReduceSum(%n) {axes=[1], keepdims=true}
  %k = Expand(%r) {shape=[rows, W]}
  %z = Shape(%n)
  %c = Cast(%z) {to=f32}
  %t = ReduceSum(%c) {axes=[0], keepdims=true}
  %l = Mul(%k, %t)
  %y = Add(%l, %e)
}"""


@pytest.mark.parametrize("refused", [["Sin"], ["Fill"], ["Fill", "ReduceSum"], ["Exp", "Expand"], ["Sin", "Add"]])
def test_sizes_that_are_computed_are_handed_on(refused: list[str]) -> None:
    graph = parsed(LATE)
    parts = parts_of(graph, *refused)
    assert len(parts) > 1
    for rows, columns in ((2, 3), (0, 1), (40, 5)):
        feeds = {"x": np.linspace(-1, 1, 7, dtype=np.float32)[None], "shape": np.array([rows, columns], np.int64)}
        assert_as_whole(graph, parts, feeds)


def test_computed_sizes_that_must_agree_are_compared() -> None:
    graph = parsed("""
    graph g(%x: f32[W], %shape: i64[1]) -> (y = %y) {
      %number = const f32[] {1.0}
      %f = Fill(%shape, %number) {symbols=["length"]}
      %s = Sin(%f)
      %y = Add(%s, %x) "adding"
    }""")
    executable = mixed(graph, parts_of(graph, "Sin"))
    with pytest.raises(ShapeError, match="node 'adding': the sizes"):
        run(executable, graph, {"x": np.ones(3, np.float32), "shape": np.array([4], np.int64)})
    executable.dispose()


def test_outputs_that_nobody_computes() -> None:
    graph = parsed("""
    graph g(%x: f32[N]) -> (y = %y, same = %x, fixed = %k, size = %s) {
      %k = const f32[2] {1.5, 2.5}
      %a = Exp(%x)
      %y = Sin(%a)
      %s = Shape(%x)
    }""")
    assert_as_whole(graph, parts_of(graph, "Exp"), {"x": np.ones(3, np.float32)})


def test_parts_that_nobody_asks_for_do_not_run() -> None:
    graph = parsed("""
    graph g(%x: f32[200, 1000]) -> (a = %a, b = %b) {
      %a = Exp(%x)
      %b = Sin(%a)
    }""")
    executable = mixed(graph, parts_of(graph, "Sin"))
    run(executable, graph, {"x": np.ones((200, 1000), np.float32)}, "a")
    assert {step.kernel.split(":")[0] for step in asyncio.run(executable.time_steps(1))} == {"wasm"}
    run(executable, graph, {"x": np.ones((200, 1000), np.float32)})
    assert {step.kernel.split(":")[0] for step in asyncio.run(executable.time_steps(1))} == {"wasm", "reference"}
    executable.dispose()


def random_graph(seed: int) -> Graph:
    """Elementwise work and reductions between random earlier values, large and small ones."""
    random = np.random.default_rng(seed)
    names = {"x": True, "s": False}  # name -> is it large
    lines = []
    for number in range(random.integers(5, 30)):
        a, b = (str(random.choice(list(names))) for _ in range(2))
        op = str(random.choice(["Exp", "Sin", "Neg", "Add", "Mul", "ReduceMean"]))
        if op == "ReduceMean":
            lines.append(f"%v{number} = ReduceMean(%{a}) {{axes=[0], keepdims=true}}")
        elif op in ("Add", "Mul"):
            lines.append(f"%v{number} = {op}(%{a}, %{b})")
        else:
            lines.append(f"%m{number} = Neg(%{a})\n%h{number} = Tanh(%m{number})\n%v{number} = {op}(%h{number})")
        names[f"v{number}"] = op != "ReduceMean" and (names[a] or (op in ("Add", "Mul") and names[b]))
    body = "\n".join(lines)
    outputs = ", ".join(f"{name} = %{name}" for name in list(names)[-3:] if name not in "xs")
    return parsed(f"graph g(%x: f32[N, 600], %s: f32[1, 600]) -> ({outputs}) {{\n{body}\n}}")


@pytest.mark.parametrize("seed", range(25))
def test_random_graphs_give_the_same_in_parts(seed: int) -> None:
    graph = random_graph(seed)
    random = np.random.default_rng(seed)
    feeds = {"x": random.standard_normal((3, 600)).astype(np.float32)}
    feeds |= {"s": random.standard_normal((1, 600)).astype(np.float32)}
    refused = {node: "by lot" for node in graph.nodes if random.random() < 0.3}
    parts = partition(graph, (Way("wasm", refused), Way("reference", {})))
    for part in parts:
        verify(part.graph, infer)
        assert part.way == "reference" or not set(part.graph.nodes) & set(refused)
    assert all(one.way != other.way for one, other in pairwise(parts))
    assert_as_whole(graph, parts, feeds, 1e-4)


def test_what_a_mixed_executable_tells() -> None:
    graph = parsed(MIDDLE)
    released: list[bool] = []
    executable = mixed(graph, parts_of(graph), lambda: released.append(True))
    assert executable.backend == "wasm+reference"
    assert (executable.step_count, executable.kernel_count) == (2 + 3, 2)
    assert (executable.threads, executable.team_size, executable.waits, executable.lost) == (1, 1, False, False)
    with pytest.raises(IntabError, match="no run to look at"):
        asyncio.run(executable.time_steps(1))
    run(executable, graph, {"x": np.ones((3, 8), np.float32)})
    kernels = [step.kernel for step in asyncio.run(executable.time_steps(2))]
    assert [kernel.split(":")[0] for kernel in kernels] == ["wasm", "reference", "wasm"]
    assert executable.memory().weights >= 2 * 64 * 4 and executable.memory().outputs > 0
    executable.dispose()
    executable.dispose()
    assert released == [True]
    weights = executable.memory().weights  # those of a numpy part are the model's own bytes
    assert executable.memory() == MemoryUse(weights, 0, 0, 0, 0)
    with pytest.raises(IntabError, match="was disposed of"):
        run(executable, graph, {"x": np.ones((3, 8), np.float32)})


def test_three_ways() -> None:
    graph = parsed(MIDDLE)
    first: dict[Node, str] = {node: "not here" for node in graph.nodes if node.op != "MatMul"}
    second = {node: "nor here" for node in graph.nodes if node.op == "Cos"}
    parts = partition(graph, (Way("webgpu", first), Way("wasm", second), Way("reference", {})))
    # The casts are small: with WebAssembly they would cross more often.
    assert [way for way, _ in ways(parts)] == ["webgpu", "reference", "webgpu"]
    (why,) = (part.why for part in parts if part.way == "reference")
    assert "node 'c' (Cos), not on webgpu: not here; wasm: nor here" in why


def test_a_part_of_much_small_work_stays() -> None:
    much = "\n".join(f"%n{i + 1} = Exp(%n{i})" for i in range(60))
    text = f"""
    graph g(%x: f32[4, 30000]) -> (y = %y) {{
      %n0 = Sin(%x)
      {much}
      %y = Sin(%n60)
    }}"""
    parts = parts_of(parsed(text), "Sin")
    assert [way for way, _ in ways(parts)] == ["reference", "wasm", "reference"]


def test_many_nodes_are_parted_in_no_time() -> None:
    """What a walk does for each node does not grow with their count: ten times the nodes, ten times the calls."""
    counts = []
    for nodes in (100, 1000):
        chain = "\n".join(f"%n{i + 1} = {'Sin' if i % 7 == 0 else 'Exp'}(%n{i})" for i in range(nodes))
        graph = parsed(f"graph g(%n0: f32[N, H, W, C]) -> (y = %n{nodes}) {{\n{chain}\n}}")
        calls = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal calls
            calls += 1

        refused = {node: "lot" for node in graph.nodes if node.op == "Sin"}
        sys.setprofile(count)
        try:
            parts = partition(graph, (Way("wasm", refused), Way("reference", {})))
        finally:
            sys.setprofile(None)
        assert len(parts) > nodes // 5
        counts.append(calls)
    assert counts[1] < 15 * counts[0]
