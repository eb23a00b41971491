"""The probe in real Chromium, with features switched off by flags too; `intab doctor`, and the page's table."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pytest_pyodide import run_in_pyodide
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from intab.browser.facts import MediaFacts
from intab.browser.wasm_features import PROBES
from intab.cli import chromium, serve
from intab.cli.host import Host
from intab.cli.main import main
from intab.errors import BackendUnavailableError
from intab.runtime.choose import decide
from intab.runtime.demand import Demand, Variant
from intab.runtime.device import useful_threads
from intab.runtime.probe import Device
from tests.browser.chromium import start_chromium
from tests.browser.main_thread import CALL, MainThread
from tests.browser.proofs import Proofs

SITE = Path(__file__).resolve().parents[2] / "build" / "site"
PAGE_SECONDS = 60


# Some 5 GFLOP and 100 MB of weights.
MODEL = Demand(
    flops=5 * 10**9,
    values_nbytes=10**8,
    steps=100,
    arena_nbytes=10**7,
    largest_nbytes=10**7,
    variants=(Variant("float32", 10**8), Variant("int8", 25 * 10**6)),
)


def probed(*flags: str, host: str | None = None) -> Device:
    """The device of a fresh browser with these flags; `host`: the name under which it knows this machine."""
    with serve.serving(SITE) as address, chromium.chromium(flags) as driver:
        if host is not None:
            address = address.replace(str(urlsplit(address).hostname), host)
        return Device.from_dict(Host(driver, address).probe()["device"])


def reasons(device: Device) -> dict[str, str]:
    return {note.about: f"{note.why}. {note.remedy}" for note in device.notes}


def test_doctor_tells_of_the_desktop_and_of_the_browser(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--json", "--flag=--use-fake-device-for-media-stream"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"desktop", "browser"}
    desktop, device = Device.from_dict(told["desktop"]), Device.from_dict(told["browser"])
    assert desktop.place == "desktop" and "relaxed-simd" in (desktop.wasm or ())
    assert (device.place, device.origin, device.is_secure, device.is_isolated) == ("browser", "http", True, True)
    assert device.wasm == tuple(PROBES)
    assert device.jspi and device.offscreen_canvas
    assert device.processors >= 1 and (device.memory_nbytes or 0) > 0
    assert device.storage is not None and (device.storage.free_nbytes or 0) > 0 and device.storage.persisted is False
    assert device.camera == device.microphone == MediaFacts(api=True, connected=True, permission="prompt")
    gpu, webgl = device.webgpu, device.webgl
    assert gpu is not None and webgl is not None
    assert gpu.vendor and gpu.limits["maxBufferSize"] >= 1 << 28 and gpu.limits["maxBindGroups"] >= 4
    assert ("subgroups" in gpu.features) == (gpu.subgroup_sizes is not None)
    assert gpu.language_features
    assert webgl.renderer and webgl.float_targets and webgl.limits["MAX_TEXTURE_SIZE"] >= 2048
    assert ("webgpu" in reasons(device)) == gpu.is_software
    assert [row.name for row in device.rows() if row.has is False and not row.note] == []


def test_doctor_prints_a_table_and_what_would_run_a_model(
    ocr_models: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
):
    assert main(["doctor", str(ocr_models["cls"])]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    for group in ("Python", "Page", "WebAssembly", "WebGPU", "WebGL2", "Storage", "Camera and sound"):
        assert group in lines
    assert any(line.split()[:2] == ["relaxed-simd", "yes"] for line in lines)
    told = out[out.index(str(ocr_models["cls"])) :]
    assert "sizes taken for granted: x:0=1" in told
    assert sum(line.endswith("chosen") for line in told.splitlines()) == 1


def test_doctor_refuses_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "nowhere.onnx"]) == 1
    assert capsys.readouterr().err == "error: nowhere.onnx: there is no such file. Check the path.\n"


def test_without_sse4_there_is_no_simd_and_no_webassembly_to_choose():
    device = probed("--js-flags=--no-enable-sse4-1")
    assert device.wasm == tuple(name for name in PROBES if name not in ("simd", "relaxed-simd"))
    assert "does not have it. Use a browser" in reasons(device)["simd"]
    choice = decide(device, MODEL)
    assert choice.backend == "webgpu"
    assert any(reason.startswith("not wasm: this browser's WebAssembly does not have it") for reason in choice.reasons)


def test_without_the_flag_for_unsafe_webgpu_there_is_no_adapter(monkeypatch: pytest.MonkeyPatch):
    flags = [flag for flag in chromium.FLAGS if flag != "--enable-unsafe-webgpu"]
    assert len(flags) == len(chromium.FLAGS) - 1
    monkeypatch.setattr(chromium, "FLAGS", flags)
    device = probed()
    assert device.webgpu is None and device.webgl is not None
    assert "no adapter for it. Turn on graphics acceleration" in reasons(device)["webgpu"]
    choice = decide(device, MODEL)
    assert (choice.backend, choice.threads) == ("wasm", useful_threads(device.processors))
    assert "not webgpu: the browser has WebGPU but no adapter for it" in str(choice)
    with pytest.raises(BackendUnavailableError, match="no adapter for it"):
        decide(device, MODEL, backend="webgpu")


def test_with_the_software_adapter_webassembly_is_chosen():
    device = probed()
    assert device.webgpu is not None and device.webgpu.is_software
    choice = decide(device, MODEL)
    assert choice.backend == "wasm" and "the adapter is software" in str(choice)
    assert decide(device, MODEL, backend="webgpu").backend == "webgpu"


def test_without_software_rendering_there_is_neither_webgpu_nor_webgl():
    device = probed("--disable-software-rasterizer")
    assert device.webgpu is None and device.webgl is None
    assert {"webgpu", "webgl2"} <= set(reasons(device))
    assert device.wasm == tuple(PROBES)
    assert decide(device, MODEL).backend == "wasm"


def test_without_headers_the_page_is_not_isolated_and_one_thread_computes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(serve, "HEADERS", {"Cache-Control": "no-store"})
    device = probed()
    assert not device.is_isolated and device.is_secure
    assert "cannot share memory. Have the server send the headers" in reasons(device)["isolation"]
    assert "SharedArrayBuffer" in reasons(device)["threads"]
    choice = decide(device, MODEL)
    assert choice.threads == 1 and "one thread, since the page is not cross-origin isolated" in choice.reasons
    with pytest.raises(BackendUnavailableError, match="not cross-origin isolated"):
        decide(device, MODEL, threads=2)


def test_a_page_by_http_from_elsewhere_is_not_trusted():
    device = probed("--host-resolver-rules=MAP site.test 127.0.0.1", host="site.test")
    assert not device.is_secure and not device.is_isolated
    assert (device.webgpu, device.storage, device.camera.api) == (None, None, False)
    for name in ("secure context", "webgpu", "storage"):
        assert "Serve the page by https" in reasons(device)[name]
    choice = decide(device, MODEL)
    assert (choice.backend, choice.threads) == ("wasm", 1)
    assert "nothing can be kept here, so that the model is downloaded at each visit" in choice.reasons


@run_in_pyodide
async def asked_by_an_author(selenium, rounds):
    import gc

    import pyodide_js

    import intab
    from intab.browser import proxies

    def alive():
        gc.collect()
        return [pyodide_js._module.hiwire.num_keys(), proxies.live()]

    device = await intab.probe()
    text, page, notes = str(device), device._repr_html_(), [str(note) for note in device.notes]
    before = alive()
    for _ in range(rounds):
        assert await intab.probe() == device
    return text, page, notes, device.can_share_memory, before, alive()


def test_an_author_asks_in_the_worker_and_nothing_is_left_behind(selenium):
    text, page, notes, can_share_memory, before, after = asked_by_an_author(selenium, 5)
    assert "\nWebAssembly\n" in text and "<table>" in page
    assert can_share_memory is True
    assert any(note.startswith("camera: only the page can tell") for note in notes)
    assert after == before


@run_in_pyodide
async def with_a_browser_that_answers(selenium, answer):
    import js
    from pyodide.code import run_js

    from intab.browser import asking
    from intab.runtime.probe import probe

    gpu, patience = js.navigator.gpu, asking.PATIENCE_SECONDS
    asking.PATIENCE_SECONDS = 0.3
    gpu.requestAdapter = run_js(answer)
    try:
        device = await probe()
    finally:
        asking.PATIENCE_SECONDS = patience
        js.Reflect.deleteProperty(gpu, "requestAdapter")
    note = device.note("webgpu")
    return device.webgpu is None, device.wasm is not None, note and note.why


@pytest.mark.parametrize(
    "answer, words",
    [
        ("() => new Promise(() => undefined)", "the browser gave no answer in 0.3 s"),
        ("() => { throw new RangeError('none'); }", "asking failed (RangeError: none)"),
        ("() => Promise.reject(new DOMException('blocked', 'OperationError'))", "(OperationError: blocked)"),
        ("() => { throw 'plain words'; }", "plain words"),
        # Pyodide lets those wait for ever who wait for a promise that is rejected with no Error.
        ("() => Promise.reject('plain words')", "the browser gave no answer in 0.3 s"),
        ("() => Promise.resolve()", "no adapter for it"),
        ("() => null", "no adapter for it"),
    ],
)
def test_nothing_that_a_browser_does_is_raised(selenium, answer: str, words: str):
    without_gpu, with_wasm, why = with_a_browser_that_answers(selenium, answer)
    assert without_gpu and with_wasm
    assert words in why


@run_in_pyodide
async def with_an_adapter_that_hides(selenium, name):
    import js
    from pyodide.code import run_js

    from intab.runtime.probe import probe

    gpu = js.navigator.gpu
    gpu.requestAdapter = run_js(
        """(name) => async (options) => {
          const adapter = await GPU.prototype.requestAdapter.call(navigator.gpu, options);
          return Object.defineProperty(adapter, name, { get() { throw new Error("secret"); } });
        }"""
    )(name)
    try:
        device = await probe()
    finally:
        js.Reflect.deleteProperty(gpu, "requestAdapter")
    return device.webgpu and device.webgpu.is_software, [
        note.about for note in device.notes if "(Error: secret)" in note.why
    ]


@pytest.mark.parametrize(
    "name, told", [("info", ["adapter", "subgroup sizes"]), ("features", ["features"]), ("limits", ["limits"])]
)
def test_what_an_adapter_hides_is_lost_alone_and_it_counts_as_software(selenium, name: str, told: list[str]):
    assert with_an_adapter_that_hides(selenium, name) == (True, told)


def test_python_in_a_page_sees_media_devices_itself(site_url: str, proofs: Proofs):
    driver = start_chromium(["--use-fake-device-for-media-stream"])
    try:
        MainThread(driver, site_url.removesuffix("/site/"), proofs)
        program = "import intab, json\njson.dumps((await intab.probe()).as_dict())"
        device = Device.from_dict(json.loads(driver.execute_async_script(CALL, program)))
    finally:
        driver.quit()
    assert device.camera == MediaFacts(api=True, connected=True, permission="prompt")
    assert device.webgpu is not None and device.webgl is not None and device.is_isolated


@pytest.mark.parametrize(
    "answer, words",
    [
        ("() => new Promise(() => undefined)", "asking failed (Error: no answer in 5 s)"),
        ("() => { throw new RangeError('none'); }", "asking failed (RangeError: none)"),
        ("() => Promise.reject(new DOMException('blocked', 'NotAllowedError'))", "(NotAllowedError: blocked)"),
    ],
)
def test_a_page_that_cannot_ask_for_media_devices_says_so(answer: str, words: str):
    source = f"MediaDevices.prototype.enumerateDevices = {answer};"
    with serve.serving(SITE) as address, chromium.chromium() as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
        device = Device.from_dict(Host(driver, address).probe()["device"])
    assert device.camera == device.microphone == MediaFacts(permission="prompt")
    for name in ("camera", "microphone"):
        assert words in reasons(device)[name] and "choose a file instead" in reasons(device)[name]
    assert device.is_isolated and device.webgpu is not None


@pytest.fixture(scope="module")
def opened(site_url: str) -> Iterator[Chrome]:
    """The page, with its section open by keyboard: Tab as often as it takes, then Enter."""
    driver = start_chromium(["--window-size=1200,900", "--enable-unsafe-swiftshader"])
    try:
        driver.get(site_url)
        for _ in range(10):
            ActionChains(driver).send_keys(Keys.TAB).perform()
            if driver.execute_script("return document.activeElement.matches('#device > summary')"):
                break
        ActionChains(driver).send_keys(Keys.ENTER).perform()
        WebDriverWait(driver, PAGE_SECONDS, 0.05).until(
            lambda driver: driver.find_element(By.ID, "device-table").is_displayed()
        )
        yield driver
    finally:
        driver.quit()


def test_the_page_shows_the_device(opened: Chrome):
    rows = opened.execute_script(
        """return [...document.querySelectorAll("#device-table tr")].map((row) =>
          [row.className, ...[...row.cells].map((cell) => cell.textContent)])"""
    )
    found = {row[1]: row for row in rows}
    assert found["WebAssembly"] == ["", "WebAssembly"]
    assert found["relaxed-simd"] == ["there", "relaxed-simd", "yes"]
    assert found["camera"][0] == "missing"
    assert "Connect one." in found["camera"][2]
    missing = sum(row[0] == "missing" for row in rows)
    assert opened.find_element(By.ID, "device-line").text == f"Missing: {missing}. Each row says why."
    scopes = opened.execute_script(
        "return [...document.querySelectorAll('#device-table th')].map((cell) => cell.getAttribute('scope'))"
    )
    assert set(scopes) == {"row", "rowgroup"}


def test_the_table_is_copied_as_text(opened: Chrome):
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    opened.execute_cdp_cmd("Browser.grantPermissions", {"permissions": permissions})
    opened.find_element(By.ID, "device-copy").click()
    WebDriverWait(opened, 5).until(lambda driver: driver.find_element(By.ID, "device-line").text == "Copied.")
    copied = opened.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert "\nWebGPU\n" in copied and "isolation" in copied


def test_the_table_fits_a_narrow_window(opened: Chrome):
    opened.set_window_size(500, 900)
    try:
        over = opened.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        assert over <= 0
    finally:
        opened.set_window_size(1200, 900)


def test_nothing_complains_in_the_console(opened: Chrome):
    assert [entry["message"] for entry in opened.get_log("browser")] == []


def test_doctor_says_so_where_there_is_no_browser(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(chromium, "BROWSERS", ("no-such-browser",))
    assert main(["doctor"]) == 1
    captured = capsys.readouterr()
    assert "CPython" in captured.out
    assert "error: Chromium is not on this machine" in captured.err
