"""Where estimates are close both ways run the first feeds, and the faster one stays."""

import asyncio
import gc
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import ref

import numpy as np
import pytest
from onnx import TensorProto, helper

from intab.backends.device_tensor import DeviceTensor
from intab.backends.engine import Executable
from intab.errors import IntabError, OutOfMemoryError
from intab.program import Program
from intab.runtime import Session, choose, contest
from intab.runtime.back_end import Progress
from intab.runtime.cache import MemoryPrograms
from intab.runtime.device import wasm_pool
from intab.runtime.remembered import PREFIX
from tests.agreement import assert_agree
from tests.runtime.automatic import Load, loading_on
from tests.runtime.devices import LAPTOP
from tests.runtime.test_parts import StandIn, Watched, X, model
from tests.runtime.test_weighing import products

pytestmark = pytest.mark.wasmtime
FEED = {"x": np.random.default_rng(2).standard_normal((512, 1024)).astype(np.float32)}
FASTER, SLOWER = 5.0, 20.0


@pytest.fixture
def gpu() -> StandIn:
    return StandIn()


@pytest.fixture
def loaded(gpu: StandIn, monkeypatch: pytest.MonkeyPatch) -> Load:
    """On a laptop, where the GPU is thought to be faster, though not by much."""
    monkeypatch.setattr(choose, "CLOSE", 1e6)
    return loading_on(LAPTOP, gpu, monkeypatch)


def times_are(monkeypatch: pytest.MonkeyPatch, **ms: float) -> list[str]:
    """How long runs take, whatever they do; which were timed."""
    asked: list[str] = []

    async def timed(
        executable: Executable, feeds: Mapping[str, Any], sizes: Mapping[str, int], names: Sequence[str]
    ) -> float:
        asked.append(executable.backend)
        return ms[executable.backend]

    monkeypatch.setattr(contest, "_timed", timed)
    return asked


def about_times(session: Session) -> list[str]:
    return [reason for reason in session.choice.reasons if reason.startswith("a run was timed")]


