"""Inside Pyodide: models loaded, run and watched, so that only numbers come out to the test."""

import asyncio
import gc
import io
import sys
from contextlib import contextmanager
from typing import Any

import js
import numpy as np
import pyodide_js

from intab.backends.wasm.browser import BrowserMachine
from intab.backends.wasm.pool import Pool
from intab.backends.wasm.threads import READY_SECONDS
from intab.browser import net, proxies
from intab.errors import IntabError
from intab.runtime import load
from intab.runtime.device import choose, wasm_pool
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD
from tests.agreement import agreement

INPUT = "x"


async def fetched(url):
    """The bytes at `url`."""
    storage = await net.fetch(url)
    try:
        return bytes(storage.read(0, storage.nbytes))
    finally:
        storage.dispose()


async def arrays(url):
    """The arrays of an .npz file, each under its name."""
    with np.load(io.BytesIO(await fetched(url))) as archive:
        return dict(archive)


@contextmanager
def plain_simd():
    """A pool that generates for plain SIMD128, in place of this tab's, which has relaxed SIMD."""
    assert wasm_pool().machine.target == WASM_RELAXED_SIMD, "this browser was to have relaxed SIMD"
    machine = BrowserMachine()
    machine.target = WASM_SIMD
    pool = Pool(machine)
    module: Any = sys.modules["intab.runtime.back_end"]
    module.wasm_pool = lambda threads=1: pool
    try:
        yield
    finally:
        module.wasm_pool = wasm_pool
        machine.dispose()


async def disagreements(model_url, cases, backend):
    """How far a model on a back end is from what is expected of it, and how many kernels it has.

    cases: name -> URL of an .npz with `feed` and `expected`.
    """
    far = {}
    async with await load(model_url, backend=backend) as session:
        output = session.outputs[0].name
        for name, url in cases.items():
            case = await arrays(url)
            found = await session.run({INPUT: case["feed"]})
            far[name] = agreement(found[output], case["expected"])
        return far, session.stats().kernels


@contextmanager
def counted_modules():
    """A list that grows by one whenever this tab's machine is given a module to compile."""
    machine: Any = wasm_pool(choose("wasm").threads).machine
    made = []

    async def instantiate(module, threads=1, *, measured=False):
        made.append(len(module))
        return await type(machine).instantiate(machine, module, threads, measured=measured)

    machine.instantiate = instantiate
    try:
        yield made
    finally:
        del machine.instantiate


def held():
    """What is held now, after a collection: of every kind that could leak, by name."""
    gc.collect()
    pools = [wasm_pool(threads) for threads in (1, 2)]
    return {
        "pool bytes in use": sum(pool.used_nbytes for pool in pools),
        "kernel memory": sum(pool.machine.memory.nbytes for pool in pools),
        "Python's memory": pyodide_js._module.HEAPU8.byteLength,
        "JavaScript objects held by Python": pyodide_js._module.hiwire.num_keys(),
        "Python objects held by JavaScript": pyodide_js._module.pyproxy_alloc_map.size,
        "Python objects": len(gc.get_objects()),
        **{f"open: {kind}": count for kind, count in proxies.live().items()},
    }


@contextmanager
def counted_proxies():
    """Have Pyodide count the Python objects that JavaScript holds."""
    pyodide_js._module.enable_pyproxy_allocation_tracing()
    try:
        yield
    finally:
        pyodide_js._module.disable_pyproxy_allocation_tracing()


def javascript_heap():
    """Bytes of this worker's JavaScript heap right after a collection."""
    js.gc()
    return js.performance.memory.usedJSHeapSize


async def open_reader():
    """The OCR pipeline over the site's models."""
    import intab
    from intab.browser.packages import load_packages

    await load_packages("pillow")  # which the page of the site does, too
    return await intab.pipeline("ocr", detector="/site/models/ocr/det.onnx", recogniser="/site/models/ocr/rec.onnx")


async def read_pages(urls):
    """The lines in each picture as (text, score, box), and the sizes of the modules that were compiled meanwhile."""
    with counted_modules() as modules:
        reader = await open_reader()
        try:
            lines = [[plain(line) for line in await reader(url)] for url in urls]
        finally:
            reader.dispose()
    return {"lines": lines, "modules": modules}


