"""A compiled model in parts as bytes, and back.

magic | sha256 of the rest | length of the tables | tables (JSON) | the program of each part, as `serialize` has it
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from intab.errors import CacheError, IntegrityError
from intab.graph.ir import Graph
from intab.graph.storage import Storage
from intab.program.partition import Part
from intab.program.serialize import PARTS_MAGIC, StoredProgram, from_bytes, signature_of, signature_row, to_bytes
from intab.program.size_table import SizeReader, SizeWriter
from intab.target import Target

_DIGEST_NBYTES = 32
_LENGTH_NBYTES = 4
_HEAD_NBYTES = len(PARTS_MAGIC) + _DIGEST_NBYTES


@dataclass(frozen=True, slots=True, eq=False)
class StoredPart:
    """A part, its graph without nodes and constants, and its program; `note` says what it is and why.

    One for the reference back end has no program, and all of its graph.
    """

    part: Part
    stored: StoredProgram | None
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class StoredParts:
    """A model in parts. Both graphs are without nodes and constants: the model as it was read, and optimised."""

    signature: Graph
    whole: Graph
    parts: tuple[StoredPart, ...]


def parts_to_bytes(stored: StoredParts, model: Storage) -> bytes:
    """What `parts_from_bytes` reads. Raises CacheError where a part has no program, and as `to_bytes` does."""
    programs = [one.stored for one in stored.parts if one.stored is not None]
    if len(programs) < len(stored.parts):
        raise CacheError(f"{stored.signature.name}: a part of it has no program, which numpy runs.")
    sizes, blobs = SizeWriter(), [to_bytes(program, model) for program in programs]
    tables: dict[str, Any] = {
        "signature": signature_row(stored.signature, sizes),
        "whole": signature_row(stored.whole, sizes),
        "parts": [[one.part.way, dict(one.part.sizes), list(one.part.why), one.note] for one in stored.parts],
        "targets": [json.dumps(program.program.target.key) for program in programs],
        "blobs": [len(blob) for blob in blobs],
    }
    text = json.dumps(tables | {"sizes": sizes.rows}, separators=(",", ":")).encode()
    body = b"".join([len(text).to_bytes(_LENGTH_NBYTES, "little"), text, *blobs])
    return PARTS_MAGIC + hashlib.sha256(body).digest() + body


def parts_from_bytes(data: bytes, model: Storage, target_of: Callable[[str], Target]) -> StoredParts:
    """A model in parts again. `target_of` gives the target of a way.

    Raises IntegrityError for bytes of anything else, and for programs that were compiled for another target.
    """
    body = memoryview(data)[_HEAD_NBYTES:]
    if (
        data[: len(PARTS_MAGIC)] != PARTS_MAGIC
        or hashlib.sha256(body).digest() != data[len(PARTS_MAGIC) : _HEAD_NBYTES]
    ):
        raise IntegrityError(f"{model.name}: the stored parts are not what was stored. Delete them and load again.")
    length = int.from_bytes(body[:_LENGTH_NBYTES], "little")
    tables = json.loads(bytes(body[_LENGTH_NBYTES : _LENGTH_NBYTES + length]))
    sizes, place = SizeReader(tables["sizes"]), _LENGTH_NBYTES + length
    parts = []
    rows = zip(tables["parts"], tables["targets"], tables["blobs"], strict=True)
    for (way, told, why, note), key, nbytes in rows:
        target = target_of(way)
        if json.dumps(target.key) != key:
            raise IntegrityError(f"{model.name}: its part on {way} was compiled for another device.")
        stored = from_bytes(bytes(body[place : place + nbytes]), model, target)
        place += nbytes
        symbols = {name: tuple(names) for name, names in told.items()}
        parts.append(StoredPart(Part(way, stored.signature, symbols, tuple(why)), stored, note))
    return StoredParts(signature_of(tables["signature"], sizes), signature_of(tables["whole"], sizes), tuple(parts))
