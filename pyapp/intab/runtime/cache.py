"""The cache seam: where compiled programs are kept, so that a model that was compiled once is only read again.

A key is the digest of all that a program depends on: the model's bytes, the sizes fixed, the target, and the code of
this package. So nothing is ever out of date; what is no longer asked for can be deleted at any time.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from intab.browser.net import JsStorage
from intab.errors import CacheError
from intab.graph.storage import Storage
from intab.program.serialize import PARTS_MAGIC, StoredProgram, from_bytes, to_bytes
from intab.target import Target

if TYPE_CHECKING:
    from intab.program.stored_parts import StoredParts

_CHUNK_NBYTES = 1 << 20
_CODE = (".py", ".pyc")


class ProgramStore(Protocol):
    """Bytes by key. What was put is got as it was, or not at all."""

    async def get(self, key: str) -> bytes | None:
        """Raises CacheError when the place fails."""
        ...

    async def put(self, key: str, data: bytes) -> None:
        """Raises CacheError, QuotaError when the place is full; then nothing is kept."""
        ...


class MemoryPrograms:
    """Programs kept as long as this object is."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        return self.kept.get(key)

    async def put(self, key: str, data: bytes) -> None:
        self.kept[key] = data


class FolderPrograms:
    """Programs kept as files of a folder, on the desktop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def get(self, key: str) -> bytes | None:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CacheError(f"{self._path(key)}: cannot be read ({error.strerror}). Check the folder.") from error

    async def put(self, key: str, data: bytes) -> None:
        """A file appears whole or not at all."""
        partial = self.folder / f".{key}.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(data)
            partial.replace(self._path(key))
        except OSError as error:
            raise CacheError(f"{self._path(key)}: cannot be written ({error.strerror}). Check the folder.") from error
        finally:
            if partial.parent.is_dir():
                partial.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.program"


class ProgramCache:
    """One model's place in a store. A store that fails stops nothing: `notes` say what came of it.

    `target_of`: the target of the way that a part of a model runs, by its name.
    """

    def __init__(
        self,
        store: ProgramStore,
        model: Storage,
        target: Target,
        sizes: Mapping[str, int] | None = None,
        target_of: Callable[[str], Target] | None = None,
    ) -> None:
        self._store = store
        self._model = model
        self._target = target
        self._sizes = sizes
        self._target_of = target_of or (lambda way: target)
        self._key = ""
        self.notes: list[str] = []

    async def find(self) -> "StoredProgram | StoredParts | None":
        """The compiled program, or those of a model in parts, if they are there and whole."""
        self._key = await program_key(self._model, self._target, self._sizes)
        try:
            data = await self._store.get(self._key)
            stored = None if data is None else self._read(data)
        except CacheError as error:
            self.notes.append(f"compiled anew: {error}")
            return None
        if stored is not None:
            self.notes.append("compiled earlier, from the store")
        return stored

    def _read(self, data: bytes) -> "StoredProgram | StoredParts":
        if data[: len(PARTS_MAGIC)] != PARTS_MAGIC:
            stored = from_bytes(data, self._model, self._target)
            self._check_choices([stored])
            return stored
        # Here, since few models need it.
        from intab.program.stored_parts import parts_from_bytes

        parts = parts_from_bytes(data, self._model, self._target_of)
        self._check_choices([part.stored for part in parts.parts if part.stored is not None])
        return parts

    def _check_choices(self, stored: Iterable[StoredProgram]) -> None:
        """Raise CacheError for programs that were compiled before something was found to be faster, or not to work."""
        for one in stored:
            choices, refused = dict(one.program.target.choices), one.program.target.refused
            if any((made.problem, made.shape) in refused for made in one.program.products):
                raise CacheError(f"{self._model.name}: this GPU's compiler has refused a kernel of it.")
            if any(choices.get(made.problem, made.shape) != made.shape for made in one.program.products):
                raise CacheError(f"{self._model.name}: other ways were found to be faster since.")

    async def keep(self, stored: "StoredProgram | StoredParts") -> None:
        """Put there what was compiled since `find`."""
        model = self._model
        try:
            if isinstance(stored, StoredProgram):
                data = to_bytes(stored, model)
            else:
                from intab.program.stored_parts import parts_to_bytes

                data = parts_to_bytes(stored, model)
            await self._store.put(self._key, data)
        except CacheError as error:
            self.notes.append(f"not stored: {error}")


async def program_key(model: Storage, target: Target, sizes: Mapping[str, int] | None = None) -> str:
    """The key of a model compiled for a target, with some of its sizes fixed."""
    fixed = sorted((sizes or {}).items())
    parts = (code_digest(), target.key, fixed)
    return hashlib.sha256(await model_digest(model) + repr(parts).encode()).hexdigest()


async def model_digest(model: Storage) -> bytes:
    """The digest of a model's bytes; the browser works out that of bytes which JavaScript holds, without a copy."""
    if isinstance(model, JsStorage) and (digest := await model.sha256()) is not None:
        return digest
    whole = hashlib.sha256()
    for offset in range(0, model.nbytes, _CHUNK_NBYTES):
        whole.update(model.read(offset, min(_CHUNK_NBYTES, model.nbytes - offset)))
    return whole.digest()


@cache
def code_digest() -> str:
    """The digest of this package's code as it is installed, which says what it compiles a model to."""
    whole = hashlib.sha256()
    for name, file in sorted(_code_files(files("intab"), "")):
        data = file.read_bytes()
        whole.update(f"{name} {len(data)}\n".encode() + data)
    return whole.hexdigest()


def _code_files(folder: Traversable, place: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        name = f"{place}/{entry.name}"
        if entry.is_dir():
            found += _code_files(entry, name) if entry.name != "__pycache__" else []
        elif entry.name.endswith(_CODE):
            found.append((name, entry))
    return found
