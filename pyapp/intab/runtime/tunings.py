"""What was found fastest on an adapter, kept from one visit to the next: one record for each adapter.

The key is the digest of what the adapter says of itself and of the shapes that this version of the package knows. What
is kept only chooses among ways that all give right answers, so that a record can be lost or wrong and do no harm.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from intab.errors import CacheError
from intab.runtime.cache import ProgramStore
from intab.target import Target

PREFIX = "shapes-"
STORE = "tuning"


@dataclass(frozen=True, slots=True)
class Found:
    """Of a problem: the shape found fastest, the one before it, their ms, and shapes that the compiler refused.

    Both ms are 0 where none was timed: then only what was refused is known.
    """

    shape: str
    default: str
    ms: float
    default_ms: float
    refused: tuple[str, ...] = ()


class Tunings:
    """The record of one adapter. A store that fails stops nothing: `note` says what came of the last use."""

    def __init__(self, store: ProgramStore, adapter: Mapping[str, object]) -> None:
        """`adapter`: all that tells it from others, as JSON can say it."""
        text = json.dumps(adapter, sort_keys=True)
        self._store = store
        self._key = PREFIX + hashlib.sha256(text.encode()).hexdigest()
        self.note = ""

    async def read(self) -> dict[str, Found]:
        """What is known, by problem. A record that is none is taken for empty, and replaced by the next `add`."""
        self.note = ""
        try:
            data = await self._store.get(self._key)
        except CacheError as error:
            self.note = f"what was timed on this GPU earlier cannot be read: {error}"
            return {}
        if data is None:
            return {}
        try:
            return {str(problem): _found(row) for problem, row in json.loads(data)["problems"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.note = f"what was timed on this GPU earlier is damaged, and is timed again ({type(error).__name__})"
            return {}

    async def refuse(self, refused: Iterable[tuple[str, str]]) -> None:
        """Put beside it that the device's compiler does not take these shapes for these problems."""
        known = await self.read()
        for problem, shape in refused:
            old = known.get(problem, Found("", "", 0.0, 0.0))
            known[problem] = replace(old, refused=tuple(sorted({*old.refused, shape})))
        await self._write(known)

    async def add(self, found: Mapping[str, Found]) -> None:
        """Put findings beside those that are there by now, maybe of another tab."""
        known = await self.read()
        for problem, one in found.items():
            refused = {*one.refused, *(known[problem].refused if problem in known else ())} - {one.shape}
            known[problem] = replace(one, refused=tuple(sorted(refused)))
        await self._write(known)

    async def clear(self) -> None:
        """Forget all that was found on the adapter."""
        await self._write({})

    async def _write(self, found: Mapping[str, Found]) -> None:
        rows = {problem: asdict(one) for problem, one in found.items()}
        try:
            await self._store.put(self._key, json.dumps({"problems": rows}).encode())
        except CacheError as error:
            self.note = f"what was timed is not kept for the next visit: {error}"


def with_found(target: Target, found: Mapping[str, Found]) -> Target:
    """The target of a device of which this is known."""
    taken = {problem: one.shape for problem, one in found.items() if one.ms and one.shape not in one.refused}
    choices = tuple(sorted(taken.items()))
    refused = frozenset((problem, shape) for problem, one in found.items() for shape in one.refused)
    return replace(target, choices=choices, refused=refused)


def _found(row: Mapping[str, Any]) -> Found:
    """Raises KeyError, TypeError or ValueError for what is none."""
    shape, default, refused = row["shape"], row["default"], row["refused"]
    if not all(isinstance(name, str) for name in (shape, default, *refused)):
        raise TypeError("shapes are named by strings")
    return Found(shape, default, float(row["ms"]), float(row["default_ms"]), tuple(refused))
