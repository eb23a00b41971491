"""The folder that the browser tests are served from: the built site, and what pytest-pyodide needs beside it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

from pytest_pyodide.server import DefaultHandler

from intab.cli.build.files import replacing
from intab.cli.build.lockfile import LockedWheel, write_lock
from intab.cli.build.materials import read_materials
from intab.cli.build.publish import publish
from intab.cli.build.site import Layout
from intab.cli.build.workshop import Repack, Workshop

# What pages of the site get from a host that isolates them; no-store, since tests follow builds within seconds.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-store",
}


def make_served_folder(root: Path) -> Path:
    """`build/testing/`: the site under `site/`, the wheels that tests load, and one lock over both.

    pytest-pyodide looks for `pyodide-lock.json` and `pyodide.mjs` at the top of what it serves, where its own worker
    lies, and intab for `compute.js` beside the worker that it runs in.
    """
    layout = Layout(root)
    folder = root / "build" / "testing"
    if not (layout.site / "site.json").is_file():
        raise FileNotFoundError(f"{layout.site} holds no finished site: run python3 scripts/build.py")
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "site"
    if not link.is_symlink():
        link.symlink_to("../site", target_is_directory=True)

    materials = read_materials(root)
    workshop = Workshop(layout.work, layout.core, print)
    shipped = [entry for entry in materials.wheels if entry.use != "tests"]
    extra = [entry for entry in materials.wheels if entry.use == "tests"]
    compiled = workshop.compiled([Repack("wheel", materials.wheel_path(entry), entry.left_out) for entry in extra])
    wheels = [
        LockedWheel(materials.wheel_path(entry), layout.site / "pyodide" / name, f"site/pyodide/{name}")
        for entry in shipped
        for name in [entry.artifact.file_name]
    ]
    wheels += [
        LockedWheel(materials.wheel_path(entry), path, path.name) for entry, path in zip(extra, compiled, strict=True)
    ]
    publish(folder, {path.name: path for path in compiled})
    publish(folder, {"pyodide.mjs": b'export { loadPyodide } from "./site/pyodide/pyodide.mjs";\n'})
    publish(folder, {"compute.js": b'import "./site/compute.js";\n'})
    with replacing(folder / "pyodide-lock.json") as partial_lock:
        write_lock(partial_lock, core=layout.core, wheels=wheels)
    return folder


@contextmanager
def serve(folder: Path) -> Iterator[int]:
    """Serve a folder on a free port of this machine; yield the port.

    Threads, since a page fetches several files at once and pytest-pyodide's own server takes them one by one.
    """
    handler = partial(QuietHandler, directory=str(folder), extra_headers=HEADERS)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="test-server", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class QuietHandler(DefaultHandler):
    """pytest-pyodide's handler (it also serves that package's own pages) without a line for each request."""

    def log_message(self, format_: str, *args: object) -> None:
        pass


def load_script() -> str:
    """The JavaScript that brings Pyodide up as the site does: snapshot, packages, and intab through micropip."""
    return f"""
    const top = self.location.origin + "/";
    const base = top + "site/";
    const site = await (await fetch(base + "site.json")).json();
    const {{ loadPyodide }} = await import(base + "pyodide/pyodide.mjs");
    const packed = await fetch(new URL(site.pyodide.snapshot.url, base));
    const unpacked = new Response(packed.body.pipeThrough(new DecompressionStream("gzip")));
    const pyodide = await loadPyodide({{
        indexURL: base + "pyodide/",
        lockFileURL: top + "pyodide-lock.json",
        packageBaseUrl: top,
        _loadSnapshot: new Uint8Array(await unpacked.arrayBuffer()),
    }});
    const failures = [];
    const quiet = {{ messageCallback: () => {{}}, errorCallback: (message) => failures.push(message) }};
    await pyodide.loadPackage([...site.packages, ...{json.dumps(["pytest", "tblib"])}], quiet);
    if (failures.length > 0) throw new Error(failures.join("; "));
    const micropip = pyodide.pyimport("micropip");
    const wheels = site.wheels.map((wheel) => new URL(wheel, base).href);
    await micropip.install.callKwargs(wheels, {{ deps: false }});
    micropip.destroy();
    """
