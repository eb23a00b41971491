"""Running small graphs on generated WebAssembly under wasmtime, beside the reference."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from intab.backends.reference import evaluate
from intab.backends.wasm.desktop import WasmtimeMachine
from intab.backends.wasm.executable import prepare
from intab.backends.wasm.pool import Pool
from intab.graph.bind import bindings_of
from intab.graph.ir import Array, Graph
from intab.program import build
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD, Target
from tests.agreement import assert_agree

TARGETS = (WASM_SIMD, WASM_RELAXED_SIMD)


def target_name(target: Target) -> str:
    """What a test is called that runs for a target."""
    return "relaxed" if target.has("relaxed-simd") else "plain"


@dataclass(frozen=True, slots=True)
class Ran:
    """What running a graph gave, and of how many steps and kernels it consisted."""

    outputs: dict[str, Array]
    steps: int
    kernels: int


@cache
def pool_of(target: Target) -> Pool:
    """One wasmtime for all tests of a target."""
    return Pool(WasmtimeMachine(target))


def run_on_wasmtime(graph: Graph, feeds: Mapping[str, Array], target: Target) -> Ran:
    """Compile a graph as it is (no passes), run it once, give everything back."""
    pool = pool_of(target)
    before = pool.used_nbytes
    executable = asyncio.run(prepare(build(graph, target), pool))
    sizes = bindings_of(graph.inputs, {name: array.shape for name, array in feeds.items()})
    try:
        outputs = asyncio.run(executable.run(feeds, sizes, graph.output_names))
        return Ran(outputs, executable.step_count, executable.kernel_count)
    finally:
        executable.dispose()
        assert pool.used_nbytes == before, "a disposed executable kept memory"


def assert_as_reference(graph: Graph, feeds: Mapping[str, Array], tolerance: float = 1e-5) -> Ran:
    """Fail unless plain and relaxed SIMD agree with the reference; returns the last run."""
    expected = evaluate(graph, feeds)
    for target in TARGETS:
        ran = run_on_wasmtime(graph, feeds, target)
        assert_agree(ran.outputs, expected, tolerance)
    return ran
