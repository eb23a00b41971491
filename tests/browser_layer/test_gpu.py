"""GPU devices, over a stand-in for the browser: what crosses, and what errors become; tests/browser has real ones."""

import asyncio
import gc
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from intab.browser.gpu import Gpu, GpuCall, GpuCopy, GpuPipeline, GpuShader, request_gpu
from intab.errors import BackendUnavailableError, DeviceLostError, IntabError, KernelError, OutOfMemoryError
from tests.browser_layer.stand_in import NULL, JsError, StandIn
from tests.browser_layer.stand_in_gpu import COPY_DST, COPY_SRC, LIMITS, STORAGE, UNIFORM, Browser


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def browser(way: StandIn) -> Browser:
    return Browser(way)


@pytest.fixture
def gpu(browser: Browser) -> Any:
    gpu = run(request_gpu())
    yield gpu
    browser.script.error = None
    gpu.dispose()


def made(gpu: Gpu, *sizes: tuple[str, int], uniform: bool = False) -> Any:
    return run(gpu.buffers(sizes, uniform=uniform))


def test_a_device_has_what_the_adapter_has(browser: Browser, gpu: Gpu):
    assert browser.requested["requiredLimits"] == LIMITS
    assert browser.requested["requiredFeatures"] == ["timestamp-query", "subgroups"]
    assert gpu.info.features == {"timestamp-query", "subgroups"}
    assert (gpu.info.vendor, gpu.info.is_software, gpu.lost) == ("intel", False, None)


def test_no_gpu_says_why(way: StandIn):
    with pytest.raises(BackendUnavailableError, match="this browser does not have it.*Use backend="):
        run(request_gpu())
    way.js.isSecureContext = False
    with pytest.raises(BackendUnavailableError, match="from https:// or localhost only"):
        run(request_gpu())
    Browser(way, adapter=NULL)
    way.js.navigator.gpu.requestAdapter = refuse
    with pytest.raises(BackendUnavailableError, match="graphics acceleration turned off"):
        run(request_gpu())
    Browser(way, refusal=JsError("OperationError", "too many devices"))
    with pytest.raises(BackendUnavailableError, match=r"\(OperationError: too many devices\). Close other tabs"):
        run(request_gpu())


async def refuse(options: Any) -> Any:
    return None


def test_buffers_are_whole_units_and_never_empty(browser: Browser, gpu: Gpu):
    buffers = made(gpu, ("none", 0), ("some", 17)) + made(gpu, ("words", 12), uniform=True)
    storage, uniform = STORAGE | COPY_SRC | COPY_DST, UNIFORM | COPY_SRC | COPY_DST
    assert browser.script.asked == [([["none", 16, storage], ["some", 32, storage]],), ([["words", 512, uniform]],)]
    assert [buffer.nbytes for buffer in buffers] == [0, 17, 12]
    for buffer in buffers:
        buffer.destroy()
        buffer.destroy()


@pytest.mark.parametrize(
    "name, message, error, words",
    [
        ("memory", "full", OutOfMemoryError, "second: 5 bytes of GPU memory cannot be had (full)"),
        ("kernel", "bad", OutOfMemoryError, "second: 5 bytes of GPU memory cannot be had (bad)"),
        ("lost", "crash.", DeviceLostError, "making GPU buffers: the GPU device was lost (crash)"),
    ],
)
def test_buffers_that_cannot_be_had(browser: Browser, gpu: Gpu, name: str, message: str, error: type, words: str):
    browser.script.error = JsError(name, message)
    browser.script.error.index = 1  # type: ignore[attr-defined]
    with pytest.raises(error) as raised:
        made(gpu, ("first", 4), ("second", 5))
    assert str(raised.value).startswith(words)


def test_a_buffer_above_the_limit_is_not_asked_for(browser: Browser, gpu: Gpu):
    with pytest.raises(OutOfMemoryError, match="large: 1,048,577 bytes .* has 1,048,576 bytes at most"):
        made(gpu, ("small", 4), ("large", (1 << 20) + 1))
    assert browser.script.asked == []


def test_shaders_that_are_refused_say_where(gpu: Gpu):
    shaders = [GpuShader("good", "right", ("read",)), GpuShader("bad", "wrong", ())]
    good, bad = run(gpu.try_pipelines(shaders))
    assert isinstance(good, GpuPipeline) and good.js == ("pipeline", "good")
    assert isinstance(bad, KernelError)
    with pytest.raises(KernelError, match=r"shader bad: the GPU refused it \(3:1: no such name\)"):
        run(gpu.pipelines(shaders))


def test_equal_shaders_share_a_pipeline_while_it_is_held(browser: Browser, gpu: Gpu):
    shaders = [GpuShader("a", "text", ("read",)), GpuShader("b", "text", ("read",)), GpuShader("c", "text", ())]
    first, second, third = run(gpu.pipelines(shaders))
    assert first is second and first is not third
    assert run(gpu.pipelines(shaders[1:])) == [first, third]
    assert [[name for name, *_ in specs] for (specs,) in browser.script.asked] == [["a", "c"], []]
    del first, second, third
    gc.collect()
    run(gpu.pipelines(shaders[:1]))
    assert [name for name, *_ in browser.script.asked[-1][0]] == ["a"]


