"""backend="auto" in real Chromium: what the device is found or made out to be decides, and the answer is the same."""

import pytest
from pytest_pyodide import run_in_pyodide

MODEL = "/site/models/ocr/cls.onnx"
HARDWARE = "nvidia"


@run_in_pyodide
async def loaded(selenium, url, vendor, arguments):
    """What is chosen, and how far its outputs are from those of WebAssembly; `vendor`: of a GPU taken for hardware."""
    from dataclasses import replace

    import numpy as np

    import intab
    from intab.errors import IntabError
    from intab.runtime import probe

    probe._known = None
    device = await probe.probe_to_compute()
    if vendor:
        assert device.webgpu is not None
        probe._known = replace(device, webgpu=replace(device.webgpu, vendor=vendor, is_software=False))
    try:
        session = await intab.load(url, **arguments)
    except IntabError as error:
        return [type(error).__name__, str(error)]
    finally:
        probe._known = None
    first = session.choice.backend
    feeds = {session.inputs[0].name: np.random.default_rng(3).standard_normal((2, 3, 48, 192)).astype(np.float32)}
    exact = await intab.load(url, backend="wasm", threads=1)
    off = max(
        float(np.abs(one - other).max())
        for one, other in zip((await session.run(feeds)).values(), (await exact.run(feeds)).values(), strict=True)
    )
    told = [first, str(session.choice), session.choice.table(), session.stats().adapter, off]
    session.dispose()
    exact.dispose()
    return told


def test_a_software_adapter_leaves_the_work_to_webassembly(selenium):
    backend, choice, _, adapter, off = loaded(selenium, MODEL, None, {})
    assert (backend, adapter) == ("wasm", "")
    assert "not webgpu: the adapter is software" in choice
    assert "sizes taken for granted" not in choice, "the model was looked at, though nothing depended on it"
    assert off < 1e-4


def test_a_gpu_gets_what_is_faster_there(selenium):
    """The device is made out to be a card; it is the software adapter all the same that computes."""
    backend, choice, table, adapter, off = loaded(selenium, MODEL, HARDWARE, {})
    assert backend == "webgpu"
    assert "by wasm about" in choice and "sizes taken for granted: x:0=1" in choice
    # A card would be about as fast as WebAssembly with so small a model, so that the first run was timed both ways.
    assert "a run was timed, since it was close: webgpu" in choice
    assert bool(adapter) == choice.startswith("webgpu: ")
    assert [line.split()[0] for line in table.splitlines()[1:]] == ["wasm", "webgpu", "reference"]
    assert off < 1e-4


@pytest.mark.parametrize(
    "arguments, words",
    [({"backend": "wasm"}, "wasm: asked for"), ({"threads": 2}, "not webgpu: it has one thread, not 2")],
)
def test_what_is_asked_for_is_done(selenium, arguments: dict[str, object], words: str):
    backend, choice, *_ = loaded(selenium, MODEL, HARDWARE, arguments)
    assert backend == "wasm"
    assert words in choice


def test_a_file_that_is_no_model_is_told_as_ever(selenium):
    name, words = loaded(selenium, "/site/site.json", HARDWARE, {})
    assert name == "ModelFormatError"
    assert "site.json" in words
