"""Headless Chromium with a profile of its own, driven through selenium."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from intab.errors import BackendUnavailableError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-first-run",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-webgpu",  # WebGPU without a GPU, in software
)


def start_chromium(extra_flags: Sequence[str] = ()) -> Chrome:
    """A driver over a fresh profile; whoever calls this quits it. Raises BackendUnavailableError without one."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver_path = shutil.which("chromedriver")
    if browser is None or driver_path is None:
        missing = "Chromium" if browser is None else "chromedriver"
        raise BackendUnavailableError(
            f"{missing} is not on this machine: run python3 scripts/setup.py, or install chromium and chromium-driver."
        )
    options = Options()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Chromium refuses to sandbox when it runs as root, which containers do; it only opens pages of this machine here.
    sandbox = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    for flag in (*FLAGS, *sandbox, *extra_flags):
        options.add_argument(flag)
    try:
        return Chrome(options=options, service=Service(driver_path))
    except WebDriverException as error:
        raise BackendUnavailableError(f"{browser} did not start: {(error.msg or '').strip()}") from error


@contextmanager
def chromium(extra_flags: Sequence[str] = ()) -> Iterator[Chrome]:
    """`start_chromium`, quit on leaving."""
    driver = start_chromium(extra_flags)
    try:
        yield driver
    finally:
        driver.quit()