def calls_of(pipelines: Sequence[GpuPipeline], buffers: Sequence[Any]) -> list[GpuCall]:
    one, other = pipelines
    first, second = buffers
    return [
        GpuCall(one, (first, second), 0, 8, (3, 1, 1)),
        GpuCall(other, (first, second), 256, 256, (0, 1, 1)),
        GpuCall(one, (second, first), 512, 257, (4, 5, 6)),
    ]


def test_calls_that_bind_the_same_share_a_bind_group(browser: Browser, gpu: Gpu):
    access = ("read", "read_write")
    pipelines = run(gpu.pipelines([GpuShader(name, name, access) for name in ("one", "other")]))
    buffers = made(gpu, ("first", 64), ("second", 64))
    (words,) = made(gpu, ("words", 1024), uniform=True)
    commands = run(gpu.commands(calls_of(pipelines, buffers), words))
    named, bound, bindings, seen, table, offsets, of_words = browser.script.asked[-1]
    assert named == [("pipeline", "one"), ("pipeline", "other")]
    assert bound == [buffer.js for buffer in buffers] and of_words is words.js
    assert bindings == [[0, 256, 0, 1], [0, 512, 1, 0]] and seen == [[], []]
    assert list(memoryview(table.to_bytes()).cast("I")) == [0, 0, 3, 1, 1, 1, 0, 0, 1, 1, 0, 1, 4, 5, 6]
    assert list(memoryview(offsets.to_bytes()).cast("I")) == [0, 256, 512]
    first, second = buffers
    results = run(commands.run(1, 3, uploads=[(first, 8, memoryview(b"abc"))], downloads=[(second, 2, 3)]))
    assert results == [b"\0\1\2"]
    assert browser.script.asked[-1] == (1, 3, [(8, b"abc")], [[second.js, 2, 3]], [], [])
    run(commands.run(0, 1, before=[GpuCopy(first, 4, second, 8, 12)], after=[GpuCopy(second, 0, first, 0, 64)]))
    copied = [[first.js, 4, second.js, 8, 12]], [[second.js, 0, first.js, 0, 64]]
    assert browser.script.asked[-1] == (0, 1, [], [], *copied)
    with pytest.raises(KernelError, match="first: 4 bytes at offset 2 are to be copied, and WebGPU copies words of 4"):
        run(commands.run(0, 1, before=[GpuCopy(first, 2, second, 0, 4)]))
    with pytest.raises(KernelError, match="second: 4 bytes at offset 64 lie outside"):
        run(commands.run(0, 1, after=[GpuCopy(first, 0, second, 64, 4)]))
    assert (browser.script.released, commands.encode_ms) == (2, 0.25)
    commands.dispose()
    for buffer in (*buffers, words):
        buffer.destroy()


def test_words_outside_their_buffer_are_refused(gpu: Gpu):
    pipelines = run(gpu.pipelines([GpuShader(name, name, ()) for name in ("one", "other")]))
    buffers = made(gpu, ("first", 64), ("second", 64))
    (words,) = made(gpu, ("words", 256), uniform=True)
    with pytest.raises(KernelError, match="words: 512 bytes at offset 512 lie outside a GPU buffer of 256 bytes"):
        run(gpu.commands(calls_of(pipelines, buffers), words))
    for buffer in (*buffers, words):
        buffer.destroy()


@pytest.mark.parametrize(
    "error, kind, words",
    [
        (
            JsError("kernel", "it is\n invalid"),
            KernelError,
            "writing 4 bytes to some: the GPU refused it (it is invalid)",
        ),
        (JsError("TypeError", "no such buffer"), KernelError, "the GPU refused it (TypeError: no such buffer)"),
        (JsError("memory", "full"), OutOfMemoryError, "writing 4 bytes to some: the GPU has no memory for it (full)"),
        (JsError("lost", "gone"), DeviceLostError, "writing 4 bytes to some: the GPU device was lost (gone)"),
    ],
)
def test_failures_become_errors_of_intab(browser: Browser, gpu: Gpu, error: JsError, kind: type, words: str):
    (buffer,) = made(gpu, ("some", 4))
    browser.script.error = error
    with pytest.raises(kind) as raised:
        gpu.write(buffer, 0, memoryview(b"abcd"))
    assert words in str(raised.value)
    buffer.destroy()


def test_a_lost_device_is_not_asked_for_anything(browser: Browser, gpu: Gpu):
    (buffer,) = made(gpu, ("some", 4))
    browser.script.lost = "crashed"
    before = len(browser.script.asked)
    with pytest.raises(DeviceLostError, match="writing 4 bytes to some: the GPU device was lost"):
        gpu.write(buffer, 0, memoryview(b"abcd"))
    with pytest.raises(DeviceLostError, match=r"compiling 1 shader: the GPU device was lost \(crashed\)"):
        run(gpu.pipelines([GpuShader("late", "", ())]))
    assert gpu.lost == "crashed"
    assert len(browser.script.asked) == before
    buffer.destroy()


def test_a_device_that_was_disposed_of_is_gone(browser: Browser, gpu: Gpu):
    gpu.dispose()
    gpu.dispose()
    assert browser.script.asked == [("close",)]
    with pytest.raises(IntabError, match=r"the GPU device was lost \(it was disposed of\)"):
        made(gpu, ("late", 4))
