"""The worker's end of the talk with its page: messages in, handlers called, messages out."""

import asyncio
import dataclasses
import traceback
import types
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from intab.browser._js import door
from intab.browser.messages import METHODS, TO_PAGE, TO_WORKER, Call, Failure, Progress, Result
from intab.errors import Cancelled, IntabError, OutOfMemoryError

ProgressCallback = Callable[[str, float, float], None]
Handler = Callable[[Any, ProgressCallback], Coroutine[Any, Any, object]]
"""handler(arguments, progress) -> the result: dataclasses of the method's row in METHODS."""

T = TypeVar("T")


class PageLink:
    """Dispatches calls of the page to handlers, each in a task of its own.

    post(message, transfer): JavaScript's postMessage, to the page.
    """

    def __init__(self, post: Callable[[Any, Any], None], handlers: Mapping[str, Handler]) -> None:
        unknown = handlers.keys() - METHODS.keys()
        if unknown:
            raise IntabError(f"page: handlers for {sorted(unknown)}, which intab.browser.messages does not list.")
        self._post = post
        self._handlers = handlers
        self._tasks: dict[int, asyncio.Task[object]] = {}

    def receive(self, message: Any) -> None:
        """Take one message of the page; never raises on what a page may send, but answers with a Failure."""
        fields = _plain(message)
        envelope = TO_WORKER.get(str(fields.pop("kind", None)))
        call_id = fields.get("id")
        if not isinstance(call_id, int):
            call_id = 0
        try:
            if envelope is None:
                raise IntabError(f"page: a message is none of {', '.join(TO_WORKER)}. Reload the page.")
            self._act(decode(envelope, fields, "message"))
        except IntabError as error:
            self._send(failure(call_id, error))

    def _act(self, message: object) -> None:
        if isinstance(message, Call):
            self._begin(message)
            return
        task = self._tasks.get(cast(int, getattr(message, "id", 0)))
        if task is not None:  # else it has already ended, which the page learns from its Result
            task.cancel()

    def _begin(self, call: Call) -> None:
        handler = self._handlers.get(call.method)
        if handler is None:
            raise IntabError(f"page: nothing handles {call.method!r}; there is {', '.join(sorted(self._handlers))}.")
        arguments: object = decode(METHODS[call.method].arguments, call.arguments, call.method)

        def progress(stage: str, done: float, total: float) -> None:
            self._send(Progress(call.id, stage, float(done), float(total)))

        task = asyncio.ensure_future(handler(arguments, progress))
        self._tasks[call.id] = task
        task.add_done_callback(lambda ended: self._end(call.id, ended))

    def _end(self, call_id: int, task: "asyncio.Task[object]") -> None:
        del self._tasks[call_id]
        if task.cancelled():
            self._send(failure(call_id, Cancelled("page: the work was cancelled, as asked.")))
            return
        error = task.exception()
        self._send(Result(call_id, task.result()) if error is None else failure(call_id, error))

    def _send(self, message: object) -> None:
        transfer: list[Any] = []
        kind = next(kind for kind, envelope in TO_PAGE.items() if isinstance(message, envelope))
        fields = {"kind": kind, **cast(dict[str, Any], encode(message, transfer))}
        self._post(door().to_js(fields), door().to_js(transfer))


def failure(call_id: int, error: BaseException) -> Failure:
    """The message that tells a page of `error`; what intab did not raise on purpose is told as a bug."""
    if isinstance(error, MemoryError):
        error = OutOfMemoryError("page: Python's own memory is full. Use a smaller picture, or reload the page.")
    if isinstance(error, IntabError):
        return Failure(call_id, type(error).__name__, str(error), trace="")
    name = type(error).__name__
    return Failure(
        call_id,
        name,
        f"intab met an error it did not expect ({name}: {error}). Please report it, with the details.",
        trace="".join(traceback.format_exception(error)),
    )


def encode(value: object, transfer: list[Any]) -> object:
    """`value` in dicts, lists and plain values; the buffers of its bytes are added to `transfer`."""
    if dataclasses.is_dataclass(value):
        return {field.name: encode(getattr(value, field.name), transfer) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): encode(item, transfer) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item, transfer) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        array = door().to_js(value)
        transfer.append(array.buffer)
        return array
    return door().null if value is None else value


def decode(kind: type[T], fields: Mapping[str, Any], where: str) -> T:
    """The dataclass `kind` from the fields of a message. Raises IntabError on missing, unknown or wrong ones."""
    hints = get_type_hints(kind, include_extras=True)
    known = {field.name: field for field in dataclasses.fields(cast(Any, kind))}
    unknown = fields.keys() - known.keys()
    needed = [name for name, field in known.items() if _has_no_default(field) and name not in fields]
    if unknown or needed:
        raise IntabError(
            f"page: {where} has unknown fields {sorted(unknown)} and lacks {needed}. "
            "The page and the worker differ in version; reload the page."
        )
    return kind(**{name: _checked(hints[name], value, f"{where}.{name}") for name, value in fields.items()})


def _has_no_default(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _checked(hint: Any, value: Any, where: str) -> Any:
    """`value` as the annotation `hint` wants it: null as None, a whole float as int, a list as tuple."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or origin is Annotated:
        return value
    if origin in (Union, types.UnionType):
        return None if value is None else _checked(next(a for a in arguments if a is not type(None)), value, where)
    if origin is dict and isinstance(value, dict):
        return {str(key): _checked(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if origin is tuple and isinstance(value, list):
        return tuple(_checked(arguments[0], item, where) for item in value)
    if hint in (int, float) and isinstance(value, int | float) and not isinstance(value, bool) and hint(value) == value:
        return hint(value)
    if origin is None and isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
        return value
    raise IntabError(f"page: {where} is {value!r:.60}, but {hint} was expected. Reload the page.")


def _plain(message: Any) -> dict[str, Any]:
    """A JavaScript object as a dict, nulls as None; blobs stay what they are."""
    converted = message.to_py() if hasattr(message, "to_py") else message
    return cast(dict[str, Any], _without_nulls(converted)) if isinstance(converted, dict) else {}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _without_nulls(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return None if value is door().null else value
