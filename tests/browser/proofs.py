"""What the proofs in this folder share: files for the browser to fetch, and modules to run inside Pyodide."""

import io
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHARED = ("tests/agreement.py", "tests/pictures.py")
INSIDE = (*SHARED, *(f"tests/browser/inside/{path.name}" for path in (HERE / "inside").glob("*.py")))
WRITE = """
const [path, text] = {arguments};
const file = "/home/pyodide/" + path;
pyodide.FS.mkdirTree(file.slice(0, file.lastIndexOf("/")));
pyodide.FS.writeFile(file, text);
return null;
"""


class Proofs:
    """Files in an own folder of the test server, and a few modules of `tests` inside Pyodide, to import there."""

    def __init__(self, runner: Any, served: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="proofs-", dir=served))
        for path in INSIDE:
            runner.run_js(WRITE.format(arguments=json.dumps([path, (ROOT / path).read_text()])))

    def serve(self, name: str, data: bytes) -> str:
        """The address at which a page of the test server finds `data`."""
        (self._folder / name).write_bytes(data)
        return f"/{self._folder.name}/{name}"

    def serve_arrays(self, name: str, **arrays: Any) -> str:
        """The address of an .npz file of arrays."""
        file = io.BytesIO()
        np.savez(file, **arrays)
        return self.serve(name, file.getvalue())

    def remove(self) -> None:
        """Take the files away."""
        shutil.rmtree(self._folder)
