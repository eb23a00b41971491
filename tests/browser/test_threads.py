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


ASKED = "wasm: the only one here that is of use; not webgpu: it has one thread, not 2; threads=2 asked for"
# A compute worker that hears everything half a second late.
LATE = b"""
const inner = new Worker("/compute.js", { type: "module" });
inner.onmessage = (event) => postMessage(event.data);
onmessage = ({ data }) => setTimeout(() => inner.postMessage(data), 500);
"""


@run_in_pyodide
async def late_workers(selenium, url, shape, script):
    from tests.browser.inside import teams

    return await teams.late_workers(url, shape, script)


def test_runs_begin_on_one_thread_and_move_to_all_when_they_are_there(selenium, proofs: Proofs):
    script = proofs.serve("late.js", LATE)
    first, later, same = late_workers(selenium, "/site/models/ocr/cls.onnx", (2, 3, 48, 192), script)
    assert tuple(first) == (1, f"{ASKED}; one thread until the compute workers are ready")
    assert tuple(later) == (2, ASKED)
    assert same


def test_workers_that_cannot_run_are_told_of(selenium, proofs: Proofs):
    first, later, same = late_workers(selenium, "/site/models/ocr/cls.onnx", (2, 3, 48, 192), "/nothing.js")
    assert first[0] == later[0] == 1
    assert later[1].endswith("one thread, since the compute workers cannot run: /nothing.js could not be loaded")
    assert same


@run_in_pyodide
async def chosen_threads(selenium, url):
    from tests.browser.inside import teams

    return await teams.chosen_threads(url)


def test_threads_that_are_not_asked_for_are_chosen_by_measuring(selenium, proofs: Proofs):
    choice, chosen, threads = chosen_threads(selenium, "/site/models/ocr/cls.onnx")
    processors = selenium.run_js("return navigator.hardwareConcurrency")
    assert 1 <= chosen == threads <= processors
    assert f" threads on {processors} processors; measured: 2 threads " in choice
    assert choice.endswith(f"so that {chosen} compute" if chosen > 1 else "so that 1 computes")


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
    assert choice == ASKED


@run_in_pyodide
async def same_plain_outputs(selenium, url, shapes, runs):
    from tests.browser.inside import teams

    return await teams.same_plain_outputs(url, shapes, runs)


def test_plain_simd_gives_the_same_numbers_on_one_thread_and_two(selenium, proofs: Proofs):
    same, one, two, _ = same_plain_outputs(selenium, "/site/models/ocr/rec.onnx", [(1, 3, 48, 320)], 2)
    assert same
    assert (one, two) == (1, 2)
