"""Run the scripts of `inside/` under Node, where Pyodide's own Python does the work."""

import subprocess
from importlib.resources import as_file, files
from pathlib import Path

from intab.errors import IntabError

INSIDE = files("intab.cli.build") / "inside"


def source_of(name: str) -> str:
    """The text of a file of `inside/`; it is part of the digest of what it makes."""
    return (INSIDE / name).read_text(encoding="utf-8")


def run_node(script: str, *arguments: str | Path, doing: str) -> str:
    """Run a script of `inside/` and return what it printed. Raises IntabError with the last of its output."""
    with as_file(INSIDE) as folder:
        command = ["node", str(folder / script), *map(str, arguments)]
        try:
            result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        except FileNotFoundError:
            raise IntabError(f"{doing}: Node is missing. Install Node 20 or newer.") from None
    if result.returncode != 0:
        tail = "\n".join((result.stdout + result.stderr).strip().splitlines()[-15:])
        raise IntabError(f"{doing} failed under Node (exit {result.returncode}):\n{tail}")
    return result.stdout
