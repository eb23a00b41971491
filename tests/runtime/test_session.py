"""Sessions: what goes in, what comes out, what is refused, and what is given back."""

import asyncio
import gc
from collections.abc import Iterator
from weakref import ref

import numpy as np
import pytest

from intab.backends.wasm.desktop import WasmtimeMachine
from intab.backends.wasm.pool import Pool
from intab.dtypes import DTYPES
from intab.errors import Cancelled, DTypeError, FeedError, IntabError, ShapeError
from intab.graph.storage import MemoryStorage
from intab.runtime import Session, load
from tests.agreement import assert_agree
from tests.runtime.models import WEIGHT, added, wide
from tests.runtime.pools import on

BACKENDS = ["reference", pytest.param("wasm", marks=pytest.mark.wasmtime)]
TOLERANCE = 1e-6


@pytest.fixture(params=BACKENDS)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    loaded = asyncio.run(load(added(), backend=request.param))
    yield loaded
    loaded.dispose()


def feeds(rows: int = 2, other_rows: int | None = None) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    x, y = random.standard_normal((rows, 4)), random.standard_normal((other_rows or rows, 3))
    return {"x": x.astype(np.float32), "y": y.astype(np.float32)}


class Watched(MemoryStorage):
    """Bytes of which can be told whether somebody still holds them."""

    __slots__ = ("__weakref__",)


@pytest.mark.wasmtime
def test_the_bytes_of_a_model_go_once_it_is_loaded() -> None:
    source = Watched("watched", wide())
    held = ref(source)
    session = asyncio.run(load(source, backend="wasm"))
    del source
    gc.collect()
    assert held() is None
    (y,) = session.run_sync({"x": np.ones((2, 1), np.float32)}).values()
    assert y.shape == (2, 1)
    session.dispose()


def expected(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    total = given["x"] @ WEIGHT + given["y"]
    return {"sum": total, "cut": np.maximum(total, 0)}


def test_what_a_model_takes_and_gives(session: Session) -> None:
    assert [(one.name, one.dtype, str(one.shape[0]), one.shape[1]) for one in session.inputs] == [
        ("x", DTYPES["f32"], "N", 4),
        ("y", DTYPES["f32"], "M", 3),
    ]
    assert [(one.name, one.dtype, one.shape[1]) for one in session.outputs] == [
        ("sum", DTYPES["f32"], 3),
        ("cut", DTYPES["f32"], 3),
    ]
    assert session.metadata == {"author": "tests", "words": "eins zwei 三"}


def test_all_outputs_and_some(session: Session) -> None:
    given = feeds()
    outputs = asyncio.run(session.run(given))
    assert list(outputs) == ["sum", "cut"]
    assert_agree(outputs, expected(given), TOLERANCE)
    some = asyncio.run(session.run(given, ["cut"]))
    assert_agree(some, {"cut": expected(given)["cut"]}, TOLERANCE)
    assert asyncio.run(session.run(given, [])) == {}


def test_sizes_change_from_run_to_run(session: Session) -> None:
    for rows in (1, 5, 2, 100, 5):
        given = feeds(rows)
        assert_agree(session.run_sync(given), expected(given), TOLERANCE)


def test_outputs_are_the_callers(session: Session) -> None:
    """A later run does not write over what an earlier one returned, nor is a feed changed."""
    given = feeds()
    kept = {name: array.copy() for name, array in given.items()}
    first = session.run_sync(given)
    session.run_sync(feeds(5))
    assert_agree(first, expected(kept), TOLERANCE)
    assert all((given[name] == kept[name]).all() for name in kept)


def test_feeds_need_not_be_contiguous(session: Session) -> None:
    given = {"x": np.asfortranarray(feeds()["x"]), "y": np.repeat(feeds()["y"], 2, axis=1)[:, ::2]}
    assert_agree(session.run_sync(given), expected(feeds()), TOLERANCE)


def test_onnxruntimes_order_is_met_with_the_right_one(session: Session) -> None:
    with pytest.raises(FeedError, match=r"not NoneType\. intab's order is run\(feeds, fetches\): session\.run"):
        session.run_sync(None, feeds())  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"z": np.zeros(1)}, FeedError, "takes the inputs x, y; unknown: z"),
        ({"y": None}, FeedError, "takes the inputs x, y; missing: y"),
        ({"x": np.zeros((2, 4))}, DTypeError, r"input 'x' is float32, the feed is float64\. Convert it"),
        ({"x": np.zeros((2, 4), np.int64)}, DTypeError, "the feed is int64"),
        ({"x": np.zeros((2, 4, 1), np.float32)}, ShapeError, r"input 'x' has 2 axes.*shape \[2, 4, 1\]"),
        ({"x": np.float32(1)}, ShapeError, "input 'x' has 2 axes"),
        ({"x": np.zeros((2, 5), np.float32)}, ShapeError, "'x'"),
        ({"y": np.zeros((3, 3), np.float32)}, ShapeError, "node 'add'"),
    ],
    ids=["unknown", "missing", "float64", "int64", "rank 3", "rank 0", "fixed size", "sizes that must be equal"],
)
def test_wrong_feeds(session: Session, change, error: type[Exception], said: str) -> None:
    given = {name: array for name, array in (feeds() | change).items() if array is not None}
    with pytest.raises(error, match=said):
        session.run_sync(given)
    assert_agree(session.run_sync(feeds()), expected(feeds()), TOLERANCE)


