"""Weights on the browser's WebGPU: from the downloaded bytes into GPU memory, hardly any of them through Python."""

import pytest
from pytest_pyodide import run_in_pyodide

MODELS = ("ocr/det", "ocr/rec")


@run_in_pyodide
async def bytes_copied(selenium, url):
    """Bytes of weights on the GPU, bytes of the model and of others that Python has held, and files still open."""
    from unittest.mock import patch

    import pyodide_js

    import intab
    from intab.browser import proxies
    from intab.browser.gpu import Gpu
    from intab.browser.net import JsStorage

    seen = {"read": 0, "written": 0}
    read, write = JsStorage.read, Gpu.write

    def counted_read(self, offset, nbytes):
        seen["read"] += nbytes
        return read(self, offset, nbytes)

    def counted_write(self, buffer, offset, data):
        seen["written"] += data.nbytes
        return write(self, buffer, offset, data)

    before = pyodide_js._module.HEAPU8.byteLength
    with patch.object(JsStorage, "read", counted_read), patch.object(Gpu, "write", counted_write):
        async with await intab.load(url, backend="webgpu") as session:
            grown = pyodide_js._module.HEAPU8.byteLength - before
            return session.memory().weights, seen["read"], seen["written"], proxies.live().get("storage", 0), grown


@pytest.mark.driver_timeout(120)
@pytest.mark.parametrize("name", MODELS)
def test_weights_do_not_pass_through_python(selenium, name):
    weights, held, written, storages, grown = bytes_copied(selenium, f"/site/models/{name}.onnx")
    print(f"{name}: {weights:,} bytes of weights, {held:,} read, {written:,} written, heap grew by {grown:,}")
    assert weights > 9_000_000
    assert held < 0.2 * weights  # graph, small weights and the characters in the metadata
    assert written < 0.2 * weights
    assert storages == 0  # the file's bytes went when the weights were in place
