"""What web/worker.js calls once Python is up: who answers which method of the page."""

from collections.abc import Callable
from typing import Any

from intab.browser import net
from intab.browser.page import Handler, PageLink
from intab.pages import device, ocr, runmodel, tunemodel

HANDLERS: dict[str, Handler] = {
    "open_reader": ocr.open_reader,
    "read_picture": ocr.read_picture,
    "run_model": runmodel.run_model,
    "tune_model": tunemodel.tune_model,
    "probe_device": device.probe_device,
}


def serve(post: Callable[[Any, Any], None], downloads: Any) -> Callable[[Any], None]:
    """Answer the page through `post(message, transfer)`; returns what takes its messages.

    downloads: pairs of URL and promise of a Uint8Array, begun before Python ran.
    """
    for url, promise in downloads:
        net.adopt(url, promise)
    return PageLink(post, HANDLERS).receive
