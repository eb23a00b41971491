"""A thousand runs, and a hundred loads and disposals, in Chromium: nothing is left behind."""

import json
import time

import pytest
from pytest_pyodide import run_in_pyodide

from tests.browser.proofs import Proofs

RUNS, LOADS, WARM_UP = 1000, 100, 6
MODELS = {name: f"/site/models/ocr/{name}.onnx" for name in ("det", "rec", "cls")}
COLLECTED_SECONDS = 60
SPARE_NBYTES = 2 << 20  # of JavaScript's heap, which holds what the engine keeps for itself
SPARE_OBJECTS = 100  # of Python, such as entries of caches
MEASURE = """
const done = arguments[0];
performance.measureUserAgentSpecificMemory().then((found) => done(JSON.stringify(found)), (e) => done(String(e)));
"""


@run_in_pyodide
async def many_runs(selenium, urls, count):
    from tests.browser.inside import proofs

    return await proofs.many_runs(urls, count)


@run_in_pyodide
async def many_loads(selenium, urls, warm_up):
    from tests.browser.inside import proofs

    return await proofs.many_loads(urls, warm_up=warm_up)


def worker_nbytes(selenium) -> int:
    """Bytes that JavaScript holds in the worker, after a collection."""
    selenium.run_js("self.gc(); return null")
    found = json.loads(selenium.driver.execute_async_script(MEASURE))
    scopes = ((part["bytes"], [one["scope"] for one in part["attribution"]]) for part in found["breakdown"])
    return sum(nbytes for nbytes, where in scopes if "DedicatedWorkerGlobalScope" in where)


def assert_flat(before: dict[str, int], after: dict[str, int]) -> None:
    """Fail unless all counts are as they were, the number of Python's objects nearly so."""
    objects = after.pop("Python objects") - before.pop("Python objects")
    assert after == before
    assert objects <= SPARE_OBJECTS


def assert_collected(selenium, before_nbytes: int) -> None:
    """Wait for the collector: what is not referred to any more comes back in its own time."""
    deadline = time.monotonic() + COLLECTED_SECONDS
    while (now_nbytes := worker_nbytes(selenium)) > before_nbytes + SPARE_NBYTES:
        assert time.monotonic() < deadline, f"JavaScript held {before_nbytes:,} bytes before, {now_nbytes:,} after"


@pytest.mark.driver_timeout(300)
def test_a_thousand_runs(selenium, proofs: Proofs):
    many_runs(selenium, MODELS, 20)
    nbytes = worker_nbytes(selenium)
    before, after = many_runs(selenium, MODELS, RUNS)
    assert_flat(before, after)
    assert_collected(selenium, nbytes)


@pytest.mark.driver_timeout(300)
def test_a_hundred_loads_and_disposals(selenium, proofs: Proofs):
    """Most of the small model, since it is what surrounds a model that could leak."""
    some = [MODELS["det"], MODELS["rec"], MODELS["cls"]] * 2
    many_loads(selenium, some, WARM_UP - 1)
    nbytes = worker_nbytes(selenium)
    before, after = many_loads(selenium, [*some, *some, *[MODELS["cls"]] * (LOADS - len(some))], WARM_UP)
    assert_flat(before, after)
    assert_collected(selenium, nbytes)
