"""Profiles: what they count, how they print, and that a session does not feel them."""

import asyncio
import json

import numpy as np
import pytest

from intab.backends.engine import StepTime
from intab.errors import BackendUnavailableError, IntabError
from intab.runtime import Profile, load
from tests.runtime.models import added

STEPS = (
    StepTime("first/of/all", "matmul", 1.0, 2_000_000, 4000),
    StepTime("second", "elementwise", 0.5, None, None),
    StepTime("third", "matmul", 2.5, 5_000_000, 3000),
    StepTime("fourth", "transpose", 0.0, 0, 100),
)


def feeds(rows: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(rows)
    return {name: random.standard_normal((rows, n)).astype(np.float32) for name, n in (("x", 4), ("y", 3))}


def matmul_flops(profile: Profile) -> list[int | None]:
    return [step.flops for step in profile.steps if step.kernel in ("matmul", "vector_matmul")]


def test_the_table_is_sorted_and_sums_up() -> None:
    title, head, *rows = str(Profile("net", STEPS, 3)).splitlines()
    assert title == "net: 4 steps, 4.00 ms on one thread (each step: median of 3)"
    assert head.split() == ["kernel", "steps", "ms", "share", "MFLOP", "MB", "GFLOP/s", "GB/s"]
    assert rows[0].split() == ["matmul", "2", "3.500", "87.5", "%", "7.00", "0.01", "2.00", "0.00"]
    assert rows[1].split() == ["elementwise", "1", "0.500", "12.5", "%", "-", "-", "-", "-"]
    assert rows[2].split() == ["transpose", "1", "0.000", "0.0", "%", "0.00", "0.00", "-", "-"]
    assert [row.split()[0] for row in rows[5:]] == ["third", "first/of/all", "second", "fourth"]
    assert len({len(line) for line in (head, *rows[:3])}) == 1


def test_a_long_table_says_what_it_leaves_out_and_cuts_long_names() -> None:
    steps = tuple(StepTime("x" * 60 + str(n), "copy", n, 0, 0) for n in range(30))
    lines = str(Profile("net", steps, 1)).splitlines()
    assert lines[-1] == "and 10 shorter steps"
    assert lines[5].startswith("...xxx") and lines[5].split()[0].endswith("x29")
    assert str(Profile("net", (), 1)).startswith("net: 0 steps, 0.00 ms")


def test_the_trace_lays_steps_end_to_end() -> None:
    events = json.loads(Profile("net", STEPS, 3).chrome_trace())["traceEvents"]
    assert [(e["ph"], e["name"], e["cat"], e["ts"], e["dur"]) for e in events] == [
        ("X", "first/of/all", "matmul", 0.0, 1000.0),
        ("X", "second", "elementwise", 1000.0, 500.0),
        ("X", "third", "matmul", 1500.0, 2500.0),
        ("X", "fourth", "transpose", 4000.0, 0.0),
    ]
    assert events[0]["args"] == {"kernel": "matmul", "flops": 2_000_000, "bytes": 4000}


@pytest.mark.wasmtime
def test_a_session_is_profiled_at_the_sizes_of_its_last_run() -> None:
    session = asyncio.run(load(added(), backend="wasm"))
    for rows in (200, 7):
        before = session.run_sync(feeds(rows))
        profile = session.profile(repeats=2)
        assert len(profile.steps) == session.stats().steps and profile.repeats == 2
        assert matmul_flops(profile) == [2 * rows * 4 * 3]
        assert all(step.ms >= 0 and step.nbytes for step in profile.steps)
        after = session.run_sync(feeds(rows))
        assert all((before[name] == after[name]).all() for name in before)
    session.run_sync(feeds(1) | {"y": feeds(5)["y"]})  # compiled again: one row is added to five
    assert matmul_flops(session.profile(repeats=1)) == [2 * 1 * 4 * 3]
    session.dispose()
    with pytest.raises(IntabError, match="disposed"):
        session.profile()


@pytest.mark.wasmtime
def test_what_cannot_be_profiled_is_refused() -> None:
    session = asyncio.run(load(added(), backend="wasm"))
    with pytest.raises(IntabError, match="no run to look at"):
        session.profile()
    with pytest.raises(IntabError, match="repeats=0"):
        session.profile(repeats=0)
    session.dispose()


def test_the_reference_back_end_has_no_kernels_to_time() -> None:
    session = asyncio.run(load(added(), backend="reference"))
    session.run_sync(feeds(2))
    with pytest.raises(BackendUnavailableError, match="no kernels to time"):
        session.profile()


def test_a_profile_of_several_threads_says_what_they_gain_and_how_busy_they_are() -> None:
    steps = tuple(
        StepTime(label, "matmul", ms, 0, 0, threads=2, together_ms=together_ms)
        for label, ms, together_ms in (("a", 4.0, 2.5), ("b", 1.0, 1.0))
    )
    profile = Profile("net", steps, 5)
    assert (profile.threads, profile.together_ms) == (2, 3.5)
    lines = str(profile).splitlines()
    assert lines[0] == "net: 2 steps, 5.00 ms on one thread and 3.50 ms on 2 (each step: median of 5)"
    assert lines[1].split()[-4:] == ["ms", "on", "all", "busy"]
    assert lines[2].split()[-3:] == ["3.500", "71", "%"]
    assert lines[-2].split()[-3:] == ["2.500", "80", "%"]
    assert lines[-1].split()[-3:] == ["1.000", "50", "%"]