def plain(line):
    """A line of text without numpy's types."""
    return line.text, float(line.score), [[float(x), float(y)] for x, y in line.box]


# Feeds so small that a run is mostly what surrounds the kernels, where a leak would be.
SMALL = {"det": ((1, 3, 32, 32), (1, 3, 64, 32)), "rec": ((1, 3, 48, 16), (2, 3, 48, 24)), "cls": ((1, 3, 48, 32),)}


def small_feeds(name):
    """Feeds of the model `name`, of more than one size where it takes them."""
    return [{INPUT: np.full(shape, 0.25, np.float32)} for shape in SMALL[name]]


async def many_runs(urls, count):
    """What is held before and after `count` runs of the models at `urls` (name -> URL), all sizes in turn."""
    sessions = {name: await load(url, backend="wasm") for name, url in urls.items()}
    feeds = [(sessions[name], feed) for name in sessions for feed in small_feeds(name)]
    try:
        with counted_proxies():
            for session, feed in feeds * 3:
                await session.run(feed)
            before = held()
            for number in range(count):
                session, feed = feeds[number % len(feeds)]
                await session.run(feed)
            return before, held()
    finally:
        for session in sessions.values():
            session.dispose()


async def timers_gone():
    """Pyodide's event loop keeps a cancelled timer until its time has come; a load waits for workers with one."""
    await asyncio.sleep(READY_SECONDS + 0.5)


async def many_loads(urls, *, warm_up):
    """What is held before and after the models at `urls` were loaded, run and disposed of, one after the other.

    The first `warm_up` of them come before the count: memory grows to its size then.
    """
    storages = {url: await fetched(url) for url in set(urls)}
    with counted_proxies():
        for number, url in enumerate(urls):
            if number == warm_up:
                await timers_gone()
                before = held()
            async with await load(storages[url], backend="wasm") as session:
                name = url.rpartition("/")[2].removesuffix(".onnx")
                await session.run(small_feeds(name)[0])
        await timers_gone()
        return before, held()


async def damage(url, changes):
    """What becomes of a model that is cut or changed: "ran", or the error's name, and what it says.

    changes: ("cut", place, 0) keeps what comes before a place; ("flip", place, mask) flips bits of one byte.
    """
    data = bytearray(await fetched(url))
    outcomes = []
    feed = small_feeds(url.rpartition("/")[2].removesuffix(".onnx"))[0]
    for kind, place, mask in changes:
        if kind == "cut":
            outcomes.append(await outcome(memoryview(data)[:place], feed))
            continue
        data[place] ^= mask
        outcomes.append(await outcome(data, feed))
        data[place] ^= mask
    return outcomes


async def outcome(data, feed):
    """("ran", "") or the name and the words of the IntabError; any other exception is a bug and passes."""
    try:
        async with await load(data, backend="wasm") as session:
            await session.run({info.name: feed[INPUT] for info in session.inputs})
    except IntabError as error:
        return type(error).__name__, str(error)
    return "ran", ""


async def feed_errors(url):
    """The errors of wrong feeds: what is wrong -> the error's name and words."""
    height = 48 if "/rec" in url else 64
    right = np.zeros((1, 3, height, 64), np.float32)
    wrong = {
        "name": ({"picture": right}, None),
        "none": ({}, None),
        "fetch": ({INPUT: right}, ["text"]),
        "order": (None, {INPUT: right}),
        "dtype": ({INPUT: right.astype(np.float64)}, None),
        "rank": ({INPUT: right[0]}, None),
        "channels": ({INPUT: right[:, :2]}, None),
        "object": ({INPUT: np.full(right.shape, None)}, None),
    }
    errors = {}
    async with await load(url, backend="wasm") as session:
        for what, (feeds, fetches) in wrong.items():
            try:
                await session.run(feeds, fetches)
            except IntabError as error:
                errors[what] = type(error).__name__, str(error)
        await session.run({INPUT: right})
    return errors
