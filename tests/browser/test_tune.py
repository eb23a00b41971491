"""Tuning in Chromium: what is timed is kept by adapter in IndexedDB and used by the next load, and the answers stay."""

import numpy as np
import pytest
from pytest_pyodide import run_in_pyodide

from tests.browser.proofs import Proofs
from tests.ops.test_ways import two_products

BUDGET = 60.0
TOLERANCE = 1e-4


@run_in_pyodide
async def inside(selenium, name, *arguments):
    from tests.browser.inside import tuned

    return await getattr(tuned, name)(*arguments)


@pytest.fixture(scope="module")
def model(proofs: Proofs) -> tuple[str, str]:
    """The addresses of a small model and of what it makes of 48 rows."""
    storage = two_products()
    x = np.random.default_rng(0).standard_normal((48, 64)).astype(np.float32)
    a, b = (np.full(shape, 0.01, np.float32) for shape in ((64, 96), (96, 32)))
    case = proofs.serve_arrays("tuned-case.npz", **{"feed.x": x, "expect.y": x @ a @ b})
    return proofs.serve("tuned.onnx", bytes(storage.read(0, storage.nbytes))), case


@pytest.mark.driver_timeout(200)
def test_what_is_timed_is_kept_and_the_next_load_uses_what_was_found(selenium, model):
    seen = inside(selenium, "tune_and_load", *model, BUDGET)
    assert max(seen["far"]) <= TOLERANCE
    assert len(seen["found"]) == 2 and all(tried >= 2 for *_, tried in seen["found"])
    assert seen["kept"] == {problem: best for problem, _, best, _ in seen["found"]}
    assert [tuple(one) for one in seen["progress"]] == [(1, 2), (2, 2)]
    assert "2 products timed on google swiftshader" in seen["report"]
    assert all(problem in seen["report"] for problem in seen["kept"])
    count, text = seen["again"]
    assert count == 0 and "timed earlier" in text
    before, after = seen["held"]
    assert {k: v for k, v in before.items() if k.startswith("open")} == {
        k: v for k, v in after.items() if k.startswith("open")
    }
    taken, others = seen["taken"]
    assert taken == others and set(taken) == set(seen["kept"])
    assert "2 of 2 products as they were found fastest on this GPU" in seen["said"]


@pytest.mark.driver_timeout(200)
def test_a_damaged_record_is_told_and_replaced(selenium, model):
    said, far, kept, note = inside(selenium, "damaged", *model)
    assert "damaged" in said and far <= TOLERANCE
    assert kept == 2 and note == ""


@pytest.mark.driver_timeout(200)
def test_a_shape_that_does_not_compile_falls_to_the_next(selenium, model):
    (said, profile, far, products, refused), (later, _, far_later, products_later, _) = inside(
        selenium, "refused", *model
    )
    for text in (said, profile):
        assert "grid_matmul" in text and "words of the compiler" in text and products[0][1] in text
    assert far <= TOLERANCE and far_later <= TOLERANCE
    # The next load knows it, and compiles nothing in vain.
    known = {tuple(one) for one in refused}
    assert known and not known & {tuple(one) for one in products_later} and "words of the compiler" not in later


@pytest.mark.driver_timeout(200)
def test_a_session_is_tuned_while_nobody_uses_it(selenium, model):
    said, far, kept, ended = inside(selenium, "idle", *model)
    assert "tuned while idle" in said and kept == 2
    assert far <= TOLERANCE
    assert ended


@pytest.mark.driver_timeout(200)
def test_programs_from_a_store_are_tuned_and_compiled_anew_once(selenium, model):
    found, (first, second, third, fourth), far = inside(selenium, "stored", *model)
    assert len(found) == 2 and far <= TOLERANCE
    assert "compiled earlier" not in first and "compiled earlier" in second
    assert "compiled anew" in third and "found to be faster" in third and "compiled earlier" not in third
    assert "compiled earlier" in fourth and "2 of 2 products as they were found fastest" in fourth
