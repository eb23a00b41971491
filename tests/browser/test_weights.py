"""Weights in Chromium: from the downloaded bytes into linear memory, hardly any of them through Python."""

import pytest
from pytest_pyodide import run_in_pyodide

MODELS = ("det", "rec")


@run_in_pyodide
async def bytes_copied(selenium, url):
    """Bytes of weights in memory, bytes of the model and of others that Python has held, and files still open."""
    from unittest.mock import patch

    import intab
    from intab.browser import proxies
    from intab.browser.net import JsStorage
    from intab.browser.wasm import WasmMemory

    seen = {"read": 0, "written": 0}
    read, write = JsStorage.read, WasmMemory.write

    def counted_read(self, offset, nbytes):
        seen["read"] += nbytes
        return read(self, offset, nbytes)

    def counted_write(self, address, data):
        seen["written"] += data.nbytes
        return write(self, address, data)

    with patch.object(JsStorage, "read", counted_read), patch.object(WasmMemory, "write", counted_write):
        async with await intab.load(url) as session:
            return session.memory().weights, seen["read"], seen["written"], proxies.live().get("storage", 0)


@pytest.mark.parametrize("name", MODELS)
def test_weights_do_not_pass_through_python(selenium, name):
    weights, held, written, storages = bytes_copied(selenium, f"/site/models/ocr/{name}.onnx")
    assert weights > 9_000_000
    assert held < 0.2 * weights  # graph, small weights and the characters in the metadata
    assert written < 0.2 * weights
    assert storages == 0  # the file's bytes went when the weights were in place


@run_in_pyodide
async def answers_of_kinds(selenium, url):
    """What a model answers, given as each kind of file or buffer that JavaScript has, and what stays open."""
    import js
    import numpy as np

    import intab
    from intab.browser import proxies

    buffer = await (await js.fetch(url)).arrayBuffer()
    whole = js.Uint8Array.new(buffer)
    wider = js.Uint8Array.new(buffer.byteLength + 5)
    wider.set(whole, 3)
    shared = js.SharedArrayBuffer.new(buffer.byteLength)
    js.Uint8Array.new(shared).set(whole)
    kinds = {
        "buffer": buffer,
        "array": whole,
        "part": wider.subarray(3, 3 + buffer.byteLength),
        "clamped": js.Uint8ClampedArray.new(wider.buffer, 3, buffer.byteLength),
        "shared": shared,
        "file": js.File.new([buffer], "model.onnx"),
    }
    answers = {}
    for kind, source in kinds.items():
        async with await intab.load(source, threads=1, programs=intab.BrowserStore()) as session:
            (scores,) = (await session.run({"x": np.full((1, 3, 48, 192), 0.25, np.float32)})).values()
            answers[kind] = scores.tobytes(), str(session.choice), proxies.live().get("storage", 0)
    await intab.BrowserStore(most=0).put("", b"")
    return answers


def test_a_model_may_be_any_file_or_buffer(selenium):
    answers = answers_of_kinds(selenium, "/site/models/ocr/cls.onnx")
    expected = answers["buffer"][0]
    for kind, (answer, choice, storages) in answers.items():
        assert answer == expected, kind
        assert ("compiled earlier" in choice) == (kind != "buffer"), choice  # all have the same digest
        assert storages == 0, kind
