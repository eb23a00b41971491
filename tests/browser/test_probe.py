"""The probe in real Chromium, with features switched off by flags too; `intab doctor`, and the page's table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_pyodide import run_in_pyodide
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from intab.browser.wasm_features import PROBES
from intab.cli import chromium, serve
from intab.cli.host import Host
from intab.cli.main import main
from tests.browser.chromium import start_chromium

SITE = Path(__file__).resolve().parents[2] / "build" / "site"
PAGE_SECONDS = 60


def probed(*flags: str, host: str | None = None) -> dict[str, Any]:
    """The device of a fresh browser with these flags; `host`: the name under which it knows this machine."""
    with serve.serving(SITE) as address, chromium.chromium(flags) as driver:
        if host is not None:
            address = address.replace(str(urlsplit(address).hostname), host)
        device: dict[str, Any] = Host(driver, address).probe()["device"]
    return device


def reasons(device: dict[str, Any]) -> dict[str, str]:
    return {note["about"]: f"{note['why']}. {note['remedy']}" for note in device["notes"]}


def test_doctor_tells_of_the_desktop_and_of_the_browser(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--json", "--flag=--use-fake-device-for-media-stream"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"desktop", "browser"}
    assert told["desktop"]["place"] == "desktop" and "relaxed-simd" in told["desktop"]["wasm"]
    device = told["browser"]
    assert (device["place"], device["origin"], device["is_secure"], device["is_isolated"]) == (
        "browser",
        "http",
        True,
        True,
    )
    assert device["wasm"] == list(PROBES)
    assert device["jspi"] and device["offscreen_canvas"]
    assert device["processors"] >= 1 and device["memory_nbytes"] > 0
    assert device["storage"]["quota_nbytes"] > 0 and device["storage"]["persisted"] is False
    for name in ("camera", "microphone"):
        assert device[name] == {"api": True, "connected": True, "permission": "prompt"}
    gpu, webgl = device["webgpu"], device["webgl"]
    assert gpu["vendor"] and gpu["limits"]["maxBufferSize"] >= 1 << 28 and gpu["limits"]["maxBindGroups"] >= 4
    assert ("subgroups" in gpu["features"]) == (gpu["subgroup_sizes"] is not None)
    assert gpu["language_features"]
    assert webgl["renderer"] and webgl["float_targets"] and webgl["limits"]["MAX_TEXTURE_SIZE"] >= 2048
    assert ("webgpu" in reasons(device)) == gpu["is_software"]


def test_doctor_prints_a_table(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for group in ("Python", "Page", "WebAssembly", "WebGPU", "WebGL2", "Storage", "Camera and sound"):
        assert group in lines
    assert any(line.split()[:2] == ["relaxed-simd", "yes"] for line in lines)


def test_without_sse4_there_is_no_simd():
    device = probed("--js-flags=--no-enable-sse4-1")
    assert device["wasm"] == [name for name in PROBES if name not in ("simd", "relaxed-simd")]
    assert "does not have it. Use a browser" in reasons(device)["simd"]


def test_without_the_flag_for_unsafe_webgpu_there_is_no_adapter(monkeypatch: pytest.MonkeyPatch):
    flags = [flag for flag in chromium.FLAGS if flag != "--enable-unsafe-webgpu"]
    assert len(flags) == len(chromium.FLAGS) - 1
    monkeypatch.setattr(chromium, "FLAGS", flags)
    device = probed()
    assert device["webgpu"] is None and device["webgl"] is not None
    assert "no adapter for it. Turn on graphics acceleration" in reasons(device)["webgpu"]


def test_without_software_rendering_there_is_neither_webgpu_nor_webgl():
    device = probed("--disable-software-rasterizer")
    assert device["webgpu"] is None and device["webgl"] is None
    assert {"webgpu", "webgl2"} <= set(reasons(device))
    assert device["wasm"] == list(PROBES)


def test_without_headers_the_page_is_not_isolated(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(serve, "HEADERS", {"Cache-Control": "no-store"})
    device = probed()
    assert not device["is_isolated"] and device["is_secure"]
    assert "cannot share memory. Have the server send the headers" in reasons(device)["isolation"]
    assert "SharedArrayBuffer" in reasons(device)["threads"]


def test_a_page_by_http_from_elsewhere_is_not_trusted():
    device = probed("--host-resolver-rules=MAP site.test 127.0.0.1", host="site.test")
    assert not device["is_secure"] and not device["is_isolated"]
    assert (device["webgpu"], device["storage"], device["camera"]["api"]) == (None, None, False)
    told = reasons(device)
    for name in ("secure context", "webgpu", "storage"):
        assert "Serve the page by https" in told[name]


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
