"""Real Chromium with features switched off: what the probe finds, what is chosen, and a right answer all the same.

Where Chromium has a switch it is used. Its version 156 has none for what has long been part of every browser: relaxed
SIMD, SharedArrayBuffer on an isolated page, OffscreenCanvas, JSPI and navigator.gpu itself. There a script that the
kernel worker runs before its own takes the feature away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from intab.browser.wasm_features import PROBES
from intab.cli import chromium, serve
from intab.cli.host import Host
from intab.runtime.device import useful_threads
from intab.runtime.probe import Device
from tests.agreement import assert_agree
from tests.browser.test_probe import SITE, reasons

UNSAFE_WEBGPU = "--enable-unsafe-webgpu"
RUN_SECONDS = 120
SWITCH = "switched-off.js"

# Nothing with an instruction of relaxed SIMD (0xfd, then 0x100 to 0x113 in LEB128) validates or compiles.
NO_RELAXED_SIMD = """
const relaxed = (bytes) => bytes.some(
  (byte, at) => byte === 0xfd && bytes[at + 1] >= 0x80 && bytes[at + 1] <= 0x93 && bytes[at + 2] === 2);
const { validate, instantiate } = WebAssembly;
WebAssembly.validate = (bytes) => !relaxed(bytes) && validate(bytes);
WebAssembly.instantiate = async (source, imports) => {
  const isKernels = source instanceof Uint8Array && Object.keys(imports?.env ?? {}).join() === "memory";
  if (isKernels && relaxed(source)) throw new WebAssembly.CompileError("relaxed SIMD is switched off");
  return instantiate(source, imports);
};
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Off:
    """One thing switched off: by Chromium's flags, by headers that are not sent, or by a script in the worker."""

    name: str
    flags: tuple[str, ...] = ()
    without: str = ""
    headers: bool = True
    script: str = ""
    lost: Mapping[str, Any]
    about: str
    words: str
    backend: str = "wasm"
    alone: bool = False

    def __str__(self) -> str:
        return self.name


WHOLE = tuple(PROBES)
OFF = (
    Off(
        name="WebGPU by flag",
        without=UNSAFE_WEBGPU,
        lost={"webgpu": None},
        about="webgpu",
        words="no adapter for it. Turn on graphics acceleration",
    ),
    Off(
        name="WebGPU by script",
        script="delete WorkerNavigator.prototype.gpu;",
        lost={"webgpu": None},
        about="webgpu",
        words="no WebGPU, or it is switched off. Use a current",
    ),
    Off(
        name="a GPU of hardware, so that there is the software adapter",
        lost={},
        about="webgpu",
        words="which WebAssembly outruns. Turn on graphics acceleration",
    ),
    Off(
        name="a GPU that is none by the browser's own word",
        script="Object.defineProperties(GPUAdapterInfo.prototype, { isFallbackAdapter: { get: () => true }, "
        + ", ".join(f"{name}: {{ get: () => 'x' }}" for name in ("vendor", "architecture", "device", "description"))
        + " });",
        lost={},
        about="webgpu",
        words="the adapter is software (x), which WebAssembly outruns",
    ),
    Off(
        name="SIMD by flag",
        flags=("--js-flags=--no-enable-sse4-1",),
        lost={"wasm": tuple(name for name in WHOLE if name not in ("simd", "relaxed-simd"))},
        about="simd",
        words="does not have it. Use a browser",
        backend="webgpu",
    ),
    Off(
        name="relaxed SIMD by script",
        script=NO_RELAXED_SIMD,
        lost={"wasm": tuple(name for name in WHOLE if name != "relaxed-simd")},
        about="relaxed-simd",
        words="does not have it. A current Chrome, Edge or Firefox has it",
    ),
    Off(
        name="isolation by headers",
        headers=False,
        lost={"is_isolated": False, "wasm": tuple(name for name in WHOLE if name != "threads")},
        about="isolation",
        words="cannot share memory. Have the server send the headers",
        alone=True,
    ),
    Off(
        name="SharedArrayBuffer by script",
        script="delete self.SharedArrayBuffer;",
        lost={"wasm": tuple(name for name in WHOLE if name != "threads")},
        about="threads",
        words="no SharedArrayBuffer to share. Use a current browser",
        alone=True,
    ),
    Off(
        name="OffscreenCanvas by script",
        script="delete self.OffscreenCanvas;",
        lost={"offscreen_canvas": False, "webgl": None},
        about="offscreen canvas",
        words="no OffscreenCanvas. Use a browser",
    ),
    Off(
        name="JSPI by script",
        script="delete WebAssembly.Suspending; delete WebAssembly.promising;",
        lost={"jspi": False},
        about="jspi",
        words="cannot suspend WebAssembly (JavaScript Promise Integration). Chrome and Edge have it",
    ),
    Off(
        name="deviceMemory, which throws",
        script="Object.defineProperty(navigator, 'deviceMemory', { get() { throw new Error('not for you'); } });",
        lost={"memory_nbytes": None},
        about="memory",
        words="asking failed (Error: not for you). Nothing to do: 4 GiB are assumed",
    ),
    Off(
        name="storage's answers, which never come",
        script="StorageManager.prototype.estimate = () => new Promise(() => undefined);",
        lost={},
        about="storage",
        words="the browser gave no answer in 5 s. ",
    ),
)