def test_both_run_the_first_feeds_and_the_faster_one_stays(
    loaded: Load, gpu: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, programs = times_are(monkeypatch, webgpu=SLOWER, wasm=FASTER), MemoryPrograms()
    used = wasm_pool().used_nbytes
    session = loaded(products(), programs=programs)
    assert session.choice.backend == "webgpu" and session.stats().adapter == "a stand-in"
    first = asyncio.run(session.run(FEED))
    assert asked == ["webgpu", "wasm"]
    assert (session.choice.backend, session.stats().backend, session.stats().adapter) == ("wasm", "wasm", "")
    assert about_times(session) == ["a run was timed, since it was close: webgpu 20 ms, wasm 5.0 ms"]
    assert [one.measured_ms for one in session.choice.candidates] == [FASTER, SLOWER, None]
    assert_agree(asyncio.run(session.run(FEED)), first, 1e-5)
    assert len(asked) == 2, "it is decided once"
    session.dispose()
    assert wasm_pool().used_nbytes == used
    again = loaded(products(), programs=programs)
    asyncio.run(again.run(FEED))
    assert again.choice.backend == "wasm" and "decided at an earlier visit" in again.choice.reasons
    assert about_times(again) and len(asked) == 2
    again.dispose()


def test_what_was_chosen_stays_where_it_is_the_faster_one(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    times_are(monkeypatch, webgpu=FASTER, wasm=SLOWER)
    session = loaded(products())
    asyncio.run(session.run(FEED))
    assert session.choice.backend == "webgpu" and about_times(session)
    session.dispose()


def test_the_times_are_real(loaded: Load) -> None:
    session = loaded(products())
    asyncio.run(session.run(FEED))
    measured = [one.measured_ms for one in session.choice.candidates if one.backend != "reference"]
    assert len(measured) == 2 and all(ms is not None and ms > 0 for ms in measured)
    session.dispose()


def test_runs_that_come_together_are_settled_by_one(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = times_are(monkeypatch, webgpu=SLOWER, wasm=FASTER)
    session = loaded(products())

    async def together() -> list[dict[str, np.ndarray]]:
        return await asyncio.gather(*(session.run(FEED) for _ in range(3)))

    one, *others = asyncio.run(together())
    for other in others:
        assert_agree(other, one, 1e-5)
    assert asked == ["webgpu", "wasm"]
    session.dispose()


def test_a_rival_that_cannot_be_made_ready_is_told(loaded: Load, gpu: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    times_are(monkeypatch, wasm=FASTER)

    async def fails(program: Program, module: bytes, progress: Progress) -> Executable:
        raise OutOfMemoryError("no buffer of 4 MB")

    monkeypatch.setattr(gpu, "prepare", fails)
    session = loaded(product())
    assert session.choice.backend == "wasm"
    asyncio.run(session.run({"x": X}))
    assert session.choice.backend == "wasm"
    assert "tried, and failed: no buffer of 4 MB" in session.choice.table()
    session.dispose()


def test_a_run_that_is_cancelled_while_the_choice_is_kept_leaves_the_winner(
    loaded: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(MemoryPrograms):
        async def put(self, key: str, data: bytes) -> None:
            if key.startswith(PREFIX):
                await asyncio.Event().wait()
            await super().put(key, data)

    times_are(monkeypatch, webgpu=SLOWER, wasm=FASTER)
    used = wasm_pool().used_nbytes
    session = loaded(products(), programs=Slow())

    async def cancelled() -> None:
        run = asyncio.ensure_future(session.run(FEED))
        async with asyncio.timeout(30):
            while session.choice.backend != "wasm":
                await asyncio.sleep(0.001)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(cancelled())
    assert session.stats().backend == "wasm" and session.run_sync(FEED)["y"].shape == (512, 1024)
    session.dispose()
    assert wasm_pool().used_nbytes == used


def test_a_session_disposed_of_while_it_is_made_anew_leaves_nothing(
    loaded: Load, gpu: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    times_are(monkeypatch, webgpu=FASTER, wasm=SLOWER)
    session = loaded(products())
    used, prepare = wasm_pool().used_nbytes, gpu.prepare

    async def disposed_meanwhile(program: Program, module: bytes, progress: Progress) -> Executable:
        session.dispose()
        return await prepare(program, module, progress)

    monkeypatch.setattr(gpu, "prepare", disposed_meanwhile)
    gpu.made[0].lost = True
    with pytest.raises(IntabError, match="this session was disposed of"):
        asyncio.run(session.run(FEED))
    assert len(gpu.made) == 2 and wasm_pool().used_nbytes < used
    with pytest.raises(IntabError, match="disposed of"):
        asyncio.run(gpu.made[1].run(FEED, {}, ["y"]))


def product() -> bytes:
    """One that is sooner done than a GPU is asked."""
    return model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": (TensorProto.FLOAT, ["N", 64])}, "y")


def test_what_is_kept_on_a_device_puts_it_off(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = times_are(monkeypatch, webgpu=SLOWER, wasm=FASTER)
    session = loaded(products())
    kept = asyncio.run(session.run(FEED, keep=["y"]))["y"]
    assert not asked and session.choice.backend == "webgpu"
    assert isinstance(kept, DeviceTensor)
    kept.dispose()
    session.run_sync(FEED)
    assert not asked, "who cannot wait is not made to"
    asyncio.run(session.run(FEED))
    assert asked == ["webgpu", "wasm"]
    session.dispose()


def test_the_bytes_of_the_model_go_with_the_contest_or_the_session(
    loaded: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    times_are(monkeypatch, webgpu=SLOWER, wasm=FASTER)
    for runs in (0, 1):
        source = Watched("watched", products())
        session = loaded(source)
        if runs:
            asyncio.run(session.run(FEED))
        session.dispose()
        held = ref(source)
        del source, session
        gc.collect()
        assert held() is None