def test_an_unknown_fetch(session: Session) -> None:
    with pytest.raises(FeedError, match="has no output 'total'; it has sum, cut"):
        session.run_sync(feeds(), ["total"])


def test_empty_feeds_give_empty_answers(session: Session) -> None:
    given = {"x": np.zeros((0, 4), np.float32), "y": np.zeros((0, 3), np.float32)}
    assert session.run_sync(given)["sum"].shape == (0, 3)


def test_a_disposed_session_says_so(session: Session) -> None:
    session.dispose()
    session.dispose()
    with pytest.raises(IntabError, match=r"this session was disposed of\. Load the model again"):
        session.run_sync(feeds())


def test_a_session_is_a_context(session: Session) -> None:
    async def use() -> Session:
        async with await load(added(), backend=session.choice.backend) as inner:
            await inner.run(feeds())
        return inner

    with pytest.raises(IntabError, match="disposed"):
        asyncio.run(use()).run_sync(feeds())


def test_runs_at_the_same_time(session: Session) -> None:
    async def together() -> list[dict[str, np.ndarray]]:
        return await asyncio.gather(*(session.run(feeds(rows)) for rows in (1, 2, 3)))

    for rows, outputs in zip((1, 2, 3), asyncio.run(together()), strict=True):
        assert_agree(outputs, expected(feeds(rows)), TOLERANCE)


def test_a_size_of_one_that_broadcasts(session: Session) -> None:
    """Inference took N and M for the same; where one of them is 1, the model is compiled for just these sizes."""
    reasons = len(session.choice.reasons)
    for rows, other_rows in ((5, 1), (1, 4), (5, 1)):
        given = feeds(rows, other_rows)
        assert_agree(session.run_sync(given), expected(given), TOLERANCE)
    notes = session.choice.reasons[reasons:]
    assert [note.partition(" (")[0] for note in notes] == [
        "compiled again for {'M': 1, 'N': 5}, where a size of 1 broadcasts",
        "compiled again for {'M': 4, 'N': 1}, where a size of 1 broadcasts",
    ]
    given = feeds()
    assert_agree(session.run_sync(given), expected(given), TOLERANCE)


@pytest.mark.wasmtime
def test_figures() -> None:
    session = asyncio.run(load(added(), backend="wasm"))
    before = session.stats()
    assert (before.backend, before.adapter, before.threads) == ("wasm", "", 1)
    assert before.load_ms > 0 and before.compile_ms > 0
    assert 1 <= before.kernels <= before.steps <= 3
    use = session.memory()
    assert use.weights >= WEIGHT.nbytes and use.code > 0
    assert use.total == use.weights + use.arena + use.inputs + use.outputs + use.code == before.peak_nbytes
    session.run_sync(feeds(1000))
    assert session.stats().peak_nbytes >= before.peak_nbytes + 1000 * 4 * (4 + 3 + 3 + 3)
    session.dispose()
    assert session.memory().total == 0


@pytest.mark.wasmtime
def test_a_disposed_session_leaves_nothing_in_the_pool() -> None:
    pool = Pool(WasmtimeMachine())
    with on(pool):
        session = asyncio.run(load(added(), backend="wasm"))
        session.run_sync(feeds(3))
        session.run_sync(feeds(3, 1))  # compiles again
        assert pool.used_nbytes > 0
        session.dispose()
    assert pool.used_nbytes == 0


@pytest.mark.wasmtime
def test_a_load_that_is_cancelled_leaves_nothing_in_the_pool() -> None:
    def cancel(stage: str, done: float, total: float) -> None:
        raise Cancelled("enough")

    pool = Pool(WasmtimeMachine())
    with on(pool), pytest.raises(Cancelled):
        asyncio.run(load(added(), backend="wasm", progress=cancel))
    assert pool.used_nbytes == 0


@pytest.mark.wasmtime
def test_memory_stays_flat() -> None:
    """A thousand runs of changing sizes, and a hundred loads and disposals."""
    pool = Pool(WasmtimeMachine())
    with on(pool):
        session = asyncio.run(load(added(), backend="wasm"))
        for rows in range(1, 41):
            session.run_sync(feeds(rows))
        used, grown = pool.used_nbytes, pool.machine.memory.nbytes
        for number in range(1000):
            session.run_sync(feeds(1 + number % 40))
        assert (pool.used_nbytes, pool.machine.memory.nbytes) == (used, grown)
        for _ in range(100):
            with_two = asyncio.run(load(added(), backend="wasm"))
            with_two.run_sync(feeds())
            with_two.dispose()
        assert pool.used_nbytes == used
        assert pool.machine.memory.nbytes <= grown + (1 << 16)
        session.dispose()
    assert pool.used_nbytes == 0
