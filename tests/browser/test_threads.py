"""Several threads over one memory, in Chromium: the same numbers as on one, and an error when a worker is lost."""

import pytest
from pytest_pyodide import run_in_pyodide

from tests.browser.proofs import Proofs

RUNS = 200
# A compute worker within a worker that ends it a tenth of a second after a run has begun, which it sees in the control
# block: the leader itself is in the run by then and cannot.
KILLER = b"""
const inner = new Worker("/compute.js", { type: "module" });
inner.onmessage = (event) => postMessage(event.data);
onmessage = ({ data }) => {
  inner.postMessage(data);
  if (data.kind !== "join") return;
  const words = new Int32Array(data.memory.buffer);
  const watch = setInterval(() => {
    if (Atomics.load(words, (data.control + data.words.module) / 4) === 0) return;
    clearInterval(watch);
    setTimeout(() => inner.terminate(), 100);
  }, 1);
};
"""


@run_in_pyodide
async def many_runs(selenium, runs):
    from tests.browser.inside import teams

    return await teams.many_runs(runs)


def test_shared_steps_are_done_once_and_small_ones_by_one_thread(selenium, proofs: Proofs):
    """Two threads in a step of one thread's would lose counts of the cell that all its items count in."""
    threads, counts = many_runs(selenium, RUNS)
    assert threads == 2
    items = len(counts)
    assert counts == [RUNS * (2 + 2 * items)] + [RUNS * 2] * (items - 1)


@run_in_pyodide
async def lost_worker(selenium, script):
    from tests.browser.inside import teams

    return await teams.lost_worker(script)


@pytest.mark.driver_timeout(60)
def test_a_worker_killed_in_mid_run_is_an_error_and_the_next_run_has_another(selenium, proofs: Proofs):
    first, error, at_once, again, counts = lost_worker(selenium, proofs.serve("killer.js", KILLER))
    assert first == 2
    name, words = error
    assert name == "DeviceLostError"
    assert "a compute worker did not answer in time" in words
    assert at_once == 1  # until the new worker has reported ready
    assert again == 2
    assert counts == [2] * len(counts)


# A compute worker within a worker that ends it when it has been in a run and that run is over.
IDLE_KILLER = b"""
const inner = new Worker("/compute.js", { type: "module" });
inner.onmessage = (event) => postMessage(event.data);
onmessage = ({ data }) => {
  inner.postMessage(data);
  if (data.kind !== "join") return;
  const words = new Int32Array(data.memory.buffer);
  const word = (name) => Atomics.load(words, (data.control + data.words[name]) / 4);
  const watch = setInterval(() => {
    if (word("calls") < 3 || word("module") !== 0) return;
    clearInterval(watch);
    inner.terminate();
  }, 1);
};
"""


@run_in_pyodide
async def lost_between_runs(selenium, script):
    from tests.browser.inside import teams

    return await teams.lost_between_runs(script)


def test_a_worker_ended_between_runs_is_missed_and_replaced(selenium, proofs: Proofs):
    first, again, counts = lost_between_runs(selenium, proofs.serve("idle-killer.js", IDLE_KILLER))
    assert (first, again) == (2, 2)
    assert counts == [1] * len(counts)


@run_in_pyodide
async def sessions_in_turn(selenium, url, shape, runs):
    from tests.browser.inside import teams

    return await teams.sessions_in_turn(url, shape, runs)


def test_sessions_share_a_team_that_ends_with_the_last(selenium, proofs: Proofs):
    same, most, left = sessions_in_turn(selenium, "/site/models/ocr/cls.onnx", (2, 3, 48, 192), 60)
    assert same
    assert (most, left) == (2, 0)


@run_in_pyodide
async def trap(selenium):
    from tests.browser.inside import teams

    return await teams.trap()


def test_code_that_stops_is_an_error_on_every_thread(selenium, proofs: Proofs):
    (name, words), threads, counts = trap(selenium)
    assert (name, "stopped" in words) in (("KernelError", True), ("DeviceLostError", True))
    assert threads == 2
    assert counts == [1] * len(counts)


@run_in_pyodide
async def no_script(selenium):
    from tests.browser.inside import teams

    return await teams.no_script()


def test_a_site_without_the_workers_script_computes_on_one_thread(selenium, proofs: Proofs):
    threads, counts = no_script(selenium)
    assert threads == 1
    assert counts == [1] * len(counts)


@run_in_pyodide
async def same_outputs(selenium, url, shapes, runs):
    from tests.browser.inside import teams

    return await teams.same_outputs(url, shapes, runs)


@pytest.mark.driver_timeout(180)
@pytest.mark.parametrize(
    "name, shapes, runs",
    [
        ("det", [(1, 3, 256, 320), (1, 3, 96, 128)], 4),
        ("rec", [(1, 3, 48, 320), (2, 3, 48, 64)], 4),
        ("cls", [(6, 3, 48, 192)], RUNS),
    ],
)
def test_models_give_the_same_numbers_on_one_thread_and_two(selenium, proofs: Proofs, name, shapes, runs):
    same, one, two, choice = same_outputs(selenium, f"/site/models/ocr/{name}.onnx", shapes, runs)
    assert same
    assert (one, two) == (1, 2)
    assert choice == "wasm: WebAssembly is there in every browser; threads=2 asked for"
