"""Every operator with its float32 values and weights kept as float16: on the interpreter against its numpy meaning, and
every shader of it as Dawn's compiler sees it."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from intab.backends.reference import evaluate
from intab.dtypes import float16
from intab.kernels.wgsl import Shader, generate
from intab.program import build
from intab.program.ir import Program
from intab.target import HALVES, WEBGPU, Target
from tests.agreement import agreement
from tests.dawn import complaints
from tests.interpreted_gpu import InterpretedGpu
from tests.ops.case import OpCase
from tests.ops.cases import OP_CASES
from tests.ops.halves import between, representable_feeds

TOLERANCE = 2e-2
PLAIN = replace(WEBGPU, subgroup=4)
# The one with 16 bits in memory, the other with as many numbers but 32 bits for each: devices without shader-f16.
TARGETS: Mapping[str, Target] = {
    "f16": PLAIN.with_feature(HALVES).with_feature("shader-f16"),
    "rounded": PLAIN.with_feature(HALVES),
}
CASES = [case for case in OP_CASES if case.kernel]


@pytest.fixture(autouse=True)
def small_weights_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases have weights of few numbers, which models keep in 32 bits."""
    monkeypatch.setattr("intab.program.halves.LEAST_COUNT", 2)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_agrees_with_its_meaning(case: OpCase, target: Target) -> None:
    graph = between(case.symbolic_graph())
    feeds = representable_feeds(case)
    found = InterpretedGpu(build(graph, target)).run(feeds, case.bindings)
    expected = evaluate(graph, feeds)
    far = {name: agreement(found[name], expected[name]) for name in expected}
    assert max(far.values()) <= TOLERANCE, far


def halved(program: Program) -> list[str]:
    """The kernels that read or write float16."""
    return [kernel.name for kernel in program.kernels if any(b.dtype == float16.name for b in kernel.buffers)]


def test_every_shader_compiles() -> None:
    shaders: dict[str, Shader] = {}
    families: set[str] = set()
    for case in CASES:
        program = build(between(case.symbolic_graph()), TARGETS["f16"])
        families |= {name.removesuffix("_f16") for name in halved(program)}
        made = (generate(kernel, program.target) for kernel in program.kernels)
        shaders |= {shader.text: shader for shader in made if "shader-f16" in shader.features}
    assert len(shaders) > 200 and len(families) > 30, (len(shaders), sorted(families))
    assert complaints(list(shaders)) == []


def test_the_compiler_complains_of_what_is_wrong() -> None:
    good = "enable f16; fn halved(x: f32) -> f16 { return f16(x); }"
    bad = "enable f16; fn halved(x: f32) -> f16 { return x; }"
    assert complaints([good]) == []
    (found,) = complaints([good, bad])
    assert "f16" in found and found.startswith("shader 1: ")
