"""The browser's store in Chromium: what is put is there at the next visit, whole or not at all, and models use it."""

import json

import pytest
from pytest_pyodide import run_in_pyodide
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

MODEL = "/site/models/ocr/cls.onnx"


@run_in_pyodide
async def keep_and_forget(selenium):
    """What a store of three holds after each step, and what is still open."""
    from functools import partial

    from intab.browser import proxies, store

    before = dict(proxies.live())
    kept = store.BrowserStore(most=3)
    now = store._now
    seen = []
    try:
        for number, (key, data) in enumerate((("a", b"one"), ("b", b""), ("a", b"other"), ("c", b"3"), ("d", b"4"))):
            at = now() - 1000 * (10 - number)  # within a day: a use is not noted
            store._now = partial(float, at)
            await kept.put(key, data)
            seen.append([await kept.get(one) for one in "abcd"])
        store._now = lambda: now() + 2 * store.USE_MS
        await kept.get("a")  # its use is noted now
        await kept.put("b", b"5")
        seen.append([await kept.get(one) for one in "abcd"])
    finally:
        store._now = now
        await store.BrowserStore(most=0).put("a", b"")
    return seen, await kept.get("a"), before == dict(proxies.live())


def test_what_is_put_is_kept_and_what_is_not_used_makes_room(selenium):
    seen, left, all_closed = keep_and_forget(selenium)
    assert [tuple(row) for row in seen] == [
        (b"one", None, None, None),
        (b"one", b"", None, None),
        (b"other", b"", None, None),
        (b"other", b"", b"3", None),
        (b"other", None, b"3", b"4"),
        (b"other", b"5", None, b"4"),
    ]
    assert left is None
    assert all_closed


@run_in_pyodide
async def full_and_forbidden(selenium, url):
    """What a model says of stores that refuse, and whether it runs."""
    import numpy as np

    import intab
    from intab.browser import proxies, store

    class Refusing(store.BrowserStore):
        async def _transact(self, database, mode, ask):
            if mode == "readwrite":
                raise store._cache_error("QuotaExceededError: no room")
            return await super()._transact(database, mode, ask)

    class Nowhere(store.BrowserStore):
        def _database(self):
            raise store._cache_error("SecurityError: denied")

    (await intab.load(url)).dispose()  # the memory and the workers of the tab stay
    before = dict(proxies.live())
    said = []
    for programs in (Refusing(), Nowhere()):
        async with await intab.load(url, programs=programs) as session:
            (scores,) = (await session.run({"x": np.zeros((1, 3, 48, 192), np.float32)})).values()
            said.append((str(session.choice), float(scores.sum())))
    return said, before == dict(proxies.live())


def test_a_store_that_refuses_stops_nothing(selenium):
    ((full, first), (forbidden, second)), all_closed = full_and_forbidden(selenium, MODEL)
    assert "not stored: browser: there is no room" in full
    assert "compiled anew" in forbidden and "nothing can be kept for this site (SecurityError: denied)" in forbidden
    assert first == pytest.approx(1, abs=1e-3) and second == first
    assert all_closed


@run_in_pyodide
async def loads(selenium, url, times):
    """For each of some loads with a store: how often it was compiled, what was said, what came out, the bytes kept."""
    from importlib import import_module
    from typing import Any

    import numpy as np

    import intab
    from intab.browser.store import BrowserStore

    loading: Any = import_module("intab.runtime.load")
    counts, real = [], loading.optimize

    def counted(*arguments, **named):
        counts.append(1)
        return real(*arguments, **named)

    class Sized(BrowserStore):
        nbytes = 0

        async def put(self, key, data):
            self.nbytes = len(data)
            await super().put(key, data)

    loading.optimize = counted
    programs, seen = Sized(), []
    try:
        for _ in range(times):
            counts.clear()
            async with await intab.load(url, programs=programs) as session:
                (scores,) = (await session.run({"x": np.zeros((1, 3, 48, 192), np.float32)})).values()
                seen.append((len(counts), str(session.choice), scores.tobytes()))
    finally:
        loading.optimize = real
        await BrowserStore(most=0).put("", b"")
    return seen, programs.nbytes


def test_a_second_load_compiles_nothing(selenium):
    (first, second), nbytes = loads(selenium, MODEL, 2)
    assert (first[0], second[0]) == (1, 0)
    assert "compiled earlier, from the store" in second[1] and "compiled earlier" not in first[1]
    assert second[2] == first[2]
    assert 0 < nbytes < 1 << 20  # tables and code, no weights


COUNT_KEPT = """
const done = arguments[0];
const asked = indexedDB.open("intab");
asked.onsuccess = () => {
  const database = asked.result;
  const keys = database.transaction("kernels").objectStore("kernels").getAllKeys();
  keys.onsuccess = () => { database.close(); done(JSON.stringify(keys.result)); };
};
"""


def test_a_page_without_room_opens_all_the_same(page: Chrome, site_url: str):
    page.execute_cdp_cmd(
        "Storage.overrideQuotaForOrigin", {"origin": site_url.removesuffix("/site/"), "quotaSize": 65536}
    )
    page.get(site_url)
    WebDriverWait(page, 60).until(lambda driver: driver.execute_script("return window.intab?.opened ?? null"))
    assert json.loads(page.execute_async_script(COUNT_KEPT)) == []


def test_the_page_keeps_its_programs_for_the_next_visit(page: Chrome, site_url: str):
    """Two visits in one profile: the second finds what the first has kept, and adds nothing."""
    kept = []
    for _ in range(2):
        page.get(site_url)
        WebDriverWait(page, 60).until(lambda driver: driver.execute_script("return window.intab?.opened ?? null"))
        kept.append(json.loads(page.execute_async_script(COUNT_KEPT)))
    assert len(kept[0]) == 2  # detector and recogniser
    assert kept[1] == kept[0]
