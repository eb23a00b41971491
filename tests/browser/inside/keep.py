"""Inside Pyodide: values that stay on the GPU, between sessions and runs, so that only numbers come out to the test."""

import asyncio
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from intab.backends.webgpu.device import shared_gpu
from intab.browser.gpu import Gpu, request_gpu
from intab.browser.gpu_commands import GpuCommands
from intab.errors import IntabError
from intab.runtime import load
from tests.agreement import agreement
from tests.browser.inside.proofs import arrays, counted_proxies, held


@contextmanager
def crossings():
    """A list that grows by [uploads, downloads, copies before, copies after] a run, and by "read" a reading."""
    found = []
    run, read = GpuCommands.run, Gpu.read

    async def counted_run(self, first, end, **what):
        found.append([len(what.get(name, ())) for name in ("uploads", "downloads", "before", "after")])
        return await run(self, first, end, **what)

    async def counted_read(self, downloads):
        found.append("read")
        return await read(self, downloads)

    with patch.object(GpuCommands, "run", counted_run), patch.object(Gpu, "read", counted_read):
        yield found


async def opened(urls):
    return [await load(url, backend="webgpu") for url in urls]


async def kept_by(session, feeds, name) -> Any:
    """One output that stays, and no other."""
    return (await session.run(feeds, (), keep=(name,)))[name]


async def chained(first_url, second_url, case_url):
    """Two sessions, one fed with what the other kept: what crossed, and how far it is from what is expected."""
    case = await arrays(case_url)
    first, second = await opened([first_url, second_url])
    with crossings() as found:
        kept: dict[str, Any] = await first.run({"x": case["x"]}, keep=("h", "i"))
        # Another run of the first session must not change what is kept.
        await first.run({"x": case["x"] * 0}, ("h",))
        last = await second.run({"h": kept["h"]})
        far = agreement(last["y"], case["y"])
        crossed = list(found)
        read = [agreement(await kept[name].numpy(), case[name]) for name in ("h", "i")]
        both: dict[str, Any] = await first.run({"x": case["x"]}, ("h",), keep=("h",))
        before = len(found)
        read.append(agreement(await both["h"].numpy(), case["h"]))
        known = len(found) == before
    told = [repr(kept["h"]), kept["h"].nbytes, first.memory().kept, str(second.choice)]
    for tensor in (*kept.values(), both["h"]):
        tensor.dispose()
    for session in (first, second):
        session.dispose()
    return {"far": far, "read": read, "crossed": crossed, "known": known, "told": told}


async def many(url, case_url, count):
    """What is held before and after `count` times two runs, with something kept, fed on and disposed of."""
    case = await arrays(case_url)
    (session,) = await opened([url])

    async def once():
        async with await kept_by(session, {"x": case["x"]}, "h") as tensor:
            return (await session.run({"x": tensor}, ("h",)))["h"]

    first = await once()
    for _ in range(5):
        await once()
    with counted_proxies():
        before = held()
        for _ in range(count):
            last = await once()
        after = held()
    kept_nbytes = session.memory().kept
    session.dispose()
    same = first.tobytes() == last.tobytes()
    left = session.memory().total
    return {"before": before, "after": after, "same": same, "kept": kept_nbytes, "left": left}


async def error_of(awaitable):
    try:
        return ["none", repr(await awaitable)[:200]]
    except IntabError as error:
        return [type(error).__name__, str(error)]


async def gone(first_url, second_url, case_url):
    """Tensors that were disposed of, or lost, and what the sessions make of that."""
    case = await arrays(case_url)
    first, second = await opened([first_url, second_url])
    kept = await kept_by(first, {"x": case["x"]}, "h")
    kept.dispose()
    errors = [await error_of(second.run({"h": kept})), await error_of(kept.numpy())]
    kept = await kept_by(first, {"x": case["x"]}, "h")
    running = asyncio.ensure_future(error_of(second.run({"h": kept})))
    await asyncio.sleep(0)
    (await shared_gpu())._device.js.destroy()
    errors += [await running, await error_of(second.run({"h": kept})), await error_of(kept.numpy())]
    again = await kept_by(first, {"x": case["x"]}, "h")
    far = agreement((await second.run({"h": again}))["y"], case["y"])
    told = str(first.choice)
    again.dispose()
    kept.dispose()
    for session in (first, second):
        session.dispose()
    return {"errors": errors, "far": far, "told": told}


async def elsewhere(first_url, second_url, case_url):
    """A tensor given to WebAssembly, to numpy and to a session on another device: what they say, and what comes out."""
    case = await arrays(case_url)
    (first,) = await opened([first_url])
    tensor = await kept_by(first, {"x": case["x"]}, "h")
    found: dict[str, Any] = {}
    for backend in ("wasm", "reference"):
        async with await load(second_url, backend=backend) as session:
            found[backend] = [agreement((await session.run({"h": tensor}))["y"], case["y"]), str(session.choice)]
            if backend == "wasm":
                found["profile"] = str(await session.profile_async(repeats=1))
            host = await kept_by(session, {"h": case["h"]}, "y")
            found[backend] += [host.backend, agreement(await host.numpy(), case["y"])]
            host.dispose()
    from intab.backends.webgpu import device

    shared, device._gpu = device._gpu, await request_gpu()
    try:
        async with await load(second_url, backend="webgpu") as session:
            found["other"] = [agreement((await session.run({"h": tensor}))["y"], case["y"]), str(session.choice)]
    finally:
        device._gpu.dispose()
        device._gpu = shared
    tensor.dispose()
    first.dispose()
    return found


async def at_once(first_url, case_url):
    """np.asarray of a tensor here: the error, or how far it is."""
    case = await arrays(case_url)
    (first,) = await opened([first_url])
    async with await kept_by(first, {"x": case["x"]}, "h") as tensor:
        try:
            found = ["array", agreement(np.asarray(tensor), case["h"])]
        except IntabError as error:
            found = ["error", str(error)]
    first.dispose()
    return found


async def parts(url, case_url):
    """A model in parts: what crossed in a run, how far its outputs are, and what it says of itself."""
    case = await arrays(case_url)
    async with await load(url, backend="webgpu") as session:
        feeds = {info.name: case[info.name] for info in session.inputs}
        await session.run(feeds)
        with crossings() as found:
            outputs = await session.run(feeds)
            crossed = list(found)
        kept = await kept_by(session, feeds, "y")
        far = max(agreement(outputs[name], case[name]) for name in outputs)
        far = max(far, agreement(await kept.numpy(), case["y"]))
        told = [kept.backend, str(session.choice)]
        kept.dispose()
        for _ in range(5):
            await session.run(feeds)
        before = held()
        for _ in range(50):
            await session.run(feeds)
        after = held()
    return {
        "crossed": crossed,
        "far": far,
        "told": told,
        "before": before,
        "after": after,
        "left": session.memory().total,
    }


async def checked(first_url, third_url, case_url):
    """Two outputs fed on, of which 64-bit integers have to be checked: what crossed, and what the session says."""
    case = await arrays(case_url)
    first, third = await opened([first_url, third_url])
    kept: dict[str, Any] = await first.run({"x": case["x"]}, keep=("h", "i"))
    with crossings() as found:
        outputs = await third.run(kept)
    far, told = agreement(outputs["z"], case["z"]), str(third.choice)
    for tensor in kept.values():
        tensor.dispose()
    for session in (first, third):
        session.dispose()
    return {"far": far, "crossed": list(found), "told": told}
