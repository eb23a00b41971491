"""intab.browser over the real JavaScript: fetching, files, WebAssembly, messages, and no proxy left behind."""

import pytest
from pytest_pyodide import run_in_pyodide

# (module (import "env" "memory" (memory 1)) (func (export "run") (param i32 i32)
#   (i32.store (local.get 0) (local.get 1))))
STORE = (
    "0061736d01000000010601 60027f7f00 020f0103656e76066d656d6f7279020001 03020100"
    " 0707010372756e0000 0a0b010900 20002001360200 0b"
)


@run_in_pyodide
async def wasm_story(selenium, module):
    from intab.browser.wasm import WasmMemory, instantiate
    from intab.errors import KernelError, OutOfMemoryError

    memory = WasmMemory(65536, 4 * 65536)
    memory.write(1000, memoryview(b"before"))
    instance = await instantiate(bytes.fromhex(module), memory)
    memory.grow_to(3 * 65536)
    out = bytearray(6)
    memory.read(1000, memoryview(out))
    instance.run(2 * 65536, 7)
    word = bytearray(4)
    memory.read(2 * 65536, memoryview(word))
    errors = []
    for action in (lambda: instance.run(4 * 65536, 1), lambda: memory.grow_to(5 * 65536)):
        try:
            action()
        except (KernelError, OutOfMemoryError) as error:
            errors.append(f"{type(error).__name__}: {error}")
    try:
        await instantiate(b"nonsense", memory)
    except KernelError as error:
        errors.append(str(error))
    instance.dispose()
    memory.dispose()
    return bytes(out).decode(), int.from_bytes(word, "little"), errors


def test_webassembly_shares_memory_with_python(selenium):
    kept, stored, errors = wasm_story(selenium, STORE)
    assert kept == "before"
    assert stored == 7
    assert "KernelError: browser: the generated module stopped" in errors[0]
    assert "out of bounds" in errors[0]
    assert "OutOfMemoryError: browser: WebAssembly memory could not grow from 196,608 to 327,680" in errors[1]
    assert "was refused (CompileError" in errors[2]


@run_in_pyodide
async def fetched(selenium, url):
    from intab.browser import net
    from intab.errors import DownloadError

    steps = []
    try:
        storage = await net.fetch(url, lambda *step: steps.append(step))
    except DownloadError as error:
        return "", steps, str(error)
    head = bytes(storage.read(0, 9)).decode("latin-1")
    nbytes = storage.nbytes
    storage.dispose()
    return head, steps, nbytes


def test_a_file_of_the_site_is_fetched_in_pieces(selenium):
    head, steps, nbytes = fetched(selenium, "/site/pyodide/python_stdlib.zip")
    assert head.startswith("PK")
    assert steps[-1] == ["download", nbytes, nbytes] or steps[-1] == ("download", nbytes, nbytes)
    assert [step[1] for step in steps] == sorted({step[1] for step in steps})


def test_a_missing_file_and_a_dead_server_say_so(selenium):
    _, _, message = fetched(selenium, "/site/nothing.onnx")
    assert "/site/nothing.onnx: the server answered 404" in message
    _, _, message = fetched(selenium, "http://127.0.0.1:9/nothing")
    assert "could not be reached (TypeError: Failed to fetch)" in message


@run_in_pyodide
async def leaks(selenium, module):
    import asyncio
    import gc

    import js
    import pyodide_js

    from intab.browser import files, net, proxies
    from intab.browser.messages import ReaderOpened
    from intab.browser.page import PageLink
    from intab.browser.wasm import WasmMemory, instantiate

    async def open_reader(arguments, progress):
        progress("compile", 1, 2)
        return ReaderOpened("wasm", "", 1, 1.0, 1.0)

    async def once():
        storage = await net.fetch("/site/site.json", lambda *step: None)
        storage.read(0, 10)
        storage.dispose()
        memory = WasmMemory(65536, 2 * 65536)
        instance = await instantiate(bytes.fromhex(module), memory)
        memory.grow_to(2 * 65536)
        instance.run(0, 1)
        instance.dispose()
        memory.dispose()
        blob = js.Blob.new(["abc"])
        assert files.is_file(blob)
        assert await files.read_bytes(blob) == b"abc"
        answers = js.Array.new()
        link = PageLink(lambda message, transfer: answers.push(message), {"open_reader": open_reader})
        message = '{"kind": "call", "id": 3, "method": "open_reader", "arguments": {}}'
        link.receive(js.JSON.parse(message))
        while answers.length < 2:
            await asyncio.sleep(0)
        assert answers[1].value.backend == "wasm"
        with proxies.proxied(lambda: None) as function:
            js.Reflect.apply(function, None, [])

    def alive():
        gc.collect()
        return pyodide_js._module.hiwire.num_keys(), pyodide_js._module.pyproxy_alloc_map.size, proxies.live()

    pyodide_js._module.enable_pyproxy_allocation_tracing()
    try:
        for _ in range(3):
            await once()
        before = alive()
        for _ in range(10):
            await once()
        after = alive()
    finally:
        pyodide_js._module.disable_pyproxy_allocation_tracing()
    return before, after


@pytest.mark.driver_timeout(60)
def test_ten_rounds_leave_nothing_behind(selenium):
    """Pyodide's own count of JavaScript objects held by Python and of Python objects held by JavaScript."""
    before, after = leaks(selenium, STORE)
    assert list(after) == list(before)


@run_in_pyodide
def features(selenium):
    from intab.browser import feature

    seen = feature.features()
    return [seen.cross_origin_isolated, seen.processors, seen.user_agent]


def test_features(selenium):
    isolated, processors, agent = features(selenium)
    assert isolated is True
    assert processors >= 1
    assert "Chrome" in agent


@run_in_pyodide
async def brought(selenium, name):
    from intab.browser.packages import load_packages
    from intab.errors import DownloadError

    try:
        await load_packages(name)
        await load_packages(name)
    except DownloadError as error:
        return str(error)
    from PIL import Image

    return Image.new("RGB", (3, 2)).size


def test_packages_of_the_site_are_loaded_on_demand(selenium):
    assert tuple(brought(selenium, "pillow")) == (3, 2)
    assert "nowhere: the package could not be loaded (Error: No known package" in brought(selenium, "nowhere")
