"""Headless Chromium for tests: the flags it needs here, and a driver for it."""

import shutil
from collections.abc import Sequence

from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from prepare.machine import find_chromium

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in containers
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-webgpu",  # WebGPU on SwiftShader, where there is no GPU
    "--js-flags=--expose-gc",
    "--enable-blink-features=ForceEagerMeasureMemory",  # measureUserAgentSpecificMemory answers at once
)


def start_chromium(extra_flags: Sequence[str] = ()) -> Chrome:
    """A driver over a fresh profile. Whoever calls this quits it."""
    browser, driver = find_chromium(), shutil.which("chromedriver")
    assert browser and driver, "Chromium or chromedriver is missing: run python3 scripts/setup.py"
    options = Options()
    options.binary_location = browser
    for flag in (*FLAGS, *extra_flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Chrome(options=options, service=Service(driver))
