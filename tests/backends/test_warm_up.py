"""Warming up: which sizes are guessed, which kernels are run, and that nothing of it is left."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from intab.backends.wasm.desktop import WasmtimeMachine
from intab.backends.wasm.executable import WasmExecutable, module_of
from intab.backends.wasm.packer import packing_instances
from intab.backends.wasm.pool import Pool
from intab.backends.wasm.warm_up import GUESSED_SIZES, guesses, hot_steps, warm_up
from intab.dtypes import float32, int64
from intab.graph.dims import symbol
from intab.graph.ir import Equality, Graph
from intab.kernels.numeric import is_numeric
from intab.ops.builder import Builder
from intab.optimize import optimize
from intab.program import build
from intab.program.ir import Program
from intab.target import WASM_SIMD

BATCH, HEIGHT, WIDTH = symbol("N"), symbol("H"), symbol("W")
CHANNELS, FEATURES = 16, 32


def picture_model() -> Graph:
    """A convolution of pictures of any size, and rows taken out of a table by index."""
    builder = Builder("pictures")
    x = builder.input("x", float32, (BATCH, CHANNELS, HEIGHT, WIDTH))
    rows = builder.input("rows", int64, (symbol("K"),))
    w = np.random.default_rng(1).standard_normal((FEATURES, CHANNELS, 3, 3)).astype(np.float32)
    window = {"strides": (1, 1), "dilations": (1, 1), "pads": (1, 1, 1, 1), "group": 1}
    y = builder.emit("Conv", x, builder.constant(w), **window)
    table = builder.constant(np.arange(40, dtype=np.float32).reshape(10, 4))
    return builder.graph([("y", y), ("taken", builder.emit("Gather", table, rows, axis=0))])


def program() -> Program:
    return build(optimize(picture_model(), target=WASM_SIMD), WASM_SIMD)


def test_batches_are_taken_for_one_and_other_sizes_for_the_first_guess() -> None:
    first, second = guesses(program())
    assert first == {"N": 1, "H": GUESSED_SIZES[0], "W": GUESSED_SIZES[0], "K": GUESSED_SIZES[0]}
    assert second["H"] == GUESSED_SIZES[1]


def test_a_guess_that_breaks_an_equality_is_none() -> None:
    asked = replace(program(), equalities=(Equality(HEIGHT, WIDTH + 1, "add"),))
    assert list(guesses(asked)) == []


def test_kernels_that_are_told_where_to_read_by_what_they_read_are_left_out() -> None:
    made = program()
    names = {made.kernel_names[number] for number in made.numeric_kernels}
    assert any(name.startswith(("winograd", "convolution")) for name in names)
    assert not any(name.startswith("gather") for name in names)
    taken = [kernel for kernel in made.kernels if kernel.name.startswith("gather")]
    assert taken and not any(map(is_numeric, taken))


def test_the_largest_step_of_each_kernel_that_is_worth_it_comes_once() -> None:
    made = program()
    numeric = [number for number, step in enumerate(made.steps) if step.kernel in made.numeric_kernels]
    step = made.steps[numeric[0]]
    twice = replace(made, steps=(step, step, made.steps[-1]))
    assert hot_steps(twice, [1e6, 2e6, 1.0]) == [1]
    assert hot_steps(twice, [1.0, 2.0, 1.0]) == []


def test_items_grow_up_to_what_a_step_has() -> None:
    seen: list[tuple[int, int]] = []
    warm_up([3], {3: 5}, lambda step, items: seen.append((step, items)))
    assert seen[:3] == [(3, 1), (3, 2), (3, 4)]
    assert {items for _, items in seen[3:]} <= {5}


@pytest.mark.wasmtime
def test_a_warm_executable_holds_no_more_and_computes_the_same() -> None:
    pool = Pool(WasmtimeMachine())
    made = build(optimize(picture_model(), target=pool.machine.target), pool.machine.target)
    feeds = {
        "x": np.random.default_rng(2).standard_normal((1, CHANNELS, 20, 24)).astype(np.float32),
        "rows": np.array([3, 0, 9], np.int64),
    }
    sizes = {"N": 1, "H": 20, "W": 24, "K": 3}
    results, held = [], []
    for warm in (False, True):
        module = module_of(made)
        packing = asyncio.run(packing_instances(pool, made.weights))
        executable = WasmExecutable(made, pool, module, asyncio.run(pool.machine.instantiate(module)))
        executable.write_weights(made.weights, packing, lambda done, total: None, warm=warm)
        held.append(executable.memory())
        results.append(asyncio.run(executable.run(feeds, sizes, ("y", "taken"))))
        held.append(executable.memory())
        executable.dispose()
    assert held[:2] == held[2:]
    for name in ("y", "taken"):
        np.testing.assert_array_equal(results[0][name], results[1][name])
