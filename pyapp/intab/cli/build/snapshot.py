"""The memory of a started core, so that the page need not start it: made in Node, checked there, gzipped."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from intab.cli.build.files import combined_digest, digest_of, made_once
from intab.cli.build.node import run_node, source_of
from intab.cli.build.workshop import Workshop

FILE_NAME = "core-snapshot.bin.gz"

# Modules of the standard library that numpy, micropip and intab import: in memory before the page asks.
IMPORTS = (
    *("abc", "argparse", "ast", "asyncio", "base64", "bisect", "builtins", "calendar", "codecs", "collections.abc"),
    *("contextlib", "contextvars", "copy", "copyreg", "csv", "ctypes", "dataclasses", "datetime", "decimal", "dis"),
    *("email.message", "email.parser", "email.policy", "encodings.cp437", "encodings.idna", "enum", "fnmatch"),
    *("fractions", "functools", "gettext", "hashlib", "heapq", "hmac", "html.parser", "importlib.abc"),
    *("importlib.metadata", "importlib.resources", "importlib.util", "inspect", "io", "itertools", "json"),
    *("linecache", "locale", "logging", "math", "mimetypes", "numbers", "opcode", "operator", "os", "pathlib"),
    *("pickle", "platform", "pprint", "queue", "re", "reprlib", "shutil", "signal", "stat", "statistics", "string"),
    *("struct", "subprocess", "sysconfig", "tarfile", "textwrap", "threading", "time", "token", "tokenize"),
    *("tomllib", "traceback", "types", "typing", "unicodedata", "urllib.parse", "urllib.request", "warnings"),
    *("weakref", "zipfile", "zlib"),
)


def core_snapshot(workshop: Workshop, started: Path) -> Path:
    """The gzipped snapshot of the core as it lies finished in the folder `started`.

    Made once for each core; it counts only after Node has started from it. Raises IntabError when it does not.
    """
    imports = json.dumps(IMPORTS)
    parts = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
    key = combined_digest(
        imports, source_of("snapshot.mjs"), source_of("check.mjs"), *(digest_of(started / name) for name in parts)
    )

    def make(folder: Path) -> None:
        workshop.say("making the core snapshot")
        raw = folder / "raw"
        run_node("snapshot.mjs", started.resolve(), imports, raw, doing="making the core snapshot")
        packed = folder / FILE_NAME
        packed.write_bytes(gzip.compress(raw.read_bytes(), compresslevel=9, mtime=0))
        raw.unlink()
        check_start(started, packed, packages=(), imports=("sys",))

    return made_once(workshop.work / "snapshot" / key[:16], make) / FILE_NAME


def check_start(core: Path, snapshot: Path | None, *, packages: Sequence[str], imports: Sequence[str]) -> str:
    """Start the core under Node as a page does, load the packages, import the modules; return the times as JSON.

    Raises IntabError when any of it fails.
    """
    return run_node(
        *("check.mjs", core.resolve(), "none" if snapshot is None else snapshot.resolve()),
        *(json.dumps(packages), json.dumps(imports)),
        doing="starting the finished core",
    ).strip()
