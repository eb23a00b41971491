"""Kernels that a compiler refuses: products take their next shape, and everything else says what is wrong."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import pytest

from intab.backends.webgpu.refused import MOST_ROUNDS, Compiled, compiled
from intab.backends.webgpu.shaders import read_shaders, shaders_of
from intab.backends.webgpu.trials import Trials
from intab.browser.gpu import Gpu, GpuPipeline, GpuShader
from intab.errors import KernelError
from intab.formats import read
from intab.graph.dims import evaluate
from intab.optimize import optimize
from intab.program import build
from intab.program.ir import Program
from intab.target import WEBGPU
from tests.ops.test_ways import two_products

QUADS = replace(WEBGPU, subgroup=4)


class Compiler:
    """Refuses the texts that `refuses` says."""

    def __init__(self, refuses: Callable[[str], bool]) -> None:
        self.refuses = refuses
        self.asked: list[int] = []

    async def try_pipelines(self, shaders: Sequence[GpuShader]) -> list[GpuPipeline | KernelError]:
        self.asked.append(len(shaders))
        return [
            KernelError(f"shader {s.name}: no subgroups today")
            if self.refuses(s.text)
            else GpuPipeline(s.name, s.access, s.text)
            for s in shaders
        ]


def program() -> Program:
    return build(optimize(read(two_products()), target=QUADS), QUADS)


def make(compiler: Compiler, of: Program) -> Compiled:
    return asyncio.run(compiled(of, cast(Gpu, compiler), read_shaders(shaders_of(of))))


def test_what_compiles_stays_as_it_is() -> None:
    whole = program()
    ready = make(Compiler(lambda text: False), whole)
    assert ready.program is whole and not ready.notes and not ready.refused
    assert [pipeline.js for pipeline in ready.pipelines] == [shader.text for shader in ready.shaders]


def test_refused_products_take_other_shapes() -> None:
    whole = program()
    assert all("subgroup" in product.shape for product in whole.products)
    compiler = Compiler(lambda text: "subgroup" in text and "enable" in text)
    ready = make(compiler, whole)
    changed = ready.program
    assert 1 < len(compiler.asked) <= MOST_ROUNDS + 1
    assert not any("subgroup" in product.shape for product in changed.products)
    assert {(product.problem, product.shape) for product in whole.products} <= ready.refused
    assert any("no subgroups today" in note and changed.products[0].shape in note for note in ready.notes)
    # Everything fits together: names, shaders and pipelines by kernel, and counts of items.
    assert len(changed.kernels) == len(changed.kernel_names) == len(ready.shaders) == len(ready.pipelines)
    for step, old in zip(changed.steps, whole.steps, strict=True):
        assert step.words == old.words
        ways = changed.ways[changed.steps.index(step)]
        taken = next(p.shape for p in changed.products if p.problem == ways.problem)
        kernel, items = ways.make(next(shape for shape in ways.shapes if shape.name == taken))
        assert changed.kernels[step.kernel] is kernel
        assert evaluate(changed.dims[step.items], {"n": 33}) == evaluate(items, {"n": 33})
    # A program compiled with what is known now does not try it again.
    again = build(optimize(read(two_products()), target=changed.target), changed.target)
    assert not {(product.problem, product.shape) for product in again.products} & ready.refused


def test_a_compiler_that_refuses_everything_is_not_kept_busy() -> None:
    compiler = Compiler(lambda text: True)
    with pytest.raises(KernelError, match="no subgroups today"):
        make(compiler, program())
    assert len(compiler.asked) == MOST_ROUNDS + 1


def test_kernels_without_other_ways_are_told_at_once() -> None:
    compiler = Compiler(lambda text: True)
    with pytest.raises(KernelError, match="no subgroups today"):
        make(compiler, replace(program(), ways={}))
    assert len(compiler.asked) == 1


def test_trials_compile_other_shapes_of_what_a_program_does() -> None:
    whole = program()
    trials = Trials(whole, cast(Gpu, Compiler(lambda text: False)))
    problems = trials.problems()
    assert [problem.steps for problem in problems] == [1, 1]
    problem = problems[0]
    other = next(shape for shape in problem.shapes if shape != problem.shape)
    assert asyncio.run(trials.compile(problem.name, other)) == ""
    ((call,), counts) = trials.calls(problem.name, other, {"n": 33})
    ways = whole.ways[0]
    kernel, items = ways.make(next(shape for shape in ways.shapes if shape.name == other))
    assert (call.step, counts, call.items) == (0, [1], evaluate(items, {"n": 33}))
    assert (call.shader.team, call.pipeline.name) == (kernel.team, kernel.name)
    refusing = Trials(whole, cast(Gpu, Compiler(lambda text: True)))
    assert "no subgroups today" in asyncio.run(refusing.compile(problem.name, other))
    assert Trials(replace(whole, ways={}), cast(Gpu, Compiler(lambda text: True))).problems() == ()
