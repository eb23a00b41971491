"""Tensors that stay on a GPU, over a stand-in for the browser: what crosses, and which buffers there are."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from intab.backends.device_tensor import DeviceTensor
from intab.backends.webgpu.device import target_of
from intab.backends.webgpu.executable import WebGpuExecutable, prepare
from intab.backends.webgpu.kept import SPARE_BUFFERS, KeptBuffers
from intab.backends.webgpu.shaders import shaders_of
from intab.browser import proxies
from intab.browser.gpu import Gpu, request_gpu
from intab.errors import DeviceLostError, DTypeError, IntabError
from intab.graph.parse import parse_graph
from intab.ops.inference import infer
from intab.program import build
from intab.target import HALVES
from tests.browser_layer.stand_in import JsError, Uint8Array, stand_in
from tests.browser_layer.stand_in_gpu import Browser

TEXT = "graph g(%x: f32[N, 4]) -> (y = %y, z = %z) {\n  %y = Exp(%x)\n  %z = Sin(%y)\n}"
X = np.arange(8, dtype=np.float32).reshape(2, 4)
SIZES = {"N": 2}


@pytest.fixture
def browser() -> Iterator[Browser]:
    before = proxies.live()
    with stand_in() as way:
        yield Browser(way)
        assert proxies.live() == before, "handles were left open"


@pytest.fixture
def gpu(browser: Browser) -> Iterator[Gpu]:
    gpu = asyncio.run(request_gpu())
    yield gpu
    browser.script.error = None
    gpu.dispose()


def made(gpu: Gpu) -> WebGpuExecutable:
    program = build(parse_graph(TEXT, infer=infer), target_of(gpu.info))
    return asyncio.run(prepare(program, gpu, shaders_of(program)))


@pytest.fixture
def executable(gpu: Gpu) -> Iterator[WebGpuExecutable]:
    one = made(gpu)
    yield one
    one.dispose()


def kept(executable: WebGpuExecutable, feed: Any = X, fetches: tuple[str, ...] = (), keep: tuple[str, ...] = ("y",)):
    return asyncio.run(executable.run_keeping({"x": feed}, SIZES, fetches, keep))


def test_what_is_kept_is_copied_and_fed_in_the_same_crossing(browser: Browser, executable: WebGpuExecutable):
    tensor = kept(executable)["y"]
    assert isinstance(tensor, DeviceTensor) and (tensor.shape, tensor.backend) == ((2, 4), "webgpu")
    first, end, uploads, downloads, before, after = browser.script.asked[-1]
    assert (first, end, [len(data) for _, data in uploads], downloads, before) == (0, 2, [32], [], [])
    ((_, _, own, at, nbytes),) = after
    assert (own, at, nbytes) == (tensor.held().buffer.js, 0, 32)  # type: ignore[attr-defined]
    asked = len(browser.script.asked)
    found = kept(executable, tensor, ("z",), ())
    assert list(found) == ["z"] and isinstance(found["z"], np.ndarray)
    assert len(browser.script.asked) == asked + 1
    _, _, uploads, downloads, before, after = browser.script.asked[-1]
    assert (uploads, len(downloads), after) == ([], 1, [])
    assert [copy[:2] + copy[4:] for copy in before] == [[own, 0, 32]] and before[0][2] is not own
    tensor.dispose()


def test_what_is_fetched_too_is_read_in_the_same_crossing(browser: Browser, executable: WebGpuExecutable):
    tensor = kept(executable, fetches=("y",))["y"]
    asked = len(browser.script.asked)
    assert len(browser.script.asked[-1][3]) == 1
    assert asyncio.run(tensor.numpy()).shape == (2, 4) and len(browser.script.asked) == asked
    tensor.dispose()


def test_buffers_are_used_again(browser: Browser, executable: WebGpuExecutable):
    kept(executable, keep=("y", "z"))["y"].dispose()
    asked, nbytes = len(browser.script.asked), executable.memory().kept
    assert nbytes == 512
    for _ in range(5):
        for tensor in kept(executable, keep=("y", "z")).values():
            tensor.dispose()
    assert (len(browser.script.asked), executable.memory().kept) == (asked + 5, nbytes)
    assert executable.kept_names() == ()


def test_no_more_than_a_few_buffers_wait(gpu: Gpu):
    buffers = KeptBuffers(gpu, "model")
    taken = asyncio.run(buffers.take([("y", 4)] * (SPARE_BUFFERS + 3)))
    assert buffers.names == ("y",) * len(taken)
    for buffer in taken:
        buffers.give_back(buffer)
    assert buffers.nbytes == SPARE_BUFFERS * 256
    assert asyncio.run(buffers.take([("large", 1025)]))[0].nbytes == 1280, "none that waits is large enough"
    assert asyncio.run(buffers.take([("small", 0)]))[0] in taken
    buffers.close()
    assert len(buffers.names) == 2
    for buffer in list(buffers._held):
        buffers.give_back(buffer)
    assert buffers.nbytes == 0


def test_a_tensor_outlives_its_session(gpu: Gpu, browser: Browser):
    executable = made(gpu)
    tensor = kept(executable)["y"]
    executable.dispose()
    assert executable.memory().total == executable.memory().kept == 256
    assert asyncio.run(tensor.numpy()).shape == (2, 4)
    tensor.dispose()
    assert executable.memory().total == 0


def test_a_run_that_fails_keeps_nothing(browser: Browser, executable: WebGpuExecutable):
    kept(executable)["y"].dispose()
    browser.script.error = JsError("kernel", "bad")
    with pytest.raises(IntabError, match="bad"):
        kept(executable)
    assert (executable.kept_names(), executable.memory().kept) == ((), 256)


def test_a_tensor_of_another_device_is_not_taken(browser: Browser, executable: WebGpuExecutable):
    gpu = asyncio.run(request_gpu())
    other = made(gpu)
    tensor = kept(other)["y"]
    assert isinstance(tensor, DeviceTensor)
    assert executable.why_read("x", tensor) == "it lies on another device"
    assert other.why_read("x", tensor) == ""
    kept(executable, tensor)["y"].dispose()
    _, _, uploads, _, before, _ = browser.script.asked[-1]
    assert (len(uploads), before) == (1, [])
    other.dispose()
    gpu.dispose()
    assert "lost" in repr(tensor)
    with pytest.raises(DeviceLostError, match=r"The kept tensor 'y' float32\[2, 4\] was lost with its device"):
        asyncio.run(tensor.numpy())
    tensor.dispose()


def in_halves(gpu: Gpu) -> WebGpuExecutable:
    target = target_of(gpu.info)
    target = replace(target, features=target.features | {HALVES, "shader-f16"})
    program = build(parse_graph(TEXT, infer=infer), target)
    return asyncio.run(prepare(program, gpu, shaders_of(program)))


def answer_nan(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def ticket(downloads: list[Any]) -> Any:
        async def ready() -> list[Uint8Array]:
            return [Uint8Array(bytearray(b"\xff" * nbytes)) for _, _, nbytes in downloads]

        return SimpleNamespace(ready=ready(), release=lambda: None)

    monkeypatch.setattr(browser.script, "_ticket", ticket)


def test_nan_in_halves_is_told_when_it_is_read(browser: Browser, gpu: Gpu, monkeypatch: pytest.MonkeyPatch):
    executable = in_halves(gpu)
    answer_nan(browser, monkeypatch)
    tensor = kept(executable)["y"]
    assert isinstance(tensor, DeviceTensor)
    with pytest.raises(DTypeError, match="'y' holds NaN"):
        asyncio.run(tensor.numpy())
    tensor.dispose()
    told = kept(executable, X * np.float32(np.nan))["y"]
    assert isinstance(told, DeviceTensor)
    assert np.isnan(asyncio.run(told.numpy())).all(), "what is fed as NaN may come out as NaN"
    told.dispose()
    with pytest.raises(DTypeError, match="'z' holds NaN"):
        kept(executable, fetches=("z",))
    assert executable.kept_names() == (), "the run that failed keeps nothing"
    executable.dispose()


def made_slow(browser: Browser, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None], at: int = 0) -> None:
    """Have something happen while buffers are made for the time `at`, from 0 on."""
    create, times = browser.script.createBuffers, count()

    def slow(wanted: list[Any]) -> Any:
        async def ready() -> list[Any]:
            await asyncio.sleep(0)
            if next(times) == at:
                meanwhile()
            return await create(wanted).ready  # type: ignore[no-any-return]

        return SimpleNamespace(ready=ready())

    monkeypatch.setattr(browser.script, "createBuffers", slow)


@pytest.mark.parametrize("at", [0, 1, 2])  # pages, words, and what is kept
def test_a_session_disposed_of_in_mid_run_leaves_nothing(
    at: int, browser: Browser, gpu: Gpu, monkeypatch: pytest.MonkeyPatch
):
    executable = made(gpu)
    made_slow(browser, monkeypatch, executable.dispose, at)
    if at == 0:
        kept(executable)["y"].dispose()
    else:
        with pytest.raises(IntabError, match="this session was disposed of"):
            kept(executable)
    assert executable.memory().total == 0
    with pytest.raises(IntabError, match="this session was disposed of"):
        kept(executable)


def test_a_tensor_disposed_of_before_its_copy_is_submitted(browser: Browser, gpu: Gpu, monkeypatch: pytest.MonkeyPatch):
    executable = made(gpu)
    tensor = kept(executable)["y"]
    assert isinstance(tensor, DeviceTensor)
    made_slow(browser, monkeypatch, tensor.dispose)
    asked = len(browser.script.asked)
    with pytest.raises(IntabError, match="The kept tensor 'y'.* was disposed of"):
        kept(executable, tensor)
    assert len(browser.script.asked) == asked + 1, "only a buffer was made"
    assert executable.kept_names() == ()
    executable.dispose()