@pytest.fixture(scope="module")
def model(
    ocr_models: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, dict[str, Any]]:
    """A small model, a file of feeds for it, and what onnxruntime makes of them."""
    session = onnxruntime.InferenceSession(ocr_models["cls"], providers=["CPUExecutionProvider"])
    x = np.random.default_rng(5).standard_normal((1, 3, 48, 192)).astype(np.float32)
    feeds = {session.get_inputs()[0].name: x}
    path = tmp_path_factory.mktemp("model") / "feeds.npz"
    np.savez(path, allow_pickle=False, **feeds)
    names = [output.name for output in session.get_outputs()]
    return ocr_models["cls"], path, dict(zip(names, session.run(names, feeds), strict=True))


def switched_off(script: str, folder: Path) -> Path:
    """The site, with a worker that runs `script` before all else."""
    site = folder / "site"
    site.mkdir()
    for path in SITE.iterdir():
        (site / path.name).symlink_to(path)
    worker = (site / "worker.js").read_text()
    (site / "worker.js").unlink()
    (site / "worker.js").write_text(f'import "./{SWITCH}";\n{worker}')
    (site / SWITCH).write_text(script)
    return site


@pytest.mark.parametrize("off", OFF, ids=str)
def test_what_is_off_is_told_and_the_answer_is_right_without_it(
    off: Off, model: tuple[Path, Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(chromium, "FLAGS", tuple(flag for flag in chromium.FLAGS if flag != off.without))
    if not off.headers:
        monkeypatch.setattr(serve, "HEADERS", {"Cache-Control": "no-store"})
    site = switched_off(off.script, tmp_path) if off.script else SITE
    path, feeds, expected = model
    fetches = tmp_path / "fetches"
    mounts = {"model": path.parent, "feeds": feeds}
    with serve.serving(site, mounts=mounts, put=fetches) as address, chromium.chromium(off.flags) as driver:
        host = Host(driver, address)
        device = Device.from_dict(host.probe()["device"])
        arguments: dict[str, Any] = {
            "model": f"./-/model/{path.name}",
            "feeds": "./-/feeds",
            "dims": {},
            "backend": "auto",
            "threads": None,
            "repeat": 1,
            "fetch": True,
            "profile": False,
        }
        report = host.call("run_model", arguments, seconds=RUN_SECONDS)

    whole = {"is_secure": True, "is_isolated": True, "wasm": WHOLE, "jspi": True, "offscreen_canvas": True}
    for name, value in (whole | dict(off.lost)).items():
        assert getattr(device, name) == value, name
    for name in {"webgpu", "webgl", "storage", "memory_nbytes"} - set(off.lost):
        assert getattr(device, name) is not None, name
    assert off.words in reasons(device)[off.about]
    assert [row.name for row in device.rows() if row.has is False and not row.note] == []

    assert report["backend"] == off.backend
    assert 1 <= report["threads"] <= (1 if off.alone or off.backend != "wasm" else useful_threads(device.processors))
    with np.load(fetches) as found:
        assert_agree(dict(found), expected, 1e-3)
