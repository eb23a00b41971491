"""Headless Chromium as the command line starts it, with what tests need besides."""

from collections.abc import Sequence

from selenium.webdriver import Chrome

from intab.cli import chromium

FLAGS = (
    "--js-flags=--expose-gc",
    "--enable-blink-features=ForceEagerMeasureMemory",  # measureUserAgentSpecificMemory answers at once
)


def start_chromium(extra_flags: Sequence[str] = ()) -> Chrome:
    """A driver over a fresh profile. Whoever calls this quits it."""
    return chromium.start_chromium((*FLAGS, *extra_flags))
