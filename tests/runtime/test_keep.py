"""Outputs that stay where they were computed, on back ends whose memory is Python's: what an author meets."""

import asyncio
import gc
from collections.abc import Iterator

import numpy as np
import pytest

import intab
from intab.errors import DTypeError, FeedError, IntabError, ShapeError
from intab.runtime import DeviceTensor, Session, load
from tests.agreement import assert_agree
from tests.runtime.models import added
from tests.runtime.test_session import BACKENDS, TOLERANCE, expected, feeds


@pytest.fixture(params=BACKENDS)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    loaded = asyncio.run(load(added(), backend=request.param))
    yield loaded
    loaded.dispose()


def kept(session: Session, rows: int = 2) -> DeviceTensor:
    (tensor,) = session.run_sync(feeds(rows), (), keep=("sum",)).values()
    assert isinstance(tensor, DeviceTensor)
    return tensor


def test_what_is_kept_is_a_tensor_and_the_rest_arrays(session: Session) -> None:
    given = feeds()
    outputs = session.run_sync(given, keep=("sum",))
    assert list(outputs) == ["sum", "cut"]
    tensor, cut = outputs["sum"], outputs["cut"]
    assert isinstance(tensor, intab.DeviceTensor) and isinstance(cut, np.ndarray)
    assert (tensor.name, tensor.dtype.name, tensor.shape, tensor.ndim, tensor.nbytes) == ("sum", "f32", (2, 3), 2, 24)
    assert tensor.backend == session.stats().backend
    assert repr(tensor) == f"<DeviceTensor 'sum' float32[2, 3] on {tensor.backend}, 24 bytes>"
    assert_agree({"sum": asyncio.run(tensor.numpy()), "cut": cut}, expected(given), TOLERANCE)
    assert np.asarray(tensor, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="read back, which makes a copy"):
        np.array(tensor, copy=False)


@pytest.mark.parametrize(
    ("fetches", "keep", "names"),
    [((), ("cut",), ["cut"]), (("cut",), ("sum",), ["cut", "sum"]), (("sum",), ("sum", "sum"), ["sum"])],
)
def test_names_of_both_kinds(session: Session, fetches: tuple[str, ...], keep: tuple[str, ...], names: list[str]):
    outputs = session.run_sync(feeds(), fetches, keep=keep)
    assert list(outputs) == names
    assert {name for name, value in outputs.items() if isinstance(value, DeviceTensor)} == set(keep)


def test_a_name_that_is_no_output_is_refused(session: Session) -> None:
    with pytest.raises(FeedError, match="has no output 'total'; it has sum, cut"):
        session.run_sync(feeds(), keep=("total",))


def test_later_runs_and_readers_do_not_change_it(session: Session) -> None:
    tensor = kept(session)
    first = np.asarray(tensor)
    first[:] = 0
    session.run_sync({name: array + 1 for name, array in feeds().items()})
    assert_agree({"sum": np.asarray(tensor)}, {"sum": expected(feeds())["sum"]}, TOLERANCE)
    session.dispose()
    assert_agree({"sum": np.asarray(tensor)}, {"sum": expected(feeds())["sum"]}, TOLERANCE)


def test_it_is_a_feed(session: Session) -> None:
    tensor, given = kept(session), feeds()
    fed = session.run_sync({"x": given["x"], "y": tensor})
    assert_agree(fed, expected({"x": given["x"], "y": np.asarray(tensor)}), TOLERANCE)
    assert "read back" not in str(session.choice)
    with pytest.raises(ShapeError, match="'x' has a size of 3 where the model takes 4"):
        session.run_sync({"x": tensor, "y": given["y"]})
    with pytest.raises(DTypeError, match="input 'y' is float32, the feed is float64"):
        session.run_sync({"x": given["x"], "y": given["y"].astype(np.float64)})


def test_one_that_was_disposed_of_is_an_error(session: Session) -> None:
    async def leave() -> DeviceTensor:
        async with kept(session) as tensor:
            assert session.memory().kept == tensor.nbytes
        return tensor

    tensor = asyncio.run(leave())
    tensor.dispose()
    assert tensor.is_disposed and "disposed of" in repr(tensor)
    assert session.memory().kept == 0
    with pytest.raises(IntabError, match=r"The kept tensor 'sum' float32\[2, 3\] was disposed of"):
        np.asarray(tensor)
    with pytest.raises(IntabError, match="the feed 'y': The kept tensor 'sum'.* was disposed of"):
        session.run_sync({"x": feeds()["x"], "y": tensor})


def test_one_that_is_forgotten_is_not_counted(session: Session) -> None:
    tensor = kept(session)
    held = session.memory()
    assert (held.kept, held.total - held.kept) == (24, held.total - 24)
    del tensor
    gc.collect()
    assert session.memory().kept == 0
