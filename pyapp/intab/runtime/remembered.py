"""What was decided for a model on a device, kept for the next visit: no model is read and timed for it twice.

The key is the digest of all that a decision depends on: the model's bytes and this package's code, the device as far as
it computes, and the threads asked for. Other entries of the same store have keys of their own.
"""

import hashlib
import json
from dataclasses import replace

from intab.browser.store import BrowserStore
from intab.errors import CacheError, DTypeError
from intab.graph.storage import Storage
from intab.runtime.cache import ProgramStore, program_key
from intab.runtime.device import Choice
from intab.runtime.device_data import plain, restored
from intab.runtime.probe import Device
from intab.target import WEBGPU

STORE = "tuning"
PREFIX = "choice-"


class Remembered:
    """One model's place among the decisions. A store that fails stops nothing: a note says what came of it."""

    def __init__(self, programs: ProgramStore, device: Device, threads: int | None) -> None:
        """`programs`: where the author has compiled programs kept; decisions go beside them."""
        self._store: ProgramStore = BrowserStore(STORE) if isinstance(programs, BrowserStore) else programs
        # What one visit changes and no decision depends on stays out of the key.
        steady = replace(device, notes=(), storage=None)
        self._request = json.dumps([plain(steady), threads], sort_keys=True)
        self._key = ""

    async def find(self, model: Storage) -> Choice | None:
        """The choice of an earlier visit, if there was one."""
        whole = await program_key(model, WEBGPU) + self._request
        self._key = PREFIX + hashlib.sha256(whole.encode()).hexdigest()
        try:
            data = await self._store.get(self._key)
            choice: Choice | None = None if data is None else restored(Choice, json.loads(data))
        except (CacheError, DTypeError, ValueError):
            return None  # it is decided anew, and keeping that says what is wrong with the store
        return None if choice is None else choice.noted("decided at an earlier visit")

    async def keep(self, choice: Choice) -> Choice:
        """Put there what was decided since `find`; the choice, with a note where that failed."""
        try:
            await self._store.put(self._key, json.dumps(plain(choice)).encode())
        except CacheError as error:
            return choice.noted(f"the choice is not kept for the next visit: {error}")
        return choice
