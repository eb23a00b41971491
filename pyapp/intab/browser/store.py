"""What a site keeps in the browser from one visit to the next: bytes by key, in IndexedDB.

One database, "intab", with a store of its own for each kind of bytes. A write is one transaction, so that a key's bytes
are there whole or not at all. The database is open only while it is used. A transaction of IndexedDB ends when it is
left without requests, and a task of Python takes longer than that to go on, so each has all its requests at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from intab.browser._js import describe, door
from intab.browser.proxies import closed, opened, proxied
from intab.errors import CacheError, QuotaError

DATABASE, VERSION = "intab", 2
# Programs; what was timed on this device: which back end a model had better take, which tiles kernels.
STORES = ("kernels", "tuning")
BY_USE = "by use"
# How exactly it is known when something was last used: not every use is worth a write.
USE_MS = 24 * 3600 * 1000
FULL = "QuotaExceededError"


class BrowserStore:
    """Bytes by key in the browser; at most `most` of them, those last used. Has the shape of runtime's ProgramStore."""

    def __init__(self, name: str = "kernels", *, most: int = 200) -> None:
        """name: one of STORES."""
        if name not in STORES:
            raise CacheError(f"There is no store {name!r} in the browser; there are {', '.join(STORES)}.")
        self._name = name
        self._most = most

    async def get(self, key: str) -> bytes | None:
        """Raises CacheError when the browser keeps nothing, in a private window for example."""
        async with self._database() as database:
            found = await self._transact(database, "readonly", lambda store: store.get(key))
            if not found:  # undefined
                return None
            if found.used < _now() - USE_MS:
                used = door().to_js({"used": _now()})
                again = door().js.Object.assign(used, door().to_js({"data": found.data}))
                await self._transact(database, "readwrite", lambda store: store.put(again, key))
            data: bytes = found.data.to_bytes()
            return data

    async def put(self, key: str, data: bytes) -> None:
        """Where there is no room, what was used least lately makes some. Raises CacheError, QuotaError when full."""
        async with self._database() as database:
            record = door().to_js({"data": data, "used": _now()})
            try:
                await self._transact(database, "readwrite", lambda store: store.put(record, key))
            except QuotaError:
                if not await self._forget(database, lambda count: count - count // 2):
                    raise
                await self._transact(database, "readwrite", lambda store: store.put(record, key))
            await self._forget(database, lambda count: count - self._most)

    async def _forget(self, database: Any, how_many: Callable[[int], int]) -> int:
        """Delete so many of the count that is there, those used least lately; how many that were."""
        count = int(await self._transact(database, "readonly", lambda store: store.count()))
        number = how_many(count)
        if number > 0:
            keys = await self._transact(
                database, "readonly", lambda store: store.index(BY_USE).getAllKeys(None, number)
            )
            await self._transact(database, "readwrite", partial(_delete, keys))
        return max(0, number)

    async def _transact(self, database: Any, mode: str, ask: Callable[[Any], Any]) -> Any:
        """The result of the request that `ask` makes, once the transaction is complete."""
        try:
            transaction = database.transaction(self._name, mode)
            request = ask(transaction.objectStore(self._name))
        except door().exception as error:
            raise _cache_error(describe(error)) from error
        if await _first_event(transaction, "complete", "abort") == "abort":
            raise _cache_error(_reason(transaction))
        return request.result

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[Any]:
        try:
            request = door().js.indexedDB.open(DATABASE, VERSION)
        except (AttributeError, door().exception) as error:  # no IndexedDB, or it is refused to this page
            raise _cache_error(describe(error)) from error

        def make_stores(_event: Any) -> None:
            there = request.result.objectStoreNames
            for name in STORES:
                if not there.contains(name):
                    request.result.createObjectStore(name).createIndex(BY_USE, "used")

        with proxied(make_stores) as listener:
            request.addEventListener("upgradeneeded", listener)
            if await _first_event(request, "success", "error") != "success":
                raise _cache_error(_reason(request))
        opened("database")
        try:
            yield request.result
        finally:
            request.result.close()
            closed("database")


def _delete(keys: Iterable[Any], store: Any) -> Any:
    for key in keys:
        request = store.delete(key)
    return request


async def _first_event(target: Any, *kinds: str) -> str:
    """Wait for an event of one of these kinds; which it was."""
    happened: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def hear(event: Any) -> None:
        if not happened.done():
            happened.set_result(str(event.type))

    with proxied(hear) as listener:
        for kind in kinds:
            target.addEventListener(kind, listener)
        try:
            return await happened
        finally:
            for kind in kinds:
                target.removeEventListener(kind, listener)


def _reason(source: Any) -> str:
    """The error of a request or transaction in one line."""
    return describe(source.error) if source.error else "the browser broke off"


def _cache_error(reason: str) -> CacheError:
    if FULL in reason:
        return QuotaError(
            f"browser: there is no room to keep more for this site ({reason}). "
            "Free space on this device, or delete the data of sites that are not needed."
        )
    return CacheError(
        f"browser: nothing can be kept for this site ({reason}). In a private window, or where the browser is set to "
        "keep no data, models are compiled at each visit."
    )


def _now() -> float:
    """Milliseconds since the epoch."""
    return float(door().js.Date.now())
