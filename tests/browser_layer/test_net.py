"""Fetching, over a stand-in for the network."""

import asyncio

import pytest

from intab.browser import net
from intab.browser.net import JsStorage
from intab.errors import DownloadError, ModelFormatError
from intab.graph.storage import Storage
from tests.browser_layer.stand_in import Answer, JsError, StandIn, Uint8Array

ADDRESS = "http://site.test/folder/m.onnx"


def fetch(progress: net.Progress | None = None) -> bytes:
    """What `./m.onnx` gives, whole."""
    storage = asyncio.run(net.fetch("./m.onnx", progress))
    content = bytes(storage.read(0, storage.nbytes))
    storage.dispose()
    return content


def test_relative_urls_are_seen_from_the_worker_and_progress_is_told(way: StandIn):
    way.web[ADDRESS] = Answer([b"abc", b"de"], headers={"content-length": "5"})
    steps: list[tuple[str, float, float]] = []
    assert fetch(lambda *step: steps.append(step)) == b"abcde"
    assert steps == [("download", 3, 5), ("download", 5, 5)]
    assert way.fetched == [ADDRESS]
    assert way.aborted == 0


@pytest.mark.parametrize("headers", [{}, {"content-length": "2", "content-encoding": "gzip"}])
def test_unknown_lengths_grow_as_they_come(way: StandIn, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(net, "FIRST_NBYTES", 4)
    way.web[ADDRESS] = Answer([b"abc", b"defgh", b"i" * 30], headers=headers)
    totals: list[float] = []
    assert fetch(lambda stage, done, total: totals.append(total)) == b"abcdefgh" + b"i" * 30
    assert totals == [0, 0, 0]


def test_an_empty_file_is_a_file(way: StandIn):
    way.web[ADDRESS] = Answer([], headers={"content-length": "0"})
    assert fetch() == b""


@pytest.mark.parametrize(
    "answer, message",
    [
        (None, r"could not be reached \(TypeError: Failed to fetch\)"),
        (Answer(status=404, statusText="Not Found"), "the server answered 404 Not Found. Check the address"),
        (Answer(status=500, statusText=""), "the server answered 500. Check"),
        (Answer([b"abc"], headers={"content-length": "5"}), "5 bytes were announced and 3 came"),
        (Answer([b"abcdef"], headers={"content-length": "5"}), "5 bytes were announced and 6 came"),
        (Answer([b"abc"], breaks=True), r"broke after 3 bytes \(TypeError: network error\)"),
    ],
)
def test_what_goes_wrong_names_the_address_and_stops_the_network(way: StandIn, answer: Answer | None, message: str):
    if answer is not None:
        way.web[ADDRESS] = answer
    with pytest.raises(DownloadError, match=message) as caught:
        fetch()
    assert str(caught.value).startswith(ADDRESS)
    assert way.aborted == 1


def test_an_address_that_is_none(way: StandIn):
    with pytest.raises(DownloadError, match="not an address"):
        asyncio.run(net.fetch("http://["))


def test_cancelling_stops_the_network(way: StandIn):
    way.web[ADDRESS] = Answer([b"abc"], hangs=True)

    async def cancelled() -> None:
        task = asyncio.ensure_future(net.fetch("./m.onnx"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert way.aborted == 1


def test_a_download_begun_earlier_is_used_once(way: StandIn):
    async def early() -> Uint8Array:
        return Uint8Array(bytearray(b"early"))

    way.web[ADDRESS] = Answer([b"again"])
    promise = early()
    net.adopt("./m.onnx", promise)
    assert fetch() == b"early"
    assert fetch() == b"again"


def test_a_download_begun_earlier_that_failed_is_begun_again(way: StandIn):
    async def early() -> Uint8Array:
        raise JsError("TypeError", "network error")

    way.web[ADDRESS] = Answer([b"again"])
    net.adopt("./m.onnx", early())
    assert fetch() == b"again"


def test_storage_has_the_shape_that_readers_use_and_guards_its_end(way: StandIn):
    storage = JsStorage("m.onnx", Uint8Array(bytearray(b"0123456789")))
    assert isinstance(storage, Storage)
    assert bytes(storage.read(3, 4)) == b"3456"
    assert storage.read(0, 4).readonly
    for offset, nbytes in [(8, 3), (-1, 2), (2, -1), (11, 0)]:
        with pytest.raises(ModelFormatError, match=r"m\.onnx: .*the file has 10"):
            storage.read(offset, nbytes)
    storage.dispose()
    storage.dispose()
    with pytest.raises(ModelFormatError, match="let go of"):
        storage.read(0, 1)


def test_json(way: StandIn):
    way.web["http://site.test/folder/site.json"] = Answer([b'{"a": [1]}'])
    assert asyncio.run(net.fetch_json("./site.json")) == {"a": [1]}
    way.web["http://site.test/folder/site.json"] = Answer([b"<html>"])
    with pytest.raises(DownloadError, match="not JSON"):
        asyncio.run(net.fetch_json("./site.json"))
