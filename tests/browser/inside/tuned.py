"""Inside Pyodide: models tuned, and what the browser keeps of it; only plain data come out to the test."""

import asyncio
from contextlib import contextmanager
from typing import Any

from intab.backends.webgpu.executable import WebGpuExecutable
from intab.browser.gpu import Gpu
from intab.browser.store import BrowserStore
from intab.errors import KernelError
from intab.runtime import load
from intab.runtime.cache import MemoryPrograms
from intab.runtime.tunings import STORE, Found
from intab.runtime.webgpu_back_end import tunings_here
from tests.agreement import agreement
from tests.browser.inside.proofs import arrays, held


async def forget():
    """Nothing is known of this GPU."""
    await (await tunings_here()).clear()


@contextmanager
def patched(owner, name, value):
    real = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield real
    finally:
        setattr(owner, name, real)


async def loaded(url) -> Any:
    """A session, into whose parts these proofs look."""
    return await load(url, backend="webgpu")


async def far_from(session, feeds, expected):
    found = await session.run(feeds)
    return max(agreement(found[name], expected[name]) for name in expected)


async def tune_and_load(model_url, case_url, budget):
    """What tuning says and keeps; then what a load says that finds something else to be fastest, and how far it is."""
    feeds, expected = await case(case_url)
    await forget()
    seen = []
    async with await loaded(model_url) as session:
        first = await far_from(session, feeds, expected)
        before = held()
        report = await session.tune(budget=budget, progress=lambda done, total: seen.append((done, total)))
        after = held()
        again = await session.tune(budget=budget)
        last = await far_from(session, feeds, expected)
        problems = session._executable.problems()
    tunings = await tunings_here()
    kept = await tunings.read()
    others = {p.name: Found(p.shapes[-1], p.shape, 1.0, 2.0) for p in problems}
    await tunings.add(others)
    async with await loaded(model_url) as session:
        changed = await far_from(session, feeds, expected)
        taken = {product.problem: product.shape for product in session._executable.program.products}
        said = str(session.choice)
    await forget()
    return {
        "report": str(report),
        "found": [(one.problem, one.default, one.best, one.tried) for one in report.found],
        "again": (len(again.found), str(again)),
        "kept": {problem: one.shape for problem, one in kept.items()},
        "progress": seen,
        "held": (before, after),
        "far": (first, last, changed),
        "taken": (taken, {problem: one.shape for problem, one in others.items()}),
        "said": said,
    }


async def case(url):
    """(feeds, expected) of an archive with names like `feed.x` and `expect.y`."""
    numbers = await arrays(url)
    sides: dict[str, Any] = {"feed": {}, "expect": {}}
    for name, array in numbers.items():
        side, _, tensor = name.partition(".")
        sides[side][tensor] = array
    return sides["feed"], sides["expect"]


async def damaged(model_url, case_url):
    """What a load says that finds a damaged record, how far it is, and what is there once it is tuned again."""
    feeds, expected = await case(case_url)
    tunings = await tunings_here()
    await BrowserStore(STORE).put(tunings._key, b"no record at all")
    async with await loaded(model_url) as session:
        far = await far_from(session, feeds, expected)
        said = str(session.choice)
        await session.tune(budget=1e3)
    kept = await tunings.read()
    await forget()
    return said, far, len(kept), tunings.note


async def refused(model_url, case_url):
    """A compiler that takes no subgroups: what is said, how far it is, and what the next load makes of it."""
    feeds, expected = await case(case_url)
    await forget()

    async def without_subgroups(self, shaders):
        made = await real(self, shaders)
        return [
            KernelError(f"shader {s.name}: words of the compiler") if "enable subgroups" in s.text else one
            for s, one in zip(shaders, made, strict=True)
        ]

    async def told():
        async with await loaded(model_url) as session:
            far = await far_from(session, feeds, expected)
            profile = str(await session.profile_async(repeats=1))
            program = session._executable.program
            products = [(product.problem, product.shape) for product in program.products]
            return str(session.choice), profile, far, products, list(program.target.refused)

    with patched(Gpu, "try_pipelines", without_subgroups) as real:
        first = await told()
    second = await told()
    await forget()
    return first, second


async def idle(model_url, case_url):
    """A session that nobody uses, on a GPU taken for a real one: what it says, and what is kept."""
    feeds, expected = await case(case_url)
    await forget()
    with patched(WebGpuExecutable, "worth_tuning", property(lambda self: True)):
        session = await loaded(model_url)
        session._idle._idle_seconds = 0.1
        await session.run(feeds)
        await asyncio.sleep(0.3)
        far = await far_from(session, feeds, expected)  # while it is being tuned
        for _ in range(600):
            if session._idle.note:
                break
            await asyncio.sleep(0.1)
        said = str(session.choice)
        kept = len(await (await tunings_here()).read())
        session.dispose()
        await forget()
        stopped = await loaded(model_url)
        stopped._idle._idle_seconds = 0.0
        await stopped.run(feeds)
        while not stopped._executable._trials._made:  # until it is at work
            await asyncio.sleep(0)
        stopped.dispose()
        await asyncio.wait([stopped._idle._task])
        ended = stopped._idle._task.cancelled()
    await forget()
    return said, far, kept, ended


async def stored(model_url, case_url):
    """A model whose program comes from a store: what tuning finds, and how often it was compiled for the next load."""
    feeds, expected = await case(case_url)
    await forget()
    programs, found, said = MemoryPrograms(), [], []
    for _ in range(2):
        async with await load(model_url, backend="webgpu", programs=programs) as session:
            await session.run(feeds)
            said.append(str(session.choice))
    async with await load(model_url, backend="webgpu", programs=programs) as session:
        await session.run(feeds)
        report = await session.tune(budget=1e3)
        found = [one.problem for one in report.found]
        problems: Any = session._executable
        others = {p.name: Found(p.shapes[-1], p.shape, 1.0, 2.0) for p in problems.problems()}
    await (await tunings_here()).add(others)
    for _ in range(2):
        async with await load(model_url, backend="webgpu", programs=programs) as session:
            far = await far_from(session, feeds, expected)
            said.append(str(session.choice))
    await forget()
    return found, said, far
