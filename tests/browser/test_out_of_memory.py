"""Memory that cannot be had, in Chromium, on one thread and on two: an error that says so, and the tab goes on."""

import re

import pytest
from pytest_pyodide import run_in_pyodide

from tests.runtime.models import wide

MODELS = {name: f"/site/models/ocr/{name}.onnx" for name in ("det", "cls")}


@run_in_pyodide
async def too_many_rows(selenium, model, other, threads, rows):
    """What a feed of too many rows ends in, twice, and whether all runs as before."""
    import numpy as np

    import intab

    async def runs(session, feed):
        return [array.tobytes() for array in (await session.run(feed)).values()]

    few, picture = {"x": np.ones((3, 1), np.float32)}, {"x": np.full((1, 3, 48, 192), 0.25, np.float32)}
    said = []
    async with (
        await intab.load(other, threads=threads) as before,
        await intab.load(model, threads=threads) as session,
    ):
        expected = await runs(before, picture), await runs(session, few)
        for _ in range(2):
            try:
                await session.run({"x": np.ones((rows, 1), np.float32)})
            except intab.IntabError as error:
                said.append(f"{type(error).__name__}: {error}")
            said.append(str((await runs(before, picture), await runs(session, few)) == expected))
        uses = session.memory(), session.stats().threads
    return said, uses[0].total, uses[1]


@pytest.mark.parametrize("threads", [1, 2])
def test_input_that_is_too_large_ends_the_run_and_nothing_else(selenium, threads):
    said, nbytes, used_threads = too_many_rows(selenium, wide(), MODELS["cls"], threads, 110_000)
    assert len(said) == 4
    for error, works in zip(said[::2], said[1::2], strict=True):
        assert re.search(r"^OutOfMemoryError: model: its arena: 5,4[\d,]+ bytes cannot be had", error), error
        assert "Use smaller input" in error
        assert works == "True"
    assert nbytes < 1 << 20
    assert used_threads == threads


@run_in_pyodide
async def no_room(selenium, urls, threads):
    """What becomes of the detector in a memory of 4 MiB, beside the classifier, which fits."""
    from importlib import import_module
    from unittest.mock import patch

    import numpy as np

    import intab
    from intab.backends.wasm import browser
    from intab.backends.wasm.pool import Pool
    from intab.browser import proxies

    before = dict(proxies.live())
    with patch.object(browser, "MAXIMUM_NBYTES", 4 << 20), patch.object(browser, "SHARED_MAXIMA", (4 << 20,)):
        machine = browser.SharedMachine() if threads > 1 else browser.BrowserMachine()
    pool = Pool(machine)
    feed = {"x": np.full((1, 3, 48, 192), 0.25, np.float32)}
    error = ""
    with patch.object(import_module("intab.runtime.back_end"), "wasm_pool", lambda threads: pool):
        async with await intab.load(urls["cls"], threads=threads) as session:
            (first,) = (await session.run(feed)).values()
            used_nbytes = pool.used_nbytes
            try:
                await intab.load(urls["det"], threads=threads)
            except intab.IntabError as refused:
                error = f"{type(refused).__name__}: {refused}"
            returned = pool.used_nbytes == used_nbytes
            (second,) = (await session.run(feed)).values()
    for instance in pool.packing.values():
        instance.dispose()
    machine.dispose()
    return error, returned, bool((first == second).all()), before == dict(proxies.live())


@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_for_which_there_is_no_room(selenium, threads):
    error, returned, works, all_closed = no_room(selenium, MODELS, threads)
    assert re.search(r"^OutOfMemoryError: .*its weights: [\d,]+ bytes cannot be had", error), error
    assert "it may have 4,194,304" in error
    assert returned
    assert works
    assert all_closed
