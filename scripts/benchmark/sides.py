"""The bench page and its workers: intab and its peers in one browser, asked in turn, never two at work."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from selenium.webdriver import Chrome

from benchmark.cases import Case, Feeds, Numbers, native_answer
from intab.cli.checkout import checkout
from intab.cli.chromium import chromium
from intab.cli.serve import serving
from intab.errors import IntabError

ROOT = checkout()
PAGE = Path(__file__).parent / "page"
PACKAGES = Path(__file__).parent / "node_modules"
BUNDLES = PACKAGES / ".bundles"
"""Made by scripts/prepare/tools.py of the scripts that import packages by name."""
ANSWER_SECONDS = 300
OUTPUT = "output.bin"
"""What a worker sends for the desktop to look at."""
CALL = """
const [method, args, done] = arguments;
window.bench[method](...args).then((value) => done({ value }), (error) => done({ error: String(error) }));
"""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Side:
    """Who computes: a worker with a script of the bench page, on so many threads.

    kind: "module", or "classic" for a script that the set-up bundled with its package. patience_s: how long it may take
    to answer, where it is ended after that.
    """

    title: str
    script: str
    threads: int = 1
    kind: str = "module"
    backend: str = "wasm"
    patience_s: float | None = None

    @property
    def key(self) -> str:
        return f"{self.script}:{self.backend}:{self.threads}"


OURS = Side("intab", "ours.js")
THEIRS = Side("onnxruntime-web", "onnxruntime.js")
OURS_TWO = Side("intab, two threads", "ours.js", 2)
THEIRS_TWO = Side("onnxruntime-web, two threads", "onnxruntime.js", 2)
OURS_GPU = Side("intab on WebGPU", "ours.js", backend="webgpu", patience_s=90)
THEIRS_GPU = Side("onnxruntime-web on WebGPU", "onnxruntime.js", backend="webgpu", patience_s=90)
TENSORFLOW = Side("TF.js", "tensorflow.js", kind="classic")
LITERT = Side("LiteRT.js", "litert.js", kind="classic")
JAX = Side("jax-js", "jax.js")


@dataclass(frozen=True, slots=True)
class Folder:
    """Where models and tensors lie that the page fetches."""

    path: Path

    def model(self, name: str) -> Path:
        return self.path / f"{name}.onnx"

    def add(self, name: str, path: Path) -> None:
        """Have the page find the file at `path` under `name`, with the suffix that it has."""
        (self.path / f"{name}{path.suffix}").symlink_to(path)


class Page:
    """The bench page in a browser of its own, asked through a driver."""

    def __init__(self, driver: Chrome, address: str, folder: Folder) -> None:
        self._driver = driver
        self._folder = folder
        self._opened: set[str] = set()
        self.versions: dict[str, str] = {"chromium": driver.capabilities["browserVersion"]}
        driver.set_script_timeout(ANSWER_SECONDS)
        driver.get(f"{address}-/bench/index.html")

    def call(self, method: str, *args: object) -> Any:
        outcome = self._driver.execute_async_script(CALL, method, list(args))
        if "error" in outcome:
            raise IntabError(f"bench page: {outcome['error']}")
        return outcome["value"]

    def ask(self, side: Side, method: str, *args: object) -> Any:
        """Ask a side, whose worker starts when it is first asked."""
        if side.key not in self._opened:
            self.versions |= self.call("open", side.key, side.script, side.threads, side.kind, side.backend)
            self._opened.add(side.key)
        if side.patience_s is not None:
            return self.call("askWithin", side.patience_s, side.key, method, *args)
        return self.call("ask", side.key, method, *args)

    def load(self, side: Side, model: str) -> dict[str, Any]:
        """Have a side load a model; what it says of that."""
        said: dict[str, Any] = self.ask(side, "load", model, f"../files/{model}.onnx")
        return said

    def feed(self, side: Side, case: Case) -> None:
        """Hand a side the tensors of its next runs."""
        for name, array in case.feeds.items():
            url = f"{case.model}.{name.replace('/', '.')}.bin"
            (self._folder.path / url).write_bytes(array.tobytes())
            what = {"name": name, "shape": list(array.shape), "dtype": str(array.dtype), "url": f"../files/{url}"}
            self.ask(side, "feed", case.model, what)

    def outputs(self, side: Side, model: str) -> dict[str, Numbers]:
        """What a side's last run of a model gave."""
        found = {}
        for one in self.ask(side, "outputs", model):
            self.ask(side, "send", model, one["name"], f"../{OUTPUT}")
            found[one["name"]] = np.fromfile(self._folder.path / OUTPUT, one["dtype"]).reshape(one["shape"])
        return found

    def process_nbytes(self) -> int:
        """Memory that only the tab's process has: page, workers, WebAssembly memories and the engine itself."""
        browser = psutil.Process(self._driver.service.process.pid)
        renderers = [one for one in browser.children(recursive=True) if _is_renderer(one)]
        return max(int(one.memory_full_info().uss) for one in renderers)  # the others are empty spares

    def native(self, case: Case) -> Feeds:
        """What native onnxruntime makes of the same tensors."""
        return native_answer(self._folder.model(case.model), case.feeds)


@dataclass(frozen=True, slots=True)
class Stand:
    """A server of the built site and of what the bench page needs; `page` opens it in a fresh browser."""

    address: str
    folder: Folder

    @contextmanager
    def page(self) -> Iterator[Page]:
        with chromium() as driver:
            yield Page(driver, self.address, self.folder)


@contextmanager
def stand(site: Path, models: Mapping[str, Path]) -> Iterator[Stand]:
    """Serve what a bench page needs to load `models`."""
    with tempfile.TemporaryDirectory() as made:
        folder = Folder(Path(made))
        for model, path in models.items():
            folder.add(model, path)
            if path.with_suffix(".tflite").exists():
                folder.add(model, path.with_suffix(".tflite"))
        scripts = folder.path / "page"
        scripts.mkdir()
        # A compute worker's script lies beside the worker's; of a bundled script the bundle is taken.
        sources = {
            source.name: source for source in (*PAGE.iterdir(), ROOT / "web" / "compute.js", *BUNDLES.glob("*.js"))
        }
        for name, source in sources.items():
            (scripts / name).symlink_to(source)
        mounts = {"bench": scripts, "files": folder.path, "packages": PACKAGES}
        with serving(site, mounts=mounts, put=folder.path / OUTPUT) as address:
            yield Stand(address, folder)


def _is_renderer(process: psutil.Process) -> bool:
    """Whether a process of the browser shows a page. One that has just ended does not."""
    try:
        return "--type=renderer" in process.cmdline()
    except psutil.NoSuchProcess:
        return False
