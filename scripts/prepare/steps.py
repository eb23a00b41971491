"""Small tools that every set-up step shares: paths, commands, stamps, one clear kind of failure."""

import contextlib
import fcntl
import hashlib
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
NODE_MODULES = ROOT / "node_modules"
CACHE = ROOT / ".cache"
STAMP_NAME = ".intab-stamp"


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


def say(line: str) -> None:
    print(line, flush=True)


def run(command: Sequence[str | Path], *, doing: str, env: Mapping[str, str] | None = None, quiet: bool = True) -> None:
    """Run a command in the checkout without standard input. Raises SetupError with the last of its output.

    `env` is added to the environment. `quiet` keeps the output back unless it fails.
    """
    words = [str(word) for word in command]
    try:
        result = subprocess.run(
            words,
            cwd=ROOT,
            env=os.environ | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            text=True,
        )
    except FileNotFoundError:
        raise SetupError(f"{doing}: there is no command {words[0]!r} on this machine.") from None
    if result.returncode != 0:
        tail = "\n".join((result.stdout or "").strip().splitlines()[-15:])
        raise SetupError(f"{doing} failed (exit {result.returncode}): {shlex.join(words)}\n{tail}".rstrip())


def output_of(command: Sequence[str]) -> str | None:
    """What a command prints, or None when it is absent or fails."""
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def digest_of_files(paths: Sequence[Path], *extra: str) -> str:
    """One sha256 over the content of files and some texts."""
    total = hashlib.sha256()
    for part in [*(path.read_bytes() for path in paths), *(text.encode() for text in extra)]:
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()


def is_stamped(folder: Path, digest: str) -> bool:
    """Whether a folder was completed for this digest."""
    stamp = folder / STAMP_NAME
    return stamp.is_file() and stamp.read_text() == digest


@contextlib.contextmanager
def stamping(folder: Path, digest: str) -> Iterator[None]:
    """Take the stamp away while a folder is worked on; put the new one there only when all went well."""
    stamp = folder / STAMP_NAME
    stamp.unlink(missing_ok=True)
    yield
    partial = folder / (STAMP_NAME + ".partial")
    partial.write_text(digest)
    partial.replace(stamp)


@contextlib.contextmanager
def only_one(name: str) -> Iterator[None]:
    """Let one process at a time into a block; the others wait, and say so."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another {name} is running here; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
