"""Files that are whole or not there: digests, and writes that an interruption cannot leave half done."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Younger ones may belong to a process that is at work.
LEFTOVER_AGE_S = 3600.0


def digest_of(path: Path) -> str:
    """The sha256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def combined_digest(*parts: str | bytes) -> str:
    """One sha256 over several parts; their borders count, so ("ab", "c") and ("a", "bc") differ."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path to write to, moved onto `target` when the block ends well and removed when it does not.

    It lies beside the target, since a rename is atomic only within one file system.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)  # mkstemp makes files that only their owner can read
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes left below `folder`: unfinished files and folders nobody touched for an hour."""
    for path in [*folder.rglob(".*.partial"), *folder.rglob(".pip-*"), *folder.rglob(".compile-*")]:
        if path.exists() and time.time() - path.stat().st_mtime > LEFTOVER_AGE_S:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by `make` in a temporary place the first time it is asked for; never half there."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
        try:
            make(partial)
            partial.chmod(0o755)
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder
