"""backend="auto" on the desktop, as in a browser: with a device made up, and a stand-in for its GPU."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

from intab.graph.storage import Storage
from intab.runtime import Session, load
from intab.runtime.back_end import BackEnd, wasm_back_end
from intab.runtime.device import Choice
from intab.runtime.probe import Device
from intab.runtime.source import Progress, Source, open_source

Load = Callable[..., Session]


def loading_on(device: Device, gpu: BackEnd, monkeypatch: pytest.MonkeyPatch) -> Load:
    """`intab.load`, called with a source and options, where this is the device and its GPU."""

    async def open_and_ask(source: Source, progress: Progress) -> tuple[Storage, Device]:
        return await open_source(source, progress), device

    async def back_end_of(choice: Choice) -> BackEnd:
        return gpu if choice.backend == "webgpu" else wasm_back_end()

    module = sys.modules["intab.runtime.load"]
    monkeypatch.setattr(module, "in_browser", lambda: True)
    monkeypatch.setattr(module, "open_and_ask", open_and_ask)
    monkeypatch.setattr(module, "back_end_of", back_end_of)

    def loaded(source: object, **options: Any) -> Session:
        return asyncio.run(load(source, **options))

    return loaded
