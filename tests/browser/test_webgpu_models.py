"""Whole models on Chromium's WebGPU (SwiftShader where there is no GPU), at several sizes, against onnxruntime."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from pytest_pyodide import run_in_pyodide

from tests.browser.proofs import Proofs
from tests.ocr_feeds import Native, picture_feeds, random_feeds
from tests.runtime.test_more_models import Feeds, feeds_of, material, native

TOLERANCE = 1e-3
# The others of the CPU engine's set take a minute of compiling each on SwiftShader: the bench compares them.
MODELS = ("cls", "silero", "magika", "minilm")
RUNS = 1000


@run_in_pyodide
async def disagreements(selenium, model_url, cases):
    """Case -> output -> how far it is, how the model was run, and the crossings of a run."""
    from intab.runtime import load
    from tests.agreement import agreement
    from tests.browser.inside.proofs import arrays

    far = {}
    async with await load(model_url, backend="webgpu") as session:
        for name, (feeds_url, expected_url) in cases.items():
            expected = await arrays(expected_url)
            found = await session.run(await arrays(feeds_url))
            far[name] = {output: agreement(found[output], expected[output]) for output in expected}
        return far, str(session.choice), session.stats().backend


@run_in_pyodide
async def many_runs(selenium, model_url, feeds_url, runs):
    """What is held after a few runs and after many, whether first and last answer are equal, and what is left."""
    from intab.backends.webgpu.device import shared_gpu
    from intab.runtime import load
    from tests.browser.inside.proofs import arrays, held

    feeds = await arrays(feeds_url)
    await shared_gpu()
    async with await load(model_url, backend="webgpu") as session:
        first = await session.run(feeds)
        for _ in range(5):
            await session.run(feeds)
        before = held()
        for _ in range(runs):
            last = await session.run(feeds)
        after = held()
    same = all(first[name].tobytes() == last[name].tobytes() for name in first)
    return before, after, same, session.memory().total


@run_in_pyodide
async def lost_in_mid_run(selenium, model_url, feeds_url):
    """How far a run is that meets the end of its device, from one before; and what the session says of it."""
    import asyncio

    from intab.backends.webgpu.device import shared_gpu
    from intab.runtime import load
    from tests.agreement import agreement
    from tests.browser.inside.proofs import arrays

    feeds = await arrays(feeds_url)
    async with await load(model_url, backend="webgpu") as session:
        (expected,) = (await session.run(feeds)).values()
        running = asyncio.ensure_future(session.run(feeds))
        await asyncio.sleep(0)
        (await shared_gpu())._device.js.destroy()
        (found,) = (await running).values()
        return agreement(found, expected), str(session.choice)


@run_in_pyodide
async def at_once(selenium, model_url, cases):
    """How far runs of one session are that are begun at once; the device is lost under some of them."""
    import asyncio

    from intab.backends.webgpu.device import shared_gpu
    from intab.runtime import load
    from tests.agreement import agreement
    from tests.browser.inside.proofs import arrays

    feeds = [await arrays(feeds_url) for feeds_url, _ in cases]
    expected = [await arrays(expected_url) for _, expected_url in cases]
    async with await load(model_url, backend="webgpu") as session:
        far = []
        for lose in (False, True):
            running = [asyncio.ensure_future(session.run(each)) for each in feeds]
            await asyncio.sleep(0)
            if lose:
                (await shared_gpu())._device.js.destroy()
            found = await asyncio.gather(*running)
            pairs = zip(found, expected, strict=True)
            far.append(max(agreement(one[name], other[name]) for one, other in pairs for name in other))
        return far, str(session.choice).count("loaded again")


def cases_of(model: str, path: Path, skimage_picture: Callable[[str], Path]) -> Iterator[tuple[str, Feeds, Feeds]]:
    """Name, feeds and what native onnxruntime makes of them."""
    if model == "cls":
        peer = Native(path.read_bytes())
        for feed in (*random_feeds(model), *picture_feeds(model, skimage_picture)):
            yield feed.name, {"x": feed.array}, {peer.output: peer.run(feed.array)}
        return
    names = [output.name for output in native(path).get_outputs()]
    for number, feeds in enumerate(feeds_of(model)):
        yield f"feeds {number}", feeds, dict(zip(names, native(path).run(names, feeds), strict=True))


@pytest.fixture(scope="module")
def served(
    proofs: Proofs, ocr_models: Mapping[str, Path], skimage_picture: Callable[[str], Path]
) -> dict[str, tuple[str, dict[str, tuple[str, str]]]]:
    """Model -> its address, and for each case the addresses of its feeds and of what is expected."""
    found = {}
    for model in MODELS:
        path = ocr_models["cls"] if model == "cls" else material(f"{model}.onnx")
        cases = {
            name: (
                proofs.serve_arrays(f"{model}-{number}-feeds.npz", **feeds),
                proofs.serve_arrays(f"{model}-{number}-expected.npz", **expected),
            )
            for number, (name, feeds, expected) in enumerate(cases_of(model, path, skimage_picture))
        }
        found[model] = proofs.serve(f"{model}-gpu.onnx", path.read_bytes()), cases
    return found


@pytest.mark.driver_timeout(300)
@pytest.mark.parametrize("model", MODELS)
def test_agrees_with_native(selenium, served, model):
    url, cases = served[model]
    far, choice, backend = disagreements(selenium, url, cases)
    assert len(far) >= 2
    assert max(max(outputs.values()) for outputs in far.values()) <= TOLERANCE, far
    assert backend == "webgpu", choice


@pytest.mark.driver_timeout(300)
def test_many_runs_leave_nothing_behind(selenium, served):
    url, cases = served["silero"]
    before, after, same, left = many_runs(selenium, url, next(iter(cases.values()))[0], RUNS)
    growing = {kind: (before[kind], after[kind]) for kind in before if kind.startswith("open: ")}
    assert all(first == last for first, last in growing.values()), growing
    assert any("gpu" in kind for kind in growing), growing
    assert same and left == 0


@pytest.mark.driver_timeout(300)
def test_a_device_lost_in_mid_run_is_replaced(selenium, served):
    url, cases = served["cls"]
    far, choice = lost_in_mid_run(selenium, url, next(iter(cases.values()))[0])
    assert far <= 1e-6
    assert "loaded again, since the device was lost" in choice


@pytest.mark.driver_timeout(300)
def test_runs_begun_at_once_do_not_meet(selenium, served):
    url, cases = served["silero"]
    far, times_rebuilt = at_once(selenium, url, list(cases.values()))
    assert max(far) <= TOLERANCE
    assert times_rebuilt == 1
