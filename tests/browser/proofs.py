"""What the proofs in this folder share: files for the browser to fetch, and modules to run inside Pyodide."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
FOLDER = "proofs"
INSIDE = {"proofs": HERE / "inside" / "proofs.py", "agreement": HERE.parent / "agreement.py"}
WRITE = """
const [name, text] = {arguments};
pyodide.FS.writeFile(`/home/pyodide/${{name}}.py`, text);
return null;
"""


class Proofs:
    """Files under `/proofs/` of the test server, and `import proofs`, `import agreement` inside Pyodide."""

    def __init__(self, runner: Any, served: Path) -> None:
        self._folder = served / FOLDER
        self._folder.mkdir(exist_ok=True)
        for name, path in INSIDE.items():
            runner.run_js(WRITE.format(arguments=json.dumps([name, path.read_text()])))

    def serve(self, name: str, data: bytes) -> str:
        """The address at which a page of the test server finds `data`."""
        (self._folder / name).write_bytes(data)
        return f"/{FOLDER}/{name}"

    def serve_arrays(self, name: str, **arrays: Any) -> str:
        """The address of an .npz file of arrays."""
        file = io.BytesIO()
        np.savez(file, **arrays)
        return self.serve(name, file.getvalue())
