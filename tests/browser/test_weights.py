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
