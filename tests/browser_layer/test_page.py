"""The worker's end of the talk with its page."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from intab.browser.messages import OpenReader, ReaderOpened, ReadPicture, RunModel
from intab.browser.page import Handler, PageLink, ProgressCallback, decode, encode
from intab.errors import IntabError, MediaError
from tests.browser_layer.stand_in import NULL, Blob, StandIn, Uint8Array

OPENED = ReaderOpened("wasm", "", 1, 2.5, 3.0)


def talk(handlers: Mapping[str, Handler], *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """What the page gets for its messages, which come with time between them."""
    got: list[dict[str, Any]] = []

    async def run() -> None:
        link = PageLink(lambda message, transfer: got.append(message), handlers)
        for message in messages:
            link.receive(message)
            await asyncio.sleep(0.01)

    asyncio.run(run())
    return got


def call(method: str, **arguments: Any) -> dict[str, Any]:
    return {"kind": "call", "id": 4, "method": method, "arguments": arguments}


async def open_reader(arguments: OpenReader, progress: ProgressCallback) -> ReaderOpened:
    progress("compile", 1, 2)
    assert arguments.backend == "auto"
    return OPENED


def test_a_call_is_answered_after_its_progress(way: StandIn):
    assert talk({"open_reader": open_reader}, call("open_reader")) == [
        {"kind": "progress", "id": 4, "stage": "compile", "done": 1.0, "total": 2.0},
        {
            "kind": "result",
            "id": 4,
            "value": {"backend": "wasm", "adapter": "", "threads": 1, "load_ms": 2.5, "compile_ms": 3.0},
        },
    ]


@pytest.mark.parametrize(
    "error, name, words",
    [
        (MediaError("a.png: not a picture"), "MediaError", "^a.png: not a picture$"),
        (MemoryError(), "OutOfMemoryError", "Python's own memory is full"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError", r"did not expect \(ZeroDivisionError: by zero\)"),
    ],
)
def test_errors_are_told_by_their_class(way: StandIn, error: Exception, name: str, words: str):
    async def fails(arguments: OpenReader, progress: ProgressCallback) -> None:
        raise error

    (answer,) = talk({"open_reader": fails}, call("open_reader"))
    assert (answer["kind"], answer["id"], answer["error"]) == ("failure", 4, name)
    with pytest.raises(IntabError, match=words):
        raise IntabError(answer["message"])
    assert ("Traceback" in answer["trace"]) == (name == "ZeroDivisionError")


def test_cancelling_ends_the_call(way: StandIn):
    async def slow(arguments: OpenReader, progress: ProgressCallback) -> None:
        await asyncio.sleep(60)

    (answer,) = talk({"open_reader": slow}, call("open_reader"), {"kind": "cancel", "id": 4})
    assert answer["error"] == "Cancelled"


def test_cancelling_what_has_ended_says_nothing(way: StandIn):
    answers = talk({"open_reader": open_reader}, call("open_reader"), {"kind": "cancel", "id": 4})
    assert [answer["kind"] for answer in answers] == ["progress", "result"]


@pytest.mark.parametrize(
    "message, words",
    [
        ({}, "none of call, cancel"),
        ({"kind": "nonsense", "id": 3}, "none of call, cancel"),
        ({"kind": "cancel"}, "lacks ..id"),
        ({"kind": "call", "id": "x", "method": "open_reader", "arguments": {}}, "message.id is 'x'"),
        (call("nothing"), "nothing handles 'nothing'; there is open_reader"),
        (call("open_reader", colour="red"), "unknown fields ..colour"),
        (call("open_reader", backend=3), "open_reader.backend is 3"),
    ],
)
def test_bad_messages_are_answered(way: StandIn, message: dict[str, Any], words: str):
    (answer,) = talk({"open_reader": open_reader}, message)
    assert answer["kind"] == "failure"
    with pytest.raises(IntabError, match=words):
        raise IntabError(answer["message"])


def test_a_handler_that_no_message_reaches_is_refused(way: StandIn):
    with pytest.raises(IntabError, match="does not list"):
        PageLink(lambda message, transfer: None, {"fly": open_reader})


def test_fields_become_what_the_dataclass_says(way: StandIn):
    fields = {"model": "m", "feeds": None, "dims": {"w": 3.0}, "threads": 1.0, "fetch": True}
    assert decode(RunModel, fields, "run_model") == RunModel("m", None, {"w": 3}, threads=1, fetch=True)
    blob = Blob(b"")
    assert decode(ReadPicture, {"picture": blob, "name": "a"}, "read_picture").picture is blob
    for name, value in [("threads", 1.5), ("threads", True), ("fetch", 1), ("model", 1), ("dims", [])]:
        with pytest.raises(IntabError, match=f"run_model.{name} is"):
            decode(RunModel, {"model": "m", name: value}, "run_model")


def test_bytes_are_transferred_and_none_is_null(way: StandIn):
    transfer: list[Any] = []
    encoded = encode({"a": b"xy", "b": (None, 1)}, transfer)
    assert isinstance(encoded, dict)
    array = encoded["a"]
    assert isinstance(array, Uint8Array)
    assert array.to_bytes() == b"xy"
    assert transfer == [array.buffer]
    assert encoded["b"] == [NULL, 1]
