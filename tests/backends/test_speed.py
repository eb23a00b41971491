"""How many threads are found to be worth having. Times are made up but for the loop, which wasmtime runs."""

import asyncio
import time

import numpy as np
import pytest

from intab.backends.wasm import speed
from intab.backends.wasm.desktop import WasmtimeMachine
from intab.backends.wasm.speed import ITEMS, Speeds, counts_up_to, loop_table, measure, multiply_loop
from intab.kernels.wasm import generate
from intab.target import WASM_SIMD


@pytest.mark.parametrize(
    "speeds, best",
    [
        ([(1, 1.0), (2, 1.95)], 2),
        ([(1, 1.0), (2, 1.05)], 1),  # twins, or a processor that has other things to do
        ([(1, 1.0), (2, 1.9), (4, 3.6), (6, 3.7)], 4),
        ([(1, 1.0), (2, 1.8), (4, 1.2)], 2),
    ],
)
def test_the_fewest_threads_that_are_fast_are_best(speeds: list[tuple[int, float]], best: int) -> None:
    assert Speeds(tuple(speeds)).best == best


def test_speeds_are_told() -> None:
    assert str(Speeds(((1, 1.0), (2, 1.934)))) == "measured: 2 threads 1.93 times as fast as one, so that 2 compute"
    assert str(Speeds(((1, 1.0), (2, 1.0)))).endswith("so that 1 computes")


def test_counts_are_doubled_up_to_the_most() -> None:
    assert [counts_up_to(most) for most in (2, 3, 4, 6, 8)] == [
        (1, 2),
        (1, 2, 3),
        (1, 2, 4),
        (1, 2, 4, 6),
        (1, 2, 4, 8),
    ]


def test_measuring_calls_each_count_and_looks_again_where_little_is_gained(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(speed, "LATER_SECONDS", 0.0)
    calls: list[int] = []
    turns = [0]

    def run(count: int) -> None:
        calls.append(count)
        busy = calls.count(4) <= 1 + speed.TRIES  # at first something else has the processors
        now[0] += turns[0] * 1e-7 / (1 if busy else count)

    speeds = asyncio.run(measure(run, lambda count: turns.__setitem__(0, count), 4))
    assert [count for count, _ in speeds.of] == [1, 2, 4]
    assert speeds.of[-1][1] == pytest.approx(4.0)
    assert calls.count(2) == speed.TRIES + speed.LONG_TRIES


def test_the_loop_multiplies() -> None:
    machine = WasmtimeMachine(WASM_SIMD)
    instance = asyncio.run(machine.instantiate(generate([multiply_loop()], WASM_SIMD)))
    machine.memory.write(1024, loop_table(1024, 60))
    instance.run(1024, 1)
    out = np.empty(4 * ITEMS, np.float32)
    machine.memory.read(1024 + 64, out.view(np.uint8).data)
    assert np.allclose(out, speed.SUMS)  # each sum x -> x/2 + 1/2 comes to 1
    instance.dispose()
    machine.dispose()
