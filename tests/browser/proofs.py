"""What the proofs in this folder share: files for the browser to fetch, and modules to run inside Pyodide."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "proofs"
INSIDE = ("tests/agreement.py", "tests/browser/inside/proofs.py")
WRITE = """
const [path, text] = {arguments};
const file = "/home/pyodide/" + path;
pyodide.FS.mkdirTree(file.slice(0, file.lastIndexOf("/")));
pyodide.FS.writeFile(file, text);
return null;
"""


class Proofs:
    """Files under `/proofs/` of the test server, and a few modules of `tests` inside Pyodide, to import there."""

    def __init__(self, runner: Any, served: Path) -> None:
        self._folder = served / FOLDER
        self._folder.mkdir(exist_ok=True)
        for path in INSIDE:
            runner.run_js(WRITE.format(arguments=json.dumps([path, (ROOT / path).read_text()])))

    def serve(self, name: str, data: bytes) -> str:
        """The address at which a page of the test server finds `data`."""
        (self._folder / name).write_bytes(data)
        return f"/{FOLDER}/{name}"

    def serve_arrays(self, name: str, **arrays: Any) -> str:
        """The address of an .npz file of arrays."""
        file = io.BytesIO()
        np.savez(file, **arrays)
        return self.serve(name, file.getvalue())
